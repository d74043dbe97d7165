"""The container runtime's side of CNI: which network this node has, and how its plugins are called one after the other.

The network is the first valid file, by name, in /etc/cni/net.d. ADD runs its plugins from first to last, each with
the result of the one before as ``prevResult``; DEL runs them from last to first with the final result, which is why
that is kept in a file (libcni's cache). Configurations on standard input, parameters in the environment: any program
could stand there.

Left out: GC, STATUS, and networks other than the first (a meta-plugin calls those itself).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Generator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import spec
from k8slearn.cni.plugins import PLUGINS
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command, Commands, Key, Put, Remove, Table, World
from k8slearn.linux.program import Call

CONFIG_DIR = "/etc/cni/net.d/"
BINARIES = "/opt/cni/bin"
RESULTS = "/var/lib/cni/results/"
LOOPBACK = '{"cniVersion":"0.3.1","name":"cni-loopback","plugins":[{"type":"loopback"}]}'
"""What containerd runs before the network itself, on ``lo``."""


class Network(NamedTuple):
    """A network configuration list: its text, and what it says."""

    text: str
    name: str
    version: str
    types: tuple[str, ...]


class Attachment(NamedTuple):
    """One container's end of a network: all that the plugins are told of it."""

    node: str
    """The scope of the machine."""
    container_id: str
    netns: str
    """The path that stands for the network namespace."""
    ifname: str
    args: str = ""
    """CNI_ARGS: ``K8S_POD_NAMESPACE=default;K8S_POD_NAME=web``."""
    capabilities: str = "{}"
    """JSON: what a plugin may ask for (``{"portMappings": [...]}``)."""


def network(world: World, node: str) -> Network | None:
    """The network of this node's pods: the first valid configuration by name, or None."""
    return world.table(node, "file").index(_network)


def _network(files: Table) -> Network | None:
    paths = sorted(str(path) for path in files if str(path).startswith(CONFIG_DIR))
    found = (parse(path, files[path]) for path in paths if path.endswith((".conflist", ".conf", ".json")))
    return next((network for network in found if network is not None), None)


@lru_cache(maxsize=256)
def parse(path: str, text: str) -> Network | None:
    """A configuration file, or None where it is not valid. A single plugin's (``.conf``) becomes a list of one."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(config, dict) or not isinstance(config.get("name"), str) or not config["name"]:
        return None
    plugins = config.get("plugins") if path.endswith(".conflist") else [config]
    if not isinstance(plugins, list) or not plugins:
        return None
    types = tuple(str(p["type"]) for p in plugins if isinstance(p, dict) and isinstance(p.get("type"), str))
    if len(types) < len(plugins):
        return None
    version = spec.version_of(config)
    listed = {"cniVersion": version, "name": config["name"], "plugins": plugins}
    return Network(json.dumps(listed), config["name"], str(version), types)


@lru_cache(maxsize=1024)
def _stdin(text: str, index: int, capabilities: str) -> str:
    """One plugin's configuration, as the specification says how to derive it from the list."""
    config = json.loads(text)
    plugin = {**config["plugins"][index], "name": config["name"], "cniVersion": config["cniVersion"]}
    asks = plugin.pop("capabilities", None) or {}
    given = {k: v for k, v in json.loads(capabilities).items() if asks.get(k) is True}
    if given:
        plugin["runtimeConfig"] = given
    return json.dumps(plugin)


def _with_previous(stdin: str, previous: str) -> str:
    return f'{stdin[:-1]}, "prevResult": {previous}}}' if previous else stdin


def add(world: World, network: Network, to: Attachment) -> Generator[Command, None, spec.Result]:
    """ADD: run the plugins, keep the result. Raises CniError in libcni's words; the caller must DEL then."""
    previous = ""
    for index, type_ in enumerate(network.types):
        stdin = _with_previous(_stdin(network.text, index, to.capabilities), previous)
        previous = (yield from _run(world, "ADD", type_, stdin, to)).strip()
    result: spec.Result = json.loads(previous)
    yield Put(_cached(network, to), _cache(network, to, result))
    return spec.read(result)


def delete(world: World, network: Network, to: Attachment) -> Commands:
    """DEL: run the plugins the other way round, then forget the result. Raises CniError."""
    text: str | None = world.get(_cached(network, to))
    previous = json.dumps(json.loads(text)["result"]) if text and spec.at_least(network.version, "0.4.0") else ""
    for index, type_ in reversed(list(enumerate(network.types))):
        stdin = _with_previous(_stdin(network.text, index, to.capabilities), previous)
        yield from _run(world, "DEL", type_, stdin, to)
    if text is not None:
        yield Remove(_cached(network, to))


_DOING = {"ADD": "add", "DEL": "delete", "CHECK": "check"}


def _run(world: World, command: str, type_: str, stdin: str, to: Attachment) -> Generator[Command, None, str]:
    doing = f'plugin type="{type_}" failed ({_DOING[command]})'
    program = PLUGINS.get(type_)
    if program is None:
        raise CniError(f'{doing}: failed to find plugin "{type_}" in path [{BINARIES}]')
    done = yield from program(Call(world, to.node, (), stdin, environment(command, to)))
    if done.exit_code:
        failed = json.loads(done.stdout)
        raise CniError(f"{doing}: {failed['msg']}", failed["code"], failed.get("details", ""))
    return done.stdout


def environment(command: str, to: Attachment) -> Mapping[str, str]:
    """The variables that a plugin finds its parameters in."""
    return {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": to.container_id,
        "CNI_NETNS": to.netns,
        "CNI_ARGS": to.args,
        "CNI_IFNAME": to.ifname,
        "CNI_PATH": BINARIES,
    }


def _cached(network: Network, to: Attachment) -> Key:
    return (to.node, "file", f"{RESULTS}{network.name}-{to.container_id}-{to.ifname}")


def _cache(network: Network, to: Attachment, result: spec.Result) -> str:
    """What libcni writes, so that DEL and CHECK know what ADD did."""
    pairs = [pair.split("=", 1) for pair in to.args.split(";") if "=" in pair]
    kept: dict[str, Any] = {
        "kind": "cniCacheV1",
        "containerId": to.container_id,
        "config": _base64(network.text),
        "ifName": to.ifname,
        "networkName": network.name,
        "cniArgs": pairs,
        "capabilityArgs": json.loads(to.capabilities),
        "result": result,
    }
    return json.dumps({k: v for k, v in kept.items() if v})


@lru_cache(maxsize=256)
def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

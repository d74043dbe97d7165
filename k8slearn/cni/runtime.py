"""The container runtime's side of CNI: how the plugins of a network are called, one after the other.

ADD runs the plugins from first to last, each with the result of the one before as ``prevResult``. DEL runs them from
last to first with the final result, which is why that is kept in a file (libcni's cache, /var/lib/cni/results).
CHECK goes the way of ADD with the final result; STATUS asks each plugin whether an ADD could succeed now; GC first
DELs every attachment that the cache knows and that is not valid any more, and then tells the plugins which ones are.
Configurations on standard input, parameters in the environment: any program could stand there.

Nothing here speaks of Kubernetes: `k8slearn.cni.nomad` runs the same lists for its own allocations.

Left out: a time limit for plugins, and locks (GC never runs beside an ADD here: nothing does).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Generator, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import plugins, skel, spec
from k8slearn.cni.netconf import CONFIG_DIR, Network, network, parse
from k8slearn.cni.skel import BINARIES, VALID_ATTACHMENTS
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command, Commands, Key, Put, Remove, World
from k8slearn.linux.program import Call

__all__ = ["BINARIES", "CONFIG_DIR", "LOOPBACK", "Attachment", "Network", "network", "parse"]

RESULTS = "/var/lib/cni/results/"
LOOPBACK = '{"cniVersion":"0.3.1","name":"cni-loopback","plugins":[{"type":"loopback"}]}'
"""What containerd runs before the network itself, on ``lo``."""
assert plugins.PLUGINS


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
    path: str = BINARIES
    """CNI_PATH: the folders with plugins, ``:`` between them."""
    cache: str = RESULTS
    """Where this runtime keeps results."""


def add(world: World, network: Network, to: Attachment) -> Generator[Command, None, spec.Result]:
    """ADD: run the plugins, keep the result. Raises CniError in libcni's words; the caller must DEL then."""
    return spec.read((yield from add_printed(world, network, to)))


def add_printed(world: World, network: Network, to: Attachment) -> Generator[Command, None, spec.Result]:
    """ADD: the result in the form that the last plugin printed it."""
    previous: spec.Result = {}
    for index in range(len(network.types)):
        with _failed(network, index, "add"):
            _check_names(network, to)
            stdin = _with(_stdin(network.text, index, to.capabilities), prevResult=previous)
            previous = _result((yield from _run(world, "ADD", network.types[index], stdin, to)), network.version)
    yield Put(cached_key(network, to), _cache(network, to, previous))
    return previous


def check(world: World, network: Network, to: Attachment) -> Commands:
    """CHECK: does every plugin find what ADD said? Raises CniError."""
    if not spec.at_least(network.version, "0.4.0"):
        raise CniError(f'configuration version "{network.version}" does not support the CHECK command')
    if network.disable_check:
        return
    previous = _kept_result(world, network, to)
    for index, type_ in enumerate(network.types):
        stdin = _with(_stdin(network.text, index, to.capabilities), prevResult=previous)
        yield from _run(world, "CHECK", type_, stdin, to)


def delete(world: World, network: Network, to: Attachment) -> Commands:
    """DEL: run the plugins the other way round, then forget the result. Raises CniError."""
    previous = _kept_result(world, network, to) if spec.at_least(network.version, "0.4.0") else {}
    for index, type_ in reversed(list(enumerate(network.types))):
        with _failed(network, index, "delete"):
            stdin = _with(_stdin(network.text, index, to.capabilities), prevResult=previous)
            yield from _run(world, "DEL", type_, stdin, to)
    if world.get(cached_key(network, to)) is not None:
        yield Remove(cached_key(network, to))


def status(world: World, network: Network, node: str, path: str = BINARIES) -> Commands:
    """STATUS: could an ADD succeed now? Raises the CniError of the first plugin that says no."""
    if not spec.at_least(network.version, "1.1.0"):
        return
    nobody = Attachment(node, "", "", "", path=path)
    for index, type_ in enumerate(network.types):
        yield from _run(world, "STATUS", type_, _stdin(network.text, index, "{}"), nobody)


def gc(
    world: World,
    network: Network,
    node: str,
    valid: Iterable[tuple[str, str]] | None = None,
    path: str = BINARIES,
    cache: str = RESULTS,
) -> Commands:
    """GC: forget every attachment of this network but the `valid` ones, (container's id, interface).

    Goes on after a failure, and raises one CniError with all of them at the end."""
    if network.disable_gc:
        return
    kept, failures = set(valid or ()), list[str]()
    for to in attachments(world, network, node, path, cache):
        if (to.container_id, to.ifname) not in kept:
            try:
                yield from delete(world, network, to)
            except CniError as error:
                failures.append(f"failed to delete stale attachment {to.container_id} {to.ifname}: {error}")
    if spec.at_least(network.version, "1.1.0"):
        told = [{"containerID": container, "ifname": ifname} for container, ifname in sorted(kept)]
        for index, type_ in enumerate(network.types):
            stdin = _with(_stdin(network.text, index, "{}"), **({VALID_ATTACHMENTS: told} if valid is not None else {}))
            try:
                yield from _run(world, "GC", type_, stdin, Attachment(node, "", "", "", path=path))
            except CniError as error:
                failures.append(f"failed to GC plugin {type_}: {error}")
    if failures:
        raise CniError("\n".join(failures))


def attachments(
    world: World, network: Network, node: str, path: str = BINARIES, cache: str = RESULTS
) -> list[Attachment]:
    """What the cache of a node knows of a network."""
    rows = (row for row in cached(world, node, cache) if row.get("networkName") == network.name)
    return [_attachment(node, row, path, cache) for row in rows]


def cached(world: World, node: str, cache: str = RESULTS) -> list[Mapping[str, Any]]:
    """What a cache knows of all networks: libcni's ``cniCacheV1``, by the names of the files."""
    files = world.table(node, "file")
    return [_json(files[name]) for name in sorted(str(name) for name in files if str(name).startswith(cache))]


def _attachment(node: str, row: Mapping[str, Any], path: str, cache: str) -> Attachment:
    args = ";".join("=".join(pair) for pair in row.get("cniArgs") or ())
    capabilities = json.dumps(row.get("capabilityArgs") or {})
    return Attachment(node, row["containerId"], row.get("netns", ""), row["ifName"], args, capabilities, path, cache)


# -- one plugin --------------------------------------------------------------------------------------------------------


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


def _with(stdin: str, **more: Any) -> str:
    """The configuration with further fields; those that say nothing are left out."""
    fields = "".join(f', "{name}": {json.dumps(value)}' for name, value in more.items() if value not in ({}, None))
    return f"{stdin[:-1]}{fields}}}"


class _failed:
    """The failure of a plugin, with whose it was."""

    def __init__(self, network: Network, index: int, doing: str) -> None:
        self.plugin = (network.text, index)
        self.doing = doing
        self.single = network.single

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if isinstance(error, CniError) and not self.single:
            words = f"plugin {_described(*self.plugin)} failed ({self.doing}): {error.msg}"
            raise CniError(words, error.code, error.details) from None


@lru_cache(maxsize=256)
def _described(text: str, index: int) -> str:
    plugin = json.loads(text)["plugins"][index]
    name = f' name="{plugin["name"]}"' if plugin.get("name") else ""
    return f'type="{plugin["type"]}"{name}'


def _check_names(network: Network, to: Attachment) -> None:
    skel.check_container(to.container_id)
    skel.check_network(network.name)
    skel.check_interface(to.ifname)


def _run(
    world: World, command: str, type_: str, stdin: str, to: Attachment
) -> Generator[Command, None, dict[str, Any]]:
    program = skel.find_in_path(world, to.node, type_, to.path)
    done = yield from program(Call(world, to.node, (), stdin, environment(command, to)))
    return skel.finished(done)


def environment(command: str, to: Attachment) -> Mapping[str, str]:
    """The variables that a plugin finds its parameters in."""
    return {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": to.container_id,
        "CNI_NETNS": to.netns,
        "CNI_ARGS": to.args,
        "CNI_IFNAME": to.ifname,
        "CNI_PATH": to.path,
    }


def _result(printed: dict[str, Any], version: str) -> spec.Result:
    """What a plugin printed; a result without a version has the configuration's (exec.go fixupResultVersion)."""
    said = printed.get("cniVersion") or version
    if said not in spec.VERSIONS:
        raise CniError(f'unsupported CNI result version "{said}"')
    return {**printed, "cniVersion": said}


# -- the cache ---------------------------------------------------------------------------------------------------------


def takes(network: Network, capability: str) -> bool:
    """Does a plugin of this network take what the runtime has under this name?"""
    return any((plugin.get("capabilities") or {}).get(capability) is True for plugin in _json(network.text)["plugins"])


def kept_capabilities(world: World, network: Network, to: Attachment) -> str:
    """The capabilities (JSON) that ADD was told of; DEL is told the same."""
    return json.dumps(_json(world.get(cached_key(network, to)) or "{}").get("capabilityArgs") or {})


def cached_key(network: Network, to: Attachment) -> Key:
    """Where the result of this attachment is kept."""
    return (to.node, "file", f"{to.cache}{network.name}-{to.container_id}-{to.ifname}")


def _kept_result(world: World, network: Network, to: Attachment) -> spec.Result:
    """What ADD said in the end, in the form of the configuration's version; empty where nobody knows."""
    result = _json(world.get(cached_key(network, to)) or "{}").get("result")
    return spec.printed(spec.read(result), network.version) if isinstance(result, dict) else {}


@lru_cache(maxsize=1024)
def _json(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):
        return {}


def _cache(network: Network, to: Attachment, result: spec.Result) -> str:
    """What libcni writes, so that DEL and CHECK know what ADD did."""
    pairs = [pair.split("=", 1) for pair in to.args.split(";") if "=" in pair]
    kept: dict[str, Any] = {
        "kind": "cniCacheV1",
        "containerId": to.container_id,
        "config": _base64(network.text),
        "ifName": to.ifname,
        "networkName": network.name,
        "netns": to.netns,
        "cniArgs": pairs,
        "capabilityArgs": json.loads(to.capabilities),
        "result": result,
    }
    return json.dumps({k: v for k, v in kept.items() if v})


@lru_cache(maxsize=256)
def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

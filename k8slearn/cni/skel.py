"""What every CNI plugin does before and after its own work: read the environment and the configuration, print the end.

`plugin` makes a program of three functions, for ADD, DEL and CHECK. It checks in the order of the reference library
(skel.go), so that the same mistake gives the same error: variables first, then the JSON, the network's name, the
container's id, the interface's name, the version.

Left out: GC and STATUS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from k8slearn.cni import spec
from k8slearn.cni.cri import Sandbox
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Command, Commands, World
from k8slearn.linux import netns
from k8slearn.linux.program import Call, Program, Result, Running

REQUIRED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"),
}
PROGRAMS: dict[str, Program] = {}
"""Every plugin that exists, by the name of its binary."""

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*\Z")

Printed = Generator[Command, None, dict[str, Any]]
"""What an ADD gives: its result, ready to be printed."""


@dataclass(frozen=True, slots=True)
class Args:
    """One call of a plugin, read and checked. `node` is the scope of the machine that it runs on."""

    call: Call
    world: World
    node: str
    command: str
    container_id: str
    netns_path: str
    ifname: str
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The network's name."""
        return str(self.config["name"])

    @property
    def version(self) -> str:
        """The version of the configuration, and so of the result."""
        return spec.version_of(self.config)

    def cni_args(self) -> dict[str, str]:
        """CNI_ARGS: ``K8S_POD_NAME=web;IP=10.1.0.77``."""
        pairs = (pair.partition("=") for pair in self.call.env.get("CNI_ARGS", "").split(";") if pair)
        return {key: value for key, _, value in pairs}


def plugin(
    name: str,
    add: Callable[[Args], Printed],
    delete: Callable[[Args], Commands],
    check: Callable[[Args], Commands],
) -> Program:
    """The program of a plugin, known by `name` from now on. The three raise CniError, or whatever ``ip`` raises."""

    def run(call: Call) -> Running:
        try:
            return (yield from _run(call))
        except CniError as error:
            return Result(error.printed(), "", 1)
        except CommandError as error:
            return Result(CniError(kernel_words(error)).printed(), "", 1)

    def _run(call: Call) -> Running:
        command = call.env.get("CNI_COMMAND", "")
        if not command:
            return Result("", _about(name))
        if command == "VERSION":
            return Result(json.dumps(_VERSION, separators=(",", ":")) + "\n")
        args = _args(call, command)
        if command == "ADD":
            return Result(spec.pretty((yield from add(args))))
        yield from (check(args) if command == "CHECK" else delete(args))
        return Result()

    PROGRAMS[name] = run
    return run


_VERSION = {"cniVersion": spec.CURRENT, "supportedVersions": list(spec.VERSIONS)}


def _about(name: str) -> str:
    versions = ", ".join(spec.VERSIONS)
    return f"CNI {name} plugin version unknown\nCNI protocol versions supported: {versions}\n"


def _args(call: Call, command: str) -> Args:
    env = call.env
    missing = [name for name in REQUIRED.get(command, ()) if not env.get(name)]
    if missing:
        raise CniError(f"required env variables [{','.join(missing)}] missing", spec.BAD_ENVIRONMENT)
    config = configuration(call.stdin)
    _check_names(config, env)
    if command not in REQUIRED:
        raise CniError(f"unknown CNI_COMMAND: {command}", spec.BAD_ENVIRONMENT)
    _check_version(spec.version_of(config), command)
    ids = (env["CNI_CONTAINERID"], env.get("CNI_NETNS", ""), env["CNI_IFNAME"])
    return Args(call, call.world, call.netns, command, *ids, config)


@lru_cache(maxsize=1024)
def configuration(text: str) -> Mapping[str, Any]:
    """The configuration on standard input; nobody changes it. Raises CniError as Go's decoder would."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CniError(f"error unmarshall network config: {_go_words(text, error)}", spec.DECODING_FAILURE) from None
    if not isinstance(config, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(config), "number")
        words = f"json: cannot unmarshal {kind} into Go value of type types.NetConf"
        raise CniError(f"error unmarshall network config: {words}", spec.DECODING_FAILURE)
    for field in ("cniVersion", "name", "type"):
        typed(config, field, "", "NetConf", spec.DECODING_FAILURE, "error unmarshall network config")
    return config


_GO = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting ':'", "after object key"),
    ("Expecting ','", "after object key:value pair"),
    ("Extra data", "after top-level value"),
    ("Invalid control character", "in string literal"),
    ("Invalid \\escape", "in string escape code"),
)


def _go_words(text: str, error: ValueError | RecursionError) -> str:
    """encoding/json's words for what Python's decoder says."""
    if not isinstance(error, json.JSONDecodeError):
        return "exceeded max depth"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    where = next((go for python, go in _GO if error.msg.startswith(python)), "looking for beginning of value")
    return f"invalid character {text[error.pos]!r} {where}"


def typed(
    config: Mapping[str, Any],
    field: str,
    default: Any,
    struct: str,
    code: int = spec.INTERNAL,
    doing: str = "failed to load netconf",
) -> Any:
    """A field of a configuration, of the type of its default. Raises CniError as Go does for another type."""
    value = config.get(field)
    if value is None:
        return default
    if type(value) is not type(default):
        names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
        go = {bool: "bool", int: "int", str: "string", list: "slice", dict: "struct"}
        words = (
            f"cannot unmarshal {names[type(value)]} into Go struct field {struct}.{field} of type {go[type(default)]}"
        )
        raise CniError(f"{doing}: json: {words}", code)
    return value


def _check_names(config: Mapping[str, Any], env: Mapping[str, str]) -> None:
    name, ifname = config.get("name") or "", env.get("CNI_IFNAME", "")
    if not name:
        raise CniError("missing network name", spec.INVALID_CONFIG)
    if not _NAME.match(name):
        raise CniError("invalid characters found in network name", spec.INVALID_CONFIG, name)
    container_id = env.get("CNI_CONTAINERID", "")
    if not _NAME.match(container_id):
        raise CniError("invalid characters in containerID", spec.BAD_ENVIRONMENT, container_id)
    if len(ifname) > 15:
        raise CniError(
            "interface name is too long", spec.BAD_ENVIRONMENT, f"interface name should be less than {16} characters"
        )
    if ifname in (".", ".."):
        raise CniError("interface name is . or ..", spec.BAD_ENVIRONMENT)
    if re.search(r"[/:\s]", ifname):
        raise CniError("interface name contains / or : or whitespace characters", spec.BAD_ENVIRONMENT)


def _check_version(version: str, command: str) -> None:
    if version not in spec.VERSIONS:
        known = " ".join(f'"{v}"' for v in spec.VERSIONS)
        details = f'config is "{version}", plugin supports [{known}]'
        raise CniError("incompatible CNI versions", spec.INCOMPATIBLE_VERSION, details)
    if command == "CHECK" and not spec.at_least(version, "0.4.0"):
        raise CniError("config version does not allow CHECK", spec.INCOMPATIBLE_VERSION)


def delegate(args: Args, name: str, command: str = "") -> Generator[Command, None, spec.Result]:
    """Run another plugin (IPAM) with the same configuration and environment. Raises its CniError."""
    program = PROGRAMS.get(name)
    if program is None:
        raise CniError(f'failed to find plugin "{name}" in path [{args.call.env.get("CNI_PATH", "")}]')
    call = args.call
    if command and command != args.command:
        call = replace(call, env={**call.env, "CNI_COMMAND": command})
    done = yield from program(call)
    if done.exit_code:
        failed = json.loads(done.stdout)
        raise CniError(failed["msg"], failed["code"], failed.get("details", ""))
    return spec.read(json.loads(done.stdout)) if done.stdout else {}


def open_netns(world: World, node: str, path: str) -> str:
    """The scope of the namespace that a path stands for. Raises CniError when there is none."""
    if path.startswith("/proc/"):
        pid = path.split("/")[2]
        held: list[Sandbox] = [s for s in world.table(node, "sandbox").values() if str(s.pid) == pid]
        if held:
            return held[0].netns
    found = netns.scope(node, path)
    if not netns.exists(world, found):
        raise CniError(f'failed to Statfs "{path}": no such file or directory')
    return found


_ERRNO = {
    "Nexthop has invalid gateway.": "network is unreachable",
    "Device for nexthop is not up.": "network is down",
    "ipv4: Address already assigned.": "file exists",
}


def kernel_words(error: CommandError) -> str:
    """What the netlink library says where ``ip`` printed this."""
    said = error.stderr.strip().removeprefix("RTNETLINK answers: ").removeprefix("Error: ")
    return _ERRNO.get(said, said[:1].lower() + said[1:])

"""What every CNI plugin does before and after its own work: read the environment and the configuration, print the end.

`plugin` makes a program of functions, one for each command of the specification. It checks in the order of the
reference library (skel.go), so that the same mistake gives the same error: variables first, then the JSON, the
network's name, the container's id, the interface's name, the version.

==========  ===================================================================================================
ADD         make the container's interface; print a result
DEL         take all of it away, and succeed where there is nothing (left)
CHECK       is everything as ADD said? (0.4.0 and later)
STATUS      could an ADD succeed now? Nothing is printed if so (1.1.0)
GC          forget all attachments but those in ``cni.dev/valid-attachments`` (1.1.0)
VERSION     print which versions the plugin speaks
==========  ===================================================================================================

Left out: CNI_NETNS_OVERRIDE, with the check that the pod's namespace is not the plugin's own.
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
from k8slearn.cni.decode import NETCONF, Struct, Wrong, decode, name_of
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Command, Commands, World
from k8slearn.linux import netns
from k8slearn.linux.program import Call, Program, Result, Running

ATTACHMENT = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH")
REQUIRED = {
    "ADD": ATTACHMENT,
    "CHECK": ATTACHMENT,
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"),
    "STATUS": ("CNI_PATH",),
    "GC": ("CNI_PATH",),
}
SINCE = {"CHECK": "0.4.0", "STATUS": "1.1.0", "GC": "1.1.0"}
BINARIES = "/opt/cni/bin"
PROGRAMS: dict[str, Program] = {}
"""The plugins that lie in /opt/cni/bin of every node, by the name of their binaries."""
VENDORS: dict[str, Program] = {}
"""Those that a vendor's image brings, by the text of the binary: they lie where its install container copied them."""
VALID_ATTACHMENTS = "cni.dev/valid-attachments"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*\Z")


@dataclass(frozen=True, slots=True)
class Binary:
    """An executable that somebody put on a machine, in its table ``binary``, named by its path; without a program:
    one that came with the node and was deleted."""

    program: Program | None = None


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

    @property
    def previous(self) -> spec.Result | None:
        """``prevResult``: what the plugins before this one did. Raises CniError where it cannot be read."""
        return spec.previous(self.config)

    @property
    def valid_attachments(self) -> list[tuple[str, str]]:
        """GC: (container's id, interface) of everything that is still there."""
        return [(a["containerID"], a["ifname"]) for a in self.config.get(VALID_ATTACHMENTS) or ()]

    def cni_args(self, **known: Callable[[str], Any]) -> dict[str, Any]:
        """CNI_ARGS: ``K8S_POD_NAME=web;IP=10.1.0.77``, each value read by its reader: ``cni_args(IP=str)``.

        Raises CniError for other names (args.go LoadArgs), unless ``IgnoreUnknown=1`` is among them."""
        text = self.call.env.get("CNI_ARGS", "")
        found: dict[str, Any] = {}
        unknown: list[str] = []
        for pair in text.split(";") if text else ():
            if pair.count("=") != 1:
                raise CniError(f"ARGS: invalid pair {json.dumps(pair)}")
            name, value = pair.split("=")
            reader = {**known, "IgnoreUnknown": _switch}.get(name)
            if reader is None:
                unknown.append(json.dumps(pair))
                continue
            try:
                found[name] = reader(value)
            except Wrong as wrong:
                raise CniError(f"ARGS: error parsing value of pair {json.dumps(pair)}: {wrong}") from None
        if unknown and not found.get("IgnoreUnknown"):
            raise CniError(f"ARGS: unknown args [{' '.join(unknown)}]")
        return found


def _switch(text: str) -> bool:
    if text.lower() not in ("0", "1", "false", "true"):
        raise Wrong(f"boolean unmarshal error: invalid input {text.lower()}")
    return text.lower() in ("1", "true")


def _nothing(args: Args) -> Commands:
    """(The reference plugins do nothing at GC and STATUS where they name no function for it.)"""
    return iter(())


def plugin(
    name: str,
    add: Callable[[Args], Printed],
    delete: Callable[[Args], Commands],
    check: Callable[[Args], Commands],
    status: Callable[[Args], Commands] = _nothing,
    gc: Callable[[Args], Commands] = _nothing,
    versions: tuple[str, ...] = spec.VERSIONS,
    vendor: bool = False,
) -> Program:
    """The program of a plugin, known by `name` from now on. It lies in /opt/cni/bin of every node; a `vendor`'s only
    on those where the file with its `binary` lies."""
    made = program(name, add, delete, check, status, gc, versions)
    if vendor:
        VENDORS[binary(name)] = made
    else:
        PROGRAMS[name] = made
    return made


def program(
    name: str,
    add: Callable[[Args], Printed],
    delete: Callable[[Args], Commands],
    check: Callable[[Args], Commands],
    status: Callable[[Args], Commands] = _nothing,
    gc: Callable[[Args], Commands] = _nothing,
    versions: tuple[str, ...] = spec.VERSIONS,
) -> Program:
    """A program that speaks CNI. The functions raise CniError, or whatever ``ip`` raises."""
    work = {"DEL": delete, "CHECK": check, "STATUS": status, "GC": gc}

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
            return Result("", _about(name, versions))
        if command == "VERSION":
            return Result(_said_versions(versions))
        args = _args(call, command, versions)
        if command == "ADD":
            return Result(spec.pretty((yield from add(args))))
        yield from work[command](args)
        return Result()

    return run


def binary(name: str) -> str:
    """What stands for the bytes of a vendor's executable, in its image and on the nodes that it is copied to."""
    return f"\x7fELF {name}\n"


def installed(world: World, node: str, path: str) -> Program | None:
    """The vendor's plugin that was copied to this path of a machine."""
    return VENDORS.get(world.get((node, "file", path)) or "")


def _said_versions(versions: tuple[str, ...]) -> str:
    return json.dumps({"cniVersion": spec.CURRENT, "supportedVersions": versions}, separators=(",", ":")) + "\n"


def _about(name: str, versions: tuple[str, ...]) -> str:
    return f"CNI {name} plugin version unknown\nCNI protocol versions supported: {', '.join(versions)}\n"


def _args(call: Call, command: str, versions: tuple[str, ...]) -> Args:
    env = call.env
    missing = [name for name in REQUIRED.get(command, ()) if not env.get(name)]
    if missing:
        raise CniError(f"required env variables [{','.join(missing)}] missing", spec.BAD_ENVIRONMENT)
    config = configuration(call.stdin)
    if not config.get("name"):
        raise CniError("missing network name", spec.INVALID_CONFIG)
    check_network(config["name"])
    if "CNI_CONTAINERID" in REQUIRED.get(command, ATTACHMENT):
        check_container(env.get("CNI_CONTAINERID", ""))
        check_interface(env.get("CNI_IFNAME", ""))
    if command not in REQUIRED:
        raise CniError(f"unknown CNI_COMMAND: {command}", spec.BAD_ENVIRONMENT)
    _check_version(config, command, versions)
    container_id, path, ifname = (env.get(name, "") for name in ATTACHMENT[:3])
    return Args(call, call.world, call.netns, command, container_id, path, ifname, config)


@lru_cache(maxsize=1024)
def configuration(text: str) -> Mapping[str, Any]:
    """The configuration on standard input; nobody changes it. Raises CniError as Go's decoder would."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CniError(f"error unmarshall network config: {go_words(text, error)}", spec.DECODING_FAILURE) from None
    if config is None:
        return {}
    wrong = ""
    if not isinstance(config, dict):
        wrong = f'{name_of(config)} into Go value of type struct {{ Name string "json:\\"name\\"" }}'
    elif not isinstance(config.get("name", ""), str | None):
        wrong = f"{name_of(config['name'])} into Go struct field .name of type string"
    if wrong:
        raise CniError(f"error unmarshall network config: json: cannot unmarshal {wrong}", spec.DECODING_FAILURE)
    return dict(config)


_GO = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting ':'", "after object key"),
    ("Expecting ','", "after object key:value pair"),
    ("Extra data", "after top-level value"),
    ("Invalid control character", "in string literal"),
    ("Invalid \\escape", "in string escape code"),
)


def go_words(text: str, error: ValueError | RecursionError) -> str:
    """encoding/json's words for what Python's decoder says."""
    if not isinstance(error, json.JSONDecodeError):
        return "exceeded max depth"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    where = next((go for python, go in _GO if error.msg.startswith(python)), "looking for beginning of value")
    at = error.pos + (error.msg.startswith("Invalid \\escape"))
    for literal in ("true", "false", "null"):
        if error.msg.startswith("Expecting value") and text[at] == literal[0]:
            good = next(i for i, letter in enumerate(literal) if text[at + i : at + i + 1] != letter)
            found = text[at + good : at + good + 1] or " "
            return f"invalid character {_quoted(found)} in literal {literal} (expecting {_quoted(literal[good])})"
    return f"invalid character {_quoted(text[at])} {where}"


def _quoted(letter: str) -> str:
    """A character as encoding/json quotes it (scanner.go: quoteChar)."""
    return {"'": r"'\''", '"': "'\"'"}.get(letter) or f"'{json.dumps(letter, ensure_ascii=False)[1:-1]}'"


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


def check_network(name: str) -> None:
    """Raises CniError where a network cannot have this name (utils.go)."""
    if not _NAME.match(name):
        raise CniError("invalid characters found in network name", spec.INVALID_CONFIG, name)


def check_container(container_id: str) -> None:
    """Raises CniError where a container cannot have this id."""
    if not container_id:
        raise CniError("missing containerID", spec.UNKNOWN_CONTAINER)
    if not _NAME.match(container_id):
        raise CniError("invalid characters in containerID", spec.BAD_ENVIRONMENT, container_id)


def check_interface(ifname: str) -> None:
    """Raises CniError where an interface cannot have this name."""
    details = ""
    if not ifname:
        wrong = "interface name is empty"
    elif len(ifname.encode()) > 15:
        wrong, details = "interface name is too long", "interface name should be less than 16 characters"
    elif ifname in (".", ".."):
        wrong = "interface name is . or .."
    elif re.search(r"[/:\s]", ifname):
        wrong = "interface name contains / or : or whitespace characters"
    else:
        return
    raise CniError(wrong, spec.BAD_ENVIRONMENT, details)


def _check_version(config: Mapping[str, Any], command: str, versions: tuple[str, ...]) -> None:
    said = config.get("cniVersion")
    if said is not None and not isinstance(said, str):
        words = f"json: cannot unmarshal {name_of(said)} into Go struct field .cniVersion of type string"
        raise CniError(f"decoding version from network config: {words}", spec.DECODING_FAILURE)
    version = spec.version_of(config)
    if command in SINCE and not spec.at_least(version, SINCE[command]):
        raise CniError(f"config version does not allow {command}", spec.INCOMPATIBLE_VERSION)
    if command in SINCE and not spec.at_least(versions[-1], version):
        raise CniError(f"plugin version does not allow {command}", spec.INCOMPATIBLE_VERSION)
    if version not in versions:
        known = " ".join(f'"{v}"' for v in versions)
        details = f'config is "{version}", plugin supports [{known}]'
        raise CniError("incompatible CNI versions", spec.INCOMPATIBLE_VERSION, details)


def find_in_path(world: World, node: str, name: str, path: str) -> Program:
    """The program of a plugin: the first folder of `path` (``/opt/cni/bin:/usr/lib/cni``) that has it. Raises
    CniError."""
    if not name:
        raise CniError("no plugin name provided")
    if "/" in name:
        raise CniError(f"invalid plugin name: {name}")
    folders = [folder for folder in path.split(":") if folder] if path else []
    if not folders:
        raise CniError("no paths provided")
    for folder in folders:
        found = program_at(world, node, f"{folder.rstrip('/')}/{name}")
        if found is not None:
            return found
    raise CniError(f'failed to find plugin "{name}" in path [{" ".join(folders)}]')


def program_at(world: World, node: str, path: str) -> Program | None:
    """The plugin that lies at this path of a machine: one that somebody put there, or one that every node has."""
    own: Binary | None = world.get((node, "binary", path))
    if own is not None:
        return own.program
    folder, _, name = path.rpartition("/")
    return installed(world, node, path) or (PROGRAMS.get(name) if folder == BINARIES else None)


def load(stdin: str, kind: Struct, doing: str = "") -> dict[str, Any]:
    """The fields of a configuration that a plugin knows, each of its type. Raises CniError in Go's words, after
    `doing` where the plugin says so."""
    try:
        found: dict[str, Any] = decode(dict(configuration(stdin)), kind)
    except Wrong as wrong:
        raise CniError(f"{doing}: {wrong}" if doing else str(wrong)) from None
    return found


def load_ipam(stdin: str, kind: Struct) -> dict[str, Any]:
    """The same for an IPAM plugin, which is nothing without the part ``ipam``."""
    net = load(stdin, kind)
    if net.get("ipam") is None:
        raise CniError("IPAM config missing 'ipam' key")
    return net


def previous_of(args: Args, missing: str) -> spec.Result:
    """The result of the plugins before this one, as those read it that are never first. Raises CniError."""
    try:
        result = args.previous
    except CniError as error:
        raise CniError(f"could not parse prevResult: {error.msg}", error.code) from None
    if result is None:
        raise CniError(missing)
    return result


def check_netconf(args: Args, doing: str) -> None:
    """The fields that every configuration has are of their types, or a CniError in Go's words after `doing`."""
    try:
        decode(dict(args.config), _NETCONF)
    except Wrong as wrong:
        raise CniError(f"{doing}: {wrong}") from None


_NETCONF = Struct("types.NetConf", NETCONF)


def delegate(args: Args, name: str, command: str = "") -> Generator[Command, None, spec.Result]:
    """Run another plugin (IPAM) with the same configuration and environment. Raises its CniError."""
    call = args.call
    found = find_in_path(args.world, args.node, name, call.env.get("CNI_PATH", ""))
    if command and command != args.command:
        call = replace(call, env={**call.env, "CNI_COMMAND": command})
    done = yield from found(call)
    printed = finished(done)
    return spec.read(printed) if printed else {}


def finished(done: Result) -> dict[str, Any]:
    """What a plugin that has ended printed on standard output. Raises CniError with its error (raw_exec.go)."""
    if done.exit_code:
        try:
            failed = json.loads(done.stdout)
            error = failed["msg"], failed["code"], failed.get("details", "")
        except (ValueError, KeyError, TypeError):
            said = done.stderr or done.stdout
            words = f"netplugin failed: {json.dumps(said)}" if said else "netplugin failed with no error message"
            error = (words, spec.INTERNAL, "")
        raise CniError(*error)
    return dict(json.loads(done.stdout) or {}) if done.stdout.strip() else {}


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
    "8021q: Invalid VLAN id.": "numerical result out of range",
    "8021q: VLAN device already exists.": "file exists",
    "8021q: VLANs not supported on device.": "operation not supported",
    "An interface with the same name exists in the target netns.": "file exists",
    "Nexthop has invalid gateway.": "network is unreachable",
    "Device for nexthop is not up.": "network is down",
    "Attribute failed policy validation.": "numerical result out of range",
    "Exclusivity flag on, cannot modify.": "file exists",
    "Gateway can not be a local address.": "invalid argument",
    "Invalid prefix for given prefix length.": "invalid argument",
    "Invalid prefsrc address.": "invalid argument",
    "Invalid source address.": "invalid argument",
    "ipv4: Address already assigned.": "file exists",
    "ipv6: address already assigned.": "file exists",
    "ipv6: IPv6 is disabled on this device.": "permission denied",
    "The interface netns is immutable.": "invalid argument",
    "mtu greater than device maximum.": "invalid argument",
    "mtu less than device minimum.": "invalid argument",
}


def kernel_words(error: CommandError) -> str:
    """What the netlink library says where ``ip`` printed this."""
    said = error.stderr.strip().removeprefix("RTNETLINK answers: ").removeprefix("Error: ")
    return _ERRNO.get(said, said[:1].lower() + said[1:])

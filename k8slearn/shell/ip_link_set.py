"""``ip link add|set|del``: what a person may change about a network device.

One ``ip link set`` is one request to the kernel: it moves the device first, then sets its address, size, name and
bridge, and brings it up or down last (rtnetlink.c: do_setlink). `SETTINGS` stands in that order.

Left out: kinds but veth and bridge, and settings that no packet here would notice (queue lengths, groups, aliases).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import link
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rename import rename
from k8slearn.shell.iproute import Options, Words, garbage, match, not_modelled, wrong
from k8slearn.shell.process import Process
from k8slearn.shell.wrappers import named_netns

MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
Setting = Callable[[World, str, str, str], Commands]
"""(world, netns, device, value) -> what it writes."""

SETTINGS: Mapping[str, tuple[int, Setting]] = {
    "netns": (1, link.set_netns),
    "address": (1, link.set_mac),
    "mtu": (1, lambda world, netns, dev, value: link.set_mtu(world, netns, dev, int(value))),
    "name": (1, rename),
    "master": (1, link.set_master),
    "nomaster": (0, lambda world, netns, dev, value: link.set_nomaster(world, netns, dev)),
    "hairpin": (1, lambda world, netns, dev, value: link.set_hairpin(world, netns, dev, value == "on")),
    "promisc": (1, lambda world, netns, dev, value: link.set_promisc(world, netns, dev, value == "on")),
    "up": (0, lambda world, netns, dev, value: link.set_up(world, netns, dev)),
    "down": (0, lambda world, netns, dev, value: link.set_down(world, netns, dev)),
}
"""Each setting: how many words follow it, and what does it; in the order in which the kernel does them."""
ELSEWHERE = (
    "txqueuelen",
    "txqlen",
    "qlen",
    "group",
    "alias",
    "arp",
    "multicast",
    "allmulticast",
    "carrier",
    "mode",
    "vf",
)
KINDS = ("veth", "bridge")
NO_EFFECT = {"bridge": {"stp_state": "0", "forward_delay": None, "ageing_time": None, "mcast_snooping": None}}


def change(process: Process, options: Options, words: Words) -> Running:
    """``ip link set DEV SETTING...``."""
    dev, wanted = "", dict[str, str]()
    while words:
        word = words.take()
        if not _setting(process, word, words, wanted):
            name = words.take() if word == "dev" else word
            if dev:
                garbage("dev", name)
            dev = name
    if not dev:
        raise CommandError('Not enough information: "dev" argument is required.\n', 255)
    link.find(process.world, process.netns, dev)
    yield from _apply(process, process.netns, dev, wanted)
    return Result()


def _apply(process: Process, netns: str, dev: str, wanted: Mapping[str, str]) -> Commands:
    for name, (_, setting) in SETTINGS.items():
        if name in wanted:
            yield from setting(process.world, netns, dev, wanted[name])
            netns = wanted["netns"] if name == "netns" else netns
            dev = wanted["name"] if name == "name" else dev


def _setting(process: Process, word: str, words: Words, wanted: dict[str, str]) -> bool:
    """Read one setting; False where the word is none."""
    if word == "type":
        _type(words, wanted)
    elif word in ELSEWHERE:
        not_modelled(f"ip link set {word}")
    elif word in SETTINGS and word != "hairpin":
        wanted[word] = _value(process, word, words) if SETTINGS[word][0] else ""
    else:
        return False
    return True


def _value(process: Process, word: str, words: Words) -> str:
    value = words.take()
    check = CHECKS.get(word)
    return value if check is None else check(process, value)


def _mac(process: Process, value: str) -> str:
    if MAC.fullmatch(value) is None:
        length = len(re.findall(r"(?:^|:)[0-9a-fA-F]", value))
        complaint = (
            f"Invalid address length {length} - must be 6 bytes\n" if length else f'"{value}" is invalid lladdr.\n'
        )
        raise CommandError(complaint, 1)
    return ":".join(f"{int(byte, 16):02x}" for byte in value.split(":"))


def _mtu(process: Process, value: str) -> str:
    if not value.isdigit():
        wrong(value, 'Invalid "mtu" value')
    return value


def _netns(process: Process, value: str) -> str:
    scope = process.machine if value == "1" else named_netns(process, value)
    if scope is None:
        wrong(value, 'Invalid "netns" value')
    return scope


def _master(process: Process, value: str) -> str:
    if value not in process.world.table(process.netns, "link"):
        wrong(value, "Device does not exist")
    return value


def _name(process: Process, value: str) -> str:
    if not value or "/" in value or len(value) > 15 or any(letter.isspace() for letter in value):
        wrong(value, '"name" not a valid ifname', "\n")
    return value


def _on_off(process: Process, value: str) -> str:
    if value not in ("on", "off"):
        raise CommandError(f'Error: argument of "promisc" must be "on" or "off", not "{value}"\n', 255)
    return value


CHECKS: Mapping[str, Callable[[Process, str], str]] = {
    "address": _mac,
    "mtu": _mtu,
    "netns": _netns,
    "master": _master,
    "name": _name,
    "promisc": _on_off,
}


def _type(words: Words, wanted: dict[str, str]) -> None:
    """``type bridge_slave hairpin on``: settings of a kind of device."""
    kind = words.take()
    while words:
        name, value = words.take(), words.take()
        if kind == "bridge_slave" and name == "hairpin" and value in ("on", "off"):
            wanted["hairpin"] = value
        elif name not in NO_EFFECT.get(kind, {}):
            not_modelled(f"ip link set type {kind} {name}")


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip link add [NAME] [address MAC] [mtu N] type veth|bridge ...``."""
    wanted: dict[str, str] = {}
    kind = _description(process, words, wanted, until="type")
    if kind not in KINDS:
        raise CommandError("Error: Unknown device type.\n", 2)
    netns = wanted.pop("netns", process.netns)
    maker = _add_veth if kind == "veth" else _add_bridge
    yield from maker(process, netns, wanted, words)
    return Result()


def _description(process: Process, words: Words, wanted: dict[str, str], until: str) -> str:
    """``[dev] NAME [address ..] [mtu ..] [netns ..] type KIND``; returns the kind."""
    while words:
        word = words.take()
        if word == until:
            return words.take()
        if word in ("name", "dev") or not _setting(process, word, words, wanted):
            name = words.take() if word in ("name", "dev") else word
            if "name" in wanted:
                garbage("name", name)
            if "/" in name:
                wrong(name, '"dev" not a valid ifname', "\n")
            wanted["name"] = name
    if until == "type":
        raise CommandError('Not enough information: "type" argument is required\n', 1)
    return ""


def _free_name(process: Process, netns: str, kind: str, taken: str = "") -> str:
    """``veth0``, ``veth1``, ...: the first that is free."""
    links = process.world.table(netns, "link")
    names = (f"{kind}{number}" for number in range(len(links) + 2))
    return next(name for name in names if name not in links and name != taken)


def _add_bridge(process: Process, netns: str, wanted: dict[str, str], words: Words) -> Commands:
    while words:
        option = words.take()
        if option not in NO_EFFECT["bridge"] or words.take() != (NO_EFFECT["bridge"][option] or "0"):
            not_modelled(f"ip link add type bridge {option}")
    name = wanted.pop("name", "") or _free_name(process, netns, "bridge")
    mac = wanted.pop("address", "")
    yield from link.add_bridge(process.world, netns, name, int(wanted.pop("mtu", "1500")), mac)
    yield from _apply(process, netns, name, wanted)


def _add_veth(process: Process, netns: str, wanted: dict[str, str], words: Words) -> Commands:
    far: dict[str, str] = {}
    if words:
        option = words.take()
        if match(option, {"peer": True}) is None:
            raise CommandError(f'veth: unknown option "{option}"?\n', 1)
        _description(process, words, far, until="")
    far_netns = far.pop("netns", process.netns)
    far_name = far.pop("name", "") or _free_name(process, far_netns, "veth", wanted.get("name", ""))
    name = wanted.pop("name", "") or _free_name(process, netns, "veth", far_name)
    macs = (wanted.pop("address", ""), far.pop("address", ""))
    mtus = (int(wanted.pop("mtu", "1500")), int(far.pop("mtu", "1500")))
    yield from link.add_veth(process.world, netns, name, far_netns, far_name, mtus[0], *macs)
    if mtus[0] != mtus[1]:
        yield from link.set_mtu(process.world, far_netns, far_name, mtus[1])
    yield from _apply(process, far_netns, far_name, far)
    yield from _apply(process, netns, name, wanted)


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip link del DEV``."""
    name = words.take() if words else ""
    name = words.take() if name == "dev" else name
    if not name:
        raise CommandError('Not enough information: "dev" argument is required.\n', 255)
    yield from link.delete(process.world, process.netns, name)
    return Result()


COMMANDS = {"add": add, "set": change, "delete": delete}

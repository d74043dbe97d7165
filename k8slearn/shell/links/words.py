"""What ``ip link add`` and ``ip link set`` share: the words for every kind of device, read and checked.

One ``ip link set`` is one request to the kernel: it moves the device first, then sets its address, size, name and
bridge, and brings it up or down last (rtnetlink.c: do_setlink). `SETTINGS` stands in that order.

Left out: ``carrier``, ``mode``, ``vf``, ``broadcast``, ``protodown``, queue counts and segment sizes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import link
from k8slearn.linux.rename import rename
from k8slearn.shell.iproute import Words, garbage, not_modelled, wrong
from k8slearn.shell.process import Process
from k8slearn.shell.wrappers import named_netns

MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
Wanted = dict[str, str]
"""What was asked for: setting -> value."""
Setting = Callable[[World, str, str, str], Commands]
"""(world, netns, device, value) -> what it writes."""
Change = Callable[[World, str, str], Commands]
"""(world, netns, device) -> what it writes: the words after ``type KIND``, read."""


def _flag(field: str) -> Setting:
    return lambda world, netns, dev, value: link.set_fields(world, netns, dev, **{field: value == "on"})


SETTINGS: Mapping[str, tuple[int, Setting]] = {
    "netns": (1, link.set_netns),
    "address": (1, link.set_mac),
    "mtu": (1, lambda world, netns, dev, value: link.set_mtu(world, netns, dev, int(value))),
    "group": (1, lambda world, netns, dev, value: link.set_fields(world, netns, dev, group=value)),
    "name": (1, rename),
    "alias": (1, lambda world, netns, dev, value: link.set_fields(world, netns, dev, alias=value)),
    "master": (1, link.set_master),
    "nomaster": (0, lambda world, netns, dev, value: link.set_nomaster(world, netns, dev)),
    "txqueuelen": (1, lambda world, netns, dev, value: link.set_fields(world, netns, dev, txqlen=int(value))),
    "promisc": (1, lambda world, netns, dev, value: link.set_promisc(world, netns, dev, value == "on")),
    "arp": (1, _flag("arp")),
    "multicast": (1, _flag("multicast")),
    "allmulticast": (1, _flag("allmulti")),
    "up": (0, lambda world, netns, dev, value: link.set_up(world, netns, dev)),
    "down": (0, lambda world, netns, dev, value: link.set_down(world, netns, dev)),
}
"""Each setting: how many words follow it, and what does it; in the order in which the kernel does them."""
SAME = {"txqlen": "txqueuelen", "qlen": "txqueuelen", "vrf": "master"}
ELSEWHERE: tuple[str, ...] = (
    "carrier",
    "mode",
    "vf",
    "broadcast",
    "brd",
    "protodown",
    "dynamic",
    "trailers",
    "addrgenmode",
    "index",
)
ELSEWHERE += ("numtxqueues", "numrxqueues", "gso_max_size", "gso_max_segs", "gro_max_size", "link-netnsid", "xdp")


def apply(process: Process, netns: str, dev: str, wanted: Mapping[str, str]) -> Commands:
    """Do the settings, in the kernel's order."""
    for name, (_, setting) in SETTINGS.items():
        if name in wanted:
            yield from setting(process.world, netns, dev, wanted[name])
            netns = wanted["netns"] if name == "netns" else netns
            dev = wanted["name"] if name == "name" else dev


def setting(process: Process, word: str, words: Words, wanted: Wanted) -> bool:
    """Read one setting; False where the word is none."""
    word = SAME.get(word, word)
    if word in ELSEWHERE:
        not_modelled(f"ip link set {word}")
    if word not in SETTINGS:
        return False
    wanted[word] = _value(process, word, words) if SETTINGS[word][0] else ""
    return True


def description(process: Process, words: Words, wanted: Wanted, until: str) -> str:
    """``[link DEV] [dev] NAME [address ..] [mtu ..] [netns ..] type KIND``; returns the kind."""
    while words:
        word = words.take()
        if word == until:
            return words.take()
        if word == "link":
            wanted["link"] = words.take()
        elif word in ("name", "dev") or not setting(process, word, words, wanted):
            name = words.take() if word in ("name", "dev") else word
            if "name" in wanted:
                garbage("name", name)
            if "/" in name:
                wrong(name, '"dev" not a valid ifname', "\n")
            wanted["name"] = name
    if until == "type":
        raise CommandError('Not enough information: "type" argument is required\n', 1)
    return ""


def free_name(process: Process, netns: str, kind: str, taken: str = "") -> str:
    """``veth0``, ``veth1``, ...: the first that is free."""
    links = process.world.table(netns, "link")
    names = (f"{kind}{number}" for number in range(len(links) + 2))
    return next(name for name in names if name not in links and name != taken)


def lower(process: Process, name: str, code: int = 1) -> str:
    """The device that another one shall stand on, by name. Raises CommandError where there is none."""
    if name not in process.world.table(process.netns, "link"):
        raise CommandError(f'Cannot find device "{name}"\n', code)
    return name


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


def _number(word: str) -> Callable[[Process, str], str]:
    def check(process: Process, value: str) -> str:
        if not value.isdigit():
            wrong(value, f'Invalid "{word}" value')
        return value

    return check


def _group(process: Process, value: str) -> str:
    """/etc/iproute2/group knows one name; numbers are as good."""
    if value != "default" and not value.isdigit():
        wrong(value, 'Invalid "group" value')
    return "default" if value == "0" else value


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


def _on_off(word: str) -> Callable[[Process, str], str]:
    def check(process: Process, value: str) -> str:
        if value not in ("on", "off"):
            raise CommandError(f'Error: argument of "{word}" must be "on" or "off", not "{value}"\n', 1)
        return value

    return check


CHECKS: Mapping[str, Callable[[Process, str], str]] = {
    "address": _mac,
    "mtu": _number("mtu"),
    "txqueuelen": _number("txqueuelen"),
    "group": _group,
    "netns": _netns,
    "master": _master,
    "name": _name,
    **{word: _on_off(word) for word in ("promisc", "arp", "multicast", "allmulticast")},
}

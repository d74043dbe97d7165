"""``type vxlan id VNI ...``: an Ethernet between machines.

Left out: ``external``, ``vnifilter``, ``gbp``, ``gpe``, ``remcsum``, ``label``; ``proxy``, ``rsc``, ``l2miss`` and
``l3miss``, which answer or tell of what the table does not know; a multicast ``group``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import ip, vxlan_link
from k8slearn.linux.device import error, refused
from k8slearn.linux.rows import Link, Vxlan
from k8slearn.linux.vxlan_fdb import settings
from k8slearn.shell.iproute import Fields, Words, expected, garbage, not_modelled, wrong
from k8slearn.shell.links.words import Change, Wanted, apply, free_name, lower
from k8slearn.shell.process import Process

NO_PORT = """vxlan: destination port not specified
Will use Linux kernel default (non-standard value)
Use 'dstport 4789' to get the IANA assigned value
Use 'dstport 0' to get default and quiet this message
"""
Given = dict[str, Any]
"""Field of `Vxlan` (and ``dev``) -> what was said."""


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """``ip link add [NAME] type vxlan id N [local A] [remote B] [dev DEV] [dstport P] [nolearning] ...``."""
    given = _given(process, words)
    if "port" not in given and given:
        words.notes += NO_PORT
    if given.get("external"):
        given = {"id": 0, "learning": False, **given}
    if "id" not in given:
        raise error("Required attributes not provided to perform the operation.")
    given["port"] = given.get("port") or Vxlan.__dataclass_fields__["port"].default
    dev = given.pop("dev", "")
    name = wanted.pop("name", "") or free_name(process, netns, "vxlan")
    mtu, mac = int(wanted.pop("mtu", "0")), wanted.pop("address", "")
    yield from vxlan_link.add(process.world, netns, name, Vxlan(**given), dev, mtu, mac, process.netns)
    yield from apply(process, netns, name, wanted)


def change(process: Process, words: Words) -> Change:
    """``ip link set NAME type vxlan remote B ...``."""
    given = _given(process, words)
    if "dev" in given:
        not_modelled("ip link set type vxlan dev")
    return lambda world, netns, dev: _changed(world, netns, dev, given)


def _changed(world: World, netns: str, dev: str, given: Given) -> Commands:
    if not isinstance(world.table(netns, "link")[dev].spec, Vxlan):
        raise refused("Operation not supported")
    yield from vxlan_link.change(world, netns, dev, **given)


def _given(process: Process, words: Words) -> Given:
    found: Given = {}
    while words:
        word = words.take()
        if word in ELSEWHERE:
            not_modelled(f"ip link type vxlan {word}")
        on = not (word.startswith("no") and word[2:] in SWITCHES)
        name = word if on else word[2:]
        if name in SWITCHES:
            found[SWITCHES[name]] = on
        elif word in SETTINGS:
            for field, value in SETTINGS[word](process, words).items():
                if field in found:
                    garbage(word, str(value))
                found[field] = value
            _one_family(found)
        else:
            raise CommandError(f'vxlan: unknown command "{word}"?\n', 1)
    return found


def _one_family(given: Given) -> None:
    """The first address says which family the other must be of."""
    ends = [given[field] for field in given if field in ("local", "remote")]
    if len(ends) == 2 and ip.bits(ends[0]) != ip.bits(ends[1]):
        expected("inet6 address" if ":" in ends[0] else "inet address", ends[1])


def _number(field: str, complaint: str, most: int) -> Callable[[Process, Words], Given]:
    def read(process: Process, words: Words) -> Given:
        value = words.number(complaint, "\n")
        if not 0 <= value <= most:
            wrong(str(value), complaint, "\n")
        return {field: value}

    return read


def _address(field: str) -> Callable[[Process, Words], Given]:
    def read(process: Process, words: Words) -> Given:
        word = words.take()
        try:
            address = ip.canonical(word)
        except ValueError:
            expected("any valid address", word)
        if field and ip.is_multicast(address):
            wrong(word, f"invalid {field} address", "\n")
        return {field: address}

    return read


def _group(process: Process, words: Words) -> Given:
    address = _address("")(process, words)[""]
    if not ip.is_multicast(address):
        wrong(address, "invalid group address", "\n")
    not_modelled("ip link type vxlan group: a multicast underlay")


def _ttl(process: Process, words: Words) -> Given:
    if words and words.left[0] in ("inherit", "auto"):
        return {"ttl_inherit": words.take() == "inherit"}
    value = words.number("invalid TTL", "\n")
    if value > 255:
        wrong(str(value), "TTL must be <= 255", "\n")
    return {"ttl": value}


def _tos(process: Process, words: Words) -> Given:
    word = words.take()
    if word == "inherit":
        return {"tos": 1}
    try:
        return {"tos": int(word, 16)}
    except ValueError:
        wrong(word, "bad TOS value", "\n")


def _df(process: Process, words: Words) -> Given:
    word = words.take()
    if word not in ("unset", "set", "inherit"):
        wrong(word, "DF must be 'unset', 'set' or 'inherit'", "\n")
    return {"df": word}


def _port_range(process: Process, words: Words) -> Given:
    low, high = words.number("min port", "\n"), words.number("max port", "\n")
    return {"port_range": (low, high)}


SETTINGS: Mapping[str, Callable[[Process, Words], Given]] = {
    **dict.fromkeys(("id", "vni"), _number("id", "invalid id", (1 << 24) - 1)),
    "group": _group,
    "remote": _address("remote"),
    "local": _address("local"),
    "dev": lambda process, words: {"dev": lower(process, words.take(), 255)},
    **dict.fromkeys(("ttl", "hoplimit"), _ttl),
    **dict.fromkeys(("tos", "dsfield"), _tos),
    "df": _df,
    "ageing": _number("ageing", "ageing timer", (1 << 32) - 1),
    "maxaddress": _number("limit", "max addresses", (1 << 32) - 1),
    **dict.fromkeys(("port", "srcport"), _port_range),
    "dstport": _number("port", "dst port", 65535),
}
SWITCHES = {
    "learning": "learning",
    "udpcsum": "udp_csum",
    "udp6zerocsumtx": "udp_zero_csum6_tx",
    "udp6zerocsumrx": "udp_zero_csum6_rx",
    "localbypass": "localbypass",
    "external": "external",
}
ELSEWHERE = ("vnifilter", "gbp", "gpe", "label", "flowlabel", "proxy", "rsc", "l2miss", "l3miss")


def fields(world: World, netns: str, link: Link) -> Fields:
    spec = settings(link)
    row: Fields = (
        ({"external": True} if spec.external else {})
        | {"id": spec.id}
        | ({"remote": spec.remote} if spec.remote else {})
    )
    row |= {"local": spec.local} if spec.local else {}
    row |= {"link": link.lower[1]} if link.lower is not None else {}
    row |= {"port_range": {"low": spec.port_range[0], "high": spec.port_range[1]}, "port": spec.port}
    row |= {"learning": spec.learning} | ({"tos": f"{spec.tos:#x}"} if spec.tos else {})
    row |= {} if spec.ttl_inherit else {"ttl": spec.ttl}
    row |= {"df": spec.df, "ageing": spec.ageing} | ({"limit": spec.limit} if spec.limit else {})
    row |= {"udp_csum": spec.udp_csum, "udp_zero_csum6_tx": spec.udp_zero_csum6_tx}
    return row | {"udp_zero_csum6_rx": spec.udp_zero_csum6_rx}


def text(fields: Fields) -> str:
    words = [word for name, value in fields.items() for word in _words(name, value)]
    if "ttl" not in fields:
        at = words.index("df" if "df" in words else "ageing")
        words[at:at] = ["ttl", "inherit"]
    return "".join(f"{word} " for word in words)


def _words(name: str, value: Any) -> list[str]:
    """One setting as text; what is as usual is often not said."""
    if name == "external":
        return ["external"]
    if name == "port_range":
        return ["srcport", str(value["low"]), str(value["high"])]
    if name in FLAGS:
        return [FLAGS[name]] if value else [f"no{FLAGS[name]}"]
    if name == "learning":
        return [] if value else ["nolearning"]
    if name == "df":
        return [] if value == "unset" else ["df", value]
    usual = {("tos", "0x1"): "inherit", ("ttl", 0): "auto"}
    return [TEXT.get(name, name), usual.get((name, value), str(value))]


FLAGS = {"udp_csum": "udpcsum", "udp_zero_csum6_tx": "udp6zerocsumtx", "udp_zero_csum6_rx": "udp6zerocsumrx"}
TEXT = {"link": "dev", "port": "dstport", "limit": "maxaddr"}

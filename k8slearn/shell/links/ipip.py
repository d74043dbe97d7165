"""``type ipip local A remote B``: an IP packet in an IP packet.

Left out: ``external``, ``encap``, ``fwmark``, ``tos`` and MPLS inside (each is refused in a sentence).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import ip, ipip
from k8slearn.linux.device import error, find
from k8slearn.linux.rows import Ipip, Link
from k8slearn.shell.iproute import Fields, Words, expected, not_modelled, wrong
from k8slearn.shell.links.words import Change, Wanted, apply, lower
from k8slearn.shell.process import Process

MODES = {"ipv4/ipv4": "ipip", "ipip": "ipip", "ip4ip4": "ipip", "any/ipv4": "any", "any": "any"}
TTL = ("ttl", "hoplimit", "hlim")
ELSEWHERE = ("tos", "tclass", "tc", "external", "noencap", "encap", "fwmark", "encap-sport", "encap-dport")
INCOMPATIBLE = "ttl != 0 and nopmtudisc are incompatible\n"


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """``ip link add [NAME] type ipip [local A] [remote B] [ttl N] [dev DEV] [[no]pmtudisc] [mode ipip|any]``."""
    told = _words(process, words)
    dev = told.pop("dev", "")
    name = wanted.pop("name", "") or ipip.free_name(process.world, netns)
    mtu = int(wanted.pop("mtu", "0"))
    if "address" in wanted:
        raise error("Operation not supported.")
    yield from ipip.add(process.world, process.netns, name, Ipip(**told), dev, mtu, netns)
    yield from apply(process, netns, name, wanted)


def _words(process: Process, words: Words) -> dict[str, Any]:
    told: dict[str, Any] = {}
    while words:
        word = words.take()
        if word in ("local", "remote"):
            told[word] = address(words.take())
        elif word in TTL:
            told["ttl"] = ttl(words.take())
        elif word in ("pmtudisc", "nopmtudisc"):
            told["pmtudisc"] = word == "pmtudisc"
        elif word and "dev".startswith(word):
            told["dev"] = lower(process, words.take(), 255)
        elif word == "mode":
            told["proto"] = _mode(words.take())
        elif word in ELSEWHERE:
            not_modelled(f"ip link type ipip {word}")
        else:
            raise CommandError("Usage: ... ipip [ remote ADDR ] [ local ADDR ] [ ttl TTL ] [ dev PHYS_DEV ]\n", 255)
    if told.get("ttl") and not told.get("pmtudisc", True):
        raise CommandError(INCOMPATIBLE, 255)
    return told


def address(word: str, what: str = "inet address", end: str = ".") -> str:
    """An IPv4 address, ``any`` (empty) among them."""
    if word in ("any", "all", "default", "0.0.0.0"):
        return ""
    try:
        if ip.bits(word) == 32:
            ip.number(word)
            return word
    except ValueError:
        pass
    if end:
        expected(what, word)
    raise CommandError(f'Error: {what} is expected rather than "{word}"\n', 1)


def ttl(word: str) -> int:
    """1 to 255; ``inherit`` is 0."""
    if word == "inherit":
        return 0
    if not word.isdigit() or int(word) > 255:
        wrong(word, "invalid TTL\n", "\n")
    return int(word)


def _mode(word: str) -> str:
    if word in ("mpls/ipv4", "mplsip"):
        not_modelled("ip link type ipip mode mplsip")
    if word not in MODES:
        wrong(word, "Cannot guess tunnel mode.", "\n")
    return MODES[word]


def change(process: Process, words: Words) -> Change:
    """``ip link set NAME type ipip ...``: what is not said stays."""
    told = _words(process, words)

    def write(world: World, netns: str, dev: str) -> Commands:
        device = find(world, netns, dev)
        if not isinstance(device.spec, Ipip):
            raise CommandError("Failed to get existing tunnel info.\n", 255)
        bound = told.pop("dev", device.lower[1] if device.lower is not None else "")
        yield from ipip.change(world, netns, dev, replace(device.spec, **told), bound)

    return write


def fields(world: World, netns: str, link: Link) -> Fields:
    spec = link.spec
    assert isinstance(spec, Ipip)
    row: Fields = {"proto": spec.proto, "remote": spec.remote or "any", "local": spec.local or "any"}
    row |= {"link": link.lower[1]} if link.lower is not None else {}
    return row | {"ttl": spec.ttl, "pmtudisc": spec.pmtudisc}


def text(fields: Fields) -> str:
    dev = f"dev {fields['link']} " if "link" in fields else ""
    words = f"{fields['proto']} remote {fields['remote']} local {fields['local']} {dev}"
    return f"{words}ttl {fields['ttl'] or 'inherit'} {'' if fields['pmtudisc'] else 'no'}pmtudisc "


def hardware(link: Link) -> Fields:
    """``link/ipip A peer B``: its addresses stand where others have a MAC."""
    spec = link.spec
    assert isinstance(spec, Ipip)
    ends: Fields = {"address": spec.local or "0.0.0.0"}
    ends |= {"link_pointtopoint": True} if spec.remote else {}
    return ends | {"broadcast": spec.remote or "0.0.0.0"}

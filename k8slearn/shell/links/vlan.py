"""``type vlan id 10``: a device for one 802.1Q tag on another device.

Left out: 802.1ad, priorities (``ingress-qos-map``), ``gvrp``, ``mvrp``, ``loose_binding``, ``bridge_binding``.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import vlan
from k8slearn.linux.device import error
from k8slearn.linux.rows import Link, Vlan
from k8slearn.shell.iproute import Fields, Words, match, not_modelled, wrong
from k8slearn.shell.links.words import Change, Wanted, apply, free_name, lower
from k8slearn.shell.process import Process

ELSEWHERE = ("gvrp", "mvrp", "loose_binding", "bridge_binding", "ingress-qos-map", "egress-qos-map")
WORDS = {"protocol": "protocol", "id": "id", "reorder_hdr": "reorder_hdr", **dict.fromkeys(ELSEWHERE, "")}


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """``ip link add link eth0 [name] eth0.10 type vlan [protocol 802.1Q] id 10``."""
    number = _words(words)
    below = lower(process, wanted.pop("link")) if "link" in wanted else ""
    if number is None:
        raise error("8021q: VLAN properties not specified.")
    if not below:
        raise error("8021q: link not specified.")
    name = wanted.pop("name", "") or free_name(process, netns, "vlan")
    mac, mtu = wanted.pop("address", ""), int(wanted.pop("mtu", "0"))
    yield from vlan.add(process.world, process.netns, name, below, number, mac, mtu, netns)
    yield from apply(process, netns, name, wanted)


def _words(words: Words) -> int | None:
    number = None
    while words:
        word = words.take()
        found = match(word, WORDS)
        if found is None:
            raise CommandError(f'vlan: unknown command "{word}"?\n', 1)
        if found == "id":
            number = _id(words.take())
        elif found == "" or (found, words.take()) not in (("protocol", "802.1Q"), ("reorder_hdr", "on")):
            not_modelled(f"ip link type vlan {word}")
    return number


def _id(word: str) -> int:
    try:
        number = int(word, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 16:
        wrong(word, "id is invalid", "\n")
    return number


def change(process: Process, words: Words) -> Change:
    """``ip link set NAME type vlan``: the tag stays as it was made."""
    _words(words)
    return lambda world, netns, dev: iter(())


def fields(world: World, netns: str, link: Link) -> Fields:
    assert isinstance(link.spec, Vlan)
    return {"protocol": "802.1Q", "id": link.spec.id, "flags": ["REORDER_HDR"]}


def text(fields: Fields) -> str:
    return f"protocol {fields['protocol']} id {fields['id']} <{','.join(fields['flags'])}> "

"""``type wireguard``: what it is told, ``wg`` tells it; ``ip link`` makes it and shows that it has no MAC.

Left out: nothing that iproute2 has.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import wireguard
from k8slearn.linux.rows import Link
from k8slearn.shell.iproute import Fields, Words
from k8slearn.shell.links.words import Change, Wanted, apply, free_name
from k8slearn.shell.process import Process


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """``ip link add [NAME] type wireguard``."""
    _nothing(words)
    name = wanted.pop("name", "") or free_name(process, netns, "wireguard")
    mtu = int(wanted.pop("mtu", "0"))
    yield from wireguard.add(process.world, process.netns, name, mtu, netns)
    yield from apply(process, netns, name, wanted)


def _nothing(words: Words) -> None:
    if words:
        raise CommandError(f'Garbage instead of arguments "{words.take()} ...". Try "ip link help".\n', 1)


def change(process: Process, words: Words) -> Change:
    """``ip link set NAME type wireguard``: there is nothing to set."""
    _nothing(words)
    return lambda world, netns, dev: iter(())


def fields(world: World, netns: str, link: Link) -> Fields:
    return {}


def text(fields: Fields) -> str:
    return ""


def hardware(link: Link) -> Fields:
    """``link/none``: no address of its own and nobody to shout to."""
    return {}

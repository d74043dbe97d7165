"""Kinds of device that have no settings of their own: ``dummy``, ``ifb``.

iproute2 has no words for them and passes over whatever follows the kind.

Left out: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from k8slearn.journal import Commands, World
from k8slearn.linux import link
from k8slearn.linux.rows import Link
from k8slearn.shell.iproute import Fields, Words
from k8slearn.shell.links.words import Change, Wanted, apply, free_name
from k8slearn.shell.process import Process


@dataclass(frozen=True, slots=True)
class Plain:
    """One such kind."""

    name: str

    def add(self, process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
        """``ip link add NAME type dummy``."""
        words.left.clear()
        name = wanted.pop("name", "") or free_name(process, netns, self.name)
        mtu, mac = int(wanted.pop("mtu", "1500")), wanted.pop("address", "")
        yield from link.add(process.world, netns, name, self.name, mtu, mac)
        yield from apply(process, netns, name, wanted)

    def change(self, process: Process, words: Words) -> Change:
        """``ip link set NAME type dummy``: there is nothing to set."""
        words.left.clear()
        return lambda world, netns, dev: iter(())

    def fields(self, world: World, netns: str, link: Link) -> Fields:
        return {}

    def text(self, fields: Fields) -> str:
        return ""


def of(name: str) -> Plain:
    """The kind with this name."""
    return Plain(name)

"""``type macvlan mode bridge``: another MAC on the same card, as a device of its own.

Left out: mode ``source`` and its MACs, ``nopromisc``, ``nodst``, ``bcqueuelen``.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import macvlan
from k8slearn.linux.device import refused
from k8slearn.linux.rows import Link, Macvlan
from k8slearn.shell.iproute import Fields, Words, match, not_modelled
from k8slearn.shell.links.words import Change, Wanted, apply, free_name, lower
from k8slearn.shell.process import Process

WORDS = {"mode": True, "flag": False, "macaddr": False, "nopromisc": False, "nodst": False, "bcqueuelen": False}
NO_MODE = 'Error: argument of "mode" must be "private", "vepa", "bridge", "passthru" or "source", not "{}"\n'
QUEUE = 1000
"""How many broadcasts wait for the macvlans of a card: the driver's own default."""


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """``ip link add link eth0 [name] mv0 type macvlan [mode bridge]``."""
    mode = _mode(words)
    below = lower(process, wanted.pop("link")) if "link" in wanted else ""
    if not below:
        raise refused("Invalid argument")
    name = wanted.pop("name", "") or free_name(process, netns, "macvlan")
    mac, mtu = wanted.pop("address", ""), int(wanted.pop("mtu", "0"))
    yield from macvlan.add(process.world, process.netns, name, below, mode or "vepa", mac, mtu, netns)
    yield from apply(process, netns, name, wanted)


def _mode(words: Words) -> str:
    mode = ""
    while words:
        word = words.take()
        known = match(word, WORDS)
        if known is None:
            raise CommandError(f'macvlan: unknown option "{word}"?\n', 1)
        if not known:
            not_modelled(f"ip link type macvlan {word}")
        mode = words.take()
        if mode == "source":
            not_modelled("ip link type macvlan mode source")
        if mode not in macvlan.MODES:
            raise CommandError(NO_MODE.format(mode), 1)
    return mode


def change(process: Process, words: Words) -> Change:
    """``ip link set NAME type macvlan mode MODE``."""
    mode = _mode(words)

    def write(world: World, netns: str, dev: str) -> Commands:
        yield from macvlan.set_mode(world, netns, dev, mode)

    return write if mode else lambda world, netns, dev: iter(())


def fields(world: World, netns: str, link: Link) -> Fields:
    assert isinstance(link.spec, Macvlan)
    return {"mode": link.spec.mode, "bcqueuelen": QUEUE, "usedbcqueuelen": QUEUE}


def text(fields: Fields) -> str:
    return "".join(f"{word} {value} " for word, value in fields.items())

"""``type ipvlan mode l2``: another IP stack behind the same card and the same MAC.

Left out: nothing that iproute2 has.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import ipvlan
from k8slearn.linux.device import refused
from k8slearn.linux.rows import Ipvlan, Link
from k8slearn.shell.iproute import Fields, Words, match
from k8slearn.shell.links.words import Change, Wanted, apply, free_name, lower
from k8slearn.shell.process import Process

FLAGS = {"private": "private", "vepa": "vepa", "bridge": "bridge"}
NO_MODE = 'Error: argument of "mode" must be either "l2", "l3" or "l3s"\n'


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """``ip link add link eth0 [name] ipvl0 type ipvlan [mode l2|l3|l3s] [bridge|private|vepa]``."""
    mode, flag = _words(words)
    below = lower(process, wanted.pop("link")) if "link" in wanted else ""
    if not below:
        raise refused("Invalid argument")
    if "address" in wanted:
        raise refused("Operation not supported")
    name = wanted.pop("name", "") or free_name(process, netns, "ipvlan")
    spec, mtu = Ipvlan(mode or "l3", flag or "bridge"), int(wanted.pop("mtu", "0"))
    yield from ipvlan.add(process.world, process.netns, name, below, spec, mtu, netns)
    yield from apply(process, netns, name, wanted)


def _words(words: Words) -> tuple[str, str]:
    mode, flag = "", ""
    while words:
        word = words.take()
        found = match(word, FLAGS) if not flag else None
        if "mode".startswith(word):
            mode = words.take()
            if mode not in ipvlan.MODES:
                raise CommandError(NO_MODE, 1)
        elif found is not None:
            flag = found
        else:
            raise CommandError(f'ipvlan: unknown option "{word}"?\n', 1)
    return mode, flag


def change(process: Process, words: Words) -> Change:
    """``ip link set NAME type ipvlan mode MODE [FLAG]``: for all ipvlans of the card."""
    mode, flag = _words(words)
    return lambda world, netns, dev: ipvlan.set_mode(world, netns, dev, mode, flag or "bridge")


def fields(world: World, netns: str, link: Link) -> Fields:
    assert isinstance(link.spec, Ipvlan)
    return {"mode": link.spec.mode, link.spec.flag: True}


def text(fields: Fields) -> str:
    return f" mode {fields['mode']} " + "".join(f"{word} " for word in FLAGS if word in fields)

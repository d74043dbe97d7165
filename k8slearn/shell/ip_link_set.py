"""``ip link add|set|del``: what a person may change about a network device.

The words for every kind of device are in `links/words.py`; those after ``type KIND`` are the kind's own affair
(`links`).

Left out: what those modules leave out.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.linux import link
from k8slearn.linux.program import Result, Running
from k8slearn.shell.iproute import Options, Words, garbage
from k8slearn.shell.links import KINDS, SLAVES
from k8slearn.shell.links.words import Change, apply, description, setting
from k8slearn.shell.process import Process


def change(process: Process, options: Options, words: Words) -> Running:
    """``ip link set DEV SETTING... [type KIND SETTING...]``."""
    dev, wanted, of_kind = "", dict[str, str](), list[Change]()
    while words:
        word = words.take()
        if word == "type":
            of_kind += _of_kind(process, words)
        elif not setting(process, word, words, wanted):
            name = words.take() if word == "dev" else word
            if dev:
                garbage("dev", name)
            dev = name
    if not dev:
        raise CommandError('Not enough information: "dev" argument is required.\n', 255)
    link.find(process.world, process.netns, dev)
    for write in of_kind:
        yield from write(process.world, process.netns, dev)
    yield from apply(process, process.netns, dev, wanted)
    return Result()


def _of_kind(process: Process, words: Words) -> list[Change]:
    """What ``type KIND WORDS`` changes; a kind that iproute2 has no words for changes nothing."""
    name = words.take()
    kind = SLAVES.get(name.removesuffix("_slave")) if name.endswith("_slave") else KINDS.get(name)
    if kind is None:
        words.left.clear()
        return []
    return [kind.change(process, words)]


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip link add [link DEV] [NAME] [address MAC] [mtu N] type KIND ...``."""
    wanted: dict[str, str] = {}
    kind = description(process, words, wanted, until="type")
    if kind not in KINDS:
        raise CommandError("Error: Unknown device type.\n", 2)
    netns = wanted.pop("netns", process.netns)
    try:
        yield from KINDS[kind].add(process, netns, wanted, words)
    except CommandError as error:
        raise CommandError(words.notes + error.stderr, error.exit_code) from None
    return Result("", words.notes)


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip link del DEV``."""
    name = words.take() if words else ""
    name = words.take() if name == "dev" else name
    if not name:
        raise CommandError('Not enough information: "dev" argument is required.\n', 255)
    yield from link.delete(process.world, process.netns, name)
    return Result()


COMMANDS = {"add": add, "set": change, "delete": delete}

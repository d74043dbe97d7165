"""``type veth peer name PEER``: a cable with two ends.

Left out: the number of queues.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import link as operations
from k8slearn.linux.rows import Link
from k8slearn.shell.iproute import Fields, Words, match
from k8slearn.shell.links.words import Change, Wanted, apply, description, free_name
from k8slearn.shell.process import Process


def add(process: Process, netns: str, wanted: Wanted, words: Words) -> Commands:
    """``ip link add [NAME] type veth [peer [name] PEER [address MAC] [netns X]]``."""
    far: dict[str, str] = {}
    if words:
        option = words.take()
        if match(option, {"peer": True}) is None:
            raise CommandError(f'veth: unknown option "{option}"?\n', 1)
        description(process, words, far, until="")
    far_netns = far.pop("netns", process.netns)
    far_name = far.pop("name", "") or free_name(process, far_netns, "veth", wanted.get("name", ""))
    name = wanted.pop("name", "") or free_name(process, netns, "veth", far_name)
    macs = (wanted.pop("address", ""), far.pop("address", ""))
    mtus = (int(wanted.pop("mtu", "1500")), int(far.pop("mtu", "1500")))
    yield from operations.add_veth(process.world, netns, name, far_netns, far_name, mtus[0], *macs)
    if mtus[0] != mtus[1]:
        yield from operations.set_mtu(process.world, far_netns, far_name, mtus[1])
    yield from apply(process, far_netns, far_name, far)
    yield from apply(process, netns, name, wanted)


def change(process: Process, words: Words) -> Change:
    """``ip link set NAME type veth``: there is nothing to set."""
    if words:
        raise CommandError(f'veth: unknown option "{words.take()}"?\n', 1)
    return lambda world, netns, dev: iter(())


def fields(world: World, netns: str, link: Link) -> Fields:
    return {}


def text(fields: Fields) -> str:
    return ""

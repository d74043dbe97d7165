"""The cable of a container: a veth pair, one end in its namespace, the other on the node (pkg/ip/link_linux.go).

The node's end is called ``veth`` and eight digits, which are random in life and derived here. It is set up at once, the
container's end only when it has got its addresses (`iface`). Both are made with a queue length of 0, which is why ``ip
link`` prints no ``qlen`` for them.

Left out: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import NamedTuple

from k8slearn.cni.skel import Args, kernel_words
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Command, World, digest
from k8slearn.linux import addr, ip, link
from k8slearn.linux.device import error, refused
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Link

MAC = re.compile(r"(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})\Z", re.I)


class Cable(NamedTuple):
    """A veth pair: the node's end and the container's, and the namespace that this one is in."""

    host: Link
    pod: Link
    netns: str


def set_up(args: Args, netns: str, name: str, mtu: int = 0, mac: str = "") -> Generator[Command, None, Cable]:
    """A pair with the end `name` in `netns` and the other on the node, which is up. Raises CniError."""
    if args.world.get(link.key(netns, name)) is not None:
        raise CniError(f"container veth name provided ({name}) already exists")
    host = free_name(args, args.node, name)
    try:
        mac = parse_mac(mac)
        check_mtu(mtu, "veth")
        yield from link.add_veth(args.world, netns, name, args.node, host, mtu if mtu > 0 else 1500, mac)
    except (CniError, CommandError) as why:
        words = why.msg if isinstance(why, CniError) else kernel_words(why)
        raise CniError(f"failed to make veth pair: {words}") from None
    yield from link.set_up(args.world, args.node, host)
    return Cable(link.find(args.world, args.node, host), link.find(args.world, netns, name), netns)


def remove(world: World, netns: str, name: str) -> Generator[Command, None, list[str]]:
    """DelLinkByNameAddr(): the link goes; returns the addresses (CIDR) that it had and that count beyond it."""
    if world.get(link.key(netns, name)) is None:
        return []
    held = [row for row in addr.on(world, netns, name) if row.scope == "global" and not ip.is_multicast(row.address)]
    yield from link.delete(world, netns, name)
    return [row.cidr for row in held]


def parse_mac(text: str) -> str:
    """A MAC in its usual form; empty: the kernel may choose. Raises CniError as Go does, CommandError as the kernel."""
    if not text:
        return ""
    if not MAC.match(text):
        raise CniError(f"address {text}: invalid MAC address")
    digits = re.sub("[^0-9a-f]", "", text.lower())
    if int(digits[:2], 16) & 1 or not int(digits, 16):
        raise refused("Cannot assign requested address")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def check_mtu(mtu: int, kind: str) -> None:
    """Raises CommandError where the kernel makes no such device (dev.c: dev_validate_mtu); 0: its default."""
    if 0 < mtu < DRIVERS[kind].min_mtu:
        raise error("mtu less than device minimum.")
    if mtu > DRIVERS[kind].max_mtu:
        raise error("mtu greater than device maximum.")


def free_name(args: Args, netns: str, name: str) -> str:
    """``veth`` and eight digits that no device of the namespace has: random in life, derived here."""
    links, tries = args.world.table(netns, "link"), 0
    while (found := "veth" + digest(args.node, args.container_id, args.name, name, tries)) in links:
        tries += 1
    return found

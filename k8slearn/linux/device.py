"""A network device is up because somebody said so, and has a carrier if something at its other end works.

So ``ip link`` shows two words: ``UP`` in the brackets is the order, ``state`` is what came of it: ``UP``, ``DOWN`` (not
ordered, or no carrier: ``NO-CARRIER``), ``LOWERLAYERDOWN`` (what it stands on has none), ``UNKNOWN`` (a driver that
does not know). This module reads devices; what a person writes about one is in `link`.

Left out: kinds of device that are not in `drivers`.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Table, World
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Link


def find(world: World, netns: str, name: str) -> Link:
    """The link with this name. Raises CommandError as ``ip`` does when there is none."""
    link: Link | None = world.table(netns, "link").get(name)
    if link is None:
        raise CommandError(f'Cannot find device "{name}"\n', 1)
    return link


def refused(words: str) -> CommandError:
    """The kernel says no through rtnetlink: ``File exists``."""
    return CommandError(f"RTNETLINK answers: {words}\n", 2)


def error(words: str) -> CommandError:
    """The kernel says no and why (an extended acknowledgement): ``Nexthop has invalid gateway.``"""
    return CommandError(f"Error: {words}\n", 2)


def ports(world: World, netns: str, bridge: str) -> list[Link]:
    """The ports of a bridge, in the order of their index."""
    by_bridge = world.table(netns, "link").index(_ports)
    return by_bridge.get(bridge, [])


def _ports(links: Table) -> dict[str, list[Link]]:
    found: dict[str, list[Link]] = {}
    for link in sorted(links.values(), key=lambda link: link.index):
        if link.master:
            found.setdefault(link.master, []).append(link)
    return found


def by_index(world: World, netns: str) -> dict[int, Link]:
    """The links of a namespace by index."""
    return world.table(netns, "link").index(_by_index)


def _by_index(links: Table) -> dict[int, Link]:
    return {link.index: link for link in links.values()}


def next_index(world: World, netns: str) -> int:
    """The index that a new link gets: one more than the highest (``lo`` is 1)."""
    return max(by_index(world, netns), default=0) + 1


def peer_of(world: World, link: Link) -> Link | None:
    """The other end of a veth pair."""
    if link.peer is None:
        return None
    found: Link | None = world.table(link.peer[0], "link").get(link.peer[1])
    return found


def lower_of(world: World, link: Link) -> Link | None:
    """The device that a vlan or macvlan stands on."""
    if link.lower is None:
        return None
    found: Link | None = world.table(link.lower[0], "link").get(link.lower[1])
    return found


def carrier(world: World, netns: str, link: Link) -> bool:
    """Does the link have a carrier (no ``NO-CARRIER``)? Each driver knows it from elsewhere (`drivers.Driver.carrier`):
    veth.c: both ends up; br_device.c: a port that forwards; a vlan: the device below."""
    if not link.up:
        return False
    whose = DRIVERS[link.kind].carrier
    if whose == "peer":
        peer = peer_of(world, link)
        return peer is not None and peer.up
    if whose == "ports":
        return any(carrier(world, netns, port) for port in ports(world, netns, link.name))
    if whose == "lower":
        lower = lower_of(world, link)
        return lower is not None and link.lower is not None and carrier(world, link.lower[0], lower)
    return True


def operstate(world: World, netns: str, link: Link) -> str:
    """What ``ip link`` prints after ``state``: UP, DOWN, LOWERLAYERDOWN or UNKNOWN."""
    if not link.up:
        return "DOWN"
    if not DRIVERS[link.kind].carrier:
        return "UNKNOWN"
    if carrier(world, netns, link):
        return "UP"
    return "LOWERLAYERDOWN" if _lower_is_down(world, netns, link) else "DOWN"


def _lower_is_down(world: World, netns: str, link: Link) -> bool:
    """link_watch.c default_operstate(): it looks the peer's index up in the link's *own* namespace."""
    other = peer_of(world, link) or lower_of(world, link)
    if other is None or other.index == link.index:
        return False
    lower = by_index(world, netns).get(other.index)
    return lower is not None and not carrier(world, netns, lower)

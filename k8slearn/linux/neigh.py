"""The neighbour table (``ip neigh``): which MAC has which address on a link, and how sure the kernel is of it.

The kernel fills this table itself, by `arp` and `ndp`; an entry that a person adds is PERMANENT and is never asked
about again. What an entry can be (`STATES`)::

    PERMANENT    used at once   a person wrote it: believed for ever
    REACHABLE    used at once   it answered a moment ago
    STALE        used at once   that was a while ago
    DELAY        used at once   it was STALE and has been used: five seconds for a sign of life
    PROBE        used at once   none came: it is asked directly
    NOARP        used at once   on this link nobody is asked
    INCOMPLETE   not used       asked by broadcast, no answer yet: packets wait
    FAILED       not used       asked three times, no answer
    NONE         not used       nothing is known

A **proxy** entry (``ip neigh add proxy ADDRESS``) is the other way round: this machine answers for that address.

Left out: ageing: what was REACHABLE stays so, and nothing becomes DELAY or PROBE by itself; FAILED entries other than
of IPv6 gateways, and that the kernel asks such a gateway again each minute (`rt6_probe`); limits of the table
(``gc_thresh3``).
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import inet6
from k8slearn.linux.device import error, find, refused
from k8slearn.linux.rows import Neighbour

STATES: Mapping[str, tuple[bool, str]] = {
    "PERMANENT": (True, "a person wrote it: believed for ever"),
    "REACHABLE": (True, "it answered a moment ago"),
    "STALE": (True, "that was a while ago"),
    "DELAY": (True, "it was STALE and has been used: five seconds for a sign of life"),
    "PROBE": (True, "none came: it is asked directly"),
    "NOARP": (True, "on this link nobody is asked"),
    "INCOMPLETE": (False, "asked by broadcast, no answer yet: packets wait"),
    "FAILED": (False, "asked three times, no answer"),
    "NONE": (False, "nothing is known"),
}
"""What is known of a neighbour -> (is its MAC used at once?, what it means)."""


def key(netns: str, dev: str, address: str) -> Key:
    """Where the world keeps this neighbour."""
    return (netns, "neigh", (dev, address))


def add(world: World, netns: str, dev: str, address: str, mac: str, state: str = "PERMANENT") -> Commands:
    """``ip neigh add ADDRESS lladdr MAC dev DEV``. Raises CommandError when there is an entry already."""
    if world.get(key(netns, dev, address)) is not None:
        raise refused("File exists")
    yield from replace(world, netns, dev, address, mac, state)


def replace(world: World, netns: str, dev: str, address: str, mac: str, state: str = "PERMANENT") -> Commands:
    """``ip neigh replace``: as add, over what is there."""
    link = find(world, netns, dev)
    if ":" in address and not inet6.enabled(world, netns, link):
        raise error("IPv6 is disabled on this device.")
    yield Put(key(netns, dev, address), Neighbour(dev, address, mac.lower(), state))


def delete(world: World, netns: str, dev: str, address: str) -> Commands:
    """``ip neigh del ADDRESS dev DEV``."""
    find(world, netns, dev)
    if world.get(key(netns, dev, address)) is None:
        raise refused("No such file or directory")
    yield Remove(key(netns, dev, address))


def failed(world: World, netns: str, dev: str, address: str) -> Commands:
    """Nobody answered: the entry says so until somebody does."""
    row = Neighbour(dev, address, "", "FAILED")
    if world.get(key(netns, dev, address)) != row:
        yield Put(key(netns, dev, address), row)


def add_proxy(world: World, netns: str, dev: str, address: str) -> Commands:
    """``ip neigh add proxy ADDRESS dev DEV``: answer for it. Adding it twice changes nothing."""
    find(world, netns, dev)
    yield Put((netns, "proxy", (dev, address)), Neighbour(dev, address, "", "PROXY"))


def delete_proxy(world: World, netns: str, dev: str, address: str) -> Commands:
    """``ip neigh del proxy ADDRESS dev DEV``."""
    find(world, netns, dev)
    if world.get((netns, "proxy", (dev, address))) is None:
        raise refused("No such file or directory")
    yield Remove((netns, "proxy", (dev, address)))


def flush(world: World, netns: str, dev: str) -> Commands:
    """``ip neigh flush dev DEV``: all but the PERMANENT entries."""
    for name, row in list(world.table(netns, "neigh").items()):
        if row.dev == dev and row.state != "PERMANENT":
            yield Remove((netns, "neigh", name))


def drop_device(world: World, netns: str, dev: str, family: str = "") -> Commands:
    """neigh_ifdown(): a device went down, and all that it knew is forgotten, PERMANENT entries too."""
    for table in ("neigh", "proxy"):
        for name, row in list(world.table(netns, table).items()):
            if row.dev == dev and (not family or (":" in row.address) == (family == "ip6")):
                yield Remove((netns, table, name))

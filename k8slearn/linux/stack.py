"""A vlan, a macvlan, a tunnel stands on another device or on a namespace's IP stack, and feels what happens there.

A vlan, a macvlan, an ipvlan stands on a **lower device**; so Linux calls it an upper one. It can live in another
namespace than its lower device: that is how the CNI plugin macvlan gives a pod an interface. A tunnel stands on the
IP stack of its **home**, the namespace that it was made in::

    pod A: eth0 (macvlan) ──┐                    wg0 ──┐
    pod B: eth0 (macvlan) ──┼── eth0 ── wire           ├── the home's routes ── eth0 ── wire
    node:  eth0.10 (vlan) ──┘                  tunl0 ──┘

Table ``upper`` of the namespace below holds a row for each: ``(lower device, namespace, device) -> kind``; the lower
device of a tunnel is ``""``. A lower device that goes takes all that stands on it along. What a driver refuses because
of another device is in `REFUSES`, what else its uppers feel in `FOLLOWS`::

    below changes:   up   down   mtu        mac
    vlan             up   down   shrink     same mac
    macvlan          ─    ─      shrink     same mac
    ipvlan           ─    ─      same mtu   same mac

Left out: bonds and teams, loose binding, a vlan on a vlan (refused).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from k8slearn.journal import Commands, Key, Put, Remove, Table, World
from k8slearn.linux import link as links
from k8slearn.linux.device import error, lower_of, refused
from k8slearn.linux.rows import Ipip, Link, Macvlan

TUNNELS = ("ipip", "wireguard")
"""Kinds that stand on the IP stack of their home."""
ORDER = ("vlan", "macvlan", "ipvlan")
Place = tuple[str, str]
"""(namespace, device)"""


def places(world: World, netns: str, dev: str) -> list[Place]:
    """Who stands on this device (``""``: on this namespace's IP stack), the oldest first."""
    return world.rows[netns, "upper"].index(_by_lower).get(dev, [])


def _by_lower(rows: Table) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    names: Iterable[Any] = rows
    for dev, netns, name in names:
        found.setdefault(dev, []).append((netns, name))
    return found


def kinds(world: World, netns: str, dev: str) -> tuple[str, ...]:
    """The kinds of devices that stand on this one: a vlan looks at its tag before the others look at the frame."""
    return world.rows[netns, "upper"].index(_kinds).get(dev, ())


def _kinds(rows: Table) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    items: Iterable[Any] = rows.items()
    for (dev, _, _), kind in items:
        found.setdefault(dev, set()).add(kind)
    return {dev: tuple(kind for kind in ORDER if kind in kinds) for dev, kinds in found.items()}


def uppers(world: World, netns: str, dev: str) -> list[tuple[str, Link]]:
    """(namespace, link) of all that stand on this device."""
    found = ((scope, world.rows[scope, "link"].get(name)) for scope, name in places(world, netns, dev))
    return [(scope, upper) for scope, upper in found if upper is not None]


def hears_all(world: World, netns: str, link: Link) -> bool:
    """A card with more than one MAC takes every frame (`dev.c: __dev_set_rx_mode`): a vlan hands what it is told on
    to the one below, which has no filter for several (IFF_UNICAST_FLT)."""
    if link.macs and not all(map(is_group, link.macs)):
        return link.kind not in ORDER
    return bool(world.rows[netns, "upper"]) and link.kind not in ORDER and _has_more_macs(world, netns, link, link.mac)


def _has_more_macs(world: World, netns: str, link: Link, mac: str) -> bool:
    found = [
        (scope, row) for scope, row in uppers(world, netns, link.name) if row.up and row.kind in ("macvlan", "vlan")
    ]
    return any(row.mac != mac or _has_more_macs(world, scope, row, mac) for scope, row in found)


def tunnels(world: World, home: str, kind: str) -> list[tuple[str, Link]]:
    """(namespace, link) of the tunnels of a kind whose outer packets travel here."""
    return [(scope, link) for scope, link in uppers(world, home, "") if link.kind == kind]


def is_group(mac: str) -> bool:
    """Is this MAC for more than one (broadcast or multicast)?"""
    return bool(mac) and bool(int(mac[:2], 16) & 1)


def below(netns: str, link: Link) -> Place | None:
    """What a link stands on: (namespace, device), the device ``""`` for a tunnel; None: on nothing."""
    if link.kind in TUNNELS:
        return (link.home or netns, "")
    return link.lower


def _key(below: Place, netns: str, name: str) -> Key:
    return (below[0], "upper", (below[1], netns, name))


def stand(netns: str, link: Link) -> Commands:
    """A device was put into a namespace: the one below knows of it."""
    under = below(netns, link)
    if under is not None:
        yield Put(_key(under, netns, link.name), link.kind)


def leave(netns: str, link: Link) -> Commands:
    """A device goes from a namespace: the one below forgets it."""
    under = below(netns, link)
    if under is not None:
        yield Remove(_key(under, netns, link.name))


def fall(world: World, netns: str, dev: str) -> Commands:
    """The device (``""``: the namespace) goes: all that stands on it goes first.

    A WireGuard device outlives its home: it has no socket any more (device.c: wg_netns_pre_exit).
    """
    for scope, name in list(places(world, netns, dev)):
        upper: Link | None = world.get((scope, "link", name))
        if upper is not None and upper.kind != "wireguard":
            yield from links.delete(world, scope, name)
        yield Remove(_key((netns, dev), scope, name))


def carried(world: World, netns: str, dev: str, to: Place) -> Commands:
    """The device is called or lives otherwise now: who stands on it stands on it there."""
    for scope, upper in uppers(world, netns, dev):
        moved = replace(upper, lower=to)
        yield Remove(_key((netns, dev), scope, upper.name))
        yield Put((scope, "link", upper.name), moved)
        yield Put(_key(to, scope, upper.name), upper.kind)


def felt(world: World, netns: str, dev: str, what: str) -> Commands:
    """Something happened to a device (``up``, ``down``, ``mtu``, ``mac``): its uppers follow, each as its kind does."""
    below: Link | None = world.get((netns, "link", dev))
    for scope, upper in uppers(world, netns, dev) if below is not None else ():
        follow = FOLLOWS.get((upper.kind, what))
        if follow is not None and below is not None:
            yield from follow(world, scope, upper, below)


def _up(world: World, netns: str, upper: Link, below: Link) -> Commands:
    """vlan.c: vlan_device_event() puts every vlan up with its device."""
    yield from links.set_up(world, netns, upper.name)


def _down(world: World, netns: str, upper: Link, below: Link) -> Commands:
    yield from links.set_down(world, netns, upper.name)


def _shrink(world: World, netns: str, upper: Link, below: Link) -> Commands:
    if upper.mtu > below.mtu:
        yield Put((netns, "link", upper.name), replace(upper, mtu=below.mtu))
        yield from felt(world, netns, upper.name, "mtu")


def _same_mtu(world: World, netns: str, upper: Link, below: Link) -> Commands:
    yield Put((netns, "link", upper.name), replace(upper, mtu=below.mtu))


def _same_mac(world: World, netns: str, upper: Link, below: Link) -> Commands:
    shares = not isinstance(upper.spec, Macvlan) or upper.spec.mode == "passthru"
    if shares and not (upper.kind == "vlan" and upper.pinned):
        yield Put((netns, "link", upper.name), replace(upper, mac=below.mac))


FOLLOWS: Mapping[tuple[str, str], Callable[[World, str, Link, Link], Commands]] = {
    ("vlan", "up"): _up,
    ("vlan", "down"): _down,
    ("vlan", "mtu"): _shrink,
    ("vlan", "mac"): _same_mac,
    ("macvlan", "mtu"): _shrink,
    ("macvlan", "mac"): _same_mac,
    ("ipvlan", "mtu"): _same_mtu,
    ("ipvlan", "mac"): _same_mac,
}
"""(kind of the upper device, what happened below) -> what it does (vlan.c, macvlan.c, ipvlan_main.c: their
``_device_event``). Carriers need no row: they are looked up (`device.carrier`)."""


def ask(world: World, netns: str, link: Link, what: str, value: str) -> None:
    """May this be done to the device (``up``, ``mtu``, ``mac``, ``master``, ``netns``)? Raises what its driver says."""
    refuses = REFUSES.get((link.kind, what)) or REFUSES.get(("", what))
    if refuses is not None:
        refuses(world, netns, link, value)


def _below_is_up(world: World, netns: str, link: Link, value: str) -> None:
    """vlan_dev.c: vlan_dev_open()."""
    below = lower_of(world, link)
    if below is None or not below.up:
        raise refused("Network is down")


def _mac_is_free(world: World, netns: str, link: Link, mac: str) -> None:
    """macvlan.c: macvlan_addr_busy(): neither the device below nor another macvlan that is up may have it."""
    below = lower_of(world, link)
    if below is None or (isinstance(link.spec, Macvlan) and link.spec.mode == "passthru"):
        return
    assert link.lower is not None
    others = [
        u for s, u in uppers(world, *link.lower) if u.kind == "macvlan" and u.up and (s, u.name) != (netns, link.name)
    ]
    if (mac or link.mac) in [below.mac, *(other.mac for other in others)]:
        raise refused("Address already in use")


def _mac_may_change(world: World, netns: str, link: Link, mac: str) -> None:
    if link.up:
        _mac_is_free(world, netns, link, mac)


def _fits_below(words: str) -> Callable[[World, str, Link, str], None]:
    def check(world: World, netns: str, link: Link, mtu: str) -> None:
        below = lower_of(world, link)
        if below is not None and int(mtu) > below.mtu:
            raise refused(words)

    return check


def _not_supported(world: World, netns: str, link: Link, value: str) -> None:
    raise refused("Operation not supported")


def _stays_at_home(world: World, netns: str, link: Link, target: str) -> None:
    """ip_tunnel.c: the device that takes what no tunnel takes belongs to its namespace."""
    if isinstance(link.spec, Ipip) and link.name == "tunl0":
        raise error("The interface netns is immutable.")


def _is_nobodys_lower(world: World, netns: str, link: Link, master: str) -> None:
    """dev.c: netdev_rx_handler_register(): a bridge and a macvlan cannot both take what comes in."""
    if any(upper.kind in ("macvlan", "ipvlan") for _, upper in uppers(world, netns, link.name)):
        raise refused("Device or resource busy")


REFUSES: Mapping[tuple[str, str], Callable[[World, str, Link, str], None]] = {
    ("vlan", "up"): _below_is_up,
    ("vlan", "mtu"): _fits_below("Numerical result out of range"),
    ("macvlan", "up"): _mac_is_free,
    ("macvlan", "mac"): _mac_may_change,
    ("macvlan", "mtu"): _fits_below("Invalid argument"),
    ("ipvlan", "mac"): _not_supported,
    ("ipip", "mac"): _not_supported,
    ("wireguard", "mac"): _not_supported,
    ("ipip", "netns"): _stays_at_home,
    ("", "master"): _is_nobodys_lower,
}
"""(kind, what is asked) -> what raises; kind ``""``: every other."""

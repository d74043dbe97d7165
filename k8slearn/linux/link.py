"""``ip link`` makes, changes and deletes network devices, and the kernel does more on its own when one changes.

A veth pair is one cable: delete one end and the other is gone. A device that goes down takes its routes and
neighbours along; up again it brings back only the connected ones. A bridge whose MAC nobody set wears the lowest MAC
of its ports (br_stp_if.c).

What only one kind has is in the kind's own module (`vxlan`, `switch`, ...).

Left out: the settings that `shell/links/words.py` refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World, digest
from k8slearn.linux import addr, addrconf, neigh, qdisc, route, stack, sysctl, wireguard_config
from k8slearn.linux.device import (
    carrier,
    error,
    find,
    lower_of,
    next_index,
    operstate,
    peer_of,
    ports,
    refused,
)
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import NEW_PORT, Link, Vxlan
from k8slearn.linux.vxlan_fdb import headroom

__all__ = [
    "add_bridge",
    "add_loopback",
    "add_veth",
    "carrier",
    "delete",
    "find",
    "key",
    "made_up_mac",
    "operstate",
    "ports",
    "set_down",
    "set_fields",
    "set_hairpin",
    "set_mac",
    "set_master",
    "set_mtu",
    "set_netns",
    "set_nomaster",
    "set_promisc",
    "set_up",
]


NO_MAC = "00:00:00:00:00:00"


def key(netns: str, name: str) -> Key:
    """Where the world keeps this link."""
    return (netns, "link", name)


def made_up_mac(*words: object) -> str:
    """A locally administered MAC out of these words: where the kernel would draw one, we derive it."""
    digits = digest("mac", *words, length=10)
    return "02:" + ":".join(digits[i : i + 2] for i in range(0, 10, 2))


def add_veth(
    world: World,
    netns: str,
    name: str,
    peer_netns: str,
    peer_name: str,
    mtu: int = 1500,
    mac: str = "",
    peer_mac: str = "",
) -> Commands:
    """``ip link add NAME type veth peer name PEER netns PEER_NETNS``: two ends of one cable, both down."""
    _check_name(world, netns, name)
    _check_name(world, peer_netns, peer_name)
    if (netns, name) == (peer_netns, peer_name):
        raise refused("File exists")
    mac, peer_mac = mac or made_up_mac(netns, name), peer_mac or made_up_mac(peer_netns, peer_name)
    far = next_index(world, peer_netns)
    yield Put(key(peer_netns, peer_name), Link(peer_name, "veth", peer_mac, far, mtu=mtu, peer=(netns, name)))
    near = next_index(world, netns)
    yield Put(key(netns, name), Link(name, "veth", mac, near, mtu=mtu, peer=(peer_netns, peer_name)))


def add_bridge(world: World, netns: str, name: str, mtu: int = 1500, mac: str = "") -> Commands:
    """``ip link add NAME type bridge``: a switch without ports, down. A `mac` given here stays (it is pinned)."""
    yield from add(world, netns, name, "bridge", mtu, mac)


def add(world: World, netns: str, name: str, kind: str, mtu: int = 1500, mac: str = "", **fields: Any) -> Commands:
    """``ip link add NAME type KIND``: a device without a peer, down. `fields` are further fields of its row."""
    _check_name(world, netns, name)
    own = "" if DRIVERS[kind].link_type not in ("ether", "loopback") else mac or made_up_mac(netns, name)
    fields.setdefault("pinned", bool(mac))
    made = Link(name, kind, own, next_index(world, netns), mtu=mtu, **fields)
    yield Put(key(netns, name), made)
    yield from stack.stand(netns, made)


def add_loopback(netns: str) -> Commands:
    """``lo`` as a new network namespace has it: down and without an address."""
    yield Put(key(netns, "lo"), Link("lo", "loopback", NO_MAC, 1, mtu=65536))


def delete(world: World, netns: str, name: str) -> Commands:
    """``ip link del NAME``: the link, its peer, and all that spoke of them."""
    link = find(world, netns, name)
    if link.kind == "loopback":
        raise refused("Operation not supported")
    if link.kind == "ipip" and name == "tunl0":
        return
    yield from _forget(world, netns, link)
    if link.peer is not None:
        peer = peer_of(world, link)
        if peer is not None:
            yield from _forget(world, link.peer[0], peer)


def _forget(world: World, netns: str, link: Link) -> Commands:
    """unregister_netdevice(): what stands on it goes first."""
    yield from stack.fall(world, netns, link.name)
    yield from _unlist(world, netns, link)


def _unlist(world: World, netns: str, link: Link) -> Commands:
    """unlist_netdevice(): addresses, routes, neighbours and forwarding entries go before the link itself."""
    yield from _strip(world, netns, link)
    yield from stack.leave(netns, link)
    for port in ports(world, netns, link.name) if link.kind == "bridge" else ():
        yield Put(key(netns, port.name), replace(port, master="", hairpin=False, port=NEW_PORT))
    yield from sysctl.forget(world, netns, link.name)
    yield from qdisc.forget(world, netns, link.name)
    for upper in list(world.table(netns, "link").values()):
        if upper.kind == "vxlan" and upper.lower == (netns, link.name):
            yield from _forget(world, netns, upper)
    if link.home:
        yield Remove((link.home, "upper", ("", netns, link.name)))
    yield Remove(key(netns, link.name))
    if link.master:
        yield from _follow_ports(world, netns, link.master)


def _strip(world: World, netns: str, link: Link) -> Commands:
    for row in addr.on(world, netns, link.name):
        yield Remove(addr.key(netns, row))
        if ":" not in row.address:
            yield from addr.emptied(world, netns)
    yield from addrconf.stop(world, netns, link)
    yield from route.drop_device(world, netns, link)
    yield from neigh.drop_device(world, netns, link.name)
    yield from _forget_macs(world, netns, link, kept="")
    yield from _forget_remotes(world, netns, link, kept="")


def _forget_macs(world: World, netns: str, link: Link, kept: str) -> Commands:
    """br_fdb_delete_by_port(): what was learned behind a port (or by a bridge) is forgotten."""
    for name, row in list(world.table(netns, "fdb").items()):
        if link.name in (row.port, row.bridge) and row.state != kept:
            yield Remove((netns, "fdb", name))


def _forget_remotes(world: World, netns: str, link: Link, kept: str) -> Commands:
    """vxlan_stop(): what a VXLAN device learned is forgotten when it goes down, all of it when it goes away."""
    for name, row in list(world.table(netns, "vxfdb").items()):
        if row.dev == link.name and row.state != kept:
            yield Remove((netns, "vxfdb", name))


def set_up(world: World, netns: str, name: str) -> Commands:
    """``ip link set NAME up``: the connected routes come (back), no others do."""
    link = find(world, netns, name)
    if link.up:
        return
    stack.ask(world, netns, link, "up", "")
    if link.kind == "wireguard":
        link = wireguard_config.opened(world, netns, link)
    yield Put(key(netns, name), replace(link, up=True, opened=True))
    yield from addr.came_up(world, netns, link)
    yield from stack.felt(world, netns, name, "up")


def set_down(world: World, netns: str, name: str) -> Commands:
    """``ip link set NAME down``: its routes, neighbours and learned MACs go, its addresses stay."""
    link = find(world, netns, name)
    if not link.up:
        return
    yield Put(key(netns, name), replace(link, up=False))
    yield from stack.felt(world, netns, name, "down")
    yield from route.drop_device(world, netns, link)
    yield from neigh.drop_device(world, netns, name)
    yield from addrconf.went_down(world, netns, link)
    yield from _forget_macs(world, netns, link, kept="permanent")
    yield from _forget_remotes(world, netns, link, kept="permanent")
    peer = peer_of(world, link)
    if peer is not None and link.peer is not None and peer.master:
        yield from _forget_macs(world, link.peer[0], peer, kept="permanent")


def set_master(world: World, netns: str, name: str, bridge: str) -> Commands:
    """``ip link set NAME master BRIDGE``: the link becomes a port, and its MAC may become the bridge's."""
    link = find(world, netns, name)
    master = world.get(key(netns, bridge))
    if master is None:
        raise CommandError(f'Error: argument "{bridge}" is wrong: Device does not exist\n\n', 255)
    if link.kind == "loopback" and master.kind == "bridge":
        raise refused("Invalid argument")
    if master.kind != "bridge":
        raise refused("Operation not supported")
    if link.kind == "bridge":
        raise error("Can not enslave a bridge to a bridge.")
    stack.ask(world, netns, link, "master", bridge)
    if link.master == bridge:
        return
    if link.master:
        yield from set_nomaster(world, netns, name)
    taken = {port.port.number for port in ports(world, netns, bridge)}
    number = next(n for n in range(1, 1024) if n not in taken)
    yield Put(key(netns, name), replace(link, master=bridge, hairpin=False, port=NEW_PORT._replace(number=number)))
    yield from _follow_ports(world, netns, bridge)
    yield from addrconf.settle(world, netns)


def set_nomaster(world: World, netns: str, name: str) -> Commands:
    """``ip link set NAME nomaster``: the link is a port no longer."""
    link = find(world, netns, name)
    if not link.master:
        return
    yield Put(key(netns, name), replace(link, master="", hairpin=False, port=NEW_PORT))
    yield from _forget_macs(world, netns, link, kept="")
    yield from _follow_ports(world, netns, link.master)


def _follow_ports(world: World, netns: str, bridge: str) -> Commands:
    """A bridge wears its ports' lowest MAC (none: zeros) and smallest MTU, unless somebody set them (br_if.c)."""
    link: Link | None = world.get(key(netns, bridge))
    if link is None:
        return
    members = ports(world, netns, bridge)
    mac = link.mac if link.pinned else min((port.mac for port in members), default=NO_MAC)
    mtu = link.mtu if link.mtu_pinned else min((port.mtu for port in members), default=1500)
    if (mac, mtu) != (link.mac, link.mtu):
        yield Put(key(netns, bridge), replace(link, mac=mac, mtu=mtu))


def set_mtu(world: World, netns: str, name: str, mtu: int) -> Commands:
    """``ip link set NAME mtu N``."""
    link = find(world, netns, name)
    driver = DRIVERS[link.kind]
    if mtu < driver.min_mtu:
        raise error("mtu less than device minimum.")
    if driver.max_mtu and mtu > driver.max_mtu:
        raise error("mtu greater than device maximum.")
    below = lower_of(world, link) if link.kind == "vxlan" else None
    if below is not None and isinstance(link.spec, Vxlan) and mtu > below.mtu - headroom(link.spec):
        raise refused("Invalid argument")
    stack.ask(world, netns, link, "mtu", str(mtu))
    yield Put(key(netns, name), replace(link, mtu=mtu, mtu_pinned=True))
    if link.master:
        yield from _follow_ports(world, netns, link.master)
    yield from stack.felt(world, netns, name, "mtu")
    yield from addrconf.settle(world, netns)


def set_mac(world: World, netns: str, name: str, mac: str) -> Commands:
    """``ip link set NAME address MAC``: a bridge keeps it from now on, whatever its ports have."""
    link = find(world, netns, name)
    if int(mac[:2], 16) & 1 or mac == NO_MAC:
        raise refused("Cannot assign requested address")
    stack.ask(world, netns, link, "mac", mac)
    yield Put(key(netns, name), replace(link, mac=mac.lower(), pinned=True))
    if link.master:
        yield from _follow_ports(world, netns, link.master)
    yield from stack.felt(world, netns, name, "mac")


def set_hairpin(world: World, netns: str, name: str, on: bool) -> Commands:
    """``bridge link set dev NAME hairpin on``: may a frame leave the port that it came in by?"""
    if not find(world, netns, name).master:
        raise refused("Operation not supported")
    yield from set_fields(world, netns, name, hairpin=on)


def set_promisc(world: World, netns: str, name: str, on: bool) -> Commands:
    """``ip link set NAME promisc on``: take every frame, not only one's own."""
    yield from set_fields(world, netns, name, promisc=on)


def set_fields(world: World, netns: str, name: str, **fields: Any) -> Iterator[Put]:
    """Settings that nothing else follows from: ``txqueuelen``, ``group``, ``alias``, ``arp``, ..."""
    yield Put(key(netns, name), replace(find(world, netns, name), **fields))


def set_netns(world: World, netns: str, name: str, target: str) -> Commands:
    """``ip link set NAME netns TARGET``: it arrives there down, without addresses; the cable stays plugged in."""
    link = find(world, netns, name)
    if target == netns:
        return
    stack.ask(world, netns, link, "netns", target)
    if link.kind == "loopback":
        raise error("The interface netns is immutable.")
    if world.get((target, "netns", "")) is None:
        raise CommandError(f'Error: argument "{target}" is wrong: Invalid "netns" value\n\n', 255)
    if world.get(key(target, name)) is not None:
        raise error("An interface with the same name exists in the target netns.")
    known = [row for row in world.table(netns, "vxfdb").values() if row.dev == name and row.state != "learned"]
    yield from _unlist(world, netns, link)
    free = link.index not in {other.index for other in world.table(target, "link").values()}
    index = link.index if free else next_index(world, target)
    home = (link.home or netns) if link.kind in ("vxlan", *stack.TUNNELS) else ""
    arrived = replace(link, index=index, up=False, master="", hairpin=False, port=NEW_PORT, opened=False, macs=())
    arrived = replace(arrived, home=home if home != target else "")
    yield Put(key(target, name), arrived)
    yield from stack.stand(target, arrived)
    yield from stack.carried(world, netns, name, (target, name))
    if link.kind == "vxlan" and home != target:
        yield Put((home, "upper", ("", target, name)), link.kind)
    for row in known:
        yield Put((target, "vxfdb", (name, row.mac)), row)
    peer = peer_of(world, link)
    if peer is not None and link.peer is not None:
        yield Put(key(*link.peer), replace(peer, peer=(target, name)))


def _check_name(world: World, netns: str, name: str) -> None:
    if world.get(key(netns, name)) is not None:
        raise refused("File exists")
    if not name or len(name) > 15 or "/" in name or name.isspace():
        raise error("Attribute failed policy validation.")

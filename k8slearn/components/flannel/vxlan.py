"""The backend ``vxlan``: one device ``flannel.1`` on each node, and three rows for each other node.

For node-2 with the pods 10.244.1.0/24, the address 192.168.64.12 and a flannel.1 with the MAC M, node-1 gets::

    ip neigh add 10.244.1.0 lladdr M dev flannel.1 nud permanent      the next hop has this MAC: nobody is asked
    bridge fdb add M dev flannel.1 dst 192.168.64.12 self permanent   this MAC is on that machine
    ip route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink    its pods are behind that next hop

The next hop is the other flannel.1's own address, the piece's first one; ``onlink`` says that it is at the other end
of this device although no address here says so. The device learns nothing (``nolearning``), so all that it knows stands
in these rows. With ``DirectRouting`` nodes of one subnet get a plain route instead.

With ``EnableIPv6`` there is a second device, ``flannel-v6.1``, whose outer packets are IPv6 too, and the same rows for
it. Its headers take 20 bytes more, which flannel leaves out of its sum: pods get 1450 bytes, and the kernel gives the
device 1430, so a full packet of IPv6 is answered with packet-too-big once.

It watches for flannel.1 being deleted, and makes it anew with its address, but not the other nodes' rows
(pkg/backend/vxlan/vxlan_network.go: reCreateVxlan): those come back when flanneld starts again.

Left out: GBP; a device that comes back because its outer interface does.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress

from k8slearn.components.flannel.backend import Fatal, Leases, Outer, outer, pod_cidr
from k8slearn.components.flannel.daemon import Daemon
from k8slearn.components.flannel.lease import Lease, Said, annotate, stored_mac
from k8slearn.errors import CommandError
from k8slearn.journal import Command, Commands, World
from k8slearn.linux import addr, ip, link, neigh, route, vxlan_fdb, vxlan_link
from k8slearn.linux.rows import Link, Remote, Route, Vxlan

OVERHEAD = 50
"""Bytes: the outer IP, UDP and VXLAN headers, and the inner Ethernet header."""
DEFAULT_PORT = 8472
"""Linux' own; the port that the standard gives is 4789."""


def register(world: World, own: Daemon) -> Generator[Command, None, int]:
    """The devices, this node's annotations, the devices' addresses (vxlan.go: RegisterNetwork)."""
    families, said, mtu = [":" in network for network in own.net.networks], list[Said](), 0
    for six in families:
        there, spec, mtu = _wanted(world, own, six)
        device = yield from _caused(own, _ensure(world, own, there, spec, mtu))
        said.append(Said(there.address, f'{{"VNI":{spec.id},"VtepMAC":"{device.mac}"}}'))
    cidrs = [pod_cidr(world, own, six) for six in families]
    yield from annotate(world, own.object, "vxlan", tuple(said))
    for cidr in cidrs:
        yield from _caused(own, _configure(world, own, cidr))
    return mtu


def _wanted(world: World, own: Daemon, six: bool) -> tuple[Outer, Vxlan, int]:
    """The outer interface, the device's settings and its MTU."""
    there, settings = outer(world, own, six), own.net.settings
    learning = bool(settings.get("learning", False))
    spec = Vxlan(
        int(settings.get("vni", 1)), there.address, port=int(settings.get("port", 0)) or DEFAULT_PORT, learning=learning
    )
    return there, spec, int(settings.get("mtu", there.link.mtu)) - OVERHEAD


def name(own: Daemon, six: bool) -> str:
    """``flannel.`` (or ``flannel-v6.``) and the VNI."""
    return f"flannel{'-v6' if six else ''}.{own.net.settings.get('vni', 1)}"


def _ensure(world: World, own: Daemon, there: Outer, spec: Vxlan, mtu: int) -> Generator[Command, None, Link]:
    """A device that is there stays if it is the same one, else it is made anew (device.go: ensureLink)."""
    dev = name(own, ":" in spec.local)
    known: Link | None = world.get(link.key(own.node, dev))
    try:
        if known is not None and not _alike(known, there, spec):
            yield from link.delete(world, own.node, dev)
            known = None
        if known is None:
            mac = stored_mac(world.get(own.object), ":" in spec.local)
            yield from vxlan_link.add(world, own.node, dev, spec, there.link.name, mtu, mac)
    except CommandError as error:
        raise Fatal(f"Error registering network: failed to create vxlan device: {error}") from None
    return link.find(world, own.node, dev)


def _alike(known: Link, there: Outer, spec: Vxlan) -> bool:
    """vxlanLinksIncompat(): VNI, outer interface and address, port."""
    if not isinstance(known.spec, Vxlan) or known.lower is None:
        return False
    now = known.spec
    return (now.id, now.local, now.port, known.lower[1]) == (spec.id, spec.local, spec.port, there.link.name)


def _configure(world: World, own: Daemon, cidr: str) -> Commands:
    """The piece's first address as a /32: no network comes with it. The device is up (EnsureV4AddressOnLink)."""
    six = ":" in cidr
    dev, family, address = name(own, six), "ip6" if six else "ip", f"{cidr.partition('/')[0]}/{ip.bits(cidr)}"
    for row in addr.on(world, own.node, dev, family):
        if row.cidr != address and ip.within(row.address, own.net.network(six)):
            yield from addr.delete(world, own.node, dev, row.cidr)
    if all(row.cidr != address for row in addr.on(world, own.node, dev, family)):
        yield from addr.add(world, own.node, dev, address)
    yield from link.set_up(world, own.node, dev)


def add(world: World, own: Daemon, lease: Lease) -> Commands:
    """Another node's three rows; what cannot be written is taken back, and flanneld goes on."""
    if _is_direct(world, own, lease):
        with suppress(CommandError):
            yield from route.replace(
                world, own.node, Route(lease.subnet, via=lease.public_ip, dev=outer(world, own, lease.six).link.name)
            )
        return
    dev, hop = name(own, lease.six), lease.subnet.partition("/")[0]
    try:
        yield from neigh.replace(world, own.node, dev, hop, lease.mac)
        remote = Remote(lease.public_ip)
        yield from vxlan_fdb.add_entry(world, own.node, dev, lease.mac, remote, "permanent", "replace")
        yield from route.replace(world, own.node, Route(lease.subnet, via=hop, dev=dev, onlink=True))
    except CommandError:
        yield from remove(world, own, lease)


def remove(world: World, own: Daemon, lease: Lease) -> Commands:
    """What was written for a node that is gone; each row that is gone already is no matter."""
    dev, hop = name(own, lease.six), lease.subnet.partition("/")[0]
    if _is_direct(world, own, lease):
        with suppress(CommandError):
            yield from route.delete(world, own.node, lease.subnet, via=lease.public_ip)
        return
    with suppress(CommandError):
        yield from neigh.delete(world, own.node, dev, hop)
    with suppress(CommandError):
        yield from vxlan_fdb.delete_entry(world, own.node, dev, lease.mac, Remote(lease.public_ip))
    with suppress(CommandError):
        yield from route.delete(world, own.node, lease.subnet, via=hop, dev=dev)


def _is_direct(world: World, own: Daemon, lease: Lease) -> bool:
    """DirectRouting, and the other node is in the same subnet."""
    if not own.net.settings.get("directrouting"):
        return False
    there = outer(world, own, lease.six)
    return ip.within(lease.public_ip, ip.network_of(there.address, there.prefix))


def look_after(world: World, own: Daemon, leases: Leases) -> Commands:
    """A device was deleted: it is made anew, and that is all."""
    for six in (":" in network for network in own.net.networks):
        yield from _caused(own, _ensure(world, own, *_wanted(world, own, six)))
        yield from _caused(own, _configure(world, own, pod_cidr(world, own, six)))


def missing(world: World, own: Daemon, leases: Leases) -> bool:
    """Routes over flannel.1 are written once."""
    return False


def _caused(own: Daemon, commands: Generator[Command, None, Link] | Commands) -> Generator[Command, None, Link]:
    """These commands, because of net-conf.json; returns what they return."""
    running = iter(commands)
    while True:
        try:
            command = next(running)
        except StopIteration as end:
            made: Link = end.value
            return made
        yield command._replace(cause=command.cause or own.config_map)

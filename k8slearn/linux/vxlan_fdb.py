"""A VXLAN device knows on which machines a MAC is: its forwarding table (``bridge fdb show dev VXLAN``).

::

    MAC                 remotes                        state
    02:00:00:00:00:12   192.168.64.12                  permanent   a person or flannel wrote it
    02:00:00:00:00:13   192.168.64.13                  learned     a frame came from there
    00:00:00:00:00:00   192.168.64.12, 192.168.64.13   permanent   for all the rest, one copy each

What was learned is forgotten after the device's ``ageing`` (300 s) without a frame from there. A permanent entry does
not move, and with learning on a frame that claims its MAC from elsewhere is dropped (`vxlan_snoop`).

Left out: next hop groups, entries that a control plane learned (``extern_learn``), ``router``.
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import fdb
from k8slearn.linux.device import error, find, refused
from k8slearn.linux.rows import Link, Remote, Vxlan, VxlanFdb
from k8slearn.trace import Because

HEADER = {"ip": 50, "ip6": 70}
"""Bytes around the inner IP packet: outer IP 20 or 40, UDP 8, VXLAN 8, inner Ethernet 14."""
ALL = "00:00:00:00:00:00"


def settings(device: Link) -> Vxlan:
    """The settings of a VXLAN device."""
    assert isinstance(device.spec, Vxlan)
    return device.spec


def headroom(spec: Vxlan) -> int:
    """How many bytes the outer headers take."""
    return HEADER["ip6" if ":" in (spec.local + spec.remote) else "ip"]


def key(netns: str, dev: str, mac: str) -> Key:
    """Where the world keeps this entry."""
    return (netns, "vxfdb", (dev, mac))


def find_entry(world: World, netns: str, device: Link, mac: str) -> VxlanFdb | None:
    """What the device knows of a MAC."""
    row: VxlanFdb | None = world.table(netns, "vxfdb").get((device.name, mac))
    return None if row is None or expired(world, device, row) else row


def expired(world: World, device: Link, row: VxlanFdb) -> bool:
    """Was it not used for so long that it is forgotten (`vxlan_cleanup`)?"""
    return row.state == "learned" and row.updated + settings(device).ageing <= world.clock


def entries(world: World, netns: str, dev: str) -> list[VxlanFdb]:
    """Every entry of a device that is alive."""
    device = find(world, netns, dev)
    rows: list[VxlanFdb] = [row for row in world.table(netns, "vxfdb").values() if row.dev == dev]
    return [row for row in rows if not expired(world, device, row)]


def because(netns: str, row: VxlanFdb, remote: Remote) -> Because:
    """The entry as ``bridge fdb`` prints it."""
    state = "" if row.state == "learned" else f" {row.state}"
    return Because(key(netns, row.dev, row.mac), f"{row.mac} dev {row.dev} dst {remote.dst} self{state}")


def learn(world: World, netns: str, device: Link, mac: str, src: str) -> Commands:
    """This MAC is behind that machine (`vxlan_snoop`)."""
    spec = settings(device)
    if not spec.learning or fdb.is_group(mac):
        return
    known, now = find_entry(world, netns, device, mac), world.clock
    if known is None:
        yield Put(key(netns, device.name, mac), VxlanFdb(device.name, mac, (Remote(src),), "learned", now))
    elif known.state == "learned" and (known.remotes[0].dst != src or known.updated != now):
        remotes = (known.remotes[0]._replace(dst=src), *known.remotes[1:])
        yield Put(key(netns, device.name, mac), replace(known, remotes=remotes, updated=now))


# --- what a person writes down ---------------------------------------------------------------------


def add_entry(world: World, netns: str, dev: str, mac: str, remote: Remote, state: str, how: str = "add") -> Commands:
    """``bridge fdb add|append|replace MAC dev VXLAN dst IP`` (`vxlan_fdb_update`)."""
    device = find(world, netns, dev)
    spec, row = settings(device), find_entry(world, netns, device, mac)
    remote = _shortened(spec, remote)
    if (":" in remote.dst) != (headroom(spec) == HEADER["ip6"]):
        raise refused("Address family not supported by protocol")
    many = mac == ALL or fdb.is_group(mac)
    if row is not None and how == "add":
        raise refused("File exists")
    if how == "replace" and many:
        raise (
            error("Cannot replace non-unicast fdb entries.") if row is not None else refused("Operation not supported")
        )
    if row is None:
        remotes: tuple[Remote, ...] = (remote,)
        if spec.limit and len(entries(world, netns, dev)) >= spec.limit:
            raise refused("No space left on device")
    elif how == "append":
        remotes = (*row.remotes, remote) if many and remote not in row.remotes else row.remotes
    else:
        remotes = (remote, *row.remotes[1:])
    yield Put(key(netns, dev, mac), VxlanFdb(dev, mac, remotes, state, world.clock))


def _shortened(spec: Vxlan, remote: Remote) -> Remote:
    """The device's own port and VNI go without saying."""
    port = 0 if remote.port == spec.port else remote.port
    return remote._replace(port=port, vni=0 if remote.vni == spec.id else remote.vni)


def delete_entry(world: World, netns: str, dev: str, mac: str, remote: Remote | None) -> Commands:
    """``bridge fdb del MAC dev VXLAN [dst IP]`` (`__vxlan_fdb_delete`): a remote that is not there is no error."""
    device = find(world, netns, dev)
    row = find_entry(world, netns, device, mac)
    if row is None:
        raise refused("No such file or directory")
    if remote is None or row.remotes == (_shortened(settings(device), remote),):
        yield Remove(key(netns, dev, mac))
        return
    remotes = tuple(r for r in row.remotes if r != _shortened(settings(device), remote))
    if remotes != row.remotes:
        yield Put(key(netns, dev, mac), replace(row, remotes=remotes))


def flush(world: World, netns: str, dev: str, states: tuple[str, ...]) -> Commands:
    """``bridge fdb flush dev VXLAN``: every entry in one of these states."""
    for name, row in list(world.table(netns, "vxfdb").items()):
        if row.dev == dev and row.state in states:
            yield Remove((netns, "vxfdb", name))

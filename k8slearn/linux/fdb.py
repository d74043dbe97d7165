"""A bridge remembers behind which port it has seen a MAC: its forwarding table (``bridge fdb``).

A bridge writes an entry when a frame comes in (its **sender** is behind that port) and reads it when a frame must go
out. There are three kinds::

    kind                       who writes it        ages   a sender seen elsewhere   frames for it
    learned (dynamic)          every frame          yes    moves the entry           go out of its port
    static                     a person             no     moves the entry           go out of its port
    permanent (local)          a person, the port   no     stays, and is warned of   go up to the machine

Every MAC of a port is ``permanent`` by itself, and so is the bridge's: these are derived from the link rows. An entry
that was not heard of for ``ageing_time`` (300 s) is gone: the next frame for it is flooded (br_fdb.c).

Left out: sticky and offloaded entries, entries that a control plane learned (``extern_learn``), a limit of entries,
``no_linklocal_learn``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from k8slearn.journal import Commands, Key, Put, Remove, Table, World
from k8slearn.linux import switch
from k8slearn.linux.device import find, ports, refused
from k8slearn.linux.rows import Fdb, Link
from k8slearn.trace import Because

NO_MAC = "00:00:00:00:00:00"


def key(netns: str, bridge: str, mac: str, vlan: int = 0) -> Key:
    """Where the world keeps this entry."""
    return (netns, "fdb", (bridge, mac, vlan) if vlan else (bridge, mac))


def find_entry(world: World, netns: str, device: Link, mac: str, vlan: int = 0) -> Fdb | None:
    """What the bridge knows of a MAC in a VLAN, or None where it must flood."""
    own = own_macs(world, netns, device.name).get(mac)
    if own is not None:
        return replace(own, vlan=vlan) if vlan else own
    row: Fdb | None = world.rows[netns, "fdb"].get((device.name, mac, vlan) if vlan else (device.name, mac))
    return None if row is None or expired(world, device, row) else row


def own_macs(world: World, netns: str, bridge: str) -> dict[str, Fdb]:
    """MAC -> the entry that it has by itself: it is a port's (of two, the older one's) or the bridge's own."""
    return world.rows[netns, "link"].index(_own_macs).get(bridge, {})


def _own_macs(links: Table) -> dict[str, dict[str, Fdb]]:
    found: dict[str, dict[str, Fdb]] = {}
    ports = sorted((link for link in links.values() if link.master), key=lambda link: link.index)
    for bridge, link in [*((port.master, port) for port in ports), *((link.name, link) for link in links.values())]:
        found.setdefault(bridge, {}).setdefault(link.mac, Fdb(bridge, link.mac, link.name, "permanent"))
    return found


def expired(world: World, device: Link, row: Fdb) -> bool:
    """Was it not heard of for so long that the bridge has forgotten it (`br_fdb.c: has_expired`)?"""
    return row.state == "learned" and row.updated + switch.settings(device).ageing_time / 100 <= world.clock


def learn(world: World, netns: str, device: Link, port: str, mac: str, vlan: int = 0) -> Put | None:
    """A frame from this MAC has come in by this port (`br_fdb.c: br_fdb_update`): what there is to remember of it."""
    where, now = key(netns, device.name, mac, vlan), world.clock
    known: Fdb | None = world.get(where)
    if known is not None and (known.state == "permanent" or (known.port == port and known.updated == now)):
        return None
    if is_group(mac) or mac == NO_MAC or mac in own_macs(world, netns, device.name):
        return None
    if switch.settings(device).ageing_time == 0:
        return None
    if known is None:
        return Put(where, Fdb(device.name, mac, port, "learned", vlan, now))
    return Put(where, replace(known, port=port, updated=now))


def is_group(mac: str) -> bool:
    """Broadcast or multicast: the lowest bit of the first byte."""
    return mac[1:2] in "13579bdf"


def because(netns: str, row: Fdb) -> Because:
    """The entry as ``bridge fdb`` prints it."""
    return _because(netns, row.bridge, row.mac, row.port, row.vlan, row.state)


@lru_cache(maxsize=1 << 12)
def _because(netns: str, bridge: str, mac: str, port: str, vlan: int, state: str) -> Because:
    said = f" vlan {vlan}" if vlan else ""
    text = f"{mac} dev {port}{said} master {bridge}{'' if state == 'learned' else f' {state}'}"
    return Because(key(netns, bridge, mac, vlan), text)


# --- what a person writes down ---------------------------------------------------------------------


def add(world: World, netns: str, row: Fdb, how: str = "add") -> Commands:
    """``bridge fdb add|append|replace MAC dev PORT master``. Raises CommandError in the kernel's words."""
    device = find(world, netns, row.bridge)
    if row.mac == NO_MAC:
        raise refused("Invalid argument")
    where = key(netns, row.bridge, row.mac, row.vlan)
    own = row.mac in own_macs(world, netns, row.bridge)
    known: Fdb | None = world.get(where)
    there = own or (known is not None and not expired(world, device, known))
    if how == "add" and there:
        raise refused("File exists")
    if not own:
        yield Put(where, replace(row, updated=world.clock))


def delete(world: World, netns: str, row: Fdb) -> Commands:
    """``bridge fdb del MAC dev PORT master``."""
    where = key(netns, row.bridge, row.mac, row.vlan)
    known: Fdb | None = world.get(where)
    if known is None or known.port != row.port:
        raise refused("No such file or directory")
    yield Remove(where)


def flush(world: World, netns: str, dev: str, states: tuple[str, ...] = ("learned", "static", "permanent")) -> Commands:
    """``bridge fdb flush dev DEV``: all that a bridge knows, or what it knows behind one port."""
    for name, row in list(world.rows[netns, "fdb"].items()):
        if dev in (row.bridge, row.port) and row.state in states:
            yield Remove((netns, "fdb", name))


def entries(world: World, netns: str, device: Link) -> list[Fdb]:
    """Every entry of a bridge that is alive, the newest first, the ports' own MACs last."""
    rows: list[Fdb] = [row for row in world.rows[netns, "fdb"].values() if row.bridge == device.name]
    alive = [row for row in reversed(rows) if not expired(world, device, row)]
    own = [Fdb(device.name, port.mac, port.name, "permanent") for port in ports(world, netns, device.name)]
    return [*alive, *own]

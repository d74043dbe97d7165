"""``bridge vlan``: which port is in which VLAN, while a bridge filters (iproute2 6.1, man bridge(8)).

::

    port              vlan-id
    br0               1 PVID Egress Untagged
    v1                10 PVID Egress Untagged
    eth1              1 PVID Egress Untagged
                      10

This machine's own kernel has no VLAN filtering: what is printed follows iproute2's manual and its source.

Left out: tunnel ids, statistics, global VLAN settings, spanning tree in a VLAN. A bridge that does not filter lists
nothing, as on a kernel without VLAN filtering.
"""

from __future__ import annotations

from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.linux import switch, vlanfilter
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Link, PortVlan
from k8slearn.shell.bridge_fdb import device
from k8slearn.shell.iproute import Fields, Options, Words, compact, not_modelled
from k8slearn.shell.process import Process

HEAD = f"{'port':<16}  {'vlan-id':<9}\n"


def show(process: Process, options: Options, words: Words) -> Running:
    """``bridge vlan [show] [dev DEV] [vid N]``."""
    yield from ()
    dev, vid = "", 0
    while words:
        word = words.take()
        if word == "dev":
            dev = device(process, words.take()).name
        elif word == "vid":
            vid = words.number("invalid VLAN id")
        else:
            not_modelled(f"bridge vlan show {word}")
    rows = [row for row in _rows(process, vid) if dev in ("", row["ifname"])]
    return Result(compact(rows) + "\n" if options.json else HEAD + "".join(map(_text, rows)))


def _rows(process: Process, vid: int) -> list[Fields]:
    links = sorted(process.world.table(process.netns, "link").values(), key=lambda link: link.index)
    found: list[Fields] = []
    for link in links:
        vlans = [_vlan(vlan) for vlan in _of(process, link) if vid in (0, vlan.vid)]
        found += [{"ifname": link.name, "vlans": vlans}] if vlans else []
    return found


def _of(process: Process, link: Link) -> vlanfilter.Vlans:
    bridge = device(process, link.master) if link.master else link
    if bridge.kind != "bridge" or not switch.settings(bridge).vlan_filtering:
        return ()
    return vlanfilter.of_port(bridge, link) if link.master else vlanfilter.of_bridge(bridge)


def _vlan(vlan: PortVlan) -> Fields:
    flags = [word for word, on in (("PVID", vlan.pvid), ("Egress Untagged", vlan.untagged)) if on]
    return {"vlan": vlan.vid} | ({"flags": flags} if flags else {})


def _text(row: Fields) -> str:
    lines = [" ".join([str(vlan["vlan"]), *vlan.get("flags", ())]) for vlan in row["vlans"]]
    names = [row["ifname"], *[""] * (len(lines) - 1)]
    return "".join(f"{name:<16}  {line}\n" for name, line in zip(names, lines, strict=True))


@dataclass(slots=True)
class Told:
    """What stands after ``bridge vlan add``."""

    dev: str = ""
    vid: str = ""
    pvid: bool = False
    untagged: bool = False
    own: bool = False


def _told(process: Process, words: Words) -> tuple[Told, range]:
    told = Told()
    while words:
        word = words.take()
        if word == "dev":
            told.dev = words.take()
        elif word == "vid":
            told.vid = words.take()
        elif word in ("pvid", "untagged"):
            setattr(told, word, True)
        elif word in ("self", "master"):
            told.own = told.own or word == "self"
        else:
            not_modelled(f"bridge vlan {word}")
    if not told.dev or not told.vid:
        raise CommandError("Device and VLAN ID are required arguments.\n", 255)
    vids = _vids(told)
    device(process, told.dev, "bridge device")
    if vids.start == 0:
        raise CommandError("Error: bridge: Vlan id is invalid.\n", 255)
    return told, vids


def _vids(told: Told) -> range:
    low, dash, high = told.vid.partition("-")
    first = int(low) if low.isdigit() else 0
    last = (int(high) if high.isdigit() else 0) if dash else first
    if max(first, last) >= 4096:
        raise CommandError(f'Invalid VLAN ID "{told.vid}"\n' if not dash else f'Invalid VLAN range "{told.vid}"\n', 255)
    if dash and first >= last:
        raise CommandError(f'Invalid VLAN range "{told.vid}"\n', 255)
    if dash and told.pvid:
        raise CommandError("pvid cannot be configured for a vlan range\n", 255)
    return range(first, last + 1)


def add(process: Process, options: Options, words: Words) -> Running:
    """``bridge vlan add dev DEV vid N[-M] [pvid] [untagged] [self]``."""
    told, vids = _told(process, words)
    yield from vlanfilter.add(process.world, process.netns, told.dev, vids, told.pvid, told.untagged, told.own)
    return Result()


def delete(process: Process, options: Options, words: Words) -> Running:
    """``bridge vlan del dev DEV vid N[-M] [self]``."""
    told, vids = _told(process, words)
    yield from vlanfilter.delete(process.world, process.netns, told.dev, vids, told.own)
    return Result()

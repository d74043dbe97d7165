"""VLAN filtering: one bridge that is many (IEEE 802.1Q), while its ``vlan_filtering`` is 1.

Every frame is in one VLAN: its tag says which, or, if it has none, the **pvid** of the port that it came in by. It goes
out only by ports of that VLAN, with its tag, unless the port is ``untagged`` there::

    pod a ── v1  (10 PVID untagged) ─┐                        frame from a: no tag
    pod b ── v2  (20 PVID untagged) ─┼─ br0 ─ eth1 (10, 20)   on eth1: tag 10
    pod c ── v3  (10 PVID untagged) ─┘                        to c: no tag; to b: never

A port that nobody said anything about is in VLAN ``vlan_default_pvid`` (1), as its PVID and untagged: so a bridge that
filters joins the same ports as one that does not. The bridge's own device (``self``) is one more port. The tag is
`Packet.tag`; 0 is no tag.

It was written without a kernel at hand that has it: it is held against the standard and br_vlan.c, not an experiment.

Left out: 802.1ad (two tags), tunnels' VNIs for VLANs (``vlan_tunnel``), statistics for a VLAN, per-VLAN settings.
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.journal import Commands, Put, World
from k8slearn.linux import switch
from k8slearn.linux.device import error, find, refused
from k8slearn.linux.rows import Link, PortVlan
from k8slearn.packet import Packet

Vlans = tuple[PortVlan, ...]


def of_port(device: Link, port: Link) -> Vlans:
    """The VLANs of a bridge's port."""
    return _default(device) if port.port.vlans is None else port.port.vlans


def of_bridge(device: Link) -> Vlans:
    """The VLANs of the bridge's own device."""
    spec = switch.settings(device)
    return _default(device) if spec.vlans is None else spec.vlans


def _default(device: Link) -> Vlans:
    vid = switch.settings(device).vlan_default_pvid
    return (PortVlan(vid, True, True),) if vid else ()


def ingress(vlans: Vlans, frame: Packet) -> Packet | None:
    """The frame with its VLAN as tag, or None: it may not come in (`br_vlan.c: __allowed_ingress`)."""
    vid = frame.tag or next((vlan.vid for vlan in vlans if vlan.pvid), 0)
    if not any(vlan.vid == vid for vlan in vlans):
        return None
    return frame._replace(tag=vid)


def egress(vlans: Vlans, frame: Packet) -> Packet | None:
    """The frame as it leaves, or None: not in this VLAN (`br_allowed_egress`, `br_handle_vlan`)."""
    for vlan in vlans:
        if vlan.vid == frame.tag:
            return frame._replace(tag=0) if vlan.untagged else frame
    return None


# --- what a person writes down ---------------------------------------------------------------------


def add(world: World, netns: str, dev: str, vids: range, pvid: bool, untagged: bool, own: bool) -> Commands:
    """``bridge vlan add dev DEV vid N[-M] [pvid] [untagged] [self]``; `own`: of the bridge's own device."""
    if pvid and len(vids) > 1:
        raise refused("Invalid argument")
    link, vlans = _now(world, netns, dev, own)
    if pvid:
        vlans = tuple(vlan._replace(pvid=False) for vlan in vlans)
    kept = tuple(vlan for vlan in vlans if vlan.vid not in vids)
    added = tuple(PortVlan(vid, pvid, untagged) for vid in vids)
    yield _written(netns, link, tuple(sorted(kept + added)), own)


def delete(world: World, netns: str, dev: str, vids: range, own: bool) -> Commands:
    """``bridge vlan del dev DEV vid N[-M] [self]``."""
    link, vlans = _now(world, netns, dev, own)
    if not any(vlan.vid in vids for vlan in vlans):
        raise refused("No such file or directory")
    yield _written(netns, link, tuple(vlan for vlan in vlans if vlan.vid not in vids), own)


def _now(world: World, netns: str, dev: str, own: bool) -> tuple[Link, Vlans]:
    """The device and its VLANs; a bridge is asked with ``self``, a port with ``master`` (the default)."""
    link = find(world, netns, dev)
    if own and link.kind == "bridge":
        return link, of_bridge(link)
    if own or not link.master:
        raise refused("Operation not supported")
    return link, of_port(find(world, netns, link.master), link)


def _written(netns: str, link: Link, vlans: Vlans, own: bool) -> Put:
    if own:
        return Put((netns, "link", link.name), replace(link, spec=replace(switch.settings(link), vlans=vlans)))
    return Put((netns, "link", link.name), replace(link, port=link.port._replace(vlans=vlans)))


def check(vid: int) -> int:
    """A VLAN number that 802.1Q allows. Raises CommandError where it does not."""
    if not 0 < vid < 4095:
        raise error(f'invalid VLAN id "{vid}"')
    return vid

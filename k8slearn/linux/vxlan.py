"""VXLAN: an Ethernet between machines, inside UDP packets (RFC 7348).

A VXLAN device looks like a port of one big switch. What it sends goes to the machine where the destination's MAC is,
wrapped into an IP packet to that machine; there the kernel's own UDP socket unwraps it::

    flannel.1 ── which machine has the MAC? ── outer IP | UDP 8472 | VNI | Ethernet | inner IP
                 (`bridge fdb show dev flannel.1`)           │ OUTPUT, POSTROUTING, eth0, wire,
    flannel.1 ── VNI known? ── learn ────────────────────────┘ PREROUTING, INPUT, UDP port

The table (`vxlan_fdb`) is filled in three ways: a person or flannel writes it, what comes in teaches it (``learning``),
and the MAC of all zeros stands for all the rest: one copy to each of its remotes (**head-end replication**), broadcasts
too. Without it, what is unknown is dropped. The headers cost 50 bytes (IPv6: 70): the inner MTU is that much smaller.

The outer packet belongs to the namespace where the device was made, its `Link.home`, wherever the device lives.
An ``external`` device (collect metadata) has no table and no VNI of its own: it takes every VNI that comes, and a
program (`bpf.py`) says for each frame where it goes and with which VNI.

A remote that is one of the machine's own addresses never sees a packet: the frame is handed over (`encap_bypass`).

Left out: ``l2miss``/``l3miss`` notices, ``proxy`` and ``rsc``, multicast groups as underlay, GBP, GPE, checksums, next
hop groups, the ICMP that a bridge port answers for a path too narrow.
"""

from __future__ import annotations

from zlib import crc32

from k8slearn.linux import fdb, fib, path, sysctl, tunnel
from k8slearn.linux.fib import Found
from k8slearn.linux.rows import Link, Remote, Vxlan, VxlanFdb
from k8slearn.linux.skb import Net, Skb, TunnelKey
from k8slearn.linux.vxlan_fdb import ALL, HEADER, because, find_entry, learn, settings
from k8slearn.linux.vxlan_link import ANYWHERE, Known, listening
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step


def transmit(net: Net, netns: str, device: Link, frame: Packet) -> None:
    """The device sends a frame: to the machine that the MAC is on, or to all (`vxlan_core.c: vxlan_xmit`)."""
    mark, world = net.mark, net.world
    if settings(device).external:
        _as_told(net, netns, device, frame, mark)
        return
    row = find_entry(world, netns, device, frame.eth_dst) or find_entry(world, netns, device, ALL)
    if row is None:
        says = f"{device.name}: no machine is known for {frame.eth_dst}, and none for all the rest"
        why = path.link_because(netns, device)
        net.say(Step(netns, "drop", says, frame, frame, why, device.name, reason="NO_TX_TARGET"))
        return
    for remote in (*row.remotes[1:], row.remotes[0]):
        _to(net, netns, device, frame, remote, because(netns, row, remote), mark)


def _as_told(net: Net, netns: str, device: Link, frame: Packet, mark: int) -> None:
    """An ``external`` device has no table: a program has said where this frame goes (`ip_tunnel_info`)."""
    told, net.tunnel = net.tunnel, None
    if told is None:
        why = path.link_because(netns, device)
        says = f"{device.name} is external, and no program said where to"
        net.say(Step(netns, "drop", says, frame, frame, why, device.name, reason="TUNNEL_TXINFO"))
        return
    key, why = told
    _to(net, netns, device, frame, Remote(key.remote, vni=key.id), why, mark)


def _to(net: Net, netns: str, device: Link, frame: Packet, remote: Remote, why: Because, mark: int) -> None:
    """One copy to one machine (`vxlan_xmit_one`)."""
    spec, home = settings(device), device.home or netns
    if remote.dst in ANYWHERE or tunnel.nested(frame):
        says = "nowhere to send it to" if remote.dst in ANYWHERE else "dead loop on virtual device"
        net.say(Step(netns, "drop", f"{device.name}: {says}", frame, frame, why, device.name, reason="RECURSION_LIMIT"))
        return
    mark = mark if home == netns else 0
    found = fib.output(net.world, home, remote.dst, src=spec.local, oif=remote.via, mark=mark)
    if found.kind == "local":
        _bypass(net, netns, device, frame, remote, why)
        return
    circular = (found.dev, home) == (device.name, netns)
    if found.kind not in ("unicast", "broadcast") or circular:
        says = f"the way to {remote.dst} is {device.name} itself" if circular else f"no route to {remote.dst}"
        why, says = found.because or why, f"{device.name}: {says}"
        net.say(Step(home, "drop", says, frame, frame, why, device.name, reason="IP_OUTNOROUTES"))
        return
    outer = _outer(net, home, spec, frame, remote, found)
    where = f"VNI {outer.vni}, to {remote.dst}" if spec.external else f"{frame.eth_dst} is on {remote.dst}"
    says = f"{device.name}: {where}: wrapped into UDP for it"
    net.say(Step(netns, "transmit", says, frame, outer, why, device.name))
    tunnel.send(net, home, outer, found, mark, device.name)


def _outer(net: Net, home: str, spec: Vxlan, frame: Packet, remote: Remote, found: Found) -> Packet:
    src = spec.local or fib.source_for(net.world, home, found, remote.dst)
    hops = int(sysctl.read(net.world, home, "net.ipv4.ip_default_ttl") or 64)
    return Packet(
        "udp",
        src,
        remote.dst,
        _source_port(spec, frame),
        remote.port or spec.port,
        vni=remote.vni or spec.id,
        ttl=(frame.ttl if spec.ttl_inherit and frame.proto != "arp" else spec.ttl) or hops,
        inner=frame,
        size=frame.size + HEADER["ip6" if ":" in remote.dst else "ip"],
        df=spec.df == "set" or (spec.df == "inherit" and frame.proto != "arp" and frame.df),
    )


def _source_port(spec: Vxlan, frame: Packet) -> int:
    """One for each flow, so that routers on the way can spread flows (`udp_flow_src_port`)."""
    low, high = spec.port_range if spec.port_range != (0, 0) else (32768, 60999)
    flow = (frame.proto, frame.src, frame.dst, frame.sport, frame.dport, frame.eth_src, frame.eth_dst)
    return low + crc32(repr(flow).encode()) % (high - low + 1)


def _bypass(net: Net, netns: str, device: Link, frame: Packet, remote: Remote, why: Because) -> None:
    """The machine is this one: the frame is handed to its device, nothing is wrapped (`encap_bypass_if_local`)."""
    spec, home = settings(device), device.home or netns
    there = listening(net.world, home, Known(remote.port or spec.port, remote.vni or spec.id, ":" in remote.dst))
    if there is None or not spec.localbypass:
        says = f"{device.name}: {remote.dst} is this machine, which has no such VXLAN"
        net.say(Step(netns, "drop", says, frame, frame, why, device.name, reason="VXLAN_VNI_NOT_FOUND"))
        return
    scope, near = there
    says = f"{device.name}: {remote.dst} is this machine: handed to {near.name}"
    net.say(Step(netns, "transmit", says, frame, frame, why, device.name))
    net.write(*learn(net.world, scope, near, frame.eth_src, "127.0.0.1"))
    if not near.master and not fdb.is_group(frame.eth_dst):
        frame = frame._replace(eth_dst=near.mac)  # PACKET_HOST, whatever its header says
    net.wire.append((scope, near.name, frame))


# --- what comes in ---------------------------------------------------------------------------------


def receive(net: Net, skb: Skb) -> None:
    """A UDP packet for a VXLAN socket (`vxlan_rcv`): unwrap it, and in by the device of its VNI."""
    outer, inner = skb.packet, skb.packet.inner
    there = listening(net.world, skb.netns, Known(outer.dport, outer.vni, ":" in outer.dst))
    if inner is None or there is None:
        says = f"no VXLAN device here has VNI {outer.vni}" if inner is not None else "no VXLAN header"
        reason = "VXLAN_VNI_NOT_FOUND" if inner is not None else "VXLAN_INVALID_HDR"
        net.say(Step(skb.netns, "drop", f"UDP port {outer.dport}: {says}", outer, outer, None, skb.iif, reason=reason))
        return
    scope, device = there
    says = f"{device.name}: unwrapped, from {outer.src}"
    net.say(Step(scope, "receive", says, outer, inner, path.link_because(scope, device), device.name))
    known = find_entry(net.world, scope, device, inner.eth_src)
    refused = _not_from(settings(device), device, inner, known, outer.src)
    if refused:
        net.say(Step(scope, "drop", refused[0], inner, inner, None, device.name, reason=refused[1]))
        return
    net.write(*learn(net.world, scope, device, inner.eth_src, outer.src))
    if not settings(device).external:
        net.wire.append((scope, device.name, inner))
        return
    arrived = Skb(scope, inner, device.name)
    arrived.tunnel = TunnelKey(outer.vni, outer.src)
    path.arrive(net, arrived, device)


def _not_from(spec: Vxlan, device: Link, inner: Packet, known: VxlanFdb | None, src: str) -> tuple[str, str] | None:
    """Why a frame is not believed: it is one's own that came back, or its sender lives elsewhere by decree."""
    if inner.eth_src == device.mac:
        return f"{device.name}: its own frame has come back", "LOCAL_MAC"
    if not spec.learning:
        return None
    if fdb.is_group(inner.eth_src) or inner.eth_src == ALL:
        return f"{inner.eth_src} is no sender's MAC", "MAC_INVALID_SOURCE"
    if known is not None and known.state != "learned" and known.remotes[0].dst != src:
        says = f"{inner.eth_src} is on {known.remotes[0].dst} for good, and this came from {src}"
        return says, "VXLAN_ENTRY_EXISTS"
    return None

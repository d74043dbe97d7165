"""A Linux bridge: a switch in software, and br_netfilter, which shows its IP traffic to iptables.

A bridge remembers behind which port it saw a MAC (the forwarding table, ``bridge fdb``), sends a frame for a known
MAC there and floods one for an unknown MAC. While ``bridge-nf-call-iptables`` is 1, IPv4 frames also pass PREROUTING,
FORWARD and POSTROUTING though they are not routed: so a Service's address can be translated between two pods on one
bridge.

Left out: spanning tree, VLANs, multicast snooping, ageing, ebtables.
"""

from __future__ import annotations

from k8slearn.journal import Put
from k8slearn.linux import arp, fib, frag, netfilter, path, sysctl
from k8slearn.linux.device import ports
from k8slearn.linux.rows import Fdb, Link
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step, Walk

SWITCH = "net.bridge.bridge-nf-call-iptables"


def handle_frame(net: Net, netns: str, port: Link, frame: Packet) -> Walk[None]:
    """A frame has come in by a port (`br_input.c: br_handle_frame`)."""
    device = fib.link(net.world, netns, port.master)
    if device is None:
        return
    if not device.up:
        why = path.link_because(netns, device)
        yield Step(netns, "drop", f"{device.name} is down: its ports take nothing", frame, frame, why, port.name)
        return
    skb = Skb(netns, frame, device.name, physin=port.name)
    shown = frame.proto != "arp" and sysctl.is_on(net.world, netns, SWITCH)
    if not shown or (yield from _prerouting(net, skb, device)):
        yield from finish(net, skb, device, port)


def finish(net: Net, skb: Skb, device: Link, port: Link) -> Walk[None]:
    """Learn where the sender is, then forward, flood or keep (`br_handle_frame_finish`)."""
    frame = skb.packet
    yield from _learn(net, skb.netns, device, port, frame)
    if frame.eth_dst == arp.BROADCAST:
        yield from _flood(net, skb, device, port.name)
        yield from path.receive_up(net, skb, device)
    elif _is_local(net, skb.netns, device, frame.eth_dst):
        yield from path.receive_up(net, skb, device)
    else:
        yield from _forward(net, skb, device, port.name)


def _is_local(net: Net, netns: str, device: Link, mac: str) -> bool:
    return mac == device.mac or any(p.mac == mac for p in ports(net.world, netns, device.name))


def _prerouting(net: Net, skb: Skb, device: Link) -> Walk[bool]:
    """PREROUTING on a bridged frame; a new destination needs a new MAC (`br_nf_pre_routing_finish`)."""
    if netfilter.sees_wholes(net, skb) and not (yield from frag.gather(net, skb)):
        return False
    before = skb.packet.dst
    if not (yield from netfilter.run(net, skb, "PREROUTING")):
        return False
    skb.prerouted = True
    if skb.packet.dst == before:
        return True
    found = fib.lookup(net.world, skb.netns, skb.packet.dst)
    refused = fib.source_refused(net.world, skb.netns, device.name, skb.packet.src)
    forwards = sysctl.is_on(net.world, skb.netns, "net.ipv4.ip_forward")
    if forwards and not refused and found.kind == "unicast" and found.dev == device.name:
        yield from _bridged_dnat(net, skb, device, found.via or skb.packet.dst)
        return False
    skb.packet = skb.packet._replace(eth_dst=device.mac)
    return True


def _bridged_dnat(net: Net, skb: Skb, device: Link, address: str) -> Walk[None]:
    """The new destination is on this bridge too: the frame stays a bridged one, with the neighbour's MAC."""
    says = f"{skb.packet.dst} is on {device.name} too: bridged, not routed"
    yield Step(skb.netns, "bridge", says, skb.packet, skb.packet, None, device.name, "PREROUTING")
    skb.oif, skb.bridged = device.name, True
    mac = yield from arp.resolve(net, skb, device.name, address)
    if mac:
        yield from bridged_dnat_finish(net, skb, mac)


def bridged_dnat_finish(net: Net, skb: Skb, mac: str) -> Walk[None]:
    """The MAC is known: the bridge handles the frame as if it had come in with it."""
    device = fib.link(net.world, skb.netns, skb.oif)
    port = fib.link(net.world, skb.netns, skb.physin)
    if device is not None and port is not None:
        skb.packet, skb.oif, skb.bridged = skb.packet._replace(eth_dst=mac), "", False
        yield from finish(net, skb, device, port)


def _learn(net: Net, netns: str, device: Link, port: Link, frame: Packet) -> Walk[None]:
    key = (netns, "fdb", (device.name, frame.eth_src))
    known: Fdb | None = net.world.get(key)
    news = known is None or (known.port != port.name and known.state != "permanent")
    if news and not _is_local(net, netns, device, frame.eth_src):
        yield Put(key, Fdb(device.name, frame.eth_src, port.name))


def _forward(net: Net, skb: Skb, device: Link, came_by: str) -> Walk[None]:
    """To the one port behind which the MAC was seen, or to all (`br_forward.c`)."""
    frame = skb.packet
    known: Fdb | None = net.world.get((skb.netns, "fdb", (device.name, frame.eth_dst)))
    if known is None:
        yield from _flood(net, skb, device, came_by)
        return
    why = Because(
        (skb.netns, "fdb", (device.name, frame.eth_dst)), f"{frame.eth_dst} dev {known.port} master {device.name}"
    )
    port = fib.link(net.world, skb.netns, known.port)
    if port is None or not port.up:
        yield Step(skb.netns, "drop", f"{known.port} is down", frame, frame, why, device.name)
    elif known.port == came_by and not port.hairpin:
        says = f"{frame.eth_dst} is behind {came_by}, where the frame came from, and hairpin is off"
        yield Step(skb.netns, "drop", says, frame, frame, why, device.name)
    else:
        yield Step(
            skb.netns,
            "bridge",
            f"{device.name}: {frame.eth_dst} is behind {known.port}",
            frame,
            frame,
            why,
            device.name,
        )
        yield from _out(net, skb, device, port)


def _flood(net: Net, skb: Skb, device: Link, came_by: str) -> Walk[None]:
    """To every other port. Only who can answer is followed (and what iptables sees); the rest drop it unseen."""
    frame = skb.packet
    targets = [p for p in ports(net.world, skb.netns, device.name) if p.up and (p.name != came_by or p.hairpin)]
    says = f"{device.name}: floods {frame.eth_dst} to {len(targets)} ports"
    yield Step(skb.netns, "bridge", says, frame, frame, None, device.name)
    for port in reversed(targets):  # the newest port hears it first (br_if.c: new_nbp, list_add_rcu)
        if skb.prerouted or _worth_following(net, port, frame):
            copy = Skb(
                skb.netns,
                frame,
                skb.iif,
                physin=skb.physin,
                mark=skb.mark,
                tracked=skb.tracked,
                state=skb.state,
                prerouted=skb.prerouted,
                longest=skb.longest,
            )
            yield from _out(net, copy, device, port)


def _worth_following(net: Net, port: Link, frame: Packet) -> bool:
    far = fib.link(net.world, *port.peer) if port.peer else None
    if far is None or port.peer is None:
        return False
    if far.master:
        return True
    if frame.proto == "arp" and frame.flags == "who-has":
        return arp.would_answer(net, port.peer[0], frame)
    return far.mac == frame.eth_dst


def _out(net: Net, skb: Skb, device: Link, port: Link) -> Walk[None]:
    """FORWARD and POSTROUTING for a bridged IPv4 frame, then out of the port."""
    if skb.prerouted:
        skb.oif, skb.physout = device.name, port.name
        if not (yield from netfilter.run(net, skb, "FORWARD")):
            return
        skb.via = skb.packet.dst
        if not (yield from netfilter.run(net, skb, "POSTROUTING")):
            return
        if skb.packet.size > min(port.mtu, skb.longest or port.mtu):
            yield from _refragmented(net, skb, device, port)
            return
    yield from _push(net, skb.netns, port, skb.packet)


def _refragmented(net: Net, skb: Skb, device: Link, port: Link) -> Walk[None]:
    """What iptables has seen is cut for the *bridge's* MTU; the port may still find it too long
    (`br_netfilter_hooks.c: br_nf_dev_queue_xmit`)."""
    packet = skb.packet
    if (packet.df and not skb.longest) or skb.longest > device.mtu:
        says = f"{packet.size} bytes do not fit through {port.name}, mtu {port.mtu}: a bridge tells nobody"
        net.stat(skb.netns, "Ip6FragFails" if packet.family == "ip6" else "IpFragFails")
        yield Step(skb.netns, "drop", says, packet, packet, path.link_because(skb.netns, port), port.name)
        return
    for piece in (yield from frag.cut(net, skb, min(device.mtu, skb.longest or device.mtu))):
        yield from _push(net, skb.netns, port, piece)


def _push(net: Net, netns: str, port: Link, frame: Packet) -> Walk[None]:
    """Out of the port, if it takes frames of that length (`br_forward.c: br_dev_queue_push_xmit`)."""
    if frame.size > port.mtu + path.SLACK:
        says = f"{frame.size} bytes do not fit through {port.name}, mtu {port.mtu}: a bridge tells nobody"
        yield Step(netns, "drop", says, frame, frame, path.link_because(netns, port), port.name)
        return
    yield from path.hand_over(net, netns, port, frame)


def transmit(net: Net, netns: str, device: Link, frame: Packet) -> Walk[None]:
    """The machine itself sends by the bridge (`br_device.c: br_dev_xmit`)."""
    skb = Skb(netns, frame)
    if frame.eth_dst == arp.BROADCAST:
        yield from _flood(net, skb, device, "")
    else:
        yield from _forward(net, skb, device, "")

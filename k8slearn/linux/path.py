"""A packet's way through Linux boxes: the module to read to learn what a kernel does with a packet.

::

    wire ─ receive ─┬─ a bridge's port? ── bridge.py ──┬── up to the bridge's own device
                    └─ my MAC? ── ip_receive ──────────┘
    ip_receive: PREROUTING ─ route ─┬─ local:   INPUT ─ socket
                                    ├─ forward: TTL, MTU, FORWARD ─┐
                                    └─ none:    ICMP or silence    │
    send_local: route, OUTPUT (route again) ───────────────────────┴─ POSTROUTING ─ fragments ─ neighbour ─ wire

Each function is named after what the kernel calls that stretch of road. It says what a log would (`Net.say`), writes
what the kernel learns into a fork of the world (`Net.write`), and changes nothing else but its own packet. Wires are a
queue (`skb.Net.wire`): a packet that crosses a veth is picked up again by `run`, as the kernel's softirq does.

Left out: IP options, IPv4 multicast, multicast routing, broadcasts other than ARP's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from k8slearn.journal import World
from k8slearn.linux import (
    arp,
    bpf,
    bridge,
    fib,
    frag,
    icmp,
    ingress,
    ip,
    ip6_input,
    ip_input,
    kinds,
    listen,
    ndp,
    neigh,
    netfilter,
    pmtu,
    qdisc,
    stack,
)
from k8slearn.linux.fib import Found
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net, Outgoing, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step, step

NOBODY = "00:00:00:00:00:00"
"""lo's MAC, on both ends."""
LOCAL_ERRORS = {
    "none": "Network is unreachable",
    "unreachable": "No route to host",
    "prohibit": "Permission denied",
    "blackhole": "Invalid argument",
}
"""What ``connect()`` says at once when the machine's own table gives no way."""


LONGEST = 65535
LO = Link("lo", "loopback", NOBODY, 1)
SLACK = 4
"""A device takes frames that are longer than its MTU by a VLAN tag (`dev.c: is_skb_forwardable`)."""


def run(net: Net) -> None:
    """Carry frames over wires until all is quiet; a packet whose neighbour never answered is given up then."""
    while True:
        while net.wire:
            netns, dev, frame = net.wire.popleft()
            receive(net, netns, dev, frame)
            net.stamp()
        if net.late:
            net.late.popleft()()
            net.stamp()
            continue
        if not net.held:
            if net.pieces:
                frag.give_up(net)
            net.seen.clear()
            return
        (netns, dev, address), waiting = net.held.popitem()
        net.given_up.add((net.attempt, netns, dev, address))
        for skb in waiting:
            neighbour_failed(net, skb, dev, address)


def receive(net: Net, netns: str, dev: str, frame: Packet) -> None:
    """A frame has come in by a device (`dev.c: __netif_receive_skb_core`)."""
    link = net.world.rows[netns, "link"].get(dev)
    if link is not None:
        arrive(net, Skb(netns, frame, dev), link)


def arrive(net: Net, skb: Skb, link: Link) -> None:
    """The same once the device is known; tunnels and uppers hand their packets up here too."""
    if not link.up:
        return _down(net, skb.netns, link, skb.packet, "DEV_READY")
    if net.recording:
        net.record(skb.netns, link, "in", skb.packet)
    return (ingress.receive if net.world.rows[skb.netns, "qdisc"] else received)(net, skb, link)


def _down(net: Net, netns: str, link: Link, frame: Packet, reason: str) -> None:
    says = f"{link.name} is down"
    net.say(Step(netns, "drop", says, frame, frame, link_because(netns, link), link.name, reason=reason))


def received(net: Net, skb: Skb, link: Link) -> None:
    """No filter keeps it: to a VLAN above, to the bridge that the device is a port of, or up."""
    if not link.master:
        return receive_up(net, skb, link)
    return _tagged(net, skb, link) if skb.packet.tag else bridge.handle_frame(net, skb.netns, link, skb.packet)


def _tagged(net: Net, skb: Skb, link: Link) -> None:
    """A VLAN above a bridge's port takes its frames before the bridge sees them."""
    if not kinds.UPPERS["vlan"].take(net, skb, link):
        bridge.handle_frame(net, skb.netns, link, skb.packet)


def receive_up(net: Net, skb: Skb, link: Link) -> None:
    """The frame is not for a bridge (any more): ARP, or IP if the MAC is ours."""
    return _offered(net, skb, link) if net.world.rows[skb.netns, "upper"] else _taken(net, skb, link)


def _offered(net: Net, skb: Skb, link: Link) -> None:
    if not offer(net, skb, link):
        _taken(net, skb, link)


def _taken(net: Net, skb: Skb, link: Link) -> None:
    """By ARP, by IP, or by nobody."""
    frame = skb.packet
    if frame.tag:
        return _elsewhere(net, skb, link, f"no vlan on {link.name} has the id {frame.tag}: for another host")
    if frame.proto == "arp":
        return arp.receive(net, skb.netns, link, frame)
    mine = frame.eth_dst in (link.mac, arp.BROADCAST) or frame.eth_dst[:6] == "33:33:"
    if mine or skb.host or link.kind == "loopback":
        return ip_receive(net, skb)
    return _elsewhere(net, skb, link, f"{frame.eth_dst} is not {link.name}'s MAC: for another host")


def _elsewhere(net: Net, skb: Skb, link: Link, says: str) -> None:
    why = link_because(skb.netns, link)
    net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, why, link.name, reason="OTHERHOST"))


def offer(net: Net, skb: Skb, link: Link) -> bool:
    """Is the frame for a device that stands on this one (`stack.ORDER` says who is asked first)?"""
    return any(kinds.UPPERS[kind].take(net, skb, link) for kind in stack.kinds(net.world, skb.netns, link.name))


def ip_receive(net: Net, skb: Skb) -> None:
    """PREROUTING, then the routing decision (`ip_input.c: ip_rcv`)."""
    six = ":" in skb.packet.dst
    net.ip_stat(skb, "InReceives")
    refused = ip6_input.impossible(skb) if six else ""
    if refused:
        net.ip_stat(skb, "InHdrErrors")
        net.say(Step(skb.netns, "drop", refused, skb.packet, skb.packet, None, skb.iif, reason="IP_INHDR"))
        return
    if not skb.prerouted:
        if six and skb.packet.flags in ndp.MESSAGES:
            skb.state = "UNTRACKED"
        if netfilter.sees_wholes(net, skb) and not frag.gather(net, skb):
            return
        if not netfilter.run(net, skb, "PREROUTING"):
            return
    (ip6_input if six else ip_input).route_input(net, skb)


def forward(net: Net, skb: Skb, found: Found) -> None:
    """For somebody else: one off the TTL, is it too long, FORWARD, and out (`ip_forward.c`)."""
    packet = skb.packet
    says = f"{packet.dst} goes {way(found)}"
    net.say(step((skb.netns, "route", says, packet, packet, found.because, skb.iif, "", "")))
    if packet.ttl <= 1:
        net.ip_stat(skb, "InHdrErrors")
        net.say(Step(skb.netns, "drop", "TTL reached 0", packet, packet, None, skb.iif, reason="IP_INHDR"))
        icmp.error(net, skb, "time-exceeded")
        return
    net.ip_stat(skb, "ForwDatagrams", "OutForwDatagrams")
    skb.oif, skb.via, skb.physout = found.dev, found.via, ""
    skb.mtu = pmtu.mtu(net.world, skb.netns, found, packet.dst, forwarding=True)
    if packet.size > skb.mtu and _uncuttable(skb):
        _too_big(net, skb)
        return
    skb.packet = packet.older()
    if netfilter.run(net, skb, "FORWARD"):
        output(net, skb)


def _uncuttable(skb: Skb) -> bool:
    """May a router not cut it up? IPv6: only what came in pieces that fit (`ip6_pkt_too_big`)."""
    return not 0 < skb.longest <= skb.mtu if skb.packet.family == "ip6" else skb.packet.df


def _too_big(net: Net, skb: Skb) -> None:
    """It may not be cut up and does not fit: the sender is told what would (RFC 1191)."""
    packet, link = skb.packet, net.world.rows[skb.netns, "link"].get(skb.oif)
    says = f"{packet.size} bytes do not fit through {skb.oif}, mtu {skb.mtu}, and DF is set"
    why = link_because(skb.netns, link) if link is not None else None
    net.ip_stat(skb, "FragFails")
    net.say(Step(skb.netns, "drop", says, packet, packet, why, skb.oif, reason="PKT_TOO_BIG"))
    icmp.error(net, skb, "frag-needed", skb.mtu)


def way(found: Found) -> str:
    """Where a route leads, in words."""
    return f"via {found.via} dev {found.dev}" if found.via else f"dev {found.dev}, on the link"


def deliver_local(net: Net, skb: Skb) -> None:
    """The whole packet, INPUT, then the socket (`ip_input.c: ip_local_deliver`)."""
    if skb.packet.fragment is not None and not frag.gather(net, skb):
        return
    if not netfilter.run(net, skb, "INPUT"):
        return
    net.ip_stat(skb, "InDelivers")
    if skb.packet.proto in ("icmp", "icmp6"):
        icmp.count(net, skb.netns, skb.packet, "In")
        if skb.packet.flags in pmtu.COMPLAINTS:
            pmtu.learn(net, skb)
        elif skb.packet.flags in ndp.MESSAGES:
            ndp.receive(net, skb)
    for tunnel in kinds.TUNNELS.get(skb.packet.proto, ()):
        if tunnel.receive(net, skb):
            return
    listen.receive(net, skb)


def send_local(net: Net, out: Outgoing) -> str:
    """A packet that this machine makes itself; returns an errno's words where it cannot even leave."""
    world, netns, packet, net.errno = net.world, out.netns, out.packet, ""
    found = _way_out(world, out)
    if not _leads_somewhere(found):
        if found.kind == "none":
            net.stat(netns, "Ip6OutNoRoutes" if packet.family == "ip6" else "IpOutNoRoutes")
        net.say(
            Step(netns, "drop", f"no route to {packet.dst}", packet, packet, found.because, reason="IP_OUTNOROUTES")
        )
        return LOCAL_ERRORS.get(found.kind, "Network is unreachable")
    if _strays(world, netns, packet, found):
        net.say(_stray(netns, packet, found))
        return "Invalid argument"
    if found.kind == "broadcast" and packet.proto == "udp":
        says = f"{packet.dst} is a broadcast address: the socket would need SO_BROADCAST"
        net.say(Step(netns, "drop", says, packet, packet, found.because, found.dev, reason="NOT_SPECIFIED"))
        return "Permission denied"
    own = found.kind == "local"
    limit = pmtu.mtu(world, netns, found, packet.dst)
    if packet.size > limit and out.discover == "do":
        says = f"{packet.size} bytes are too long: the way to {packet.dst} takes {limit}"
        net.say(Step(netns, "drop", says, packet, packet, found.because, found.dev, reason="NOT_SPECIFIED"))
        return "Message too long"
    if packet.df and (packet.size > limit or out.discover == "dont" or pmtu.locked(world, netns, found, packet.dst)):
        packet = packet._replace(df=False)
    dev, says = "lo" if own else found.dev, f"{out.name}: {packet}"
    net.say(step((netns, "send", says, packet, packet, found.because, dev, "", "")))
    skb = Skb(netns, packet, "", dev)
    skb.tracked, skb.state, skb.via, skb.mtu = out.tracked, out.state, found.via, limit
    skb.mark = mark = out.mark
    net.ip_stat(skb, "OutRequests")
    if packet.proto in ("icmp", "icmp6"):
        icmp.count(net, netns, packet, "Out")
    if not netfilter.run(net, skb, "OUTPUT"):
        return "Operation not permitted"
    if skb.packet.dst != packet.dst or skb.mark != mark:
        return reroute(net, skb)
    if found.kind == "unreachable":
        _discard(net, skb, found)
    else:
        output(net, skb)
    words, net.errno = net.errno, ""
    return words


def _way_out(world: World, out: Outgoing) -> Found:
    """An ICMP error is looked up before it has a source, unless it is the very address that was asked for
    (`icmp_send`); in IPv6 a ping's answer would rather go back by its link, and a link-local one must."""
    packet, about = out.packet, out.packet.inner
    src = packet.src if about is None or about.dst == packet.src else ""
    back = out.name == "echo-reply" or ip.is_link_local(packet.dst)
    oif = out.dev if back and packet.family == "ip6" else ""
    return fib.lookup(world, out.netns, packet.dst, src=src, oif=oif, mark=out.mark)


def reroute(net: Net, skb: Skb) -> str:
    """OUTPUT rewrote it: ask the table again (`netfilter.c: ip_route_me_harder`), in IPv6 on the same link where an
    address counts on its own link only."""
    narrow = ":" in skb.packet.dst and (ip.is_link_local(skb.packet.dst) or ip.is_multicast(skb.packet.dst))
    oif = skb.oif if narrow else ""
    found = fib.lookup(net.world, skb.netns, skb.packet.dst, src=skb.packet.src, oif=oif, mark=skb.mark)
    if not _leads_somewhere(found) and found.kind != "multicast":
        says = f"no route to {skb.packet.dst}"
        net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, found.because, reason="IP_OUTNOROUTES"))
        return LOCAL_ERRORS.get(found.kind, "Network is unreachable")
    if _strays(net.world, skb.netns, skb.packet, found):
        net.say(_stray(skb.netns, skb.packet, found))
        return "Invalid argument"
    if found.discards:
        _discard(net, skb, found)
        return ""
    skb.oif, skb.via = ("lo" if found.kind == "local" else found.dev), found.via
    skb.mtu = pmtu.mtu(net.world, skb.netns, found, skb.packet.dst)
    says = f"after the rewrite {skb.packet.dst} goes {way(found) if found.kind == 'unicast' else 'to this machine'}"
    net.say(Step(skb.netns, "route", says, skb.packet, skb.packet, found.because, skb.oif, "OUTPUT"))
    output(net, skb)
    words, net.errno = net.errno, ""
    return words


def _leads_somewhere(found: Found) -> bool:
    if found.kind in ("unicast", "local"):
        return True
    return (found.kind == "broadcast" and bool(found.dev)) or found.discards


def _discard(net: Net, skb: Skb, found: Found) -> None:
    """What goes to an IPv6 network on lo ends here, and its sender hears of it (`route.c: ip6_pkt_discard_out`)."""
    net.stat(skb.netns, "Ip6OutNoRoutes")
    says = f"{skb.packet.dst} is in a network on lo: nobody is there"
    net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, found.because, "lo", reason="IP_OUTNOROUTES"))
    icmp.error(net, skb, "no-route")


def _strays(world: World, netns: str, packet: Packet, found: Found) -> bool:
    """A loopback source may not leave the machine, unless ``route_localnet`` (`route.c: __mkroute_output`)."""
    return (
        packet.src.startswith("127.")
        and found.kind == "unicast"
        and found.dev != "lo"
        and not fib.is_set(world, netns, found.dev, "route_localnet")
    )


def _stray(netns: str, packet: Packet, found: Found) -> Step:
    says = f"{packet.src} must not leave by {found.dev}: route_localnet is 0"
    return Step(netns, "drop", says, packet, packet, found.because, found.dev, reason="IP_OUTNOROUTES")


def output(net: Net, skb: Skb) -> None:
    """POSTROUTING, then the neighbour's MAC, then the wire (`ip_output.c`)."""
    forwarded = bool(skb.iif)
    skb.iif = skb.iif if skb.oif != "lo" else ""
    if not netfilter.run(net, skb, "POSTROUTING"):
        net.errno = "" if forwarded else "Operation not permitted"
        return
    if skb.oif == "lo":
        loop_back(net, skb, forwarded)
        return
    limit = min(skb.mtu or LONGEST, skb.longest or LONGEST)
    if skb.packet.size > limit:
        _fragmented(net, skb, limit)
    else:
        send_to_neighbour(net, skb)


def _fragmented(net: Net, skb: Skb, limit: int) -> None:
    """Cut up, each piece by itself; what must not be cut is dropped (`ip_output.c: ip_fragment`)."""
    if skb.packet.df and not skb.longest:
        _too_big(net, skb)
        return
    for piece in frag.cut(net, skb, limit):
        one = skb.like(piece, skb.iif, skb.oif)
        one.via = skb.via
        send_to_neighbour(net, one)


def send_to_neighbour(net: Net, skb: Skb) -> None:
    """The next hop's MAC, then the device (`ip_output.c: ip_finish_output2`)."""
    net.ip_stat(skb, "OutTransmits")
    link = net.world.rows[skb.netns, "link"].get(skb.oif)
    if link is not None and link.kind in kinds.BARE:
        enter(net, skb, link)
        return
    if not skb.via and fib.is_broadcast(net.world, skb.netns, skb.packet.dst):
        transmit(net, skb, arp.BROADCAST)
        return
    mac = (ndp if ":" in skb.packet.dst else arp).resolve(net, skb, skb.oif, skb.via or skb.packet.dst)
    if mac:
        transmit(net, skb, mac)


def loop_back(net: Net, skb: Skb, forwarded: bool) -> None:
    """lo hands the packet straight back, with its connection and its route still known (`loopback.c`).

    So what was forwarded is forwarded again, and what was made here goes in only if the address is one of ours.
    """
    net.ip_stat(skb, "OutTransmits")
    lo = net.world.rows[skb.netns, "link"].get("lo")
    if lo is None or not lo.up:
        why = link_because(skb.netns, lo) if lo is not None else None
        says = "lo is down: a machine cannot even reach itself"
        net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, why, "lo", reason="QDISC_DROP"))
        return
    found = fib.lookup(net.world, skb.netns, skb.packet.dst)
    if found.kind != "local" and not forwarded:
        says = f"lo: {skb.packet.dst} is nobody on this machine"
        net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, found.because, "lo", reason="NOT_SPECIFIED"))
        return
    back = skb.like(skb.packet, "lo")
    if net.recording:
        net.record(skb.netns, LO, "in", back.packet._replace(eth_src=NOBODY, eth_dst=NOBODY))
    net.say(Step(skb.netns, "receive", "lo: back to this machine", skb.packet, skb.packet, None, "lo"))
    ip_receive(net, back)


def enter(net: Net, skb: Skb, link: Link) -> None:
    """A tunnel takes the bare IP packet: there is no Ethernet header and no neighbour to ask (``NOARP``)."""
    packet = skb.packet = skb.packet._replace(eth_src="", eth_dst="")
    if not link.up:
        _down(net, skb.netns, link, packet, "QDISC_DROP")
        return
    if net.world.rows[skb.netns, "qdisc"] and not qdisc.dequeue(net, skb.netns, link.name, packet):
        return
    if net.recording:
        net.record(skb.netns, link, "out", packet)
    nested(net, skb.netns, link, packet, lambda: kinds.BARE[link.kind].transmit(net, skb, link))


def nested(net: Net, netns: str, link: Link, frame: Packet, send: Callable[[], None]) -> None:
    """Devices that send by devices that send by devices: at some depth the kernel stops it (`dev_xmit_recursion`)."""
    if net.depth > RECURSION_LIMIT:
        says = f"Dead loop on virtual device {link.name}, fix it urgently!"
        why = link_because(netns, link)
        net.say(Step(netns, "drop", says, frame, frame, why, link.name, "", "RECURSION_LIMIT"))
        return
    net.depth += 1
    send()
    net.depth -= 1


def transmit(net: Net, skb: Skb, mac: str) -> None:
    """Put the Ethernet header on and hand the frame to the device."""
    link = net.world.rows[skb.netns, "link"].get(skb.oif)
    if link is not None:
        net.mark = skb.mark
        hand_over(net, skb.netns, link, skb.packet.framed(link.mac, mac))
        net.mark = 0


def hand_over(net: Net, netns: str, link: Link, frame: Packet) -> None:
    """A device sends a frame (`dev.c: dev_queue_xmit`); what that means is its kind's own affair."""
    if not link.up:
        return _down(net, netns, link, frame, "QDISC_DROP")
    return (_queued if net.world.rows[netns, "qdisc"] else _sent)(net, netns, link, frame)


def _queued(net: Net, netns: str, link: Link, frame: Packet) -> None:
    if net.world.rows[netns, "bpf"]:
        skb = Skb(netns, frame, "", link.name)
        skb.mark = net.mark
        if not bpf.passes(net, skb, link, "egress"):
            return
        frame = skb.packet
    if qdisc.dequeue(net, netns, link.name, frame):
        _sent(net, netns, link, frame)


def _sent(net: Net, netns: str, link: Link, frame: Packet) -> None:
    if net.recording:
        net.record(netns, link, "out", frame)
    kind = kinds.KINDS.get(link.kind)
    if kind is not None:
        return nested(net, netns, link, frame, lambda: kind.transmit(net, netns, link, frame))
    if link.peer is not None:
        _veth(net, netns, link, link.peer, frame)


def _veth(net: Net, netns: str, link: Link, end: tuple[str, str], frame: Packet) -> None:
    """A cable: what goes in at one end comes out at the other (`veth.c: veth_xmit`)."""
    far = net.world.rows[end[0], "link"].get(end[1])
    if far is None or not far.up:
        says = f"{link.name} has no carrier: its peer is down"
        why = link_because(end[0], far) if far else link_because(netns, link)
        net.say(Step(netns, "drop", says, frame, frame, why, link.name, reason="QDISC_DROP"))
        return
    if frame.size > far.mtu + SLACK:
        says = f"{frame.size} bytes are more than {far.name} takes, mtu {far.mtu}: gone, and nobody hears of it"
        net.say(Step(netns, "drop", says, frame, frame, link_because(end[0], far), link.name, reason="NOT_SPECIFIED"))
        return
    if frame.proto != "arp":
        why = link_because(netns, link)
        net.say(step((netns, "transmit", f"out of {link.name}", frame, frame, why, link.name, "", "")))
    net.wire.append((*end, frame))


RECURSION_LIMIT = 8


def link_because(netns: str, link: Link) -> Because:
    """The device as the reason."""
    return _link_because(netns, link.name, link.up, link.master, link.mac)


@lru_cache(maxsize=1 << 12)
def _link_because(netns: str, name: str, up: bool, master: str, mac: str) -> Because:
    state, port = "up" if up else "down", f", master {master}" if master else ""
    return Because((netns, "link", name), f"{name}: {state}{port}, mac {mac}")


def neighbour_found(net: Net, netns: str, dev: str, address: str, mac: str) -> None:
    """An answer came: send what waited for it."""
    for skb in net.held.pop((netns, dev, address), []):
        (bridge.bridged_dnat_finish if skb.bridged else transmit)(net, skb, mac)


def neighbour_failed(net: Net, skb: Skb, dev: str, address: str) -> None:
    """Three questions in three seconds, no answer: the sender hears of it (`arp.c: arp_error_report`).

    An IPv6 gateway that failed is passed over by what is looked up next (`fibtable`), so that is remembered."""
    says = f"nobody on {dev} has {address}: neighbour FAILED after 3 s"
    why = Because((skb.netns, "neigh", (dev, address)), f"{address} dev {dev} FAILED")
    net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, why, dev, reason="NEIGH_FAILED"))
    if ":" in address and skb.via == address:
        net.write(*neigh.failed(net.world, skb.netns, dev, address))
    icmp.error(net, skb, "host-unreachable")

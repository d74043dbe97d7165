"""A Linux bridge: a switch in software, and br_netfilter, which shows its IP traffic to iptables.

A bridge remembers behind which port it saw a MAC (`fdb`), sends a frame for a known MAC there and floods one for an
unknown MAC. A frame for one of the machine's own MACs goes up, to the bridge's own device::

    port ─ up? ─ 01:80:c2? ─ PREROUTING ─ VLAN ─ learn ─┬─ known ── FORWARD ─ POSTROUTING ─ that port
                                                        ├─ unknown, group ── the same for each port that may
                                                        └─ own, group, promisc ── VLAN ─ up

A flood goes out of every other port whose switch for it is on::

    to a unicast MAC     out of each port with flood on
    to a broadcast MAC   out of each port with bcast_flood on
    to a multicast MAC   out of each port with mcast_flood on

While ``bridge-nf-call-iptables`` is 1, IPv4 frames also pass PREROUTING, FORWARD and POSTROUTING though they are not
routed: so a Service's address can be translated between two pods on one bridge. (``bridge-nf-call-ip6tables``: IPv6;
the bridge's own ``nf_call_iptables`` does it for one bridge.)

A port with ``proxy_arp`` is told what it asks by ARP from the bridge's own neighbour table, and no flood reaches it: so
a cloud's network behaves, where nobody hears a broadcast.

A loop of bridges without spanning tree carries a frame round for ever. Here a bridge that has had the same frame
by the same port `STORM` times lets it go.

Left out: spanning tree, multicast snooping (a group's frames go to all), ebtables, arptables, ``neigh_suppress``,
``bridge-nf-filter-vlan-tagged`` (iptables never sees what has a tag).
"""

from __future__ import annotations

from k8slearn.journal import Table
from k8slearn.linux import arp, fdb, fib, frag, netfilter, path, stack, switch, sysctl, vlanfilter
from k8slearn.linux.device import ports
from k8slearn.linux.rows import Fdb, Link, Neighbour
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step, step

SWITCHES = {
    "ip": ("net.bridge.bridge-nf-call-iptables", "nf_call_iptables"),
    "ip6": ("net.bridge.bridge-nf-call-ip6tables", "nf_call_ip6tables"),
}
"""Family -> the setting for all bridges, and that of one bridge."""
STORM = 4
FLAGS = {"unicast": "flood", "broadcast": "bcast_flood", "multicast": "mcast_flood"}
"""Kind of destination -> the switch of a port that lets floods of it out."""


def handle_frame(net: Net, netns: str, port: Link, frame: Packet) -> None:
    """A frame has come in by a port (`br_input.c: br_handle_frame`)."""
    device = net.world.rows[netns, "link"].get(port.master)
    if device is None:
        return
    refused, reason = _refused(net, netns, device, port, frame)
    if refused:
        net.say(Step(netns, "drop", refused, frame, frame, path.link_because(netns, device), port.name, reason=reason))
        return
    skb = Skb(netns, frame, device.name)
    skb.physin, skb.host = port.name, frame.eth_dst in (port.mac, device.mac)
    if not _shown(net, netns, device, frame) or _prerouting(net, skb, device):
        finish(net, skb, device, port)


def _refused(net: Net, netns: str, device: Link, port: Link, frame: Packet) -> tuple[str, str]:
    """(why the port does not take the frame, the kernel's name for it); empty: it does."""
    if not device.up:
        return f"{device.name} is down: its ports take nothing", "BRIDGE_INGRESS_STP_STATE"
    if fdb.is_group(frame.eth_src):
        return f"{frame.eth_src} is no sender's MAC", "MAC_INVALID_SOURCE"
    if frame.eth_dst.startswith("01:80:c2:00:00:0") and not _forwards_group(device, frame.eth_dst):
        return f"{frame.eth_dst} is for this link alone (802.1D)", "NOT_SPECIFIED"
    seen = net.seen.setdefault((netns, port.name), [])
    seen.append(frame)
    if len(seen) > STORM and (times := seen.count(frame)) > STORM:
        return f"the same frame for the {times}th time: a loop of bridges, a broadcast storm", "NOT_SPECIFIED"
    return "", ""


def _forwards_group(device: Link, mac: str) -> bool:
    """01:80:c2:00:00:00 is spanning tree's own; without it a bridge forwards that one as any group's."""
    number = int(mac[-1], 16)
    return number == 0 or bool(switch.settings(device).group_fwd_mask >> number & 1)


def _shown(net: Net, netns: str, device: Link, frame: Packet) -> bool:
    """Does bridge-netfilter show this frame to iptables?"""
    if frame.proto == "arp" or frame.tag:
        return False
    if net.world.rows[netns, "sysctl"].index(_all_shown)[frame.family]:
        return True
    return bool(getattr(switch.settings(device), SWITCHES[frame.family][1]))


def _all_shown(written: Table) -> dict[str, bool]:
    """Does bridge-netfilter show all bridges' frames of a family?"""
    return {family: written.get(name, sysctl.DEFAULTS[name]) != "0" for family, (name, _) in SWITCHES.items()}


def finish(net: Net, skb: Skb, device: Link, port: Link) -> None:
    """Learn where the sender is, then forward, flood or keep (`br_handle_frame_finish`)."""
    filters = switch.settings(device).vlan_filtering
    if filters and not _tagged(net, skb, device, vlanfilter.of_port(device, port), port.name):
        return
    frame = skb.packet
    vlan = frame.tag if filters else 0
    if port.port.learning:
        learned = fdb.learn(net.world, skb.netns, device, port.name, frame.eth_src, vlan)
        if learned is not None:
            net.write(learned)
    if fdb.is_group(frame.eth_dst):
        if frame.proto == "arp" and port.port.proxy_arp:
            _answer(net, skb, device, port)
        _flood(net, skb, device, port)
        pass_up(net, skb, device)
        return
    known = fdb.find_entry(net.world, skb.netns, device, frame.eth_dst, vlan)
    if known is not None and known.state == "permanent":
        pass_up(net, skb, device)
        return
    if known is None:
        _flood(net, skb, device, port)
    else:
        _forward(net, skb, device, port, known)
    if _hears_all(net, skb, device):
        pass_up(net, skb, device)


def _answer(net: Net, skb: Skb, device: Link, port: Link) -> None:
    """A port with ``proxy_arp`` asks, and the bridge's own neighbour table knows: the bridge answers in the other's
    name (`br_arp_nd_proxy.c: br_do_proxy_suppress_arp`)."""
    frame = skb.packet
    known: Neighbour | None = net.world.table(skb.netns, "neigh").get((device.name, frame.dst))
    if (
        frame.flags != "who-has"
        or frame.src in (arp.NOBODY, frame.dst)
        or known is None
        or known.state not in arp.USABLE
    ):
        return
    if fdb.find_entry(net.world, skb.netns, device, known.mac, _vlan(device, frame)) is None:
        return
    answer = Packet("arp", frame.dst, frame.src, flags="is-at", eth_src=known.mac, eth_dst=frame.eth_src, size=28)
    why = Because((skb.netns, "neigh", (device.name, frame.dst)), f"{frame.dst} dev {device.name} lladdr {known.mac}")
    says = f"{device.name} answers itself: {frame.dst} is at {known.mac}"
    net.say(Step(skb.netns, "arp", says, frame, answer, why, port.name))
    _push(net, skb.netns, port, answer)


def _vlan(device: Link, frame: Packet) -> int:
    return frame.tag if switch.settings(device).vlan_filtering else 0


def _tagged(net: Net, skb: Skb, device: Link, vlans: vlanfilter.Vlans, came_by: str) -> bool:
    """The bridge filters: put the frame into its VLAN; False where it may not come in."""
    frame = vlanfilter.ingress(vlans, skb.packet)
    if frame is None:
        vlan = f"VLAN {skb.packet.tag}" if skb.packet.tag else "a VLAN for frames without a tag"
        says = f"{came_by} is not in {vlan}"
        why = path.link_because(skb.netns, device)
        net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, why, came_by, reason="NOT_SPECIFIED"))
        return False
    skb.packet = frame
    return True


def pass_up(net: Net, skb: Skb, device: Link) -> None:
    """To the bridge's own device, as if it had come in by that (`br_pass_frame_up`).

    A promiscuous bridge hears all of it; what was for another host goes no further than to who listens there, and what
    it also takes for its own has lost its connection (`br_nf_local_in`).
    """
    frame = skb.packet
    if switch.settings(device).vlan_filtering:
        inside = vlanfilter.egress(vlanfilter.of_bridge(device), frame)
        if inside is None and not _hears_all(net, skb, device):
            return
        frame = inside or frame
    if net.recording:
        net.record(skb.netns, device, "in", frame)
    if not skb.host and not fdb.is_group(frame.eth_dst):
        if not path.offer(net, _copy(skb, frame), device) and not _hears_all(net, skb, device):
            says = f"{frame.eth_dst} is not {device.name}'s MAC: for another host"
            why = path.link_because(skb.netns, device)
            net.say(Step(skb.netns, "drop", says, frame, frame, why, device.name, reason="OTHERHOST"))
        return
    up = _copy(skb, frame)
    up.host = True
    if device.promisc and not _is_own(net, skb.netns, device, frame):
        up.tracked, up.state = None, "INVALID"
    path.receive_up(net, up, device)


def _hears_all(net: Net, skb: Skb, device: Link) -> bool:
    return device.promisc or stack.hears_all(net.world, skb.netns, device)


def _is_own(net: Net, netns: str, device: Link, frame: Packet) -> bool:
    known = fdb.find_entry(net.world, netns, device, frame.eth_dst, _vlan(device, frame))
    return known is not None and known.state == "permanent"


def _copy(skb: Skb, frame: Packet) -> Skb:
    other = skb.like(frame, skb.iif)
    other.physin, other.prerouted, other.longest, other.host = skb.physin, skb.prerouted, skb.longest, skb.host
    return other


# --- bridge-netfilter ------------------------------------------------------------------------------


def _prerouting(net: Net, skb: Skb, device: Link) -> bool:
    """PREROUTING on a bridged frame; a new destination needs a new MAC (`br_nf_pre_routing_finish`)."""
    if netfilter.sees_wholes(net, skb) and not frag.gather(net, skb):
        return False
    before = skb.packet.dst
    if not netfilter.run(net, skb, "PREROUTING"):
        return False
    skb.prerouted = True
    if skb.packet.dst == before:
        return True
    src, dst, dev = skb.packet.src, skb.packet.dst, device.name
    found = fib.lookup(net.world, skb.netns, dst, src=src, iif=dev, mark=skb.mark)
    refused = fib.source_refused(net.world, skb.netns, dev, src, dst, skb.mark)
    forwards = sysctl.is_on(net.world, skb.netns, "net.ipv4.ip_forward")
    if forwards and not refused and found.kind == "unicast" and found.dev == device.name:
        _bridged_dnat(net, skb, device, found.via or skb.packet.dst)
        return False
    skb.packet, skb.host = skb.packet._replace(eth_dst=device.mac), True
    return True


def _bridged_dnat(net: Net, skb: Skb, device: Link, address: str) -> None:
    """The new destination is on this bridge too: the frame stays a bridged one, with the neighbour's MAC."""
    says = f"{skb.packet.dst} is on {device.name} too: bridged, not routed"
    net.say(Step(skb.netns, "bridge", says, skb.packet, skb.packet, None, device.name, "PREROUTING"))
    skb.oif, skb.bridged = device.name, True
    mac = arp.resolve(net, skb, device.name, address)
    if mac:
        bridged_dnat_finish(net, skb, mac)


def bridged_dnat_finish(net: Net, skb: Skb, mac: str) -> None:
    """The MAC is known: the bridge handles the frame as if it had come in with it."""
    device = net.world.rows[skb.netns, "link"].get(skb.oif)
    port = net.world.rows[skb.netns, "link"].get(skb.physin)
    if device is not None and port is not None:
        skb.packet, skb.oif, skb.bridged = skb.packet._replace(eth_dst=mac), "", False
        finish(net, skb, device, port)


# --- out of the ports ------------------------------------------------------------------------------


def _forward(net: Net, skb: Skb, device: Link, came_by: Link | None, known: Fdb) -> None:
    """To the one port behind which the MAC was seen (`br_forward.c: br_forward`)."""
    frame, why = skb.packet, fdb.because(skb.netns, known)
    port = net.world.rows[skb.netns, "link"].get(known.port)
    refused = f"{known.port} is down" if port is None or not port.up else _may_not(device, came_by, port, frame)
    if refused or port is None:
        net.say(Step(skb.netns, "drop", refused, frame, frame, why, device.name, reason="NOT_SPECIFIED"))
        return
    says = f"{device.name}: {frame.eth_dst} is behind {known.port}"
    net.say(step((skb.netns, "bridge", says, frame, frame, why, device.name, "", "")))
    _out(net, skb, device, port)


def _may_not(device: Link, came_by: Link | None, port: Link, frame: Packet) -> str:
    """Why a frame may not leave by a port (`br_forward.c: should_deliver`); empty: it may."""
    if came_by is not None and came_by.name == port.name and not port.hairpin:
        return f"{frame.eth_dst} is behind {port.name}, where the frame came from, and hairpin is off"
    if came_by is not None and came_by.port.isolated and port.port.isolated:
        return f"{came_by.name} and {port.name} are isolated ports: they do not talk to each other"
    if switch.settings(device).vlan_filtering and vlanfilter.egress(vlanfilter.of_port(device, port), frame) is None:
        return f"{port.name} is not in VLAN {frame.tag}"
    return ""


def _flood(net: Net, skb: Skb, device: Link, came_by: Link | None) -> None:
    """To every other port. Only who can answer is followed (and what iptables sees); the rest drop it unseen."""
    frame = skb.packet
    flag = FLAGS[_cast(frame.eth_dst)]
    free = came_by is None and flag != "flood"
    targets = [
        port
        for port in ports(net.world, skb.netns, device.name)
        if port.up and (free or getattr(port.port, flag)) and not port.port.proxy_arp
        if not _may_not(device, came_by, port, frame)
    ]
    inside = f" in VLAN {frame.tag}" if switch.settings(device).vlan_filtering else ""
    says = f"{device.name}: floods {frame.eth_dst}{inside} to {len(targets)} ports"
    net.say(Step(skb.netns, "bridge", says, frame, frame, None, device.name))
    for port in sorted(
        targets, key=lambda port: -port.port.number
    ):  # the newest port hears it first (br_if.c: new_nbp, list_add_rcu)
        if skb.prerouted or _worth_following(net, port, frame):
            _out(net, _copy(skb, frame), device, port)


def _cast(mac: str) -> str:
    if not fdb.is_group(mac):
        return "unicast"
    return "broadcast" if mac == arp.BROADCAST else "multicast"


def _worth_following(net: Net, port: Link, frame: Packet) -> bool:
    """Is there more behind the port than a host that would drop the frame?"""
    if port.peer is None:
        return True
    far = fib.link(net.world, *port.peer)
    if far is None:
        return False
    if (
        far.master
        or stack.places(net.world, *port.peer)
        or frame.tag
        or (fdb.is_group(frame.eth_dst) and frame.proto != "arp")
    ):
        return True
    if frame.proto == "arp" and frame.flags == "who-has":
        return arp.would_answer(net, port.peer[0], frame)
    return frame.eth_dst in (far.mac, arp.BROADCAST)


def _out(net: Net, skb: Skb, device: Link, port: Link) -> None:
    """FORWARD and POSTROUTING for a bridged IP frame, then out of the port (`br_forward.c: __br_forward`)."""
    if switch.settings(device).vlan_filtering:
        skb.packet = vlanfilter.egress(vlanfilter.of_port(device, port), skb.packet) or skb.packet
    if skb.prerouted and not skb.packet.tag:
        skb.oif, skb.physout = device.name, port.name
        if not netfilter.run(net, skb, "FORWARD"):
            return
        skb.via = skb.packet.dst
        if not netfilter.run(net, skb, "POSTROUTING"):
            return
        if skb.packet.size > min(port.mtu, skb.longest or port.mtu):
            _refragmented(net, skb, device, port)
            return
    net.mark = skb.mark
    _push(net, skb.netns, port, skb.packet)
    net.mark = 0


def _refragmented(net: Net, skb: Skb, device: Link, port: Link) -> None:
    """What iptables has seen is cut for the *bridge's* MTU; the port may still find it too long
    (`br_netfilter_hooks.c: br_nf_dev_queue_xmit`)."""
    packet = skb.packet
    if (packet.df and not skb.longest) or skb.longest > device.mtu:
        says = f"{packet.size} bytes do not fit through {port.name}, mtu {port.mtu}: a bridge tells nobody"
        net.stat(skb.netns, "Ip6FragFails" if packet.family == "ip6" else "IpFragFails")
        why = path.link_because(skb.netns, port)
        net.say(Step(skb.netns, "drop", says, packet, packet, why, port.name, reason="NOT_SPECIFIED"))
        return
    for piece in frag.cut(net, skb, min(device.mtu, skb.longest or device.mtu)):
        _push(net, skb.netns, port, piece)


def _push(net: Net, netns: str, port: Link, frame: Packet) -> None:
    """Out of the port, if it takes frames of that length (`br_forward.c: br_dev_queue_push_xmit`)."""
    if frame.size > port.mtu + path.SLACK:
        return _too_long(net, netns, port, frame)
    return path.hand_over(net, netns, port, frame)


def _too_long(net: Net, netns: str, port: Link, frame: Packet) -> None:
    says = f"{frame.size} bytes do not fit through {port.name}, mtu {port.mtu}: a bridge tells nobody"
    why = path.link_because(netns, port)
    net.say(Step(netns, "drop", says, frame, frame, why, port.name, reason="NOT_SPECIFIED"))


def transmit(net: Net, netns: str, device: Link, frame: Packet) -> None:
    """The machine itself sends by the bridge (`br_device.c: br_dev_xmit`)."""
    skb, filters = Skb(netns, frame), switch.settings(device).vlan_filtering
    skb.mark = net.mark
    if filters and not _tagged(net, skb, device, vlanfilter.of_bridge(device), device.name):
        return
    if fdb.is_group(frame.eth_dst):
        _flood(net, skb, device, None)
        return
    known = fdb.find_entry(net.world, netns, device, frame.eth_dst, _vlan(device, skb.packet))
    if known is None:
        _flood(net, skb, device, None)
    elif known.port == device.name:
        says = f"{frame.eth_dst} is {device.name} itself"
        why = fdb.because(netns, known)
        net.say(Step(netns, "drop", says, frame, frame, why, device.name, reason="NOT_SPECIFIED"))
    else:
        _forward(net, skb, device, None, known)

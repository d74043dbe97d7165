"""NodePorts: what comes to the node from outside for a Service is sent on by a program at the node's own device.

::

    client > 192.168.64.11:30080            cil_from_netdev: cilium_lb4_services_v2 192.168.64.11:30080/TCP
      backend here:   client > 10.244.0.7:8080             up the stack, by cilium_host to the pod
      backend there:  10.244.0.5 > 10.244.1.3:8080         with this node's router address (SNAT): the answer must
                                                           come back here; into the tunnel
    the answer      pod > client, or pod > 10.244.0.5:     cilium_ct4_global and cilium_snat_v4_external know the
                    192.168.64.11:30080 > client           way back; out of the device, past the stack

So a pod on another node sees the node and not the client, unless ``externalTrafficPolicy: Local`` leaves only the
backends of the node that was asked: then a node without one answers with ICMP port unreachable.

Sources: bpf/lib/nodeport.h (nodeport_lb4, tail_nodeport_nat_egress_ipv4, rev_nodeport_lb4), lib/nat.h.

Left out: DSR (``bpf.lbMode: snat`` is the default), the age of entries, two clients that use one port at
once (the second would be given another), ClusterIPs from outside (``bpf.lbExternalClusterIP: false``: dropped).
"""

from __future__ import annotations

from k8slearn.cni.cilium import identity, lb, maps
from k8slearn.cni.cilium.maps import Flow, Frontend, Nat, Service, Snat
from k8slearn.journal import Put, World
from k8slearn.linux import bpf, fib, icmp, path
from k8slearn.linux.bpf import OK, TAKEN, Instead
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net, Skb, TunnelKey
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

CARRIED = ("tcp", "udp", "sctp")
NOT_ROUTABLE = "Is a ClusterIP"
NO_SERVICE = "Service backend not found"


def flow(packet: Packet) -> Flow:
    """The connection that a packet is of, in its own direction."""
    return Flow(packet.proto, packet.src, packet.dst, packet.sport, packet.dport)


def _back(packet: Packet) -> Flow:
    return Flow(packet.proto, packet.dst, packet.src, packet.dport, packet.sport)


def serve(net: Net, skb: Skb, link: Link) -> bool:
    """``nodeport_lb4``: is it for a Service? The first packet of a connection chooses the backend."""
    packet, world = skb.packet, net.world
    front = Frontend(packet.dst, packet.dport, packet.proto)
    service: Service | None = world.rows[skb.netns, maps.SERVICES].get(front) if packet.proto in CARRIED else None
    if service is None:
        return OK
    row = maps.why(skb.netns, maps.SERVICES, front, lb.told(service))
    if "non-routable" in service.flags:
        return bpf.drop(net, skb, NOT_ROUTABLE, row, link.name)
    key = (skb.netns, maps.CT, flow(packet))
    known: Nat | None = world.get(key)
    if known is None:
        chosen = lb.choose(net, skb.netns, front, packet.src)
        if not isinstance(chosen, Instead):
            net.say(Step(skb.netns, "drop", NO_SERVICE, packet, packet, row, link.name, skb.program, "TC_INGRESS"))
            icmp.error(net, skb, "port-unreachable")
            return TAKEN
        known, row = Nat(chosen.dst, chosen.port, 0), chosen.because
        net.write(*chosen.learned)
        net.write(Put(key, known))
    return _translated(net, skb, front, known, row)


def _translated(net: Net, skb: Skb, front: Frontend, to: Nat, row: Because) -> bool:
    before = skb.packet
    skb.packet = before._replace(dst=to.address, dport=to.port)
    says = f"{front.address}:{front.port} is {to.address}:{to.port}"
    net.say(Step(skb.netns, "nat", says, before, skb.packet, row, skb.iif, skb.program))
    if maps.endpoint(net.world, skb.netns, to.address) is not None:
        _remember(net, skb, _back(skb.packet), Nat(front.address, front.port, 1))
        return OK
    return _elsewhere(net, skb, front)


def _elsewhere(net: Net, skb: Skb, front: Frontend) -> bool:
    """The backend is on another machine: the packet gets this machine's address, and goes there."""
    config, found = maps.config(net.world, skb.netns), maps.remote(net.world, skb.netns, skb.packet.dst)
    assert config is not None
    tunnelled = config.tunnel and found is not None and bool(found[1].tunnel)
    before = skb.packet
    skb.packet = before._replace(src=config.router if tunnelled else config.node_ip)
    answer = _back(skb.packet)
    _put(net, (skb.netns, maps.SNAT, answer), Snat(before.src, before.sport))
    _remember(net, skb, _back(before), Nat(front.address, front.port, 0))
    says = f"sent on as {skb.packet.src}, so that the answer comes back here"
    net.say(Step(skb.netns, "nat", says, before, skb.packet, None, skb.iif, skb.program))
    if tunnelled and found is not None:
        why = maps.why(skb.netns, maps.IPCACHE, *found)
        key = TunnelKey(identity.WORLD, found[1].tunnel)
        says = f"{skb.packet.dst} is on {found[1].tunnel}: into {maps.OVERLAY}"
        return bpf.encapsulate(net, skb, maps.OVERLAY, key, says, why)
    return _out(net, skb)


def _remember(net: Net, skb: Skb, answer: Flow, nat: Nat) -> None:
    """By what its answers are turned back."""
    _put(net, (skb.netns, maps.CT, answer), nat)


def _put(net: Net, key: tuple[str, str, Flow], row: Nat | Snat) -> None:
    if net.world.get(key) != row:
        net.write(Put(key, row))


# --- the way back --------------------------------------------------------------------------------


def is_reply(net: Net, skb: Skb) -> bool:
    """Does a pod of this machine answer a client that asked a NodePort?"""
    return _known(net.world, skb) is not None


def _known(world: World, skb: Skb) -> Nat | None:
    found: Nat | None = world.rows[skb.netns, maps.CT].get(flow(skb.packet))
    return found


def answer(net: Net, skb: Skb) -> bool:
    """``rev_nodeport_lb4``: the client gets its answer from the address that it asked, past the node's stack."""
    known = _known(net.world, skb)
    assert known is not None
    before, key = skb.packet, flow(skb.packet)
    skb.packet = before._replace(src=known.address, sport=known.port)
    row = maps.why(skb.netns, maps.CT, key, f"-> {known.address}:{known.port}")
    says = f"the client asked {known.address}:{known.port}: it is answered from there"
    net.say(Step(skb.netns, "nat", says, before, skb.packet, row, skb.iif, skb.program))
    return _out(net, skb)


def is_masqueraded(net: Net, skb: Skb) -> bool:
    """Is it an answer to what this machine has sent on?"""
    return flow(skb.packet) in net.world.rows[skb.netns, maps.SNAT]


def unmasquerade(net: Net, skb: Skb) -> bool:
    """``tail_nodeport_nat_ingress_ipv4``: it is the client's, and the client asked the NodePort."""
    before, key = skb.packet, flow(skb.packet)
    known: Snat = net.world.rows[skb.netns, maps.SNAT][key]
    skb.packet = before._replace(dst=known.address, dport=known.port)
    row = maps.why(skb.netns, maps.SNAT, key, f"-> {known.address}:{known.port}")
    net.say(Step(skb.netns, "nat", f"the answer is {known.address}'s", before, skb.packet, row, skb.iif, skb.program))
    return answer(net, skb) if is_reply(net, skb) else OK


def _out(net: Net, skb: Skb) -> bool:
    """The kernel's routes are asked (`bpf_fib_lookup`), its iptables are not; and out."""
    found = fib.lookup(net.world, skb.netns, skb.packet.dst)
    if found.kind != "unicast":
        return bpf.drop(net, skb, "FIB lookup failed", found.because, skb.iif)
    if skb.packet.ttl <= 1:
        return bpf.drop(net, skb, "TTL exceeded", found.because, skb.iif)
    frame = skb.packet._replace(ttl=skb.packet.ttl - 1)
    away = skb.like(frame, skb.iif, found.dev)
    away.via = found.via
    says = f"bpf_redirect: {frame.dst} goes out of {found.dev}"
    net.say(Step(skb.netns, "route", says, skb.packet, frame, found.because, found.dev))
    path.send_to_neighbour(net, away)
    return TAKEN

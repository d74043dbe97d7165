"""The programs on a node's devices: who is the destination, and by which device is it reached?

==================  ======================  =====================================================================
program             hangs at                decides
==================  ======================  =====================================================================
cil_from_container  ``lxc…`` ingress        everything that a pod sends, and its ARP questions
cil_from_host       ``cilium_host`` egress  what the node's stack sends to pods: its own, and what it forwards
cil_to_host         ``cilium_host`` ingress nothing: it goes up to the node
cil_from_overlay    ``cilium_vxlan`` ingress  what another node has wrapped: the VNI says who has sent it
cil_from_netdev     ``eth0`` ingress        NodePorts (`nodeport`)
cil_to_netdev       ``eth0`` egress         what is to be encrypted (`encryption`)
==================  ======================  =====================================================================

A program that delivers takes one off the TTL and writes both MACs itself, as a router does; so a pod's packet to a pod
of the same node never sees the node's routes, its iptables or its conntrack. What goes to the world does see them:
``CILIUM_POST_nat`` masquerades it there.

Sources: bpf/bpf_lxc.c, bpf_host.c, bpf_overlay.c, lib/local_delivery.h, lib/encap.h, lib/arp.h.

Left out: trace points, services for single packets (sockets are told before: `lb`), marks that carry the identity.
"""

from __future__ import annotations

from k8slearn.cni.cilium import encryption, identity, maps, nodeport, policy
from k8slearn.linux import bpf
from k8slearn.linux.bpf import OK, Program
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net, Skb, TunnelKey
from k8slearn.trace import Because, Step


def _from_container(net: Net, skb: Skb, link: Link) -> bool:
    """``handle_ipv4_from_lxc``"""
    found = maps.behind(net.world, skb.netns, link)
    if found is None:
        return bpf.drop(net, skb, f"no endpoint is known behind {link.name}", None, link.name)
    address, endpoint = found
    row = maps.why(skb.netns, maps.LXC, address, endpoint)
    if skb.packet.proto == "arp":
        return _arp(net, skb, link, address, row)
    if skb.packet.family == "ip6":
        return bpf.drop(net, skb, "Unknown L3 target address: enable-ipv6 is false", row, link.name)
    if skb.packet.src != address:
        return bpf.drop(net, skb, f"Invalid source ip: {link.name} is {address}'s", row, link.name)
    to, _ = _who(net, skb)
    if not policy.admits(net, skb, endpoint, policy.EGRESS, to):
        return bpf.TAKEN
    if nodeport.is_reply(net, skb):
        return nodeport.answer(net, skb)
    return _forward(net, skb, endpoint.sec_id)


def _arp(net: Net, skb: Skb, link: Link, own: str, row: Because) -> bool:
    """Whatever a pod asks for, the node's end of its cable is it; only a question for its own address goes on."""
    if skb.packet.flags != "who-has" or skb.packet.dst == own:
        return OK
    says = f"{skb.packet.dst} is at {link.mac}: whatever a pod asks for, its node answers"
    return bpf.answer_arp(net, skb, link, says, row)


def _from_host(net: Net, skb: Skb, link: Link) -> bool:
    """``handle_ipv4`` of bpf_host.c with ``from_host``"""
    if skb.packet.proto == "arp" or skb.packet.family == "ip6":
        return OK
    return _forward(net, skb, source(net, skb), on_host=True)


def _from_overlay(net: Net, skb: Skb, link: Link) -> bool:
    """``handle_ipv4`` of bpf_overlay.c"""
    if skb.tunnel is None:
        return bpf.drop(net, skb, "No tunnel/encapsulation endpoint", None, link.name)
    sender = skb.tunnel.id
    if sender == identity.HOST:
        return bpf.drop(net, skb, "Invalid identity: no other machine is this host", None, link.name)
    if nodeport.is_masqueraded(net, skb):
        return nodeport.unmasquerade(net, skb)
    endpoint = maps.endpoint(net.world, skb.netns, skb.packet.dst)
    if endpoint is not None and not endpoint.host:
        return deliver(net, skb, endpoint, sender)
    return to_host(net, skb, sender)


def _from_netdev(net: Net, skb: Skb, link: Link) -> bool:
    """``do_netdev`` of bpf_host.c: what the programs leave goes to the kernel's stack (legacy host routing)."""
    if skb.packet.proto == "arp" or skb.packet.family == "ip6":
        return OK
    if nodeport.is_masqueraded(net, skb):
        return nodeport.unmasquerade(net, skb)
    return nodeport.serve(net, skb, link)


def _pass(net: Net, skb: Skb, link: Link) -> bool:
    return OK


# --- ways ----------------------------------------------------------------------------------------


def _forward(net: Net, skb: Skb, sender: int, on_host: bool = False) -> bool:
    """To an endpoint here, to this machine, into the tunnel, or to the kernel's stack."""
    endpoint = maps.endpoint(net.world, skb.netns, skb.packet.dst)
    if endpoint is not None and not endpoint.host:
        return deliver(net, skb, endpoint, sender)
    if endpoint is not None:
        return OK if on_host else to_host(net, skb, sender)
    config = maps.config(net.world, skb.netns)
    found = maps.remote(net.world, skb.netns, skb.packet.dst)
    if config is not None and config.tunnel and found is not None and found[1].tunnel:
        return encapsulate(net, skb, sender, *found)
    return OK if on_host else _to_stack(net, skb, found)


def deliver(net: Net, skb: Skb, to: maps.Endpoint, sender: int) -> bool:
    """Into an endpoint of this machine (``ipv4_local_delivery``): its policy, one off the TTL, the MACs, its cable."""
    row = maps.why(skb.netns, maps.LXC, skb.packet.dst, to)
    dev = maps.device_of(net.world, skb.netns, to)
    if skb.packet.ttl <= 1:
        return bpf.drop(net, skb, "TTL exceeded", row, skb.iif)
    if not policy.admits(net, skb, to, policy.INGRESS, sender):
        return bpf.TAKEN
    says = f"{skb.packet.dst} is endpoint {to.id} of this node: from {identity.name(sender)} out of {dev or 'nothing'}"
    frame = skb.packet._replace(ttl=skb.packet.ttl - 1).framed(to.node_mac, to.mac)
    return bpf.redirect(net, skb, dev, frame, says, row)


def to_host(net: Net, skb: Skb, sender: int) -> bool:
    """Up to this machine: in by cilium_host, the other end of cilium_net."""
    host: Link | None = net.world.rows[skb.netns, "link"].get(maps.HOST_DEV)
    endpoint = maps.endpoint(net.world, skb.netns, skb.packet.dst)
    row = maps.why(skb.netns, maps.LXC, skb.packet.dst, endpoint or "(none)")
    if host is None:
        return bpf.drop(net, skb, f"there is no {maps.HOST_DEV}", row, skb.iif)
    if skb.packet.ttl <= 1:
        return bpf.drop(net, skb, "TTL exceeded", row, skb.iif)
    frame = skb.packet._replace(ttl=skb.packet.ttl - 1).framed(host.mac, host.mac)
    says = f"{skb.packet.dst} is this node's own: from {identity.name(sender)} out of {maps.NET_DEV} into {host.name}"
    return bpf.redirect(net, skb, maps.NET_DEV, frame, says, row)


def encapsulate(net: Net, skb: Skb, sender: int, cidr: str, row: maps.Remote) -> bool:
    """Into the tunnel: to the machine that the ipcache names, with the sender's identity as VNI."""
    vni = identity.REMOTE_NODE if sender == identity.HOST else min(sender, identity.LOCAL)
    vni = identity.WORLD if vni == identity.LOCAL else vni
    who = identity.name(row.identity)
    says = f"{skb.packet.dst} is {who} on {row.tunnel}: into {maps.OVERLAY}, VNI {vni} says who sends it"
    why = maps.why(skb.netns, maps.IPCACHE, cidr, row)
    return bpf.encapsulate(net, skb, maps.OVERLAY, TunnelKey(vni, row.tunnel), says, why)


def _to_stack(net: Net, skb: Skb, found: tuple[str, maps.Remote] | None) -> bool:
    """The kernel's own routes, iptables and neighbours are asked (CTX_ACT_OK)."""
    row = maps.why(skb.netns, maps.IPCACHE, *found) if found is not None else None
    if skb.packet.ttl <= 1:
        return bpf.drop(net, skb, "TTL exceeded", row, skb.iif)
    who = identity.name(found[1].identity if found is not None else identity.WORLD)
    says = f"{skb.packet.dst} is {who}: to the node's stack"
    before, skb.packet = skb.packet, skb.packet._replace(ttl=skb.packet.ttl - 1)
    net.say(Step(skb.netns, "rule", says, before, skb.packet, row, skb.iif, skb.program))
    return OK


def _who(net: Net, skb: Skb) -> tuple[int, str]:
    """The identity of the destination, and the network of the ipcache that says so."""
    found = maps.remote(net.world, skb.netns, skb.packet.dst)
    return (found[1].identity, found[0]) if found is not None else (identity.WORLD, "")


def source(net: Net, skb: Skb) -> int:
    """The sender's identity, by its address (``resolve_srcid_ipv4``)."""
    found = maps.remote(net.world, skb.netns, skb.packet.src)
    return found[1].identity if found is not None else identity.WORLD


FROM_CONTAINER = Program("cil_from_container", _from_container)
FROM_HOST, TO_HOST = Program("cil_from_host", _from_host), Program("cil_to_host", _pass)
FROM_OVERLAY, TO_OVERLAY = Program("cil_from_overlay", _from_overlay), Program("cil_to_overlay", encryption.mark)
FROM_NETDEV, TO_NETDEV = Program("cil_from_netdev", _from_netdev), Program("cil_to_netdev", encryption.encrypt)

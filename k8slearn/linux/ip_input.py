"""A packet that came in is for this machine, for another, or for nobody (`route.c: ip_route_input_slow`).

The order is the kernel's: impossible addresses (martians), then the routing table, and only for what would be taken or
passed on the check of its source. A box that does not forward is silent about what is not its own; one that does tells
the sender where its table gives no way (and a program on the box itself hears of it from ``connect()``)::

    the table says   a program here is told   a packet's sender is told
    none             Network is unreachable   net-unreachable
    unreachable      No route to host         host-unreachable
    prohibit         Permission denied        admin-prohibited
    blackhole        Invalid argument         ─

Left out: multicast, broadcasts that sockets would take, directed broadcasts (``bc_forwarding``).
"""

from __future__ import annotations

from k8slearn.linux import arp, fib, icmp, ip, path, sysctl
from k8slearn.linux.fib import Found
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Because, Step, step

NO_ROUTE = {"none": "net-unreachable", "unreachable": "host-unreachable", "prohibit": "admin-prohibited"}
"""What a forwarding box answers when the table gives no way (`route.c: ip_error`); a blackhole is silent."""
FORWARDING = "net.ipv4.ip_forward"


def route_input(net: Net, skb: Skb) -> None:
    """Look the destination up and go that way."""
    world, netns, packet = net.world, skb.netns, skb.packet
    refused = _impossible(net, skb)
    if refused:
        net.say(Step(netns, "drop", refused, packet, packet, None, skb.iif, reason="IP_LOCALNET"))
        return
    found = fib.lookup(world, netns, packet.dst, src=packet.src, iif=skb.iif, mark=skb.mark)
    local = found.kind == "local"
    forwards = local or fib.forwards(world, netns, skb.iif, packet.dst)
    if local or (found.kind == "unicast" and forwards):
        oif = "" if local else found.dev
        refused = fib.source_refused(world, netns, skb.iif, packet.src, packet.dst, skb.mark, oif)
    if refused:
        net.say(_refused(net, skb, found, refused))
    elif packet.eth_dst == arp.BROADCAST and (not local or packet.proto == "tcp"):
        says = "it came as a link-layer broadcast (ip_forward.c)"
        net.say(Step(netns, "drop", says, packet, packet, None, skb.iif, reason="NOT_SPECIFIED"))
    elif local:
        says = f"{packet.dst} is this machine's own address"
        net.say(step((netns, "route", says, packet, packet, found.because, skb.iif, "", "")))
        path.deliver_local(net, skb)
    elif found.kind == "broadcast":
        says = f"{packet.dst} is a broadcast address"
        net.say(Step(netns, "drop", says, packet, packet, None, skb.iif, reason="NOT_SPECIFIED"))
    elif not forwards:
        why = _not_forwarding(net, skb)
        says = f"{packet.dst} is not mine, and I do not forward"
        net.stat(netns, "IpInAddrErrors")
        net.say(Step(netns, "drop", says, packet, packet, why, skb.iif, reason="IP_INADDRERRORS"))
    elif found.kind == "unicast":
        path.forward(net, skb, found)
    else:
        _no_route(net, skb, found)


def _not_forwarding(net: Net, skb: Skb) -> Because:
    """The switch that is off: the namespace's, or the incoming device's own."""
    own = f"net.ipv4.conf.{skb.iif}.forwarding"
    name = own if sysctl.is_on(net.world, skb.netns, FORWARDING) else FORWARDING
    return Because((skb.netns, "sysctl", name), f"{name} = 0")


def _impossible(net: Net, skb: Skb) -> str:
    if skb.packet.src.startswith("0."):
        return f"martian source {skb.packet.src}: nobody has that address"
    outsider = ip.is_loopback(skb.packet.dst) and skb.iif != "lo"
    if outsider and not fib.is_set(net.world, skb.netns, skb.iif, "route_localnet"):
        return f"martian destination {skb.packet.dst}: loopback addresses stay inside a machine"
    return ""


def _refused(net: Net, skb: Skb, found: Found, says: str) -> Step:
    """The source cannot have come that way (`fib_frontend.c: fib_validate_source`)."""
    reason = "IP_RPFILTER"
    if fib.local_address(net.world, skb.netns, skb.packet.src) is not None:
        reason = "IP_LOCAL_SOURCE"
    elif ip.is_loopback(skb.packet.src):
        reason = "IP_LOCALNET"
    if reason == "IP_RPFILTER":
        net.stat(skb.netns, "TcpExtIPReversePathFilter")
    return Step(skb.netns, "drop", says, skb.packet, skb.packet, found.because, skb.iif, reason=reason)


def _no_route(net: Net, skb: Skb, found: Found) -> None:
    packet, none = skb.packet, found.kind in ("none", "throw")
    says = f"no route to {packet.dst}" if none else f"{found.kind} route to {packet.dst}"
    if none:
        net.stat(skb.netns, "IpExtInNoRoutes")
    reason = "IP_INNOROUTES" if none else "NOT_SPECIFIED"
    net.say(Step(skb.netns, "drop", says, packet, packet, found.because, skb.iif, reason=reason))
    if found.kind in NO_ROUTE:
        icmp.error(net, skb, NO_ROUTE[found.kind])

"""An IPv6 packet that came in is for this machine, for another, or for nobody (`ip6_input.c`, `ip6_output.c`).

What IPv4 does and this does not: there is no reverse path filter, and a machine's own address as source is no martian.
A box without a route tells the sender whether it forwards or not. A router never fragments, and it does not pass on
what comes from a link-local address. Where the table gives no way the sender is told::

    none          no-route
    throw         no-route
    unreachable   no-route
    prohibit      adm-prohibited
    blackhole     ─

Left out: extension headers, multicast routing, redirects (IPv6 has no switch for all of them), the proxy's own
look at what it forwards.
"""

from __future__ import annotations

from k8slearn.linux import fib, icmp, ip, ndp, path, sysctl
from k8slearn.linux.fib import Found
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Because, Step

NO_ROUTE = {"none": "no-route", "throw": "no-route", "unreachable": "no-route", "prohibit": "adm-prohibited"}
"""What a box answers when the table gives no way (`route.c: ip6_pkt_drop`); a blackhole is silent."""
FORWARDING = "net.ipv6.conf.all.forwarding"
LEAST_MTU = 1280


def impossible(skb: Skb) -> str:
    """Why a packet is dropped before anybody looks at it (`ip6_rcv_core`); empty: it is not."""
    packet = skb.packet
    if skb.iif != "lo" and "::1" in (packet.src, packet.dst):
        return "::1 stays inside a machine"
    if ip.is_multicast(packet.src):
        return f"{packet.src} is a group: nobody can send from it"
    return ""


def route_input(net: Net, skb: Skb) -> None:
    """Look the destination up and go that way."""
    world, netns, packet = net.world, skb.netns, skb.packet
    if ip.is_multicast(packet.dst):
        _group(net, skb)
        return
    found = fib.lookup(world, netns, packet.dst, src=packet.src, iif=skb.iif, mark=skb.mark)
    if found.kind == "local":
        says = f"{packet.dst} is this machine's own address"
        net.say(Step(netns, "route", says, packet, packet, found.because, skb.iif))
        path.deliver_local(net, skb)
    elif found.kind != "unicast":
        _no_route(net, skb, found)
    elif not sysctl.is_on(world, netns, FORWARDING):
        why = Because((netns, "sysctl", FORWARDING), f"{FORWARDING} = 0")
        net.stat(netns, "Ip6InAddrErrors")
        says = f"{packet.dst} is not mine, and I do not forward"
        net.say(Step(netns, "drop", says, packet, packet, why, skb.iif, reason="IP_INADDRERRORS"))
    elif ip.is_link_local(packet.src):
        says = f"{packet.src} counts on its own link only"
        net.stat(netns, "Ip6InAddrErrors")
        net.say(Step(netns, "drop", says, packet, packet, found.because, skb.iif, reason="IP_INADDRERRORS"))
        icmp.error(net, skb, "beyond-scope")
    else:
        path.forward(net, skb, found)


def _group(net: Net, skb: Skb) -> None:
    """For a group: this machine takes it if it has joined (`ip6_mc_input`)."""
    packet = skb.packet
    if ndp.listens(net, skb.netns, skb.iif, packet.dst):
        path.deliver_local(net, skb)
    else:
        says = f"{skb.iif} is not in the group {packet.dst}"
        net.say(Step(skb.netns, "drop", says, packet, packet, None, skb.iif, reason="NOT_SPECIFIED"))


def _no_route(net: Net, skb: Skb, found: Found) -> None:
    packet, none = skb.packet, found.kind in ("none", "throw")
    says = f"no route to {packet.dst}" if none else f"{found.kind} route to {packet.dst}"
    if found.kind in NO_ROUTE:
        net.stat(skb.netns, "Ip6InNoRoutes")
    reason = "IP_INNOROUTES" if found.kind in NO_ROUTE else "NOT_SPECIFIED"
    net.say(Step(skb.netns, "drop", says, packet, packet, found.because, skb.iif, reason=reason))
    if found.kind in NO_ROUTE:
        icmp.error(net, skb, NO_ROUTE[found.kind])

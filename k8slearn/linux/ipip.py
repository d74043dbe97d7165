"""IP-in-IP: an IP packet in an IP packet, nothing between (RFC 2003).

::

    ┌ outer IP: 192.168.64.11 > 192.168.64.12, protocol 4, 20 bytes ┐┌ inner IP: 10.244.1.2 > 10.244.2.3 │ TCP … ┐

The smallest tunnel there is: 20 bytes, no port, no MAC, no neighbour to ask; everybody on the way can read it. The
routers between see the outer addresses only. A tunnel has a local and a remote address; each may be *any*. The one
where both are, ``tunl0``, is in every namespace as soon as the kernel has the module. Its outer destination is the
**next hop of the route**: that is how Calico uses it (``10.244.2.0/26 via 192.168.64.12 dev tunl0 onlink``).

Who receives protocol 4 looks for the tunnel with these two addresses, then with this remote, then with this local,
then ``tunl0`` if it is up (`ip_tunnel.c: ip_tunnel_lookup`). What a tunnel takes comes in again by the tunnel's
device, past PREROUTING and rp_filter. The outer TTL is the inner one's unless ``ttl`` says otherwise, the outer DF
bit is set while ``pmtudisc`` is on. An ICMP error about an outer packet reaches the machine with the tunnel; the next
packet through the tunnel is what tells the inner sender (``host unreachable``).

Left out: sit, gre, ip6tnl and MPLS, ``external``, FOU and GUE, ``fwmark``, TOS; 6rd.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from k8slearn.journal import Commands, Put, World
from k8slearn.linux import fib, icmp, link, netns, path, pmtu, stack
from k8slearn.linux.device import find, refused
from k8slearn.linux.fib import Found
from k8slearn.linux.rows import Ipip, Link
from k8slearn.linux.skb import Net, Outgoing, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

HEADER = 20
MTU = 1500 - HEADER
FALLBACK = "tunl0"
ERROR_SECONDS = 30.0
"""So long is an ICMP error about an outer packet remembered (``IPTUNNEL_ERR_TIMEO``)."""
SMALLEST = 68


def load(world: World, machine: str) -> Commands:
    """``modprobe ipip``: from now on every namespace of the machine has a ``tunl0``, which is down."""
    if world.get((machine, "module", "ipip")) is None:
        yield Put((machine, "module", "ipip"), True)
        for scope in world.scopes("netns"):
            if world.get(netns.key(scope)).machine == machine:
                yield from born(world, scope)


def born(world: World, scope: str) -> Commands:
    """A namespace gets its ``tunl0``."""
    if world.get(link.key(scope, FALLBACK)) is None:
        yield from link.add(world, scope, FALLBACK, "ipip", MTU, spec=Ipip(pmtudisc=False))


def add(world: World, scope: str, name: str, spec: Ipip, dev: str = "", mtu: int = 0, into: str = "") -> Commands:
    """``ip link add NAME type ipip local A remote B``. Two tunnels of one home cannot have the same two addresses."""
    machine = world.get(netns.key(scope)).machine
    yield from load(world, machine)
    _must_be_new(world, scope, spec, dev, "")
    lower = (scope, dev) if dev else None
    home = "" if into in ("", scope) else scope
    size = max(mtu or _mtu(world, scope, spec, dev), SMALLEST)
    yield from link.add(world, into or scope, name, "ipip", size, spec=spec, lower=lower, home=home)


def free_name(world: World, scope: str) -> str:
    """``tunl1``, ``tunl2``, ...: the first that is free."""
    links = world.table(scope, "link")
    return next(f"tunl{n}" for n in range(1, len(links) + 2) if f"tunl{n}" not in links)


def change(world: World, scope: str, name: str, spec: Ipip, dev: str = "") -> Commands:
    """``ip link set NAME type ipip ...``: other addresses; ``tunl0`` keeps its own."""
    device = find(world, scope, name)
    if name == FALLBACK:
        raise refused("Invalid argument")
    home = device.home or scope
    _must_be_new(world, home, spec, dev, name)
    yield Put(link.key(scope, name), replace(device, spec=spec, lower=(home, dev) if dev else None))


def _must_be_new(world: World, home: str, spec: Ipip, dev: str, but: str) -> None:
    mine = (spec.local, spec.remote, dev)
    for _, row, other in _tunnels(world, home):
        if row.name != but and (other.local, other.remote, row.lower[1] if row.lower else "") == mine:
            raise refused("File exists")


def _mtu(world: World, home: str, spec: Ipip, dev: str) -> int:
    """What is left of the device below (`ip_tunnel.c: ip_tunnel_bind_dev`)."""
    dev = (spec.remote and fib.lookup(world, home, spec.remote, src=spec.local, oif=dev).dev) or dev
    below = fib.link(world, home, dev) if dev else None
    return below.mtu - HEADER if below is not None else MTU


def _tunnels(world: World, home: str) -> Iterator[tuple[str, Link, Ipip]]:
    found = stack.tunnels(world, home, "ipip")
    return ((scope, row, row.spec) for scope, row in found if isinstance(row.spec, Ipip))


# --- sending -----------------------------------------------------------------------------------


def transmit(net: Net, skb: Skb, device: Link) -> None:
    """Wrap the packet and send it from the tunnel's home (`ip_tunnel.c: ip_tunnel_xmit`)."""
    packet, spec, home = skb.packet, device.spec, device.home or skb.netns
    if not isinstance(spec, Ipip) or packet.family != "ip":
        says = f"{device.name} carries IPv4 only"
        row = because(skb.netns, device)
        net.say(Step(skb.netns, "drop", says, packet, packet, row, device.name, reason="NOT_SPECIFIED"))
        return
    remote = spec.remote or skb.via or packet.dst
    bound = device.lower[1] if device.lower is not None else ""
    found = fib.lookup(net.world, home, remote, src=spec.local, oif=bound)
    why = _no_way(net, skb, device, home, remote, found)
    if why:
        net.say(Step(skb.netns, "drop", why, packet, packet, found.because, device.name, reason="NOT_SPECIFIED"))
        return
    df = spec.pmtudisc or packet.df
    if not _fits(net, skb, device, found, home, df):
        return
    _tell_of_errors(net, skb, device, spec)
    src = spec.local or fib.source_for(net.world, home, found, remote)
    outer = Packet("ipip", src, remote, ttl=spec.ttl or packet.ttl, inner=packet, size=packet.size + HEADER, df=df)
    says = f"{device.name}: wraps it in {outer.src} > {outer.dst}, protocol 4"
    net.say(Step(skb.netns, "encapsulate", says, packet, outer, because(skb.netns, device), device.name))
    mark, discover = skb.mark if home == skb.netns else 0, "do" if df else "dont"
    path.send_local(net, Outgoing(home, outer, "IP-in-IP", mark=mark, discover=discover))


def _no_way(net: Net, skb: Skb, device: Link, home: str, remote: str, found: Found) -> str:
    if found.kind not in ("unicast", "local"):
        return f"{device.name}: no route to the tunnel's other end {remote}"
    if found.dev == device.name and home == skb.netns:
        return f"{device.name}: the way to the tunnel's other end {remote} is the tunnel itself"
    return ""


def _fits(net: Net, skb: Skb, device: Link, found: Found, home: str, df: bool) -> bool:
    """Does the wrapped packet fit on the way (`ip_tunnel.c: tnl_update_pmtu`)?"""
    packet, remote = skb.packet, device.spec.remote if isinstance(device.spec, Ipip) else ""
    room = pmtu.mtu(net.world, home, found, remote or skb.via or packet.dst) - HEADER if df else device.mtu
    if packet.size <= room or not packet.df:
        return True
    says = f"{device.name}: {packet.size} bytes and {HEADER} more do not fit on the way, and it must not be cut up"
    net.say(
        Step(skb.netns, "drop", says, packet, packet, because(skb.netns, device), device.name, reason="NOT_SPECIFIED")
    )
    icmp.error(net, skb, "frag-needed", mtu=room)
    return False


def _tell_of_errors(net: Net, skb: Skb, device: Link, spec: Ipip) -> None:
    """An ICMP error came for an earlier outer packet: this sender hears of it; its packet goes all the same."""
    if spec.errors and spec.errors_until > net.world.clock:
        net.write(Put(link.key(skb.netns, device.name), replace(device, spec=replace(spec, errors=spec.errors - 1))))
        icmp.error(net, skb, "host-unreachable")


# --- receiving ---------------------------------------------------------------------------------


def receive(net: Net, skb: Skb) -> bool:
    """A packet of protocol 4 for this machine: unwrap it (`ipip.c: ipip_rcv`). Or ICMP about one."""
    outer, inner = skb.packet, skb.packet.inner
    if outer.proto == "icmp" and inner is not None and inner.proto == "ipip":
        error(net, skb)
        return True
    if outer.proto != "ipip" or inner is None:
        return False
    found = lookup(net.world, skb.netns, outer.dst, outer.src)
    if found is None:
        loaded = any(True for _ in _tunnels(net.world, skb.netns))
        says = f"no tunnel takes protocol 4 from {outer.src} to {outer.dst}"
        reason = "NOT_SPECIFIED" if loaded else "IP_NOPROTO"
        net.say(Step(skb.netns, "drop", says, outer, outer, None, skb.iif, reason=reason))
        icmp.error(net, skb, "port-unreachable" if loaded else "proto-unreachable")
        return True
    scope, device = found
    says = f"{device.name}: takes the outer header off"
    net.say(Step(scope, "decapsulate", says, outer, inner, because(scope, device), device.name))
    bare = Skb(scope, inner._replace(eth_src="", eth_dst=""), device.name)
    bare.mark = skb.mark if scope == skb.netns else 0
    path.arrive(net, bare, device)
    return True


def lookup(world: World, home: str, local: str, remote: str) -> tuple[str, Link] | None:
    """The tunnel for these two outer addresses, the most exact one first; only those that are up."""
    wanted = ((local, remote), ("", remote), (local, ""), ("", ""))
    rows = [(scope, row, spec) for scope, row, spec in _tunnels(world, home) if row.up]
    for pair in wanted:
        for scope, row, spec in rows:
            if (spec.local, spec.remote) == pair:
                return scope, row
    return None


def error(net: Net, skb: Skb) -> None:
    """An ICMP error about an outer packet of ours has come (`ipip.c: ipip_err`)."""
    packet, outer = skb.packet, skb.packet.inner
    found = lookup(net.world, skb.netns, outer.src, outer.dst) if outer is not None else None
    if found is None or packet.flags in ("frag-needed", "redirect"):
        return
    scope, device = found
    spec = device.spec
    if not isinstance(spec, Ipip) or not spec.remote or (packet.flags == "time-exceeded" and not spec.ttl):
        return
    clock = net.world.clock
    errors = spec.errors + 1 if spec.errors_until > clock else 1
    says = f"{device.name}: remembers that its other end cannot be reached; the next inner sender will hear of it"
    net.say(Step(scope, "icmp", says, packet, packet, because(scope, device), device.name))
    told = replace(spec, errors=errors, errors_until=clock + ERROR_SECONDS)
    net.write(Put(link.key(scope, device.name), replace(device, spec=told)))


def because(scope: str, device: Link) -> Because:
    assert isinstance(device.spec, Ipip)
    local, remote = device.spec.local or "any", device.spec.remote or "any"
    return Because((scope, "link", device.name), f"{device.name}: ipip remote {remote} local {local}")

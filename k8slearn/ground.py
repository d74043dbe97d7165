"""The ground under a cluster: switches, routers, the machines plugged into them, and the hosts beyond.

A real cluster stands in a network that somebody else built: a rack, a cloud's VPC. This is the smallest one that is
still true::

    outside:203.0.113.7 ── out1 ┐ outside:…           ── out2 ┤ router ── eth0 ── switch (br0) ── node-1, node-2, …
    and other machines of the node network
                                  .1 of node_cidr

The router forwards and never translates; it has no default route, so for what it does not know it answers "network
unreachable". An outside host has one address (a /32) and sends everything to 203.0.113.1, which the router holds on
every link to the outside. The switch is a netns with one learning bridge and no netfilter. Nothing here knows of
Kubernetes: the listeners of a node (the kubelet, the API server, sshd) are sockets like any other.

With a topology (`topology.py`) there are more of them. Each subnet is a switch of its own, and the router has an eth0,
eth1, … in each, with its first address. A further router has a leg in each of its subnets, and asks the first router
for the rest. A peer is a subnet behind a router of its own: a cable with a /30 joins the two routers, and each has a
route to the other's network and to no more (a cloud's peering is not transitive, and tells nobody of pods).

In a VPC (``network="vpc"``) nobody hears a broadcast: the switch answers for every address (`k8slearn.cni.ec2`).

In a dual-stack cluster all machines but the switches speak IPv6, and what has an address has a second one with the same
digits: 192.168.64.11 is fd00:64::11 as well, outside:203.0.113.7 is 2001:db8:113::7, and the router is ::1 everywhere.
Elsewhere the kernels were booted without IPv6.

Left out: link speed, DHCP and router advertisements (addresses are written as an installer would), routing protocols
between the routers, IPv6 behind a peer's router.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from k8slearn.cni import ec2
from k8slearn.components import Host, Settings, Subnet, ranges, same_digits
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Key, Put, World, digest
from k8slearn.linux import addr, ip, link, route
from k8slearn.linux.rows import Netns, Route, Socket

SWITCH = "switch"
ROUTER = "router"
BRIDGE = "br0"
GATEWAY = "203.0.113.1"
"""The router, as every host outside sees it."""
OUTSIDE = "203.0.113.7"
"""The host that `"outside"` means; it exists from the start."""
BEYOND, BEYOND6 = "203.0.113.0/24", "2001:db8:113::/64"
"""Where hosts outside have their addresses; one of the first network has one of the second too, if anybody has."""
GATEWAY6 = "2001:db8:113::1"
SETTINGS: Key = ("cluster", "settings", "")
EVERYWHERE, EVERYWHERE6 = "0.0.0.0/0", "::/0"
TRANSIT = IPv4Network("169.254.64.0/18")
"""The two ends of each cable between the router and a peer's are a /30 of it."""

Listeners = tuple[tuple[str, int, str], ...]
OUTSIDE_LISTENERS: Listeners = (("tcp", 80, "httpd"), ("tcp", 443, "httpd"), ("udp", 53, "named"))
NODE_LISTENERS: Listeners = (("tcp", 22, "sshd"), ("tcp", 10250, "kubelet"))
CONTROL_PLANE_LISTENERS: Listeners = (("tcp", 6443, "kube-apiserver"),)
ROUTER_SYSCTLS = {"net.ipv4.ip_forward": "1"}
NODE_SYSCTLS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}
SWITCH_SYSCTLS = {"net.bridge.bridge-nf-call-iptables": "0"}
SYSCTLS6 = {
    "net.ipv4.ip_forward": "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables": "net.bridge.bridge-nf-call-ip6tables",
}
"""The same setting for the other family."""


def build(world: World, settings: Settings) -> Commands:
    """Switches, routers, nodes, further machines and the first outside host, cabled, addressed and up."""
    for subnet in settings.subnets:
        yield from _switch(world, subnet)
    yield from _machine(world, ROUTER, ROUTER, ROUTER_SYSCTLS)
    for subnet in settings.subnets:
        yield from _plug(world, ROUTER, ROUTER, subnet.gateway, subnet)
    for number, peer in enumerate(settings.topology.peers):
        yield from _peer(world, settings, number, peer)
    for router in settings.topology.routers:
        yield from _router(world, settings, router)
    for name, address in settings.nodes:
        control_plane = name == settings.nodes[0][0]
        yield from _node(world, settings, name, address, control_plane)
    yield from _outside_host(world, OUTSIDE)
    for host in settings.topology.machines:
        yield from _host(world, settings, host.addresses[0], host)


def boot(world: World, name: str) -> Commands:
    """A node's machine comes on again, configured as the installer left it."""
    settings: Settings = world.get(SETTINGS)
    yield from _node(world, settings, name, dict(settings.nodes)[name], name == settings.nodes[0][0])


def ensure_outside(world: World, address: str) -> Commands:
    """Set up the host ``outside:ADDRESS`` unless it is there: behind the router, or in one of the subnets."""
    scope = outside(address)
    if world.get((scope, "netns", "")) is not None:
        return
    settings: Settings = world.get(SETTINGS)
    _check_outside(world, settings, address)
    yield from _host(world, settings, scope.removeprefix("outside:"))


def outside(address: str) -> str:
    """The scope of the host outside that has this address: 2001:db8:113::7 is a second one of 203.0.113.7's."""
    try:
        place = f"{int(ip_address(address)) - int(IPv6Network(BEYOND6)[0]):x}" if ":" in address else ""
        four = str(IPv4Network(BEYOND)[int(place)])
    except (ValueError, IndexError):
        return f"outside:{address}"
    return f"outside:{four}"


def endpoint(settings: Settings, name: str) -> str:
    """The endpoint of a machine that a topology names: a node, a router, a peer's router, a server, a switch."""
    topology = settings.topology
    servers = {host.name: f"outside:{host.addresses[0]}" for host in topology.machines}
    peers = {peer.name: peer.router for peer in topology.peers}
    routers = {router.name: f"{ROUTER}:{router.name}" for router in topology.routers}
    switches = {switch_of(subnet): switch_of(subnet) for subnet in (*settings.subnets, *topology.peers)}
    return {ROUTER: ROUTER, **peers, **routers, **servers, **switches}.get(name, f"node:{name}")


def switch_of(subnet: Subnet) -> str:
    """The scope of a subnet's switch."""
    return f"{SWITCH}:{subnet.name}" if subnet.name else SWITCH


def port_name(machine: str) -> str:
    """The switch's port towards a machine: its name, where that fits into the 15 characters of a link's name."""
    return machine if len(machine) <= 15 else f"{machine[:10]}-{digest(machine, length=4)}"


def _check_outside(world: World, settings: Settings, address: str) -> None:
    six = ":" in address and settings.dual_stack
    try:
        number = IPv6Address(address) if six else IPv4Address(address)
    except ValueError:
        raise Refused(f"{address!r} is not an IPv4 address: an outside host is written outside:203.0.113.7") from None
    subnet = settings.subnet_of(address)
    for name, cidr in (("pod", settings.pod_cidr), ("service", settings.service_cidr)):
        if number in ip_network(ranges(cidr)[six]) and subnet is None:
            raise Refused(f"{address} belongs to the cluster's {name} network {cidr}: no host outside can have it")
    taken = _taken(settings)
    if machine := ec2.taken(world, address):
        taken.setdefault(address, f"an interface of {machine.removeprefix('node:')}")
    if address in taken:
        raise Refused(f"{address} is the address of {taken[address]}")
    if six and subnet is not None:
        raise Refused(f"{address}: a machine of the node network is named by its IPv4 address, and has both")
    nodes = ip_network(ranges(settings.node_cidr)[six] if subnet is None else subnet.cidr)
    if number in nodes and subnet is None:
        raise Refused(f"{address} lies in the node network {nodes}, and in none of its subnets")
    ends = (nodes.network_address, nodes.broadcast_address)
    if number in ends or number.is_multicast or number.is_loopback or number.is_unspecified or number.is_link_local:
        raise Refused(f"{address} is not an address that a host can have")


def _taken(settings: Settings) -> dict[str, str]:
    """Who has which address already."""
    routers = {address: f"router {r.name}" for r in settings.topology.routers for address in r.addresses}
    gateways = (GATEWAY, GATEWAY6, *(s.gateway for s in (*settings.subnets, *settings.topology.peers)))
    return {**dict.fromkeys(gateways, "the router"), **routers, **{a: f"node {n}" for n, a in settings.nodes}}


def _switch(world: World, subnet: Subnet) -> Commands:
    scope = switch_of(subnet)
    yield from _machine(world, scope, scope.replace(":", "-"), SWITCH_SYSCTLS)
    yield from link.add_bridge(world, scope, BRIDGE)
    yield from link.set_up(world, scope, BRIDGE)


def _peer(world: World, settings: Settings, number: int, peer: Subnet) -> Commands:
    """Somebody else's network: its switch, its router, and the cable between that one and ours."""
    ours, theirs = (str(TRANSIT[4 * number + end]) for end in (1, 2))
    yield from _switch(world, peer)
    yield from _machine(world, peer.router, peer.name, ROUTER_SYSCTLS)
    yield from _plug(world, peer.router, port_name(peer.name), peer.gateway, peer)
    here, there = _next_port(world, ROUTER), _next_port(world, peer.router)
    yield from _cable(world, (peer.router, there), (ROUTER, here))
    yield from addr.add(world, ROUTER, here, f"{ours}/30", broadcast="+")
    yield from addr.add(world, peer.router, there, f"{theirs}/30", broadcast="+")
    yield from route.add(world, ROUTER, Route(peer.cidr, via=theirs, dev=here, proto="static"))
    yield from route.add(world, peer.router, Route(ranges(settings.node_cidr)[0], via=ours, dev=there, proto="static"))


def _router(world: World, settings: Settings, router: Host) -> Commands:
    """One more router: a leg in each of its subnets; what it does not know, it asks its first subnet's router for."""
    scope = f"{ROUTER}:{router.name}"
    legs = [(address, _subnet(settings, address)) for address in router.addresses]
    yield from _machine(world, scope, router.name, ROUTER_SYSCTLS)
    for address, subnet in legs:
        yield from _plug(world, scope, port_name(router.name), address, subnet)
    yield from _default_route(world, scope, legs[0][1])


def _node(world: World, settings: Settings, name: str, address: str, control_plane: bool) -> Commands:
    scope = f"node:{name}"
    listeners = (*CONTROL_PLANE_LISTENERS, *NODE_LISTENERS) if control_plane else NODE_LISTENERS
    yield from _machine(world, scope, name, NODE_SYSCTLS, listeners)
    subnet = _subnet(settings, address)
    yield from _plug(world, scope, port_name(name), address, subnet)
    yield from _default_route(world, scope, subnet)


def _subnet(settings: Settings, address: str) -> Subnet:
    found = settings.subnet_of(address)
    assert found is not None, f"no subnet has {address}"
    return found


def _host(world: World, settings: Settings, address: str, host: Host | None = None) -> Commands:
    """A server: in the subnet that has its address, or somewhere beyond the router."""
    subnet = settings.subnet_of(address)
    if subnet is None:
        yield from _outside_host(world, address, host)
        return
    scope, name = f"outside:{address}", host.name if host else address
    yield from _machine(world, scope, name, {}, _listeners(host))
    yield from _plug(world, scope, port_name(name), address, subnet)
    yield from _default_route(world, scope, subnet)


def _listeners(host: Host | None) -> Listeners:
    ports = host.ports if host else ()
    return tuple((proto, port, host.name if host else "") for proto, port in ports) or OUTSIDE_LISTENERS


def _outside_host(world: World, address: str, host: Host | None = None) -> Commands:
    """Host and router are the two ends of one cable; each end has no more than a /32 on it (and a /128)."""
    scope = f"outside:{address}"
    yield from _machine(world, scope, host.name if host else address, {}, _listeners(host))
    port = f"out{sum(str(name).startswith('out') for name in world.table(ROUTER, 'link')) + 1}"
    yield from _cable(world, (scope, "eth0"), (ROUTER, port))
    for own in outside_addresses(world.get(SETTINGS), address):
        gateway, everywhere = (GATEWAY6, EVERYWHERE6) if ":" in own else (GATEWAY, EVERYWHERE)
        yield from addr.add(world, scope, "eth0", f"{own}/{ip.bits(own)}")
        yield from route.add(world, scope, Route(everywhere, via=gateway, dev="eth0", proto="static", onlink=True))
        yield from addr.add(world, ROUTER, port, f"{gateway}/{ip.bits(own)}")
        yield from route.add(world, ROUTER, Route(f"{own}/{ip.bits(own)}", dev=port, scope="link", proto="static"))


def outside_addresses(settings: Settings, address: str) -> tuple[str, ...]:
    """The addresses of an outside host that is named by this one."""
    if not settings.dual_stack or not ip.within(address, BEYOND):
        return (address,)
    return (address, same_digits(address, BEYOND, BEYOND6))


def _machine(
    world: World, scope: str, name: str, sysctls: dict[str, str], listeners: Iterable[tuple[str, int, str]] = ()
) -> Commands:
    """A machine that has booted: its root namespace, ``lo``, kernel settings and daemons. A switch speaks no IPv6."""
    dual = world.get(SETTINGS).dual_stack
    yield Put((scope, "netns", ""), Netns(name, scope, dual and sysctls is not SWITCH_SYSCTLS))
    yield from link.add_loopback(scope)
    yield from link.set_up(world, scope, "lo")
    for setting, value in sysctls.items():
        yield Put((scope, "sysctl", setting), value)
        if dual:
            yield Put((scope, "sysctl", SYSCTLS6[setting]), value)
    own = "::" if dual else "0.0.0.0"
    for proto, port, program in listeners:
        yield Put((scope, "socket", (proto, own, port)), Socket(proto, own, port, program, scope, name))


def _plug(world: World, scope: str, port: str, address: str, subnet: Subnet) -> Commands:
    """Cable a machine's next eth to a port of the subnet's switch, and give it its address there."""
    dev, switch = _next_port(world, scope), switch_of(subnet)
    yield from _cable(world, (scope, dev), (switch, port))
    yield from link.set_master(world, switch, port, BRIDGE)
    yield from addr.add(world, scope, dev, f"{address}/{subnet.prefix}", broadcast="+")
    if subnet.cidr6:
        yield from addr.add(world, scope, dev, f"{subnet.address6(address)}/{subnet.cidr6.partition('/')[2]}")
    if world.get(SETTINGS).network == "vpc":
        router = address == subnet.gateway
        yield from (ec2.known(world, scope, dev, address) if router else ec2.join(world, scope, dev, address))


def _next_port(world: World, scope: str) -> str:
    """eth0, then eth1, …"""
    return f"eth{sum(str(name).startswith('eth') for name in world.table(scope, 'link'))}"


def _cable(world: World, near: tuple[str, str], far: tuple[str, str]) -> Commands:
    yield from link.add_veth(world, *near, *far)
    yield from link.set_up(world, *near)
    yield from link.set_up(world, *far)


def _default_route(world: World, scope: str, subnet: Subnet) -> Commands:
    yield from route.add(world, scope, Route(EVERYWHERE, via=subnet.gateway, dev="eth0", proto="static"))
    if subnet.cidr6:
        via = subnet.address6(subnet.gateway)
        yield from route.add(world, scope, Route(EVERYWHERE6, via=via, dev="eth0", proto="static"))

"""The ground under a cluster: a switch, a router, the machines plugged into them, and the hosts beyond.

A real cluster stands in a network that somebody else built: a rack, a cloud's VPC. This is the smallest one that is
still true::

    outside:203.0.113.7 ── out1 ┐ outside:…           ── out2 ┤ router ── eth0 ── switch (br0) ── node-1, node-2, …
    and other machines of the node network
                                  .1 of node_cidr

The router forwards and never translates; it has no default route, so for what it does not know it answers "network
unreachable". An outside host has one address (a /32) and sends everything to 203.0.113.1, which the router holds on
every link to the outside. The switch is a netns with one learning bridge and no netfilter. Nothing here knows of
Kubernetes: the listeners of a node (the kubelet, the API server, sshd) are sockets like any other.

Left out: several node networks, link speed, DHCP (addresses are written as an installer would).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from k8slearn.components import Settings
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Key, Put, World, digest
from k8slearn.linux import addr, link, route
from k8slearn.linux.rows import Netns, Route, Socket

SWITCH = "switch"
ROUTER = "router"
BRIDGE = "br0"
GATEWAY = "203.0.113.1"
"""The router, as every host outside sees it."""
OUTSIDE = "203.0.113.7"
"""The host that `"outside"` means; it exists from the start."""
SETTINGS: Key = ("cluster", "settings", "")
EVERYWHERE = "0.0.0.0/0"

Listeners = tuple[tuple[str, int, str], ...]
OUTSIDE_LISTENERS: Listeners = (("tcp", 80, "httpd"), ("tcp", 443, "httpd"), ("udp", 53, "named"))
NODE_LISTENERS: Listeners = (("tcp", 22, "sshd"), ("tcp", 10250, "kubelet"))
CONTROL_PLANE_LISTENERS: Listeners = (("tcp", 6443, "kube-apiserver"),)
ROUTER_SYSCTLS = {"net.ipv4.ip_forward": "1"}
NODE_SYSCTLS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}
SWITCH_SYSCTLS = {"net.bridge.bridge-nf-call-iptables": "0"}


def build(world: World, settings: Settings) -> Commands:
    """Switch, router, nodes and the first outside host, cabled, addressed and up."""
    yield from _machine(world, SWITCH, SWITCH, SWITCH_SYSCTLS)
    yield from link.add_bridge(world, SWITCH, BRIDGE)
    yield from link.set_up(world, SWITCH, BRIDGE)
    yield from _machine(world, ROUTER, ROUTER, ROUTER_SYSCTLS)
    yield from _plug(world, ROUTER, ROUTER, gateway(settings), settings)
    for name, address in settings.nodes:
        control_plane = name == settings.nodes[0][0]
        yield from _node(world, settings, name, address, control_plane)
    yield from _outside_host(world, OUTSIDE)


def ensure_outside(world: World, address: str) -> Commands:
    """Set up the host ``outside:ADDRESS`` unless it is there: behind the router, or on the node network."""
    scope = f"outside:{address}"
    if world.get((scope, "netns", "")) is not None:
        return
    settings: Settings = world.get(SETTINGS)
    _check_outside(settings, address)
    if IPv4Address(address) in IPv4Network(settings.node_cidr):
        yield from _machine(world, scope, address, {}, OUTSIDE_LISTENERS)
        yield from _plug(world, scope, address, address, settings)
        yield from _default_route(world, scope, gateway(settings))
    else:
        yield from _outside_host(world, address)


def gateway(settings: Settings) -> str:
    """The router's address on the node network: the first one."""
    return str(IPv4Network(settings.node_cidr)[1])


def port_name(machine: str) -> str:
    """The switch's port towards a machine: its name, where that fits into the 15 characters of a link's name."""
    return machine if len(machine) <= 15 else f"{machine[:10]}-{digest(machine, length=4)}"


def _check_outside(settings: Settings, address: str) -> None:
    try:
        number = IPv4Address(address)
    except ValueError:
        raise Refused(f"{address!r} is not an IPv4 address: an outside host is written outside:203.0.113.7") from None
    for name, cidr in (("pod", settings.pod_cidr), ("service", settings.service_cidr)):
        if number in IPv4Network(cidr):
            raise Refused(f"{address} belongs to the cluster's {name} network {cidr}: no host outside can have it")
    taken = {gateway(settings): "the router", GATEWAY: "the router", **{a: f"node {n}" for n, a in settings.nodes}}
    if address in taken:
        raise Refused(f"{address} is the address of {taken[address]}")
    nodes = IPv4Network(settings.node_cidr)
    ends = (nodes.network_address, nodes.broadcast_address)
    if number in ends or number.is_multicast or number.is_loopback or number.is_unspecified:
        raise Refused(f"{address} is not an address that a host can have")


def _node(world: World, settings: Settings, name: str, address: str, control_plane: bool) -> Commands:
    scope = f"node:{name}"
    listeners = (*CONTROL_PLANE_LISTENERS, *NODE_LISTENERS) if control_plane else NODE_LISTENERS
    yield from _machine(world, scope, name, NODE_SYSCTLS, listeners)
    yield from _plug(world, scope, port_name(name), address, settings)
    yield from _default_route(world, scope, gateway(settings))


def _outside_host(world: World, address: str) -> Commands:
    """Host and router are the two ends of one cable; each end has no more than a /32 on it."""
    scope = f"outside:{address}"
    yield from _machine(world, scope, address, {}, OUTSIDE_LISTENERS)
    port = f"out{sum(str(name).startswith('out') for name in world.table(ROUTER, 'link')) + 1}"
    yield from _cable(world, (scope, "eth0"), (ROUTER, port))
    yield from addr.add(world, scope, "eth0", f"{address}/32")
    yield from route.add(world, scope, Route(EVERYWHERE, via=GATEWAY, dev="eth0", proto="static", onlink=True))
    yield from addr.add(world, ROUTER, port, f"{GATEWAY}/32")
    yield from route.add(world, ROUTER, Route(f"{address}/32", dev=port, scope="link", proto="static"))


def _machine(
    world: World, scope: str, name: str, sysctls: dict[str, str], listeners: Iterable[tuple[str, int, str]] = ()
) -> Commands:
    """A machine that has booted: its root namespace, ``lo``, kernel settings and daemons."""
    yield Put((scope, "netns", ""), Netns(name, scope))
    yield from link.add_loopback(scope)
    yield from link.set_up(world, scope, "lo")
    for setting, value in sysctls.items():
        yield Put((scope, "sysctl", setting), value)
    for proto, port, program in listeners:
        yield Put((scope, "socket", (proto, "0.0.0.0", port)), Socket(proto, "0.0.0.0", port, program, scope, name))


def _plug(world: World, scope: str, port: str, address: str, settings: Settings) -> Commands:
    """Cable a machine's eth0 to a port of the switch, and give it its address on the node network."""
    yield from _cable(world, (scope, "eth0"), (SWITCH, port))
    yield from link.set_master(world, SWITCH, port, BRIDGE)
    prefix = settings.node_cidr.partition("/")[2]
    yield from addr.add(world, scope, "eth0", f"{address}/{prefix}", broadcast="+")


def _cable(world: World, near: tuple[str, str], far: tuple[str, str]) -> Commands:
    yield from link.add_veth(world, *near, *far)
    yield from link.set_up(world, *near)
    yield from link.set_up(world, *far)


def _default_route(world: World, scope: str, via: str) -> Commands:
    yield from route.add(world, scope, Route(EVERYWHERE, via=via, dev="eth0", proto="static"))

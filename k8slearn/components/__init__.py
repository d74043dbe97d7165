"""What runs in a cluster: each component reads the world and says what it would write.

A component never calls another: they meet in the API's rows and in the kernel's, as the real ones do.
The engine asks a component to `reconcile` a key when a row that it watches has changed, or when a timer
that it asked for is due on the logical clock, until nobody has anything left to do.

Left out: leader election, and resource versions other than the world's revision.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol

from k8slearn.journal import Commands, Key, World

CLOUD_ROUTES = 400
"""What Azure's route tables take (AWS's: 50, unless one asks for more)."""
NODE_LOCAL_DNS = "node-local-dns"
"""`Settings.dns`: CoreDNS, and NodeLocal DNSCache before it."""
SILENT = "silent"
"""A row ``("cluster", "silent", "node-1") -> second``: since then the API server has heard nothing of this node."""
DAEMON, STOPPED, FAILED = "daemon", "stopped", "failed"
"""A row ``(node, "daemon", "kubelet") -> "stopped"`` (by a person) or ``"failed"`` (each time that systemd starts it):
this daemon of the machine does not run. Without a row it does."""


def runs(world: World, node: str, daemon: str) -> bool:
    """Is the machine (a scope) on, and does this daemon of it run?"""
    return world.get((node, "netns", "")) is not None and world.get((node, DAEMON, daemon)) is None


def is_silent(world: World, name: str) -> bool:
    """Has nothing been heard of this node lately?"""
    return world.get(("cluster", SILENT, name)) is not None


def same_digits(address: str, cidr: str, cidr6: str) -> str:
    """A machine's IPv6 address, made of its IPv4 address: the digits by which it differs from its network.

    192.168.64.11 of 192.168.64.0/24 is fd00:64::11 of fd00:64::/64, as people like to number machines."""
    place = int(IPv4Address(address)) - int(IPv4Network(cidr).network_address)
    return str(IPv6Network(cidr6)[int(str(place), 16)])


@lru_cache(maxsize=4096)
def _lies_in(address: str, cidr: str) -> bool:
    return ip_address(address) in ip_network(cidr)


@dataclass(frozen=True, slots=True)
class Subnet:
    """One L2 segment of the network under a cluster: machines on one switch, and a range of addresses."""

    name: str
    """Empty where there is only one: the whole node network."""
    cidr: str
    zone: str = ""
    """The failure zone that its nodes are in, if any."""
    router: str = "router"
    """The scope of the router that has its first address, and is its machines' default route."""
    cidr6: str = ""
    """Its IPv6 network, in a dual-stack cluster."""

    @property
    def gateway(self) -> str:
        return str(IPv4Network(self.cidr)[1])

    @property
    def prefix(self) -> int:
        return IPv4Network(self.cidr).prefixlen

    def holds(self, address: str) -> bool:
        """Is it an address of this segment, of either family?"""
        cidr = self.cidr6 if ":" in address else self.cidr
        return bool(cidr) and _lies_in(address, cidr)

    def address6(self, address: str) -> str:
        """The IPv6 address of the machine that has this IPv4 address here; empty where there is no IPv6."""
        return same_digits(address, self.cidr, self.cidr6) if self.cidr6 else ""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine that is no node: a further router, with an address in each of its subnets, or a server."""

    name: str
    addresses: tuple[str, ...]
    ports: tuple[tuple[str, int], ...] = ()
    """What it listens on, ``("tcp", 5432)``; none: what every host outside listens on."""


@dataclass(frozen=True, slots=True)
class Topology:
    """What somebody else built under the cluster, where it is more than one switch and one router."""

    subnets: tuple[Subnet, ...] = ()
    """Those that nodes may be in; none: one, the whole node network."""
    peers: tuple[Subnet, ...] = ()
    """Other people's networks, each behind a router of its own."""
    routers: tuple[Host, ...] = ()
    machines: tuple[Host, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    """(endpoint, command line): what was typed on a machine when it was set up."""
    allow_overlap: bool = False
    cloud_routes: int = CLOUD_ROUTES
    """How many routes a cloud's controller may put into this network."""


def ranges(text: str) -> tuple[str, ...]:
    """The networks of a range as `Settings` has it, the IPv4 one first."""
    return tuple(text.split(","))


@dataclass(frozen=True, slots=True)
class Settings:
    """What a cluster was started with: the arguments of `Cluster`, checked."""

    nodes: tuple[tuple[str, str], ...]
    """(name, address) of each node; the first runs the control plane."""
    network: str | None
    """A wiring's name, the JSON of a CNI configuration of one's own, or None: no plugin yet."""
    node_cidr: str
    """Each range is one IPv4 network, or in a dual-stack cluster ``10.244.0.0/16,fd00:10:244::/56``."""
    pod_cidr: str
    service_cidr: str
    proxy: str
    kubernetes: str
    seed: int
    topology: Topology = field(default=Topology(), repr=False)
    dns: str = ""
    """The DNS server that is installed with the cluster: ``coredns``, with a cache on each node ``node-local-dns``, or
    none."""

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """The segments that nodes may be in: at least one."""
        four, *six = ranges(self.node_cidr)
        return self.topology.subnets or (Subnet("", four, cidr6="".join(six)),)

    @property
    def dual_stack(self) -> bool:
        """Do machines and pods have IPv6 addresses beside those of IPv4?"""
        return "," in self.node_cidr

    def node_addresses(self, name: str) -> tuple[str, ...]:
        """A node's addresses on the node network, IPv4 first; none where there is no such node."""
        four = dict(self.nodes).get(name, "")
        subnet = self.subnet_of(four) if four else None
        return tuple(filter(None, (four, subnet.address6(four) if subnet is not None else "")))

    def subnet_of(self, address: str) -> Subnet | None:
        """The segment, of ours or of a peer, whose range this address lies in."""
        return next((s for s in (*self.subnets, *self.topology.peers) if s.holds(address)), None)

    @property
    def wiring(self) -> str | None:
        """The wiring's name, in a person's words."""
        own = self.network is not None and self.network.startswith("{")
        return json.loads(self.network or "")["name"] if own else self.network


class Component(Protocol):
    """One component. Its reconcile is written per key and is pure: the same world, the same commands."""

    name: str
    """As events and ``explain`` call it: ``kube-proxy``."""

    def watches(self) -> Mapping[str, str]:
        """The API tables it watches -> why, in a few words."""

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        """Which of its own keys (a pod, a node, a Service) to look at after this row changed."""

    def reconcile(self, world: World, key: str) -> Commands:
        """What it would write for this key now. Each command is applied before the next is asked for."""

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        """(second on the logical clock, key) of every timer that is running."""


Together = Callable[[Iterable[str]], tuple[list[str], str]]
"""A component that answers many changes with one piece of work has a method `together`: of the keys that wait, those
that are done in one go, and the one key that stands for all of them."""

"""The facts that a topology picture shows, read from the world's rows: every face draws this one scene.

On a real cluster you would collect them with ``ip -d link``, ``ip addr`` and ``ip netns`` on each machine, and
``kubectl get svc,endpointslices``. Here they are rows already; a scene sorts them by machine and namespace.

Left out: routes, neighbours and rules (see `details`: they are shown when somebody asks for one namespace).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from k8slearn.components import Settings, ranges
from k8slearn.journal import Key, World
from k8slearn.linux import rows, sysctl
from k8slearn.widgets.scene_api import Service, pods_by_node, services, without_netns
from k8slearn.widgets.tunnels import Tunnel, tunnels

DRAWN_PODS = 200
"""Up to so many pods get a box of their own; beyond that a machine says how many more it has."""
DRAWN_NODES = 40


@dataclass(frozen=True, slots=True)
class Port:
    """A network interface, with its addresses (``10.244.1.2/24``) and the key of its other end."""

    key: Key
    kind: str
    mac: str
    up: bool
    addresses: tuple[str, ...]
    master: str
    peer: Key | None
    tunnels: tuple[Tunnel, ...] = ()

    @property
    def name(self) -> str:
        return str(self.key[2])


@dataclass(frozen=True, slots=True)
class Space:
    """A network namespace. `kind`: pod, netns, node, switch, router or outside."""

    scope: str
    name: str
    kind: str
    ports: tuple[Port, ...]
    listens: tuple[str, ...] = ()
    """``80/tcp``: what a socket in it listens on."""
    forwards: bool = False

    def port(self, name: str) -> Port | None:
        return next((p for p in self.ports if p.name == name), None)

    @property
    def address(self) -> str:
        """The first address that is not loopback's, without its prefix; empty when there is none."""
        return next(iter(self._own()), "")

    @property
    def address6(self) -> str:
        """The same of IPv6; one that counts on its own link only is none."""
        return next((a for a in self._own() if ":" in a and not a.startswith("fe80:")), "")

    def _own(self) -> Iterable[str]:
        return (a.partition("/")[0] for p in self.ports if p.kind != "loopback" for a in p.addresses)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: its root namespace, the namespaces made on it, and what has no namespace of its own."""

    root: Space
    spaces: tuple[Space, ...] = ()
    hidden: int = 0
    """How many pods' namespaces are counted instead of drawn."""
    pod_cidr: str = ""
    control_plane: bool = False
    host_network: tuple[str, ...] = ()
    """Pods that live in the machine's own namespace."""
    waiting: tuple[str, ...] = ()
    """Pods that were placed here and have no network namespace (yet)."""

    @property
    def pods(self) -> int:
        """How many pods have a network namespace here, drawn or counted."""
        return sum(s.kind == "pod" for s in self.spaces) + self.hidden


@dataclass(frozen=True, slots=True)
class Scene:
    """A world as a picture's facts: machines in order, Services, the three networks, pods without a machine."""

    machines: tuple[Machine, ...]
    services: tuple[Service, ...]
    networks: Mapping[str, str]
    """``node``, ``pod`` and ``cluster`` -> CIDR (empty where the world has no cluster)."""
    unplaced: tuple[str, ...]
    hidden_nodes: int = 0

    def of_kind(self, kind: str) -> list[Machine]:
        return [m for m in self.machines if m.root.kind == kind]


def scene(world: World, keep: Collection[str] = ()) -> Scene:
    """The facts of this world. Namespaces in `keep` (a trace's) are drawn even where others are only counted."""
    scopes = sorted(set(world.scopes("netns")) | set(world.scopes("link")), key=_natural)
    roots = [s for s in scopes if "/" not in s]
    inner: dict[str, list[str]] = {s: [] for s in roots}
    for scope in scopes:
        if "/" in scope:
            inner.setdefault(scope.partition("/")[0], []).append(scope)
    nodes = [s for s in roots if s.startswith("node:")]
    shown = set(nodes[:DRAWN_NODES]) | {k.partition("/")[0] for k in keep}
    crowded = sum(map(len, inner.values())) > DRAWN_PODS
    pods = pods_by_node(world)
    machines = tuple(
        _machine(world, s, inner[s], pods, set(keep) if crowded else None)
        for s in roots
        if s not in nodes or s in shown
    )
    unplaced = tuple(sorted(pods.get("", ())))
    hidden = len(nodes) - sum(m.root.kind == "node" for m in machines)
    return Scene(machines, tuple(services(world)), _networks(world), unplaced, hidden)


def _machine(
    world: World, scope: str, inner: list[str], pods: Mapping[str, list[str]], only: set[str] | None
) -> Machine:
    drawn = [s for s in inner if only is None or s in only or "/cni-" not in s]
    name = scope.partition(":")[2]
    node: Mapping[str, Any] = world.get(("api", "nodes", name)) or {}
    spaces = tuple(sorted((_space(world, s) for s in drawn), key=_address_order))
    here = {row.name for s in inner if isinstance(row := world.get((s, "netns", "")), rows.Netns)}
    host, waiting = without_netns(world, [p for p in pods.get(name, ()) if p not in here])
    return Machine(
        root=_space(world, scope),
        spaces=spaces,
        hidden=len(inner) - len(drawn),
        pod_cidr=", ".join(node.get("spec", {}).get("podCIDRs") or [node.get("spec", {}).get("podCIDR", "")]),
        control_plane="node-role.kubernetes.io/control-plane" in (node.get("metadata", {}).get("labels") or {}),
        host_network=host,
        waiting=waiting,
    )


def _space(world: World, scope: str) -> Space:
    row = world.get((scope, "netns", ""))
    machine, _, inside = scope.partition("/")
    prefix, _, name = machine.partition(":")
    shown = row.name if isinstance(row, rows.Netns) else (inside or name or prefix)
    kind = prefix
    if inside:
        kind = "pod" if world.get(("api", "pods", shown)) or inside.startswith("cni-") else "netns"
    sockets = world.table(scope, "socket").values()
    return Space(
        scope,
        shown.removeprefix("node:").removeprefix("outside:"),
        kind,
        tuple(_ports(world, scope)),
        tuple(dict.fromkeys(f"{s.port}/{s.proto}" for s in sorted(sockets, key=lambda s: (s.port, s.proto)))),
        sysctl.is_on(world, scope, "net.ipv4.ip_forward"),
    )


def _ports(world: World, scope: str) -> Iterable[Port]:
    addresses: dict[str, list[str]] = {}
    for a in world.table(scope, "addr").values():
        addresses.setdefault(a.dev, []).append(f"{a.address}/{a.prefix}")
    for link in sorted(world.table(scope, "link").values(), key=lambda k: (k.index, k.name)):
        peer = (link.peer[0], "link", link.peer[1]) if link.peer else None
        key = (scope, "link", link.name)
        own = tuple(sorted(addresses.get(link.name, ()), key=lambda address: address.startswith("fe80:")))
        yield Port(key, link.kind, link.mac, link.up, own, link.master, peer, tunnels(world, scope, link))


def _networks(world: World) -> Mapping[str, str]:
    settings = world.get(("cluster", "settings", ""))
    if not isinstance(settings, Settings):
        return {"node": "", "pod": "", "cluster": ""}
    named = {"node": settings.node_cidr, "pod": settings.pod_cidr, "cluster": settings.service_cidr}
    return {name: ", ".join(ranges(both)) for name, both in named.items()}


def _natural(scope: str) -> tuple[Any, ...]:
    """``node:node-2`` before ``node:node-10``."""
    head = scope.rstrip("0123456789")
    tail = scope[len(head) :]
    return (head, int(tail) if tail else -1, scope)


def _address_order(space: Space) -> tuple[Any, ...]:
    parts = space.address.split(".")
    numbers = tuple(int(p) for p in parts) if len(parts) == 4 and all(p.isdigit() for p in parts) else ()
    return (not numbers, numbers, space.name)

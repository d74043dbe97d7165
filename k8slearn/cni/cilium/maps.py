"""The maps of Cilium's programs: tables in the kernel, pinned below /sys/fs/bpf, so that they outlive the agent.

==========================  =================================  ============================================
map                         key                                value
==========================  =================================  ============================================
``cilium_lxc``              an address of this machine         `Endpoint`: its device, MACs and identity
``cilium_ipcache_v2``       a network                          `Remote`: its identity, and the machine it is on
``cilium_lb4_services_v2``  `Frontend`: address, port, slot    `Service`: slot 0 counts, the others name backends
``cilium_lb4_backends_v3``  a number                           `Backend`: address and port
``cilium_ct4_global``       a connection to a NodePort         `Nat`: which address it was made to
                            `policy.Connection`                `policy.Admitted`: its answers are let through
``cilium_snat_v4_external`` the reply of a masqueraded one     `Snat`: whose it is
``cilium_lb_affinity``      a client and a Service             `Affinity`: the backend that it stays with
``cilium_policy_v2``        `policy.PolicyKey`                 `policy.PolicyEntry`: this is allowed
==========================  =================================  ============================================

A map here is a table of the node's scope with the map's own name. What the programs were compiled with (node_config.h)
is the row `Config`. All look-ups are by key or by longest prefix: none grows with how much there is.

Sources: bpf/lib/common.h, bpf/lib/maps.h, pkg/maps/{lxcmap,ipcache}, pkg/loadbalancer/maps.

Left out: sizes of maps and what happens when one is full, Maglev's table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from k8slearn.journal import Key, Table, World
from k8slearn.linux import device, ip
from k8slearn.linux.rows import Link
from k8slearn.trace import Because

LXC, IPCACHE = "cilium_lxc", "cilium_ipcache_v2"
SERVICES, BACKENDS = "cilium_lb4_services_v2", "cilium_lb4_backends_v3"
AFFINITY = "cilium_lb_affinity"
CT, SNAT = "cilium_ct4_global", "cilium_snat_v4_external"
POLICY = "cilium_policy_v2"
CONFIG = "cilium_node_config"
HOST_DEV, NET_DEV, OVERLAY, WIREGUARD = "cilium_host", "cilium_net", "cilium_vxlan", "cilium_wg0"
EXTERNAL, INTERNAL = 0, 1
"""Scopes of a frontend: for packets from outside the cluster; for those from inside, where the two differ."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the agent compiled the node's programs with."""

    node_ip: str
    """The node's address between the nodes."""
    device: str
    """The device that has it."""
    router: str
    """The address of cilium_host: every pod's gateway."""
    pod_cidr: str
    tunnel: bool
    """``routing-mode: tunnel``, or ``native``."""
    native_cidr: str = ""
    """``ipv4-native-routing-cidr``: addresses that the network under the nodes knows itself."""
    wireguard: bool = False
    mtu: int = 1500
    """The MTU of devices."""
    route_mtu: int = 1450
    """The MTU of routes: what fits with all headers around it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who has an address on this machine (``struct endpoint_info``)."""

    id: int = 0
    sec_id: int = 0
    """The security identity."""
    ifindex: int = 0
    mac: str = "00:00:00:00:00:00"
    node_mac: str = "00:00:00:00:00:00"
    """The MAC of the node's end of the cable."""
    host: bool = False
    """It is the machine itself."""

    def __str__(self) -> str:
        if self.host:
            return "(localhost)"
        macs = f"mac={self.mac.upper()} nodemac={self.node_mac.upper()}"
        return (
            f"id={self.id:<5} sec_id={self.sec_id:<5} flags=0x0000 ifindex={self.ifindex:<3} {macs} parent_ifindex=0  "
        )


@dataclass(frozen=True, slots=True)
class Remote:
    """Who an address is, anywhere (``struct remote_endpoint_info``)."""

    identity: int
    tunnel: str = ""
    """The machine that its packets are wrapped for; empty: none."""
    key: int = 0
    """The number of the encryption key; 0: none."""
    of: str = ""
    """The object that it is in the map for."""

    def __str__(self) -> str:
        flags = "hastunnel" if self.tunnel else "<none>"
        where = self.tunnel or "0.0.0.0"
        return f"identity={self.identity} encryptkey={self.key} tunnelendpoint={where} flags={flags}"


class Frontend(NamedTuple):
    """An address that a Service has; slot 0 stands for the Service, slot N for its Nth backend (``struct lb4_key``)."""

    address: str
    port: int
    proto: str
    scope: int = EXTERNAL
    slot: int = 0

    def __str__(self) -> str:
        inside = "/i" if self.scope == INTERNAL else ""
        return f"{self.address}:{self.port}/{self.proto.upper()}{inside} ({self.slot})"


@dataclass(frozen=True, slots=True)
class Service:
    """A slot of a frontend (``struct lb4_service``)."""

    backend: int = 0
    """Its backend's number; 0 in slot 0."""
    count: int = 0
    """How many backends there are, in slot 0."""
    rev_nat: int = 0
    kind: str = "ClusterIP"
    flags: tuple[str, ...] = ()
    """``Local``, ``InternalLocal``, ``two-scopes``, ``non-routable``."""
    of: str = ""
    """The Service."""
    affinity: int = 0
    """For how many seconds a client stays with its backend, in slot 0; 0: each connection chooses."""
    piece: str = ""
    """The EndpointSlice that names the backend, in the other slots."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a Service's packets may go (``struct lb4_backend``)."""

    address: str
    port: int
    proto: str
    state: str = "active"


@dataclass(frozen=True, slots=True)
class Affinity:
    """Which backend a client of a Service has (``sessionAffinity: ClientIP``)."""

    backend: int
    used: float
    """The second of the logical clock of its last connection."""


class Flow(NamedTuple):
    """One direction of a connection."""

    proto: str
    src: str
    dst: str
    sport: int
    dport: int


@dataclass(frozen=True, slots=True)
class Nat:
    """A connection that came to a NodePort, found by its reply: which address and port the client knows."""

    address: str
    port: int
    backend: int


@dataclass(frozen=True, slots=True)
class Snat:
    """A connection that was given this machine's address, found by its reply: whose it is."""

    address: str
    port: int


def config(world: World, node: str) -> Config | None:
    """What the node's programs were compiled with; None: no agent has ever been ready here."""
    found: Config | None = world.rows[node, CONFIG].get("")
    return found


def endpoint(world: World, node: str, address: str) -> Endpoint | None:
    """Who has this address on this machine."""
    found: Endpoint | None = world.rows[node, LXC].get(address)
    return found


def behind(world: World, node: str, link: Link) -> tuple[str, Endpoint] | None:
    """The address and the endpoint at the other end of this cable."""
    return world.rows[node, LXC].index(_by_ifindex).get(link.index)


def _by_ifindex(rows: Table) -> dict[int, tuple[str, Endpoint]]:
    return {row.ifindex: (str(address), row) for address, row in rows.items() if not row.host}


def device_of(world: World, node: str, found: Endpoint) -> str:
    """The name of an endpoint's device; empty: it is gone."""
    there = device.by_index(world, node).get(found.ifindex)
    return there.name if there is not None else ""


# --- who is that? ------------------------------------------------------------------------------

_Levels = list[tuple[int, Mapping[int, tuple[str, Remote]]]]
"""(mask, network number -> (CIDR, row)), the longest prefix first."""


def remote(world: World, node: str, address: str) -> tuple[str, Remote] | None:
    """The longest network of the ipcache that has this address."""
    number = ip.number(address)
    for mask, rows in world.rows[node, IPCACHE].index(_levels):
        found = rows.get(number & mask)
        if found is not None:
            return found
    return None


def _levels(rows: Table) -> _Levels:
    found: dict[int, dict[int, tuple[str, Remote]]] = {}
    for cidr, row in rows.items():
        number, prefix = ip.network(str(cidr))
        found.setdefault(prefix, {})[number] = (str(cidr), row)
    return [(ip.mask(prefix, 32), found[prefix]) for prefix in sorted(found, reverse=True)]


def owned(world: World, node: str, of: str) -> Iterator[str]:
    """The networks that are in the ipcache for an object."""
    yield from world.table(node, IPCACHE).index(_by_owner).get(of, ())


def _by_owner(rows: Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for cidr, row in rows.items():
        found.setdefault(row.of, []).append(str(cidr))
    return found


def why(node: str, table: str, name: object, row: object) -> Because:
    """A row of a map, as a step's reason."""
    key: Key = (node, table, name if isinstance(name, tuple) else str(name))
    return Because(key, f"{table}: {name} {row}".rstrip())

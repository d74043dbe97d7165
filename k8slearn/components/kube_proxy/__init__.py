"""kube-proxy: on every node, it turns Services and EndpointSlices into netfilter rules.

It is no proxy: no packet ever passes through it. It writes rules, and the kernel translates addresses by them. Its
``mode`` says in which language: ``iptables``, ``nftables`` with a table of its own, or ``ipvs``, the kernel's load
balancer (deprecated). It writes in two ways. A *partial sync* follows a changed Service: what all Services share is
written anew, and of the chains that belong to one Service only those of the changed one. A *full sync* writes
everything, and puts back the jumps from the built-in chains. It runs at the start, after a change of configuration,
when a canary chain has vanished (looked for every ``syncPeriod``, 30 s: somebody has thrown the rules away), and else
once an hour. So a single rule that you delete by hand stays deleted until then, or until its Service changes
(proxier.go: ``proxyutil.FullSyncPeriod``). In nftables mode there is no canary: that its table is gone it learns from
the next transaction, which fails, and writes everything.

Read `rules.py` for the rules of iptables and `nftables.py` for those of nftables, `transaction.py` for how the latter
are written, `ipvs.py` and `balancer.py` for the same in ipvs mode, `topology.py` for who may be sent to, `service.py`
for what all are made of, `cleanup.py` for what a change of mode takes away.

Left out: ``minSyncPeriod`` (syncs are not put off), that in a large cluster the chains of a Service that is gone may
stay for one more ``syncPeriod``; that ipvs mode writes everything anew every ``syncPeriod`` (here when something
changes, and once an hour).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.api.events import event
from k8slearn.components import runs
from k8slearn.components.kube_proxy import (
    balancer,
    cleanup,
    conntrack,
    health,
    ipvs,
    nftables,
    rules,
    service,
    topology,
    transaction,
)
from k8slearn.components.kube_proxy import config as configuration
from k8slearn.components.kube_proxy.config import Config
from k8slearn.components.kube_proxy.nftables import Part
from k8slearn.components.kube_proxy.rules import Line
from k8slearn.components.kube_proxy.topology import Place, Usable
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import inet6, ip
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rules import Chain

IPVS_IS_DEPRECATED = (
    "The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead."
)
FULL_SYNC = 3600.0
"""Seconds between full syncs when nothing asks for one."""
OWN_CHAINS = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-")
FAMILIES = ("ip", "ip6")
"""The families that it runs in: in the second one where the machine's kernel speaks it."""
ZONE = "topology.kubernetes.io/zone"
ROUTE_LOCALNET = "net.ipv4.conf.all.route_localnet"
_WATCHES = {
    "services": "the ports that rules translate",
    "endpointslices": "where they translate to",
    "nodes": "a kube-proxy runs on every node",
    "configmaps": "its configuration, kube-system/kube-proxy",
    "servicecidrs": "in nftables mode: whose addresses belong to nobody but Services",
    "netns": "a machine that was booted",
}


@dataclass(frozen=True, slots=True)
class Synced:
    """What one kube-proxy remembers: the row ``("node:NAME", "kube-proxy", "")``."""

    config: Config
    full_sync: float
    """When it last wrote everything, in seconds of the logical clock."""
    place: Place
    """Its node and zone then: topology hints are for these."""
    cidrs: tuple[str, ...] = ()
    """The ranges of Services then, where the mode asks for them."""
    problem: str = ""
    """Why it does nothing now: a configuration that it cannot start with. The rules stay as they are."""


class KubeProxy:
    """One kube-proxy per node. Keys: ``node-1`` (look after everything), ``node-1 default/web default/api`` (what has
    changed: Services that wait at the same time share one sync)."""

    name = "kube-proxy"

    def watches(self) -> Mapping[str, str]:
        return _WATCHES

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        scope, table, name = changed
        if table == "netns":
            return [scope.removeprefix("node:")] if "/" not in scope and world.get(changed) is not None else []
        if table == "nodes":
            return [str(name)]
        nodes = sorted(map(str, world.table("api", "nodes")))
        if table == "servicecidrs":
            return nodes
        if table == "configmaps":
            return nodes if changed == configuration.CONFIG_MAP else []
        return [f"{node} {_services_of(str(name), table, world.get(changed))}" for node in nodes]

    def together(self, waiting: Iterable[str]) -> tuple[list[str], str]:
        keys = list(waiting)
        node = keys[0].partition(" ")[0]
        own = [key for key in keys if key.partition(" ")[0] == node]
        return own, " ".join((node, *(changed for key in own for changed in key.split(" ")[1:])))

    def reconcile(self, world: World, key: str) -> Commands:
        node, *changed = key.split(" ")
        if world.get(("api", "nodes", node)) is None or not runs(world, f"node:{node}", self.name):
            return
        synced: Synced | None = world.get(_memory(node))
        try:
            config = configuration.read(world)
        except Refused as problem:
            if synced is not None:
                yield Put(_memory(node), replace(synced, problem=str(problem)), configuration.CONFIG_MAP)
            return
        if _wants_full_sync(world, node, synced, config):
            yield from _full_sync(world, node, config)
        elif changed:
            yield from _sync(world, node, config, Changed(tuple(changed)))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        for name, node in _proxies(world):
            yield node.full_sync + FULL_SYNC, name
            if node.config.mode == "iptables" and _canary_is_gone(world, name):
                period = node.config.sync_period
                yield node.full_sync + (int((world.clock - node.full_sync) // period) + 1) * period, name


def _services_of(name: str, table: str, row: Any) -> str:
    """What a changed row is about. A slice that is gone cannot say: all Services of its namespace (``default/``)."""
    namespace = name.partition("/")[0]
    labels = ((row or {}).get("metadata") or {}).get("labels") or {}
    return name if table == "services" else f"{namespace}/{labels.get(service.SERVICE_NAME, '')}"


class Changed:
    """Which Services a sync is about: those of these names, or all of a namespace (``default/``); no name: all."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = frozenset(names)
        self.last = next((name for name in reversed(names) if not name.endswith("/")), "")
        """The one that the chains which all share are written for."""

    def __contains__(self, owner: object) -> bool:
        return not self.names or owner in self.names or f"{str(owner).partition('/')[0]}/" in self.names


EVERYTHING = Changed()


def _memory(node: str) -> Key:
    return (f"node:{node}", "kube-proxy", "")


def _proxies(world: World) -> Iterator[tuple[str, Synced]]:
    for node in sorted(map(str, world.table("api", "nodes"))):
        synced = world.get(_memory(node))
        if synced is not None:
            yield node, synced


def _wants_full_sync(world: World, node: str, synced: Synced | None, config: Config) -> bool:
    if synced is None or synced.problem:
        return True
    if (synced.config, synced.place, synced.cidrs) != (config, _place(world, node), _service_cidrs(world, config)):
        return True
    if config.mode == "nftables":
        families = _families(world, node)
        return not all(transaction.is_there(world, f"node:{node}", family) for family in families)
    since = world.clock - synced.full_sync
    if config.mode == "ipvs":
        return since >= FULL_SYNC or ipvs.DEVICE not in world.table(f"node:{node}", "link")
    return since >= FULL_SYNC or (since > 0 and since % config.sync_period == 0 and _canary_is_gone(world, node))


def _canary_is_gone(world: World, node: str) -> bool:
    chains, families = world.table(f"node:{node}", "chain"), _families(world, node)
    return any((family, table, rules.CANARY) not in chains for family in families for table in rules.CANARY_TABLES)


def _families(world: World, node: str) -> tuple[str, ...]:
    """A family that the kernel does not speak is left alone (server_linux.go: platformCheckSupported)."""
    return FAMILIES if inet6.speaks(world, f"node:{node}") else FAMILIES[:1]


# --- syncing -----------------------------------------------------------------------------------------


def _full_sync(world: World, node: str, config: Config) -> Commands:
    """Everything, of each family: kernel settings, what leads to the rules, all rules; and away with another mode's."""
    scope, cause = f"node:{node}", ("api", "nodes", node)
    yield from LEFTOVERS[config.mode](world, scope, _families(world, node))
    yield from ENTRANCES[config.mode](world, node, config)
    yield from _sync(world, node, config)
    yield from _deprecated(world, node, config)
    yield Put(_memory(node), Synced(config, world.clock, _place(world, node), _service_cidrs(world, config)), cause)


def _deprecated(world: World, node: str, config: Config) -> Commands:
    """A kube-proxy that starts in ipvs mode says that it has no future (server_linux.go: IPVSDeprecation; KEP-5495)."""
    before, about = world.get(_memory(node)), world.get(("api", "nodes", node))
    if config.mode == "ipvs" and about and (before is None or before.config.mode != "ipvs"):
        yield event(world, about, "IPVSDeprecation", IPVS_IS_DEPRECATED, "kube-proxy", "Warning", node)


LEFTOVERS = {"iptables": transaction.remove, "nftables": cleanup.iptables, "ipvs": transaction.remove}
"""A mode -> what takes away another one's rules when kube-proxy starts in it (server_linux.go: platformCleanup)."""


def _entrances(world: World, node: str, config: Config) -> Commands:
    """Kernel settings, canaries, and jumps from the built-in chains."""
    scope, cause = f"node:{node}", ("api", "nodes", node)
    if config.localhost_node_ports:
        yield Put((scope, "sysctl", ROUTE_LOCALNET), "1", cause)
    for family in _families(world, node):
        for table in rules.CANARY_TABLES:
            yield Put((scope, "chain", (family, table, rules.CANARY)), Chain(), cause)
        yield from _jumps(world, scope, family, rules.JUMPS, cause)


def _entrances_of_ipvs(world: World, node: str, config: Config) -> Commands:
    """Jumps from the built-in chains; there is no canary."""
    for family in _families(world, node):
        yield from _jumps(world, f"node:{node}", family, ipvs.JUMPS, ("api", "nodes", node))


def _no_entrances(world: World, node: str, config: Config) -> Commands:
    """nftables' base chains are its own, and come with the table."""
    yield from ()


ENTRANCES = {"iptables": _entrances, "nftables": _no_entrances, "ipvs": _entrances_of_ipvs}


def _jumps(world: World, scope: str, family: str, rows: Iterable[tuple[str, str, str, str]], cause: Key) -> Commands:
    for table, source, target, matches in rows:
        key = (scope, "chain", (family, table, source))
        yield from _ensure_jump(world, family, key, f"{matches}-j {target}", cause)


def _ensure_jump(world: World, family: str, key: Key, text: str, cause: Key) -> Commands:
    """``iptables -C`` and, if the rule is not there, ``iptables -I``."""
    chain = world.get(key) or Chain(policy="ACCEPT")
    rule = parse_rule(text, "kube-proxy", family)
    if rule not in chain.rules:
        yield Put(key, replace(chain, rules=(rule, *chain.rules)), cause)


def _sync(world: World, node: str, config: Config, changed: Changed = EVERYTHING) -> Commands:
    """The rules of what has `changed`, forgotten datagrams, and what load balancers are told."""
    scope = f"node:{node}"
    cause = ("api", "services", changed.last) if changed.last else ("api", "nodes", node)
    yield from WRITE[config.mode](world, node, changed, cause)
    for family in _families(world, node):
        served = world.table("api", "services").index(service.PORTS[family])
        behind = world.table("api", "endpointslices").index(service.ENDPOINTS[family])
        yield from conntrack.clean(world, scope, served, behind)
        if family == FAMILIES[0]:
            yield from health.answer(world, _place(world, node), config.mode, served, behind)


def _write_nftables(world: World, node: str, changed: Changed, cause: Key) -> Commands:
    for family in _families(world, node):
        parts = table_parts(world, node, configuration.read(world, family))
        yield from transaction.sync(world, f"node:{node}", family, parts, changed.__contains__, cause)


def _write_iptables(world: World, node: str, changed: Changed, cause: Key) -> Commands:
    """Write the shared chains and the chains of what has `changed`; drop the chains that nobody needs."""
    scope, wanted = f"node:{node}", set()
    for family in _families(world, node):
        for written in everything(world, node, configuration.read(world, family)):
            wanted.add((family, written.table, written.chain))
            if not written.service or written.service in changed:
                because = ("api", "services", written.service) if written.service else cause
                yield Put(
                    (scope, "chain", (family, written.table, written.chain)), _chain(family, written.lines), because
                )
    for key in [k for k in world.table(scope, "chain") if isinstance(k, tuple) and k[0] in FAMILIES]:
        if str(key[2]).startswith(OWN_CHAINS) and key not in wanted:
            yield Remove((scope, "chain", key), cause)


def _write_ipvs(world: World, node: str, changed: Changed, cause: Key) -> Commands:
    """All of it, whatever has changed: what is right already is not written."""
    scope = f"node:{node}"
    for family in _families(world, node):
        config = configuration.read(world, family)
        parts = balanced(world, node, config)
        yield from balancer.sync(world, scope, family, parts, cause)
        lines = ipvs.rules(config, {name for _, part in parts for name, _ in part.members})
        for table, chains in ipvs.CHAINS.items():
            for chain in chains:
                written = _chain(family, tuple(line for line in lines if (line.table, line.chain) == (table, chain)))
                key = (scope, "chain", (family, table, chain))
                if world.get(key) != written:
                    yield Put(key, written, cause)


WRITE = {"iptables": _write_iptables, "nftables": _write_nftables, "ipvs": _write_ipvs}


class Written(NamedTuple):
    """One chain as kube-proxy wants it. `service`: whose own chain it is; empty for those that all share."""

    service: str
    table: str
    chain: str
    lines: tuple[Line, ...]


def everything(world: World, node: str, config: Config) -> list[Written]:
    """Every chain that kube-proxy would have on this node, shared ones first."""
    slices = world.table("api", "endpointslices").index(service.ENDPOINTS[config.family])
    served = world.table("api", "services").index(service.PORTS[config.family])
    large = sum(map(len, slices.values())) > rules.LARGE and _endpoints_in_all(served, slices) > rules.LARGE
    ports = _ports(world, node, config)
    found = [(name, rules.port_rules(port, usable, config, within, large)) for name, port, usable, within in ports]
    shared: dict[tuple[str, str], list[Line]] = {(t, c): [] for t, names in rules.SHARED_CHAINS.items() for c in names}
    last = rules.node_port_rules(config, _node_port_addresses(world, node, config))
    for line in (*rules.base_rules(config), *(line for _, port in found for line in port.shared), *last):
        shared[line.table, line.chain].append(line)
    own = [Written(owner, "nat", chain, lines) for owner, port in found for chain, lines in port.own]
    return [*(Written("", table, chain, tuple(lines)) for (table, chain), lines in shared.items()), *own]


def table_parts(world: World, node: str, config: Config) -> list[tuple[str, Part]]:
    """The whole table of nftables mode: what is there without any Service (owner empty), then (Service, its part)."""
    addresses = _node_port_addresses(world, node, config)
    ports = _ports(world, node, config)
    found = [(name, nftables.port_rules(port, usable, config, within)) for name, port, usable, within in ports]
    return [("", nftables.base(config, addresses, _service_cidrs(world, config))), *found]


def balanced(world: World, node: str, config: Config) -> list[tuple[str, ipvs.Part]]:
    """(Service, what it needs) of ipvs mode."""
    behind = world.table("api", "endpointslices").index(service.ENDPOINTS[config.family])
    addresses = _node_port_addresses(world, node, config)
    own = balancer.own_addresses(world, f"node:{node}", config.family)
    taking = tuple(a for a in own if addresses is None or a in addresses)
    found = []
    for name, port, usable, within in _ports(world, node, config):
        here = tuple(e for e in behind.get((name, port.name, port.protocol), ()) if e.node == node)
        found.append((name, ipvs.port_part(port, usable, ipvs.Here(taking, here, within))))
    return found


def _ports(world: World, node: str, config: Config) -> Iterator[tuple[str, service.Port, Usable, bool]]:
    """(Service, port, whom this node may send to, is the node within its source ranges?), in the order of names."""
    behind = world.table("api", "endpointslices").index(service.ENDPOINTS[config.family])
    own, place = _own_address(world, node, config.family), _place(world, node)
    for name, ports in world.table("api", "services").index(service.PORTS[config.family]).items():
        for port in ports:
            endpoints = behind.get((name, port.name, port.protocol), ())
            within = any(ip.within(own, r) for r in port.source_ranges) if own else False
            yield name, port, topology.usable(port, endpoints, place), within


def _service_cidrs(world: World, config: Config) -> tuple[str, ...]:
    """The ranges of this family from which Services get addresses; iptables mode does not ask."""
    if config.mode != "nftables":
        return ()
    rows = (row for _, row in sorted(world.table("api", "servicecidrs").items(), key=str))
    found = (cidr for row in rows for cidr in row["spec"].get("cidrs") or ())
    return tuple(cidr for cidr in found if (":" in cidr) == (config.family == "ip6"))


def _endpoints_in_all(served: Mapping[str, tuple[service.Port, ...]], behind: service.Endpoints) -> int:
    ports = ((name, port.name, port.protocol) for name, ports in served.items() for port in ports)
    return sum(len(behind.get(port, ())) for port in ports)


def _place(world: World, node: str) -> Place:
    labels = ((world.get(("api", "nodes", node)) or {}).get("metadata") or {}).get("labels") or {}
    return Place(node, labels.get(ZONE, ""))


def _own_address(world: World, node: str, family: str) -> str:
    """The node's address of one family, as its Node object has it."""
    status = (world.get(("api", "nodes", node)) or {}).get("status") or {}
    own = (str(a["address"]) for a in status.get("addresses") or () if a.get("type") == "InternalIP")
    return next((a for a in own if (":" in a) == (family == "ip6")), "")


def _node_port_addresses(world: World, node: str, config: Config) -> tuple[str, ...] | None:
    """The node's addresses that take node ports, or None where all of its own do."""
    networks = config.node_port_addresses
    if not networks or {ip.ANY, ip.ANY6} & {*networks}:
        return None
    if networks == (configuration.PRIMARY,):
        return tuple(filter(None, (_own_address(world, node, config.family),)))
    own = {row.address for row in world.table(f"node:{node}", "addr").values()}
    taking = [a for a in own if any(ip.within(a, n) for n in networks)]
    return tuple(a for a in sorted(taking, key=ip.number) if config.localhost_node_ports or not ip.is_loopback(a))


@lru_cache(maxsize=1 << 15)
def _chain(family: str, lines: tuple[Line, ...]) -> Chain:
    """The chain of these lines: one shared value wherever they are equal."""
    return Chain(tuple(parse_rule(line.text, line.because, family) for line in lines))

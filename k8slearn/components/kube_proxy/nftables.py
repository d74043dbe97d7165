"""The rules that kube-proxy writes in nftables mode, as the text that it feeds to ``nft -f``.

One table of its own in each family, ``ip kube-proxy`` and ``ip6 kube-proxy``. Where iptables mode has a rule for each
way in to each Service, this has an element of a map: the kernel finds it by a hash, among 10 or among 10,000::

    nat-prerouting, nat-output ── services ── @service-ips, @service-nodeports ──┬── service-…  (policy Cluster)
                                                                                 ├── local-…    (policy Local)
                                                                                 └── external-… (from outside)
                                     service-…, local-… ── endpoint-…  dnat to one endpoint
    filter-forward, -input, -output ── @no-endpoint-services, @no-endpoint-nodeports   drop, or reject
                                   └── cluster-ips-check   what else is for a ClusterIP has no business there
    filter-*-pre-dnat ── @firewall-ips ── firewall-…  loadBalancerSourceRanges
    nat-postrouting ── masquerading: what mark-for-masquerade has marked

`port_rules` says what one port of a Service needs, `base` what is there without any Service. The form is that of
Kubernetes 1.33, where this mode became stable (pkg/proxy/nftables/proxier.go).

Left out: the later form without ``mark-for-masquerade``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from k8slearn.components.kube_proxy.config import Config
from k8slearn.components.kube_proxy.service import Endpoint, Port
from k8slearn.components.kube_proxy.topology import Usable

TABLE = "kube-proxy"
LONGEST = 240
"""Characters of a name without its kind."""
VERDICTS = {"REJECT": "goto reject-chain", "DROP": "drop"}
DAEMON = "kube-proxy"


class Chain(NamedTuple):
    """A chain of the table with its rules, and what made us write it."""

    name: str
    rules: tuple[str, ...]
    because: str = DAEMON
    header: str = ""
    """What stands in its braces: a hook, a comment."""


class Entry(NamedTuple):
    """One element of a named set; with `leads` one of a verdict map."""

    set: str
    key: tuple[str | int, ...]
    leads: str = ""
    comment: str = ""

    def __str__(self) -> str:
        comment = f' comment "{self.comment}"' if self.comment else ""
        return " . ".join(map(str, self.key)) + comment + (f" : {self.leads}" if self.leads else "")


class Part(NamedTuple):
    """A part of the table: named sets with what stands in their braces, chains, and elements."""

    sets: tuple[tuple[str, str], ...] = ()
    maps: tuple[tuple[str, str], ...] = ()
    chains: tuple[Chain, ...] = ()
    elements: tuple[Entry, ...] = ()


def name(kind: str, port: Port, endpoint: Endpoint | None = None) -> str:
    """``service-ULMVA6XW-ns1/svc1/tcp/p80``: eight letters of a hash, then what it is a hash of."""
    words = f"{port.service}/{port.protocol}/{port.name}"
    if endpoint is not None:
        words += f"__{endpoint.address.replace(':', '.')}/{endpoint.port}"
    whole = f"{base64.b32encode(hashlib.sha256(words.encode()).digest()).decode()[:8]}-{words}"
    return f"{kind}-{whole if len(whole) <= LONGEST else whole[: LONGEST - 3] + '...'}"


# --- one port of a Service -------------------------------------------------------------------------


@lru_cache(maxsize=1 << 15)
def port_rules(port: Port, usable: Usable, config: Config, from_node: bool = False) -> Part:
    """Everything for one port. `from_node`: the node's own address is within ``loadBalancerSourceRanges``."""
    chains = (
        *_inside(port, usable, config),
        *_outside(port, usable, config),
        *_endpoints(port, usable, config),
        *_firewall(port, config, from_node),
    )
    kept = f"type {_address_type(config)} ; flags dynamic,timeout ; timeout {port.affinity_seconds}s ;"
    sticky = usable.reachable if port.affinity_seconds else ()
    return Part(tuple((name("affinity", port, e), kept) for e in sticky), (), chains, tuple(_doors(port, usable)))


def _doors(port: Port, usable: Usable) -> Iterator[Entry]:
    """The ways in: to a chain where there is somebody to send to, else to a verdict."""
    internal = name("local" if port.internal_local else "service", port)
    external, proto, number = name("external", port), port.protocol, port.port
    inside, outside = usable.verdict(port.internal_local), usable.verdict(port.external_local)
    addresses = [(port.cluster_ip, internal, not inside, inside)]
    outer = (*port.external_ips, *port.load_balancer_ips)
    addresses += [(address, external, usable.anywhere, outside) for address in outer]
    yield Entry("cluster-ips", (port.cluster_ip,))
    for address, chain, is_open, verdict in addresses:
        key = (address, proto, number)
        if is_open:
            yield Entry("service-ips", key, f"goto {chain}")
        if verdict:
            yield Entry("no-endpoint-services", key, VERDICTS[verdict], port.full_name)
    if port.node_port and usable.anywhere:
        yield Entry("service-nodeports", (proto, port.node_port), f"goto {external}")
    if port.node_port and outside:
        yield Entry("no-endpoint-nodeports", (proto, port.node_port), VERDICTS[outside], port.full_name)
    for address in port.load_balancer_ips if port.source_ranges else ():
        yield Entry("firewall-ips", (address, proto, number), f"goto {name('firewall', port)}")


def _inside(port: Port, usable: Usable, config: Config) -> Iterator[Chain]:
    """service- and local-: mark what must come back through this node, then choose an endpoint."""
    for kind, endpoints, serves in (
        ("service", usable.cluster, not port.internal_local),
        ("local", usable.local, port.internal_local),
    ):
        if endpoints:
            marks = _mark(port, config) if serves else ()
            yield Chain(name(kind, port), (*marks, *_choose(port, endpoints, config)), port.because)


def _mark(port: Port, config: Config) -> tuple[str, ...]:
    if not (config.masquerade_all or config.cluster_cidr):
        return ()
    unless = "" if config.masquerade_all else f" {config.family} saddr != {config.cluster_cidr}"
    return (f"{config.family} daddr {port.cluster_ip}{unless} jump mark-for-masquerade",)


def _choose(port: Port, endpoints: tuple[Endpoint, ...], config: Config) -> Iterator[str]:
    """Who came before goes where it went before; for all others one random number leads to one endpoint."""
    for e in endpoints if port.affinity_seconds else ():
        yield f"{config.family} saddr @{name('affinity', port, e)} goto {name('endpoint', port, e)}"
    leads = " , ".join(f"{i} : goto {name('endpoint', port, e)}" for i, e in enumerate(endpoints))
    yield f"numgen random mod {len(endpoints)} vmap {{ {leads} }}"


def _endpoints(port: Port, usable: Usable, config: Config) -> Iterator[Chain]:
    """endpoint-: one that calls itself must see another address (the hairpin), then DNAT."""
    for e in usable.reachable:
        rules = [f"{config.family} saddr {e.address} jump mark-for-masquerade"]
        if port.affinity_seconds:
            rules.append(f"update @{name('affinity', port, e)} {{ {config.family} saddr }}")
        rules.append(f"meta l4proto {port.protocol} dnat to {e}")
        yield Chain(name("endpoint", port, e), tuple(rules), e.because)


def _outside(port: Port, usable: Usable, config: Config) -> Iterator[Chain]:
    """external-: what came in by a node port, an external address or a load balancer."""
    if not (usable.anywhere and port.externally_accessible):
        return
    rules = _short_circuit(port, config) if port.external_local else ["jump mark-for-masquerade"]
    if not usable.verdict(port.external_local):
        rules.append(f"goto {name('local' if port.external_local else 'service', port)}")
    yield Chain(name("external", port), tuple(rules), port.because)


def _short_circuit(port: Port, config: Config) -> list[str]:
    """externalTrafficPolicy Local keeps the client's address; what starts on this node may still use every endpoint."""
    service = name("service", port)
    pods = f'{config.family} saddr {config.cluster_cidr} goto {service} comment "short-circuit pod traffic"'
    return [
        *([pods] if config.cluster_cidr else []),
        'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"',
        f'fib saddr type local goto {service} comment "short-circuit local traffic"',
    ]


def _firewall(port: Port, config: Config, from_node: bool) -> Iterator[Chain]:
    if port.load_balancer_ips and port.source_ranges:
        sources = " , ".join((*port.source_ranges, *(port.load_balancer_ips if from_node else ())))
        yield Chain(name("firewall", port), (f"{config.family} saddr != {{ {sources} }} drop",), port.because)


# --- what is there without any Service -------------------------------------------------------------


@lru_cache(maxsize=64)
def base(config: Config, addresses: tuple[str, ...] | None, service_cidrs: tuple[str, ...]) -> Part:
    """The chains at the hooks, the named sets and maps, and the addresses that take node ports (None: any own one)."""
    there = tuple(Entry("nodeport-ips", (a,)) for a in addresses or ())
    sets = [("cluster-ips", "Active ClusterIPs")]
    sets += [("nodeport-ips", "IPs that accept NodePort traffic")] if addresses is not None else []
    kind = _address_type(config)
    return Part(
        tuple((s, f'type {kind} ; comment "{comment}" ;') for s, comment in sets),
        tuple((m, f'type {types.format(kind)} : verdict ; comment "{said}" ;') for m, types, said in MAPS),
        tuple(_base_chains(config, addresses is None, service_cidrs)),
        there,
    )


def _base_chains(config: Config, any_address: bool, service_cidrs: tuple[str, ...]) -> Iterator[Chain]:
    wide = config.family == "ip6"
    door = f"{config.family} daddr . meta l4proto . th dport vmap"
    no_loopback = "ip6 daddr != ::1" if wide else "ip daddr != 127.0.0.0/8"
    own = f"fib daddr type local {no_loopback}" if any_address else f"{config.family} daddr @nodeport-ips"
    own += " meta l4proto . th dport vmap"
    unallocated = f"{config.family} daddr {{ {' , '.join(service_cidrs)} }} drop"
    invalid = f"{config.family} daddr @cluster-ips reject"
    mark = f"{config.mark:#x}"
    rules = {
        "cluster-ips-check": (
            f'{invalid} comment "Reject traffic to invalid ports of ClusterIPs"',
            *([f'{unallocated} comment "Drop traffic to unallocated ClusterIPs"'] if service_cidrs else []),
        ),
        "firewall-check": (f"{door} @firewall-ips",),
        "mark-for-masquerade": (f"mark set mark or {mark}",),
        "masquerading": (f"mark and {mark} == 0 return", f"mark set mark xor {mark}", "masquerade fully-random"),
        "nodeport-endpoints-check": (f"{own} @no-endpoint-nodeports",),
        "service-endpoints-check": (f"{door} @no-endpoint-services",),
        "services": (f"{door} @service-ips", f"{own} @service-nodeports"),
    }
    for chain, (header, targets) in HOOKS.items():
        state = "ct state new " if header.startswith("type filter") else ""
        yield Chain(chain, tuple(f"{state}jump {target}" for target in targets), DAEMON, header)
    helper = 'comment "helper for @no-endpoint-services / @no-endpoint-nodeports" ;'
    yield Chain("reject-chain", ("reject",), DAEMON, helper)
    yield from (Chain(chain, lines) for chain, lines in rules.items())


def _address_type(config: Config) -> str:
    return "ipv6_addr" if config.family == "ip6" else "ipv4_addr"


MAPS = (
    (
        "firewall-ips",
        "{} . inet_proto . inet_service",
        "destinations that are subject to LoadBalancerSourceRanges",
    ),
    (
        "no-endpoint-nodeports",
        "inet_proto . inet_service",
        "vmap to drop or reject packets to service nodeports with no endpoints",
    ),
    (
        "no-endpoint-services",
        "{} . inet_proto . inet_service",
        "vmap to drop or reject packets to services with no endpoints",
    ),
    ("service-ips", "{} . inet_proto . inet_service", "ClusterIP, ExternalIP and LoadBalancer IP traffic"),
    ("service-nodeports", "inet_proto . inet_service", "NodePort traffic"),
)
"""(map, types of its key, its comment)."""

_NO_ENDPOINTS = ("service-endpoints-check", "cluster-ips-check")
HOOKS = {
    "filter-prerouting-pre-dnat": ("type filter hook prerouting priority -110 ;", ("firewall-check",)),
    "filter-output-pre-dnat": ("type filter hook output priority -110 ;", ("firewall-check",)),
    "filter-forward": ("type filter hook forward priority 0 ;", _NO_ENDPOINTS),
    "filter-input": (
        "type filter hook input priority 0 ;",
        ("nodeport-endpoints-check", "service-endpoints-check"),
    ),
    "filter-output": ("type filter hook output priority 0 ;", _NO_ENDPOINTS),
    "nat-output": ("type nat hook output priority -100 ;", ("services",)),
    "nat-postrouting": ("type nat hook postrouting priority 100 ;", ("masquerading",)),
    "nat-prerouting": ("type nat hook prerouting priority -100 ;", ("services",)),
}
"""Base chain -> its hook, and where it leads."""

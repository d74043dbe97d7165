"""The rules that kube-proxy writes for one port of a Service, as the text that it feeds to ``iptables-restore``.

::

    PREROUTING, OUTPUT ── KUBE-SERVICES ──┬── KUBE-SVC-… (policy Cluster) ──┬── KUBE-SEP-…  DNAT to one endpoint
                               │          ├── KUBE-SVL-… (policy Local)  ───┘
                               │          └── KUBE-EXT-… (from outside)  ── KUBE-SVC-… or KUBE-SVL-…
                        KUBE-NODEPORTS ────── KUBE-EXT-…
    POSTROUTING ── KUBE-POSTROUTING: masquerade what KUBE-MARK-MASQ has marked

A port can be reached by several doors (its cluster IP, a node port, ...). `port_rules` makes one row for each and
writes the rules from the rows: so every kind of Service is the same few lines. The result depends on its arguments
alone and is remembered: the chains of a Service are one shared value on all nodes that see the same endpoints.

The family is a part of the configuration (`Config.family`): the same rules with other addresses are those of
``ip6tables``; only what is said of localhost differs, since no IPv6 kernel routes ``::1``.

Left out: the names and texts of versions before Kubernetes 1.30.
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

OUTER = "KUBE-EXTERNAL-SERVICES"
LARGE = 1000
"""With more endpoints than this in the cluster, the rules that name endpoints lose their comments."""


class Line(NamedTuple):
    """One rule of one chain, and what made us write it."""

    table: str
    chain: str
    text: str
    because: str

    def __str__(self) -> str:
        return f"-A {self.chain} {self.text}"


class PortRules(NamedTuple):
    """What one port adds to the chains that all Services share, and the nat chains that are its own."""

    shared: tuple[Line, ...]
    own: tuple[tuple[str, tuple[Line, ...]], ...]


class Door(NamedTuple):
    """A way in to a port. `open`: there is somebody to send to. `verdict`: what the filter table says if not."""

    said: str
    chain: str
    match: str
    target: str
    closed_chain: str
    closed_match: str
    open: bool
    verdict: str


def chain_name(kind: str, port: Port, endpoint: str = "") -> str:
    """``KUBE-SVC-XPGD46QRK7WJZT7O``: 16 letters of a hash, because a chain's name has at most 28."""
    words = f"{port.full_name}{port.protocol}{endpoint}".encode()
    return f"KUBE-{kind}-{base64.b32encode(hashlib.sha256(words).digest()).decode()[:16]}"


def comment(words: str) -> str:
    return f'-m comment --comment "{words}"' if " " in words else f"-m comment --comment {words}"


@lru_cache(maxsize=1 << 15)
def port_rules(port: Port, usable: Usable, config: Config, from_node: bool = False, large: bool = False) -> PortRules:
    """Every rule for one port. `from_node`: the node's own address is within ``loadBalancerSourceRanges``."""
    name, doors = port.full_name, _doors(port, usable)
    shared = [line for door in doors if door.open for line in _dispatch(port, door, config)]
    wanting = "has no local endpoints" if usable.anywhere else "has no endpoints"
    shared += [
        Line("filter", d.closed_chain, f"{comment(f'{name} {wanting}')} {d.closed_match} -j {d.verdict}", port.because)
        for d in doors
        if d.verdict
    ]
    shared += _firewall(port, usable) + _health_check(port)
    own = {**_inside(port, usable, config, large), **_outside(port, usable, config, from_node)}
    own.update(_endpoint_chains(port, usable, large))
    return PortRules(tuple(shared), tuple(own.items()))


def _doors(port: Port, usable: Usable) -> list[Door]:
    internal = chain_name("SVL" if port.internal_local else "SVC", port)
    external = chain_name("EXT", port)
    balancer = chain_name("FW", port) if port.source_ranges else external
    inside, outside = usable.verdict(port.internal_local), usable.verdict(port.external_local)
    there = usable.anywhere
    proto = f"-m {port.protocol} -p {port.protocol}"

    def address(said: str, ip: str, target: str, closed: str, is_open: bool, verdict: str) -> Door:
        match = f"{proto} -d {ip} --dport {port.port}"
        return Door(said, "KUBE-SERVICES", match, target, closed, match, is_open, verdict)

    doors = [address(" cluster IP", port.cluster_ip, internal, "KUBE-SERVICES", not inside, inside)]
    doors += [address(" external IP", ip, external, OUTER, there, outside) for ip in port.external_ips]
    doors += [address(" loadbalancer IP", ip, balancer, OUTER, there, outside) for ip in port.load_balancer_ips]
    if port.node_port:
        match = f"{proto} --dport {port.node_port}"
        closed = f"-m addrtype --dst-type LOCAL {match}"
        doors.append(Door("", "KUBE-NODEPORTS", match, external, OUTER, closed, there, outside))
    return doors


def _dispatch(port: Port, door: Door, config: Config) -> Iterator[Line]:
    """From a shared chain to the port's own. Who asks for a node port on localhost is counted, where the kernel can."""
    said = comment(port.full_name + door.said)
    if door.chain == "KUBE-NODEPORTS" and config.localhost_node_ports and config.counts("localhost"):
        match = door.match.replace("--dport", "-d 127.0.0.0/8 --dport")
        counter = "-m nfacct --nfacct-name localhost_nps_accepted_pkts"
        yield Line("nat", door.chain, f"{said} {match} {counter} -j {door.target}", port.because)
    yield Line("nat", door.chain, f"{said} {door.match} -j {door.target}", port.because)


def _firewall(port: Port, usable: Usable) -> list[Line]:
    if not (usable.anywhere and port.source_ranges):
        return []
    said = comment(f"{port.full_name} traffic not accepted by {chain_name('FW', port)}")
    match = f"-m {port.protocol} -p {port.protocol}"
    return [
        Line("filter", "KUBE-PROXY-FIREWALL", f"{said} {match} -d {ip} --dport {port.port} -j DROP", port.because)
        for ip in port.load_balancer_ips
    ]


def _health_check(port: Port) -> list[Line]:
    if not port.health_check_node_port:
        return []
    said = comment(f"{port.full_name} health check node port")
    text = f"{said} -m tcp -p tcp --dport {port.health_check_node_port} -j ACCEPT"
    return [Line("filter", "KUBE-NODEPORTS", text, port.because)]


# --- the chains of one port ----------------------------------------------------------------------


def _inside(port: Port, usable: Usable, config: Config, large: bool) -> dict[str, tuple[Line, ...]]:
    """KUBE-SVC and KUBE-SVL: mark what must come back through this node, then choose an endpoint."""
    rows = (("SVC", usable.cluster, port.internal_local), ("SVL", usable.local, not port.internal_local))
    chains = {}
    for kind, endpoints, is_external_only in rows:
        if endpoints:
            chain = chain_name(kind, port)
            marks = [] if is_external_only else list(_mark_rule(port, chain, config))
            chains[chain] = (*marks, *_choose(port, chain, endpoints, large))
    return chains


def _mark_rule(port: Port, chain: str, config: Config) -> Iterator[Line]:
    if not (config.masquerade_all or config.cluster_cidr):
        return
    said = comment(f"{port.full_name} cluster IP")
    match = f"-m {port.protocol} -p {port.protocol} -d {port.cluster_ip} --dport {port.port}"
    unless = "" if config.masquerade_all else f" ! -s {config.cluster_cidr}"
    yield Line("nat", chain, f"{said} {match}{unless} -j KUBE-MARK-MASQ", port.because)


def _choose(port: Port, chain: str, endpoints: tuple[Endpoint, ...], large: bool) -> Iterator[Line]:
    """Rule i of n takes 1/(n-i) of what reaches it, so that each endpoint gets 1/n; the last takes the rest."""
    for endpoint in endpoints if port.affinity_seconds else ():
        sep = chain_name("SEP", port, str(endpoint))
        again = f"-m recent --name {sep} --rcheck --seconds {port.affinity_seconds} --reap -j {sep}"
        yield Line("nat", chain, f"{_to(port, endpoint, large)}{again}", endpoint.because)
    for i, endpoint in enumerate(endpoints):
        left = len(endpoints) - i
        chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
        sep = chain_name("SEP", port, str(endpoint))
        yield Line("nat", chain, f"{_to(port, endpoint, large)}{chance}-j {sep}", endpoint.because)


def _to(port: Port, endpoint: Endpoint, large: bool) -> str:
    return "" if large else comment(f"{port.full_name} -> {endpoint}") + " "


def _endpoint_chains(port: Port, usable: Usable, large: bool) -> dict[str, tuple[Line, ...]]:
    """KUBE-SEP: an endpoint that calls itself must see another address (the hairpin), then DNAT."""
    chains: dict[str, tuple[Line, ...]] = {}
    said = "" if large else comment(port.full_name) + " "
    for endpoint in usable.reachable:
        sep = chain_name("SEP", port, str(endpoint))
        recent = f"-m recent --name {sep} --set " if port.affinity_seconds else ""
        dnat = f"-m {port.protocol} -p {port.protocol} -j DNAT --to-destination {endpoint}"
        chains[sep] = (
            Line("nat", sep, f"{said}-s {endpoint.address} -j KUBE-MARK-MASQ", endpoint.because),
            Line("nat", sep, f"{said}{recent}{dnat}", endpoint.because),
        )
    return chains


def _outside(port: Port, usable: Usable, config: Config, from_node: bool) -> dict[str, tuple[Line, ...]]:
    """KUBE-EXT and KUBE-FW: what came in by a node port, an external address or a load balancer."""
    if not (usable.anywhere and port.externally_accessible):
        return {}
    ext = chain_name("EXT", port)
    everyone = (f"masquerade traffic for {port.full_name} external destinations", "", "KUBE-MARK-MASQ")
    lines = _short_circuit(port, config) if port.external_local else [everyone]
    texts = [f"{comment(said)} {match}-j {target}" for said, match, target in lines]
    if not port.external_local or usable.local:
        texts.append(f"-j {chain_name('SVL' if port.external_local else 'SVC', port)}")
    chains = {ext: tuple(Line("nat", ext, text, port.because) for text in texts)}
    if port.load_balancer_ips and port.source_ranges:
        chains[chain_name("FW", port)] = _firewall_chain(port, from_node)
    return chains


def _short_circuit(port: Port, config: Config) -> list[tuple[str, str, str]]:
    """externalTrafficPolicy Local keeps the client's address; what starts on this node may still use every endpoint."""
    svc, to = chain_name("SVC", port), f"for {port.full_name} external destinations"
    here = "-m addrtype --src-type LOCAL "
    rows = [(f"pod traffic {to}", f"-s {config.cluster_cidr} ", svc)] if config.cluster_cidr else []
    return [*rows, (f"masquerade LOCAL traffic {to}", here, "KUBE-MARK-MASQ"), (f"route LOCAL traffic {to}", here, svc)]


def _firewall_chain(port: Port, from_node: bool) -> tuple[Line, ...]:
    chain, ext = chain_name("FW", port), chain_name("EXT", port)
    sources = [*port.source_ranges, *(port.load_balancer_ips if from_node else ())]
    said = comment(f"{port.full_name} loadbalancer IP")
    texts = [f"{said} -s {source} -j {ext}" for source in sources]
    texts.append(comment(f"other traffic to {port.full_name} will be dropped by KUBE-PROXY-FIREWALL"))
    return tuple(Line("nat", chain, text, port.because) for text in texts)


# --- what is there without any Service -------------------------------------------------------------


@lru_cache(maxsize=64)
def base_rules(config: Config) -> tuple[Line, ...]:
    """The rules of the chains that every sync writes anew, before and beside those of the Services."""
    mark = f"{config.mark:#x}"
    counter = " -m nfacct --nfacct-name ct_state_invalid_dropped_pkts" if config.counts("invalid") else ""
    invalid = [] if config.conntrack_tcp_liberal else [f"-m conntrack --ctstate INVALID{counter} -j DROP"]
    fully = " --random-fully" if config.random_fully else ""
    localnet = "-d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT"
    rows = {
        ("filter", "KUBE-FIREWALL"): [f"{comment('block incoming localnet connections')} {localnet} -j DROP"]
        if config.localhost_node_ports
        else [],
        ("filter", "KUBE-FORWARD"): [
            *invalid,
            f"{comment('kubernetes forwarding rules')} -m mark --mark {mark}/{mark} -j ACCEPT",
            f"{comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ],
        ("nat", "KUBE-MARK-MASQ"): [f"-j MARK --or-mark {mark}"],
        ("nat", "KUBE-POSTROUTING"): [
            f"-m mark ! --mark {mark}/{mark} -j RETURN",
            f"-j MARK --xor-mark {mark}",
            f"{comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE{fully}",
        ],
    }
    return tuple(Line(table, chain, text, "kube-proxy") for (table, chain), texts in rows.items() for text in texts)


def node_port_rules(config: Config, addresses: tuple[str, ...] | None) -> tuple[Line, ...]:
    """The last rule of KUBE-SERVICES: what is for the node itself may be for a node port (None: any own address)."""
    said = comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")
    loopback = "::1/128" if config.family == "ip6" else "127.0.0.0/8"
    no_loopback = "" if config.localhost_node_ports else f" ! -d {loopback}"
    matches = [f"-m addrtype --dst-type LOCAL{no_loopback}"] if addresses is None else [f"-d {a}" for a in addresses]
    return tuple(Line("nat", "KUBE-SERVICES", f"{said} {match} -j KUBE-NODEPORTS", "kube-proxy") for match in matches)


SHARED_CHAINS = {
    "filter": (
        "KUBE-NODEPORTS",
        "KUBE-SERVICES",
        "KUBE-EXTERNAL-SERVICES",
        "KUBE-FIREWALL",
        "KUBE-FORWARD",
        "KUBE-PROXY-FIREWALL",
    ),
    "nat": ("KUBE-NODEPORTS", "KUBE-SERVICES", "KUBE-MARK-MASQ", "KUBE-POSTROUTING"),
}
"""The chains that every sync empties and writes anew."""

CANARY = "KUBE-PROXY-CANARY"
"""An empty chain in three tables: when it is gone, somebody has thrown our rules away."""
CANARY_TABLES = ("mangle", "nat", "filter")

_NEW = "-m conntrack --ctstate NEW "
_PORTALS = comment("kubernetes service portals") + " "
_OUTER = f"{_NEW}{comment('kubernetes externally-visible service portals')} "
_BALANCER = f"{_NEW}{comment('kubernetes load balancer firewall')} "
JUMPS = (
    ("filter", "INPUT", OUTER, _OUTER),
    ("filter", "FORWARD", OUTER, _OUTER),
    ("filter", "INPUT", "KUBE-NODEPORTS", f"{comment('kubernetes health check service ports')} "),
    ("filter", "FORWARD", "KUBE-SERVICES", _NEW + _PORTALS),
    ("filter", "OUTPUT", "KUBE-SERVICES", _NEW + _PORTALS),
    ("filter", "FORWARD", "KUBE-FORWARD", f"{comment('kubernetes forwarding rules')} "),
    ("filter", "INPUT", "KUBE-PROXY-FIREWALL", _BALANCER),
    ("filter", "OUTPUT", "KUBE-PROXY-FIREWALL", _BALANCER),
    ("filter", "FORWARD", "KUBE-PROXY-FIREWALL", _BALANCER),
    ("nat", "OUTPUT", "KUBE-SERVICES", _PORTALS),
    ("nat", "PREROUTING", "KUBE-SERVICES", _PORTALS),
    ("nat", "POSTROUTING", "KUBE-POSTROUTING", f"{comment('kubernetes postrouting rules')} "),
    ("filter", "INPUT", "KUBE-FIREWALL", ""),
    ("filter", "OUTPUT", "KUBE-FIREWALL", ""),
)
"""(table, from, to, matches): each put at the top of its chain by a full sync if it is not there, in this order."""

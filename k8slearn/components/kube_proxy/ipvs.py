"""What kube-proxy writes in ipvs mode: virtual servers, one address each on ``kube-ipvs0``, sets, and few rules.

::

    kube-ipvs0     every ClusterIP, external and load balancer address: so what is for them is for this machine
    ipvs           TCP 10.96.0.50:80 rr ── 10.244.1.2:80, 10.244.2.3:80   (`linux/ipvs.py` says how packets meet it)
    nat            KUBE-SERVICES ── -m set KUBE-CLUSTER-IP dst,dst ── KUBE-MARK-MASQ     one rule for all Services
    filter         KUBE-IPVS-FILTER ── what else is for those addresses is refused
    ipset          KUBE-CLUSTER-IP, KUBE-LOOP-BACK, KUBE-NODE-PORT-TCP, … : the Services are elements here

The number of rules does not grow with the number of Services. The mode is deprecated since Kubernetes 1.35 and goes
with 1.43 (KEP-5495): nftables has the same speed without a load balancer beside netfilter. Some outcomes are other ones
than those of iptables and nftables: under a policy of ``Local`` without an endpoint on this node, an internal address
refuses where they drop, an external one sends to the other nodes' endpoints, whose answers nobody knows; and localhost
takes no node ports. So is it upstream (pkg/proxy/ipvs/proxier.go, ``syncEndpoint``, ``writeIptablesRules``).

This is a sketch. The rules are written after upstream's source, not held against a recorded node: our kernels have no
IPVS.

Left out: every scheduler but ``rr``; ``strictARP`` and ``excludeCIDRs``; the chain KUBE-IPVS-OUT-FILTER stays empty
(nodes reach a load balancer's address whose source ranges leave them out); a real server goes at once, where upstream
waits for its connections with a weight of 0 (they go on here all the same).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from k8slearn.components.kube_proxy.config import Config
from k8slearn.components.kube_proxy.rules import Line, comment
from k8slearn.components.kube_proxy.service import Endpoint, Port
from k8slearn.components.kube_proxy.topology import Usable
from k8slearn.linux import ip
from k8slearn.linux.ipvs import Name, Server, Virtual

DEVICE = "kube-ipvs0"
Member = tuple[str, tuple[str, ...]]
"""(set, an element's parts)."""


class Part(NamedTuple):
    """What one port of a Service needs."""

    servers: tuple[tuple[Name, Virtual], ...]
    members: tuple[Member, ...]
    addresses: tuple[str, ...]
    """What is to be bound to `DEVICE`."""


class Here(NamedTuple):
    """What a port's part depends on beside its endpoints: this node's."""

    addresses: tuple[str, ...]
    """Those that take node ports."""
    local: tuple[Endpoint, ...]
    """The port's endpoints on this node."""
    within: bool
    """Is the node's own address within ``loadBalancerSourceRanges``?"""


@lru_cache(maxsize=1 << 15)
def port_part(port: Port, usable: Usable, here: Here) -> Part:
    """Everything for one port."""
    inside = _servers(usable.local or usable.cluster if port.internal_local else usable.cluster)
    outside = _servers(usable.local or usable.cluster if port.external_local else usable.cluster)
    outer = (*port.external_ips, *port.load_balancer_ips)
    doors = [(port.cluster_ip, port.port, inside)]
    doors += [(address, port.port, outside) for address in outer]
    doors += [(address, port.node_port, outside) for address in here.addresses if port.node_port]
    servers = (((port.protocol, a, n), Virtual(found, "rr", port.affinity_seconds)) for a, n, found in doors)
    return Part(tuple(dict(servers).items()), tuple(_members(port, here)), (port.cluster_ip, *outer))


def _servers(endpoints: tuple[Endpoint, ...]) -> tuple[Server, ...]:
    return tuple(Server(e.address, e.port) for e in endpoints)


def _members(port: Port, here: Here) -> Iterator[Member]:
    """The sets that this port is in."""
    number = f"{port.protocol}:{port.port}"
    for e in here.local:
        yield "KUBE-LOOP-BACK", (e.address, f"{port.protocol}:{e.port}", e.address)
    yield "KUBE-CLUSTER-IP", (port.cluster_ip, number)
    for address in port.external_ips:
        yield ("KUBE-EXTERNAL-IP-LOCAL" if port.external_local else "KUBE-EXTERNAL-IP"), (address, number)
    for address in port.load_balancer_ips:
        yield from _balancer(port, address, number, here.within)
    for kind in ("", "LOCAL-")[: 1 + port.external_local] if port.node_port else ():
        if port.protocol == "sctp":  # a bitmap would not tell it from the ports of TCP
            name = f"KUBE-NODE-PORT-{kind}SCTP-HASH"
            yield from ((name, (address, f"sctp:{port.node_port}")) for address in here.addresses)
        else:
            yield f"KUBE-NODE-PORT-{kind}{port.protocol.upper()}", (str(port.node_port),)
    if port.health_check_node_port:
        yield "KUBE-HEALTH-CHECK-NODE-PORT", (str(port.health_check_node_port),)


def _balancer(port: Port, address: str, number: str, within: bool) -> Iterator[Member]:
    yield "KUBE-LOAD-BALANCER", (address, number)
    if port.external_local:
        yield "KUBE-LOAD-BALANCER-LOCAL", (address, number)
    if port.source_ranges:
        yield "KUBE-LOAD-BALANCER-FW", (address, number)
    for cidr in port.source_ranges:
        yield "KUBE-LOAD-BALANCER-SOURCE-CIDR", (address, number, cidr)
    if port.source_ranges and within:
        yield "KUBE-LOAD-BALANCER-SOURCE-IP", (address, number, address)


def set_name(name: str, family: str) -> str:
    """``KUBE-CLUSTER-IP``; of IPv6 ``KUBE-6-CLUSTER-IP``, and a name has 31 characters (ipset.go: NewIPSet)."""
    return name if family == "ip" else name.replace("KUBE-", "KUBE-6-", 1)[:31]


# --- the rules, which are the same for ten Services and for ten thousand ---------------------------


def rules(config: Config, used: Iterable[str]) -> list[Line]:
    """The rules of one family. `used`: the sets that are not empty."""
    used, loopback = {*used}, "::1/128" if config.family == "ip6" else "127.0.0.0/8"
    rows: list[tuple[str, str, str]] = [("nat", "KUBE-SERVICES", f"-s {loopback} -j RETURN")]
    rows += [
        (table, chain, f"{f'-p {proto} ' if proto else ''}{_in(config, name, sides)} -j {target}")
        for name, table, chain, target, sides, proto in LEAD
        if name in used
    ]
    rows += [("nat", "KUBE-SERVICES", text) for text in _services(config, used)]
    rows += [("nat", "KUBE-LOAD-BALANCER", "-j KUBE-MARK-MASQ"), ("filter", "KUBE-SOURCE-RANGES-FIREWALL", "-j DROP")]
    rows += [
        ("nat", "KUBE-SERVICES", f"{_match(config, name, 'dst,dst')} -j ACCEPT")
        for name in ("KUBE-CLUSTER-IP", "KUBE-LOAD-BALANCER")
        if name in used
    ]
    return [Line(table, chain, text, "kube-proxy") for table, chain, text in (*rows, *_always(config))]


def _services(config: Config, used: set[str]) -> Iterator[str]:
    """Who must come back through this node, and that everything else may be for a node port."""
    if "KUBE-CLUSTER-IP" in used:
        sides = "dst,dst" if config.masquerade_all or config.cluster_cidr else "src,dst"
        unless = f" ! -s {config.cluster_cidr}" if config.cluster_cidr and not config.masquerade_all else ""
        yield f"{_in(config, 'KUBE-CLUSTER-IP', sides)}{unless} -j KUBE-MARK-MASQ"
    for name in ("KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"):
        if name in used:
            match = _in(config, name, "dst,dst")
            if name == "KUBE-EXTERNAL-IP":
                yield f"{match} -j KUBE-MARK-MASQ"
            yield f"{match} -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT"
            yield f"{match} -m addrtype --dst-type LOCAL -j ACCEPT"
    yield "-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT"


def _always(config: Config) -> Iterator[tuple[str, str, str]]:
    mark, fully = f"{config.mark:#x}", " --random-fully" if config.random_fully else ""
    yield "filter", "KUBE-FORWARD", f"{comment('kubernetes forwarding rules')} -m mark --mark {mark}/{mark} -j ACCEPT"
    state = "-m conntrack --ctstate RELATED,ESTABLISHED"
    yield "filter", "KUBE-FORWARD", f"{comment('kubernetes forwarding conntrack rule')} {state} -j ACCEPT"
    yield "filter", "KUBE-NODE-PORT", f"{_in(config, 'KUBE-HEALTH-CHECK-NODE-PORT', 'dst')} -j ACCEPT"
    for name in KNOWN:
        sides = "dst" if name == "KUBE-HEALTH-CHECK-NODE-PORT" else "dst,dst"
        yield "filter", "KUBE-IPVS-FILTER", f"{_match(config, name, sides)} -j RETURN"
    yield "filter", "KUBE-IPVS-FILTER", f"-m conntrack --ctstate NEW {_match(config, IPS, 'dst')} -j REJECT"
    yield "nat", "KUBE-POSTROUTING", f"-m mark ! --mark {mark}/{mark} -j RETURN"
    yield "nat", "KUBE-POSTROUTING", f"-j MARK --xor-mark {mark}"
    yield "nat", "KUBE-POSTROUTING", f"{comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE{fully}"
    yield "nat", "KUBE-MARK-MASQ", f"-j MARK --or-mark {mark}"


def _match(config: Config, name: str, sides: str) -> str:
    return f"-m set --match-set {set_name(name, config.family)} {sides}"


def _in(config: Config, name: str, sides: str) -> str:
    return f"{comment(SETS[name][1])} {_match(config, name, sides)}"


IPS = "KUBE-IPVS-IPS"
SETS = {
    "KUBE-LOOP-BACK": ("hash:ip,port,ip", "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose"),
    "KUBE-CLUSTER-IP": ("hash:ip,port", "Kubernetes service cluster ip + port for masquerade purpose"),
    "KUBE-EXTERNAL-IP": ("hash:ip,port", "Kubernetes service external ip + port for masquerade and filter purpose"),
    "KUBE-EXTERNAL-IP-LOCAL": (
        "hash:ip,port",
        "Kubernetes service external ip + port with externalTrafficPolicy=local",
    ),
    "KUBE-LOAD-BALANCER": ("hash:ip,port", "Kubernetes service lb portal"),
    "KUBE-LOAD-BALANCER-FW": (
        "hash:ip,port",
        "Kubernetes service load balancer ip + port for load balancer with sourceRange",
    ),
    "KUBE-LOAD-BALANCER-LOCAL": (
        "hash:ip,port",
        "Kubernetes service load balancer ip + port with externalTrafficPolicy=local",
    ),
    "KUBE-LOAD-BALANCER-SOURCE-IP": (
        "hash:ip,port,ip",
        "Kubernetes service load balancer ip + port + source IP for packet filter purpose",
    ),
    "KUBE-LOAD-BALANCER-SOURCE-CIDR": (
        "hash:ip,port,net",
        "Kubernetes service load balancer ip + port + source cidr for packet filter purpose",
    ),
    "KUBE-NODE-PORT-TCP": ("bitmap:port", "Kubernetes nodeport TCP port for masquerade purpose"),
    "KUBE-NODE-PORT-LOCAL-TCP": ("bitmap:port", "Kubernetes nodeport TCP port with externalTrafficPolicy=local"),
    "KUBE-NODE-PORT-UDP": ("bitmap:port", "Kubernetes nodeport UDP port for masquerade purpose"),
    "KUBE-NODE-PORT-LOCAL-UDP": ("bitmap:port", "Kubernetes nodeport UDP port with externalTrafficPolicy=local"),
    "KUBE-NODE-PORT-SCTP-HASH": (
        "hash:ip,port",
        "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
    ),
    "KUBE-NODE-PORT-LOCAL-SCTP-HASH": (
        "hash:ip,port",
        "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
    ),
    "KUBE-HEALTH-CHECK-NODE-PORT": ("bitmap:port", "Kubernetes health check node port"),
    IPS: ("hash:ip", ""),
}
"""Each set -> its type, and what kube-proxy's rules say of it (ipset.go)."""
KNOWN = (
    *("KUBE-LOAD-BALANCER", "KUBE-CLUSTER-IP", "KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"),
    "KUBE-HEALTH-CHECK-NODE-PORT",
)
"""What KUBE-IPVS-FILTER lets in."""
_FIREWALL = "KUBE-SOURCE-RANGES-FIREWALL"
LEAD = (
    ("KUBE-LOOP-BACK", "nat", "KUBE-POSTROUTING", "MASQUERADE", "dst,dst,src", ""),
    ("KUBE-LOAD-BALANCER", "nat", "KUBE-SERVICES", "KUBE-LOAD-BALANCER", "dst,dst", ""),
    ("KUBE-LOAD-BALANCER-LOCAL", "nat", "KUBE-LOAD-BALANCER", "RETURN", "dst,dst", ""),
    ("KUBE-NODE-PORT-LOCAL-TCP", "nat", "KUBE-NODE-PORT", "RETURN", "dst", "tcp"),
    ("KUBE-NODE-PORT-TCP", "nat", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "dst", "tcp"),
    ("KUBE-NODE-PORT-LOCAL-UDP", "nat", "KUBE-NODE-PORT", "RETURN", "dst", "udp"),
    ("KUBE-NODE-PORT-UDP", "nat", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "dst", "udp"),
    ("KUBE-NODE-PORT-LOCAL-SCTP-HASH", "nat", "KUBE-NODE-PORT", "RETURN", "dst,dst", "sctp"),
    ("KUBE-NODE-PORT-SCTP-HASH", "nat", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "dst,dst", "sctp"),
    ("KUBE-LOAD-BALANCER-FW", "filter", "KUBE-PROXY-FIREWALL", _FIREWALL, "dst,dst", ""),
    ("KUBE-LOAD-BALANCER-SOURCE-CIDR", "filter", _FIREWALL, "RETURN", "dst,dst,src", ""),
    ("KUBE-LOAD-BALANCER-SOURCE-IP", "filter", _FIREWALL, "RETURN", "dst,dst,src", ""),
)
"""(set, table, chain, target, sides, protocol): a rule for each set that is not empty (``ipsetWithIptablesChain``)."""
CHAINS = {
    "nat": ("KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ"),
    "filter": (
        *("KUBE-FORWARD", "KUBE-NODE-PORT", "KUBE-PROXY-FIREWALL", _FIREWALL),
        *("KUBE-IPVS-FILTER", "KUBE-IPVS-OUT-FILTER"),
    ),
}
_ACCESS = f"{comment('kubernetes ipvs access filter')} "
_WALL = f"{comment('kube-proxy firewall rules')} "
JUMPS = (
    ("nat", "OUTPUT", "KUBE-SERVICES", f"{comment('kubernetes service portals')} "),
    ("nat", "PREROUTING", "KUBE-SERVICES", f"{comment('kubernetes service portals')} "),
    ("nat", "POSTROUTING", "KUBE-POSTROUTING", f"{comment('kubernetes postrouting rules')} "),
    ("filter", "FORWARD", "KUBE-FORWARD", f"{comment('kubernetes forwarding rules')} "),
    ("filter", "INPUT", "KUBE-NODE-PORT", f"{comment('kubernetes health check rules')} "),
    ("filter", "INPUT", "KUBE-PROXY-FIREWALL", _WALL),
    ("filter", "FORWARD", "KUBE-PROXY-FIREWALL", _WALL),
    ("filter", "INPUT", "KUBE-IPVS-FILTER", _ACCESS),
    ("filter", "OUTPUT", "KUBE-IPVS-OUT-FILTER", _ACCESS),
)
"""As `rules.JUMPS`."""


def bits(family: str) -> int:
    """An address alone has this prefix length."""
    return ip.bits("::" if family == "ip6" else "0.0.0.0")

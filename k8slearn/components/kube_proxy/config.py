"""What kube-proxy reads from its ConfigMap: ``kube-system/kube-proxy``, the KubeProxyConfiguration in ``config.conf``.

Left out: ``detectLocalMode`` other than ClusterCIDR, the rest of ``conntrack``, and every field that changes no
packet's way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import yaml

from k8slearn.errors import Refused
from k8slearn.journal import World
from k8slearn.linux import ip

CONFIG_MAP = ("api", "configmaps", "kube-system/kube-proxy")
CANARY_PERIOD = 30.0
"""``syncPeriod``, seconds: how often kube-proxy looks whether somebody has thrown its rules away."""


MODES = ("iptables", "nftables", "ipvs")
PRIMARY = "primary"
"""In ``nodePortAddresses``: the node's own address, as its Node object has it."""


class Config(NamedTuple):
    """The settings that decide about the rules of one family; equal on all nodes."""

    cluster_cidr: str = ""
    """Pods' addresses: what comes from elsewhere to a cluster IP is masqueraded. Empty: nobody can tell them apart."""
    masquerade_all: bool = False
    mark: int = 0x4000
    localhost_node_ports: bool = True
    """IPv4 only: no kernel routes ``::1`` onward."""
    node_port_addresses: tuple[str, ...] = ()
    """Networks of this family whose addresses of a node take node ports; empty: all. In nftables mode ``primary`` is
    the default, and localhost takes none."""
    random_fully: bool = True
    """iptables 1.6.2 and newer can."""
    counters: tuple[str, ...] = ()
    """nfacct counters that the kernel has; none unless the module nfnetlink_acct is loaded."""
    conntrack_tcp_liberal: bool = False
    sync_period: float = CANARY_PERIOD
    mode: str = "iptables"
    family: str = "ip"
    """``ip`` or ``ip6``, as the kernel's tables have it: kube-proxy runs once for each."""

    def counts(self, what: str) -> bool:
        return any(what in counter for counter in self.counters)


def read(world: World, family: str = "ip") -> Config:
    """The configuration in force. Refused, in kube-proxy's manner, when it is not one that it could start with."""
    config_map = world.get(CONFIG_MAP)
    text = ((config_map or {}).get("data") or {}).get("config.conf", "")
    return parse(text if isinstance(text, str) else "", family)


@lru_cache(maxsize=64)
def parse(text: str, family: str = "ip") -> Config:
    """What a KubeProxyConfiguration says of one family, from its YAML; an empty text is all defaults."""
    try:
        fields = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        mode = fields.get("mode") or "iptables"
        mine = fields.get(mode) or {}
        by_iptables = mode == "iptables"
        node_ports = _of(family, map(str, fields.get("nodePortAddresses") or ()))
        known = Config(
            cluster_cidr=next(iter(_of(family, str(fields.get("clusterCIDR") or "").split(","))), ""),
            masquerade_all=bool(mine.get("masqueradeAll")),
            mark=_mark(mine.get("masqueradeBit")),
            localhost_node_ports=by_iptables and mine.get("localhostNodePorts") is not False and family == "ip",
            node_port_addresses=node_ports if mode != "nftables" or fields.get("nodePortAddresses") else (PRIMARY,),
            conntrack_tcp_liberal=bool((fields.get("conntrack") or {}).get("tcpBeLiberal")),
            sync_period=_seconds(str(mine.get("syncPeriod") or "0s")) or CANARY_PERIOD,
            mode=mode,
            family=family,
        )
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, OverflowError) as problem:
        raise Refused(f"kube-proxy cannot read its configuration: {' '.join(str(problem).split())}") from None
    if mode not in MODES:
        raise Refused(f"kube-proxy's mode {mode!r} is not modelled: use {' or '.join(MODES)}")
    return known


def config_map(cluster_cidr: str, mode: str = "iptables") -> Mapping[str, Any]:
    """The ConfigMap as kubeadm writes it (the fields that we read)."""
    head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
    conf = f"{head}clusterCIDR: {cluster_cidr}\nmode: {mode}\n"
    metadata = {"name": "kube-proxy", "namespace": "kube-system", "labels": {"app": "kube-proxy"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config.conf": conf}}


def _mark(bit: Any) -> int:
    """The bit of a packet's mark that says "masquerade me"; 14 unless configured."""
    number = 14 if bit is None else int(bit)
    if not 0 <= number <= 31:
        raise ValueError(f"masqueradeBit {number} is not within the range [0, 31]")
    return 1 << number


def _of(family: str, networks: Iterable[str]) -> tuple[str, ...]:
    """The networks of one family, and ``primary``; ValueError where one of either family is none."""
    found = [n.strip() for n in networks if n.strip()]
    for text in found:
        if text != PRIMARY:
            ip.network(text)
    return tuple(n for n in found if n == PRIMARY or (":" in n) == (family == "ip6"))


def _seconds(text: str) -> float:
    """Go's durations: ``30s``, ``1m30s``, ``500ms``."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    total, number, unit = 0.0, "", ""
    for char in f"{text}0":
        if char.isdigit() or char == ".":
            if unit:
                total, number, unit = total + float(number) * units.get(unit, 0.0), "", ""
            number += char
        else:
            unit += char
    return total

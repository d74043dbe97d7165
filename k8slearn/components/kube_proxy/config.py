"""What kube-proxy reads from its ConfigMap: ``kube-system/kube-proxy``, the KubeProxyConfiguration in ``config.conf``.

Left out: ``detectLocalMode`` other than ClusterCIDR, conntrack's tuning, and every field that changes no packet's way.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import yaml

from k8slearn.errors import Refused
from k8slearn.journal import World
from k8slearn.linux import ip

CONFIG_MAP = ("api", "configmaps", "kube-system/kube-proxy")
CANARY_PERIOD = 30.0
"""``syncPeriod``, seconds: how often kube-proxy looks whether somebody has thrown its rules away."""


class Config(NamedTuple):
    """The settings that decide about rules; equal on all nodes."""

    cluster_cidr: str = ""
    """Pods' addresses: what comes from elsewhere to a cluster IP is masqueraded. Empty: nobody can tell them apart."""
    masquerade_all: bool = False
    mark: int = 0x4000
    localhost_node_ports: bool = True
    node_port_addresses: tuple[str, ...] = ()
    """Networks whose addresses of a node take node ports; empty: all."""
    random_fully: bool = True
    """iptables 1.6.2 and newer can."""
    counters: tuple[str, ...] = ()
    """nfacct counters that the kernel has; none unless the module nfnetlink_acct is loaded."""
    recent: bool = False
    """Has the kernel the match ``recent``, which session affinity needs? Ours has not."""
    conntrack_tcp_liberal: bool = False
    sync_period: float = CANARY_PERIOD

    def counts(self, what: str) -> bool:
        return any(what in counter for counter in self.counters)


def read(world: World) -> Config:
    """The configuration in force. Refused, in kube-proxy's manner, when it is not one that it could start with."""
    config_map = world.get(CONFIG_MAP)
    text = ((config_map or {}).get("data") or {}).get("config.conf", "")
    return parse(text if isinstance(text, str) else "")


@lru_cache(maxsize=64)
def parse(text: str) -> Config:
    """A KubeProxyConfiguration from its YAML; an empty text is all defaults."""
    try:
        fields = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        iptables = fields.get("iptables") or {}
        mode = fields.get("mode") or "iptables"
        known = Config(
            cluster_cidr=_ipv4(str(fields.get("clusterCIDR") or "")),
            masquerade_all=bool(iptables.get("masqueradeAll")),
            mark=_mark(iptables.get("masqueradeBit")),
            localhost_node_ports=iptables.get("localhostNodePorts") is not False,
            node_port_addresses=tuple(map(_network, fields.get("nodePortAddresses") or ())),
            sync_period=_seconds(str(iptables.get("syncPeriod") or "0s")) or CANARY_PERIOD,
        )
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, OverflowError) as problem:
        raise Refused(f"kube-proxy cannot read its configuration: {' '.join(str(problem).split())}") from None
    if mode != "iptables":
        raise Refused(f"kube-proxy's mode {mode!r} is not modelled yet: use iptables")
    return known


def config_map(cluster_cidr: str) -> Mapping[str, Any]:
    """The ConfigMap as kubeadm writes it (the fields that we read)."""
    head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
    conf = f"{head}clusterCIDR: {cluster_cidr}\nmode: iptables\n"
    metadata = {"name": "kube-proxy", "namespace": "kube-system", "labels": {"app": "kube-proxy"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config.conf": conf}}


def _mark(bit: Any) -> int:
    """The bit of a packet's mark that says "masquerade me"; 14 unless configured."""
    number = 14 if bit is None else int(bit)
    if not 0 <= number <= 31:
        raise ValueError(f"masqueradeBit {number} is not within the range [0, 31]")
    return 1 << number


def _network(entry: Any) -> str:
    text = str(entry)
    if text != "primary" and ":" not in text:
        ip.network(text)
    return text


def _ipv4(cidrs: str) -> str:
    """The IPv4 network of a comma-separated pair."""
    found = next((c.strip() for c in cidrs.split(",") if "." in c), "")
    if found:
        ip.network(found)
    return found


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

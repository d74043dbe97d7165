"""From what a person typed, ``Cluster(nodes=3, network="bridge", ...)``, to checked `Settings`.

In life these are the arguments of an installer (kubeadm's ClusterConfiguration) and of whoever built the network
underneath. Each check is one sentence, and it says what would be right.

Left out: nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from k8slearn import ranges
from k8slearn import topology as drawn
from k8slearn.cni import runtime, skel
from k8slearn.cni.spec import CniError
from k8slearn.components import NODE_LOCAL_DNS, Settings, Subnet
from k8slearn.errors import Refused
from k8slearn.ranges import FIRST_NODE

NEWEST = "1.37"
LAST_WITH_KUBENET = "1.23"
OLDEST = "1.21"
WIRINGS = {
    "bridge": NEWEST,
    "ptp": NEWEST,
    "kubenet": LAST_WITH_KUBENET,
    "flannel": NEWEST,
    "flannel-host-gw": NEWEST,
    "calico": NEWEST,
    "cilium": NEWEST,
    "vpc": NEWEST,
    None: NEWEST,
}
"""Each wiring that is built, with the version that it gets when none is asked for."""
EXAMPLE = '{"name": "mine", "plugins": [{"type": "bridge", "ipam": {...}}]}'
FIRST_WITH_NFTABLES = 29
"""1.29: alpha; 1.33: stable (KEP-3866)."""
REPLACES_KUBE_PROXY = "cilium"
PROXIES = ("iptables", "nftables", "ipvs", "none")
FOUR_ONLY = {
    "calico": "its IPv6 pool, BIRD6 and ip6tables rules are not built here; bridge, ptp, kubenet and flannel have them",
    "cilium": "its IPv6 maps are not built here; bridge, ptp, kubenet and flannel have both families",
    "vpc": "the AWS VPC CNI gives its pods IPv4 addresses or IPv6 addresses, never both",
}
"""Wirings that a dual-stack cluster cannot have, and why."""
MOST_NODES = 5000
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def settings(
    nodes: Any = 3,
    network: Any = "bridge",
    node_cidr: Any = "192.168.64.0/24",
    pod_cidr: Any = "10.244.0.0/16",
    service_cidr: Any = "10.96.0.0/12",
    proxy: Any = None,
    kubernetes: Any = None,
    seed: Any = 0,
    topology: Any = None,
    dns: Any = None,
) -> Settings:
    """The checked arguments of a `Cluster`. Raises `Refused` with one sentence."""
    network = _network(network)
    version = _version(kubernetes, network)
    given = drawn.read(topology)
    overlap = bool(given.get(drawn.FLAG))
    networks = ranges.read(overlap, node_cidr=node_cidr, pod_cidr=pod_cidr, service_cidr=service_cidr)
    if networks.six and network in FOUR_ONLY:
        raise Refused(f"network={network!r} has no dual-stack clusters: {FOUR_ONLY[network]}")
    subnets = drawn.subnets(given, networks.four["node_cidr"], networks.six.get("node_cidr"))
    placed = _nodes(nodes, networks.four["node_cidr"], given, subnets)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise Refused(f"seed is a whole number, not {seed!r}")
    return Settings(
        nodes=placed,
        network=network,
        node_cidr=networks.text("node_cidr"),
        pod_cidr=networks.text("pod_cidr"),
        service_cidr=networks.text("service_cidr"),
        proxy=_proxy(proxy, network, version),
        kubernetes=version,
        seed=seed,
        topology=drawn.topology(given, subnets, placed, networks.four),
        dns=_dns(dns, network),
    )


def _dns(dns: Any, network: str | None) -> str:
    if dns not in (None, False, True, "", "coredns", NODE_LOCAL_DNS):
        raise Refused(
            f"dns is True (CoreDNS, as kubeadm installs it), {NODE_LOCAL_DNS!r} (CoreDNS, and a cache on each node) or "
            f"None (no DNS server), not {dns!r:.80}"
        )
    if dns == NODE_LOCAL_DNS and network == REPLACES_KUBE_PROXY:
        raise Refused(
            f"network={network!r} has no dns={dns!r}: its programs translate the address of kube-dns before the node "
            "sees it, so nobody would ask the cache (a CiliumLocalRedirectPolicy, which would lead there, is not built "
            "here); dns=True is CoreDNS alone"
        )
    return str(dns) if dns == NODE_LOCAL_DNS else "coredns" if dns else ""


def _network(network: Any) -> str | None:
    if isinstance(network, Mapping):
        return _own(network)
    if not isinstance(network, str | None) or network not in WIRINGS:
        raise Refused(f"there is no network {network!r}: use one of {_choices(WIRINGS)}")
    return network


def _own(config: Mapping[str, Any]) -> str:
    """A CNI configuration of one's own, as JSON."""
    try:
        text = json.dumps(config)
    except (TypeError, ValueError) as error:
        raise Refused(f"a CNI configuration as network= is what JSON can say: {error}") from None
    if runtime.parse(".conflist" if "plugins" in config else ".conf", text) is None:
        raise Refused(
            "a CNI configuration as network= has a name and either a type or a list of plugins that have one each, "
            f"such as {EXAMPLE}, not {text:.120}"
        )
    try:
        skel.check_network(config["name"])
    except CniError:
        words = "begins with a letter or digit and has these, '.', '_' and '-' only"
        raise Refused(f"a network's name {words}, not {config['name']!r:.80}") from None
    return text


def _version(kubernetes: Any, network: str | None) -> str:
    version = WIRINGS.get(network, NEWEST) if kubernetes is None else kubernetes
    if not isinstance(version, str) or not re.fullmatch(r"1\.\d{1,3}", version):
        raise Refused(f'kubernetes is a version such as "{NEWEST}", as text, not {version!r}')
    minor = _minor(version)
    if not _minor(OLDEST) <= minor <= _minor(NEWEST):
        raise Refused(f"Kubernetes {version} is not modelled: choose from {OLDEST} to {NEWEST}")
    if network == "kubenet" and minor > _minor(LAST_WITH_KUBENET):
        raise Refused(
            f"kubenet does not exist in Kubernetes {version}: it was part of dockershim, which was removed in 1.24; "
            f'use kubernetes="{LAST_WITH_KUBENET}" or older'
        )
    return str(version)


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def _proxy(proxy: Any, network: str | None, version: str) -> str:
    usual = "none" if network == REPLACES_KUBE_PROXY else "iptables"
    mode = usual if proxy is None else proxy
    if network == REPLACES_KUBE_PROXY and mode != usual:
        raise Refused(f"network={network!r} does kube-proxy's work itself: leave proxy= away, or give proxy='none'")
    if mode not in PROXIES:
        raise Refused(f"there is no proxy {proxy!r}: use one of {_choices(PROXIES)}")
    if mode == "nftables" and _minor(version) < FIRST_WITH_NFTABLES:
        raise Refused(f"kube-proxy has its mode nftables since Kubernetes 1.{FIRST_WITH_NFTABLES}, not in {version}")
    return str(mode)


def _choices(words: Iterable[Any]) -> str:
    return ", ".join(repr(word) for word in words)


def _nodes(
    nodes: Any, network: IPv4Network, given: Mapping[str, Any], subnets: tuple[Subnet, ...]
) -> tuple[tuple[str, str], ...]:
    if isinstance(nodes, bool) or not isinstance(nodes, int | list | tuple | Mapping):
        raise Refused(f"nodes is a number, a list of names, or {{name: address}}, not {nodes!r}")
    if isinstance(nodes, int):
        if not 1 <= nodes <= MOST_NODES:
            raise Refused(f"a cluster has 1 to {MOST_NODES} nodes, not {nodes}")
        nodes = [f"node-{number}" for number in range(1, nodes + 1)]
    if not nodes:
        raise Refused("a cluster has at least one node")
    _names(list(nodes))
    where = drawn.home(given, subnets, nodes)
    found = tuple(nodes.items()) if isinstance(nodes, Mapping) else _numbered(nodes, network, where)
    _addresses(found, network)
    _within(found, subnets, where if drawn.lists_nodes(given) else {})
    return found


def _numbered(
    names: list[Any] | tuple[Any, ...], network: IPv4Network, where: Mapping[str, Subnet]
) -> tuple[tuple[str, str], ...]:
    """Node N has the address .10+N of the network that it is in."""
    found = []
    for number, name in enumerate(names, 1):
        own = IPv4Network(where[name].cidr) if name in where else network
        most = own.num_addresses - FIRST_NODE - 2
        if number > most:
            what = f"subnet {where[name].name!r}" if name in where else "node_cidr"
            raise Refused(
                f"{what} {own} has addresses for {most} nodes (.{FIRST_NODE + 1} and on), not for {len(names)}"
            )
        found.append((name, str(own[FIRST_NODE + number])))
    return tuple(found)


def _within(nodes: tuple[tuple[str, str], ...], subnets: tuple[Subnet, ...], listed: Mapping[str, Subnet]) -> None:
    """Each node's address lies in a subnet, as one that a host can have: in the one that lists it, if one does."""
    for name, address in nodes if subnets else ():
        own = next((s for s in subnets if s.holds(address)), None)
        if own is None:
            raise Refused(f"node {name!r} has the address {address}, which is in none of the subnets")
        if name in listed and listed[name] != own:
            raise Refused(f"node {name!r} is listed in subnet {listed[name].name!r}, and {address} is in {own.name!r}")
        network = IPv4Network(own.cidr)
        if IPv4Address(address) in (network[0], network[1], network[-1]):
            raise Refused(f"node {name!r} cannot have {address}: it is the router's, or an end of {network}")


def _names(names: list[Any]) -> None:
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused(
                f"{name!r} is not a node's name: lower-case letters, digits and '-', at most 63, no '-' at the ends"
            )
        if name in drawn.RESERVED:
            raise Refused(f"a node cannot be called {name!r}: the switch under the cluster has a link of that name")
        if names.count(name) > 1:
            raise Refused(f"two nodes are called {name!r}")


def _addresses(nodes: tuple[tuple[str, Any], ...], network: IPv4Network) -> None:
    taken = {network[0]: "the network's own address", network[1]: "the router", network[-1]: "the broadcast address"}
    for name, text in nodes:
        try:
            address = IPv4Address(str(text))
        except ValueError:
            raise Refused(f"{text!r} is not an IPv4 address for node {name!r}") from None
        if address not in network:
            raise Refused(f"node {name!r} has the address {address}, which is outside node_cidr {network}")
        if address in taken:
            raise Refused(f"node {name!r} cannot have {address}: that is {taken[address]}")
        taken[address] = f"node {name!r}"

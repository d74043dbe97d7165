"""The three ranges of a cluster: the node network's, the pods' and the Services', in one family of addresses or in two.

Each is an IPv4 network, or ``"10.244.0.0/16,fd00:10:244::/56"`` in a **dual-stack** cluster, where every machine, pod
and (if asked) Service has an address of both families. It is the form of kubeadm's ``podSubnet`` and
``serviceSubnet``. All three are dual-stack, or none is: a pod with an IPv6 address on a node without one reaches
nobody. IPv4 comes first, so it is the family that a Service has when nothing is said.

Left out: IPv6 as the first family, or alone.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import combinations
from typing import Any, NamedTuple

from k8slearn import topology
from k8slearn.errors import Refused

OUTSIDE = (IPv4Network("203.0.113.0/24"), IPv6Network("2001:db8:113::/64"))
NODE_MASKS = (24, 64)
"""Each node gets a /24 of the pod range and a /64 (the controller manager's default node masks)."""
FIRST_NODE = 10
"""Node N has the address .10+N of the node network."""
EXAMPLES = {
    "node_cidr": "192.168.64.0/24,fd00:64::/64",
    "pod_cidr": "10.244.0.0/16,fd00:10:244::/56",
    "service_cidr": "10.96.0.0/12,fd00:10:96::/112",
}
LINK = "a link of IPv6 has a /64"
Network = IPv4Network | IPv6Network


class Ranges(NamedTuple):
    """The checked networks by name; `six` is empty unless the cluster is dual-stack."""

    four: dict[str, IPv4Network]
    six: dict[str, IPv6Network]

    def text(self, name: str) -> str:
        """As `Settings` has it: ``10.244.0.0/16``, or both networks with a comma."""
        return ",".join(str(family[name]) for family in (self.four, self.six) if family)


def read(overlap: bool, **given: Any) -> Ranges:
    """The ranges that a person wrote. Raises `Refused` with one sentence. `overlap`: they may lie in one another."""
    pairs = {name: _pair(name, text) for name, text in given.items()}
    _alike(pairs)
    found = Ranges({n: four for n, (four, _) in pairs.items()}, {n: six for n, (_, six) in pairs.items() if six})
    _apart(dict(found.four), overlap, OUTSIDE[0], loopback=IPv4Network("127.0.0.0/8"), multicast=_net("224.0.0.0/4"))
    _apart(dict(found.six), overlap, OUTSIDE[1], loopback=_net("::1"), multicast=_net("ff00::/8"))
    _sizes(found)
    return found


def _net(text: str) -> Network:
    return ip_network(text)


def _pair(name: str, text: Any) -> tuple[IPv4Network, IPv6Network | None]:
    if not isinstance(text, str) or ("," not in text and ":" not in text):
        return topology.cidr(name, text), None
    parts = [part.strip() for part in text.split(",")]
    families = "".join("6" if ":" in part else "4" for part in parts)
    if families != "46":
        raise Refused(f"{name} {text!r:.80} {_WRONG.get(families, _MANY)}: write {EXAMPLES[name]!r}")
    return topology.cidr(name, parts[0]), _cidr6(name, parts[1])


_MANY = "names more networks than two"
_WRONG = {
    "6": "is IPv6 alone, which is not modelled",
    "64": "has its families in the wrong order: here IPv4 is the first one",
    "44": "has two IPv4 networks: dual-stack is one of each family",
    "66": "has two IPv6 networks: dual-stack is one of each family",
}


def _cidr6(name: str, text: str) -> IPv6Network:
    try:
        network = IPv6Network(text, strict=False)
    except ValueError:
        network = None
    if network is None or "/" not in text:
        raise Refused(f"{name}: {text!r:.80} is no IPv6 network: write {EXAMPLES[name]!r}")
    if network.network_address != IPv6Network(text.partition("/")[0]).network_address:
        raise Refused(f"{name} {text} has host bits set: the network is {network}")
    if network.network_address.is_link_local:
        raise Refused(f"{name} {network} counts on one link only (fe80::/10): no router passes it on")
    return network


def _alike(pairs: dict[str, tuple[IPv4Network, IPv6Network | None]]) -> None:
    dual = [name for name, (_, six) in pairs.items() if six]
    single = [name for name in pairs if name not in dual]
    if dual and single:
        raise Refused(
            f"{' and '.join(dual)} {'is' if len(dual) == 1 else 'are'} dual-stack and {' and '.join(single)} "
            f"{'is' if len(single) == 1 else 'are'} not, and nodes, pods and Services have the same families: "
            f"write {single[0]}={EXAMPLES[single[0]]!r}"
        )


def _apart(found: dict[str, Any], overlap: bool, outside: Network, **fixed: Network) -> None:
    taken: dict[str, Network] = {**found, "the world outside": outside, **fixed}
    for (name, network), (other, second) in combinations(taken.items(), 2):
        if name in found and network.overlaps(second) and not (overlap and other in found):
            raise Refused(
                f"{name} {network} overlaps {other} {second}: a packet could not tell which of the two it is for"
            )


def _sizes(found: Ranges) -> None:
    """(name, longest prefix, why; shortest prefix, whose limit it is) of each range, and whether it keeps to that."""
    first = "the first addresses are the API server's and the DNS server's"
    four, six = NODE_MASKS
    for networks, name, least, why, most, who in (
        (found.four, "node_cidr", 28, f"node N has the address .{FIRST_NODE}+N in it", 0, ""),
        (found.four, "pod_cidr", four, f"each node gets a /{four} of it", 0, ""),
        (found.four, "service_cidr", 29, first, 12, "the API server takes"),
        (found.six, "node_cidr", six, LINK, 0, ""),
        (found.six, "pod_cidr", six, f"each node gets a /{six} of it", 48, "the controller manager numbers"),
        (found.six, "service_cidr", 125, first, 108, "the API server takes"),
    ):
        network: Network | None = networks.get(name)
        if network is not None and network.prefixlen > least:
            raise Refused(f"{name} {network} is too small: {why}, so it is /{least} or larger")
        if network is not None and network.prefixlen < most:
            raise Refused(f"{name} {network} is too large: {who} /{most} or smaller")

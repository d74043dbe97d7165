"""How a cluster is built, by what its Nodes, Services and pods say: the arguments of `Cluster`.

A Node tells its name, its addresses, its piece of the pod range and its kubelet's version. Where no Node is there, the
pods' ``spec.nodeName`` says which there are. The Service ``kubernetes`` has the first address of the service range.

Left out: several subnets, and IPv6 alone.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from k8slearn.errors import Refused
from k8slearn.importing.objects import KUBERNETES, identity
from k8slearn.importing.wiring import Obj, minor, spec_of
from k8slearn.ranges import EXAMPLES
from k8slearn.settings import FOUR_ONLY, NEWEST, OLDEST

CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
NODES = 2
"""How many, where nothing says which there are."""


def ground(nodes: list[Obj], objects: list[Obj], network: str | None) -> dict[str, Any]:
    """The arguments of a cluster that has these nodes (of `objects`, all that there is)."""
    own = _pod_addresses(objects)
    found = _named(nodes, own) | _services(objects)
    pods = _pod_range(nodes, objects, [address for addresses in own.values() for address in addresses], network)
    found |= {"pod_cidr": pods} if pods else {}
    found |= _version(nodes) if network != "kubenet" else {}
    return found if network in FOUR_ONLY else found | _second(nodes, objects, found)


def _named(nodes: list[Obj], pods: dict[str, list[str]]) -> dict[str, Any]:
    """The nodes in the order in which they get their ranges, with their addresses where all are known."""
    ordered = sorted(nodes, key=lambda node: (not _leads(node), _lowest(node, pods)))
    addresses = {node["metadata"]["name"]: _address(node) for node in ordered}
    if not nodes:
        return {"nodes": sorted(pods, key=lambda name: _number(pods[name])) or NODES}
    if not all(addresses.values()):
        return {"nodes": list(addresses)}
    return {"nodes": addresses, "node_cidr": str(_around([str(address) for address in addresses.values()]))}


def _leads(node: Obj) -> bool:
    """Does it run the control plane? It is the first node here."""
    return any(label in (node["metadata"].get("labels") or {}) for label in CONTROL_PLANE)


def _lowest(node: Obj, pods: dict[str, list[str]]) -> int:
    cidr = spec_of(node).get("podCIDR", "")
    return _number([cidr.partition("/")[0]] if cidr else pods.get(node["metadata"]["name"], []))


def _number(addresses: list[str]) -> int:
    """The lowest address as a number; what has none comes last."""
    return min((int(ip_address(address)) for address in addresses), default=2**128)


def _pod_addresses(objects: list[Obj]) -> dict[str, list[str]]:
    """The pods' IPv4 addresses by node; a node whose pods all use its own network has none."""
    found: dict[str, list[str]] = {}
    for obj in objects:
        spec, status = spec_of(obj), obj.get("status") or {}
        if obj["kind"] == "Pod" and spec.get("nodeName"):
            here = found.setdefault(spec["nodeName"], [])
            here += [status["podIP"]] if "." in status.get("podIP", "") and not spec.get("hostNetwork") else []
    return found


def _pod_range(nodes: list[Obj], objects: list[Obj], pods: list[str], network: str | None) -> str:
    """The range of the pods: Calico's pool, or around the nodes' pieces of it, or around the pods' own addresses."""
    pools = [str(spec_of(obj).get("cidr", ":")) for obj in objects if obj["kind"] == "IPPool"]
    pools = [cidr for cidr in pools if ":" not in cidr]
    if pools and network == "calico":
        return pools[0]
    pieces = [cidr for node in nodes if "." in (cidr := spec_of(node).get("podCIDR", ""))]
    known = [cidr.partition("/")[0] for cidr in pieces] or (pods if network != "vpc" else [])
    return str(_around(known, 16)) if known else ""


def _services(objects: list[Obj]) -> dict[str, str]:
    """The range of the Services' IPv4 addresses: it begins where the Service ``kubernetes`` has the first one."""
    services = {identity(obj): obj for obj in objects if obj["kind"] == "Service"}
    written = [str(spec_of(obj).get("clusterIP", "")) for obj in services.values()]
    four = [address for address in written if address.count(".") == 3]
    whole = IPv4Network(EXAMPLES["service_cidr"].partition(",")[0])
    first = str((services.get(KUBERNETES, {}).get("spec") or {}).get("clusterIP", ""))
    if not first.count(".") or all(ip_address(address) in whole for address in four):
        return {}
    return {"service_cidr": str(_around([str(ip_address(first) - 1), *four], 16))}


def _version(nodes: list[Obj]) -> dict[str, str]:
    """The newest kubelet's version, where it is one that there is here."""
    newest = max((minor(node) for node in nodes if minor(node) < 99), default=0)
    oldest, last = (int(version.partition(".")[2]) for version in (OLDEST, NEWEST))
    return {"kubernetes": f"1.{newest}"} if oldest <= newest <= last else {}


def _second(nodes: list[Obj], objects: list[Obj], found: Obj) -> dict[str, str]:
    """The ranges of both families, where every node has an address and pods of the second one."""
    own = [str(address) for node in nodes if (address := _address(node, "IPv6"))]
    specs = [spec_of(node) for node in nodes]
    pods = [cidr.partition("/")[0] for spec in specs for cidr in spec.get("podCIDRs") or () if ":" in cidr]
    if not own or len(own) < len(nodes) or not pods:
        return {}
    services = [ip for obj in objects if obj["kind"] == "Service" for ip in spec_of(obj).get("clusterIPs") or ()]
    third = [ip for ip in services if ":" in ip]
    both = {"node_cidr": _around(own, 64), "pod_cidr": _around(pods, 56)}
    ranges = {**both, "service_cidr": _around(third, 112) if third else EXAMPLES["service_cidr"].partition(",")[2]}
    return {name: f"{found.get(name) or EXAMPLES[name].partition(',')[0]},{cidr}" for name, cidr in ranges.items()}


def _address(node: Obj, family: str = "IPv4") -> str | None:
    addresses = (node.get("status") or {}).get("addresses") or ()
    internal = (a["address"] for a in addresses if a.get("type") == "InternalIP")
    return next((address for address in internal if (":" in address) == (family == "IPv6")), None)


def _around(addresses: list[str], longest: int = 24) -> IPv4Network | IPv6Network:
    """The smallest network (at most a /`longest`) that holds all of these."""
    for prefix in range(longest, 7, -1):
        network = ip_network(f"{addresses[0]}/{prefix}", strict=False)
        if all(ip_address(address) in network for address in addresses):
            return network
    raise Refused(f"the addresses {', '.join(addresses)} are not of one network")

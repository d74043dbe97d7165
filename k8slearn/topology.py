"""The network under a cluster, as a person writes it down: ``Cluster(topology=...)`` takes a dict, or the same as YAML.

A cluster is put into a network that somebody else built. Where that is more than one switch and one router, say so::

    subnets:                                       # pieces of node_cidr: each a switch, and the router has its .1
      a: {cidr: 192.168.64.0/25, zone: zone-a, nodes: [node-1, node-2]}
      b: {cidr: 192.168.64.128/25, zone: zone-b, nodes: [node-3]}
    routers: {r2: [192.168.64.2, 192.168.64.130]}  # one more way between them
    peers: {office: 172.20.0.0/24}                 # somebody else's network, behind a router of its own
    machines:                                      # servers that are no nodes
      db: {address: 192.168.64.200, ports: [5432]}
      mail: 172.20.0.25
    commands:                                      # what was typed on a machine when it was set up
      router: [iptables -A FORWARD -d 192.168.64.200 -p tcp --dport 5432 -j DROP]
      node-1: [ip route replace default via 192.168.64.2]
    cloud_routes: 50                               # the most that a cloud's controller may put there (kubenet)
    allow_overlap: false                           # true: a fault that real networks have

Nodes that no list names are dealt out to the subnets in turn, if there is no list at all. Node N has the address .10+N
of its subnet. A firewall, a static route, a kernel setting are commands, in their own tools' words; ``switch`` (or
``switch:a``, that of subnet ``a``) is a machine too, with a bridge ``br0`` and a port for each cable, and so can be
told of VLANs. In a dual-stack cluster everybody in a subnet has an IPv6 address too, with the digits of its place in
it: the 11th is ::11.

Left out: a router other than the first one as a node subnet's gateway (a node's own default route says that), subnets
outside node_cidr, IPv6 behind a peer's router.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import combinations, islice, repeat
from typing import Any

from k8slearn import ground
from k8slearn.api import yamltext
from k8slearn.components import CLOUD_ROUTES, Host, Subnet, Topology
from k8slearn.errors import Refused
from k8slearn.ground import TRANSIT

SECTIONS = ("subnets", "routers", "peers", "machines", "commands")
FLAG, LIMIT = "allow_overlap", "cloud_routes"
SUBNET = ("cidr", "zone", "nodes")
MACHINE = ("address", "ports")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
ZONE = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
RESERVED = ("router", "br0", "lo")
"""The switch has links of these names: no machine on it can be called so."""

Given = Mapping[str, Any]
Nodes = tuple[tuple[str, str], ...]


def read(given: Any) -> Given:
    """The sections that were written, each a mapping. Raises `Refused` with one sentence."""
    if isinstance(given, Topology):
        return _written(given)
    if isinstance(given, str):
        given = _yaml(given)
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise Refused(f"topology is a dict (or YAML text) with {', '.join(SECTIONS)}, not {given!r:.80}")
    for name, section in given.items():
        if name not in (*SECTIONS, LIMIT, FLAG):
            raise Refused(f"topology has no {name!r}: it has {', '.join((*SECTIONS, LIMIT))} and {FLAG}")
        if name in SECTIONS and not isinstance(section, Mapping):
            raise Refused(f"topology: {name} is a mapping from names, not {section!r:.80}")
    if not isinstance(given.get(FLAG, False), bool):
        raise Refused(f"topology: {FLAG} is true or false, not {given[FLAG]!r:.80}")
    limit = given.get(LIMIT, 0)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise Refused(f"topology: {LIMIT} is how many routes a cloud's controller may put there, not {limit!r:.80}")
    return given


def _yaml(text: str) -> Any:
    try:
        found = yamltext.documents(text)
    except yamltext.BadYaml as error:
        raise Refused(f"topology: {error.said('the text')}") from None
    return found[0] if len(found) == 1 else found or None


def _written(topology: Topology) -> Given:
    """As a person would have written it; the nodes' own addresses say where they are."""
    commands: dict[str, list[str]] = {}
    for machine, line in topology.commands:
        commands.setdefault(machine, []).append(line)
    return {
        "subnets": {s.name: {"cidr": s.cidr, "zone": s.zone} for s in topology.subnets},
        "routers": {r.name: list(r.addresses) for r in topology.routers},
        "peers": {p.name: p.cidr for p in topology.peers},
        "machines": {
            m.name: {"address": m.addresses[0], "ports": [f"{n}/{p}" for p, n in m.ports]} for m in topology.machines
        },
        "commands": commands,
        LIMIT: topology.cloud_routes,
        FLAG: topology.allow_overlap,
    }


def cidr(name: str, text: Any) -> IPv4Network:
    """An IPv4 network. Raises `Refused` where it is none, or has host bits set."""
    if not isinstance(text, str) or "/" not in text:
        raise Refused(f'{name} is an IPv4 network such as "10.244.0.0/16", not {text!r}')
    try:
        return IPv4Network(text)
    except ValueError:
        pass
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise Refused(f'{name} is an IPv4 network such as "10.244.0.0/16", not {text!r}') from None
    raise Refused(f"{name} {text} has host bits set: the network is {network}")


# -- where nodes are ---------------------------------------------------------------------------------------------------


def subnets(given: Given, node_cidr: IPv4Network, node_cidr6: IPv6Network | None = None) -> tuple[Subnet, ...]:
    """The segments that nodes may be in, checked. In a dual-stack cluster each has the next /64 of the node network."""
    found = []
    links = _links(node_cidr6, len(given.get("subnets") or {}))
    for name, written in (given.get("subnets") or {}).items():
        spec = {"cidr": written} if isinstance(written, str) else written
        if not isinstance(spec, Mapping) or not {"cidr"} <= set(spec) <= set(SUBNET):
            raise Refused(f"topology: subnet {name!r} is its CIDR, or a mapping with {', '.join(SUBNET)}")
        _named("subnet", name)
        network = cidr(f"subnet {name!r}", spec["cidr"])
        if not network.subnet_of(node_cidr):
            raise Refused(f"subnet {name!r} {network} is no piece of node_cidr {node_cidr}: choose it, or node_cidr")
        if network.prefixlen > 28:
            raise Refused(f"subnet {name!r} {network} is too small: node N has the address .10+N in it")
        zone = spec.get("zone") or ""
        if not isinstance(zone, str) or (zone and not ZONE.fullmatch(zone)):
            raise Refused(f"subnet {name!r}: the zone {zone!r:.80} is no label value")
        found.append(Subnet(name, str(network), zone, cidr6=next(links)))
    _apart([(f"subnet {s.name!r}", IPv4Network(s.cidr)) for s in found])
    return tuple(found)


def _links(node_cidr6: IPv6Network | None, wanted: int) -> Iterator[str]:
    """A /64 for each segment; nothing where there is no IPv6."""
    if node_cidr6 is None:
        return repeat("", wanted)
    if wanted > 1 << 64 - node_cidr6.prefixlen:
        why = f"each of the {wanted} subnets gets a /64 of it"
        raise Refused(f"node_cidr {node_cidr6} is too small: {why}; write a /56, such as fd00:64::/56")
    return map(str, islice(node_cidr6.subnets(new_prefix=64), wanted))


def home(given: Given, found: tuple[Subnet, ...], names: Iterable[str]) -> dict[str, Subnet]:
    """Which subnet each node is in, as the lists say, or in turn. Empty where there is only one."""
    names = list(names)
    listed: dict[str, Subnet] = {}
    for subnet in found:
        for node in _list_of(given["subnets"][subnet.name], subnet.name):
            if node not in names:
                raise Refused(f"subnet {subnet.name!r} lists the node {node!r}, and the cluster has none of that name")
            if node in listed:
                raise Refused(f"node {node!r} is listed in two subnets, {listed[node].name!r} and {subnet.name!r}")
            listed[node] = subnet
    if not found or not listed:
        return {name: found[n % len(found)] for n, name in enumerate(names)} if found else {}
    lost = next((name for name in names if name not in listed), None)
    if lost is not None:
        raise Refused(f"node {lost!r} is in none of the subnets' lists of nodes")
    return listed


def lists_nodes(given: Given) -> bool:
    """Does any subnet say which nodes are in it?"""
    return any(isinstance(s, Mapping) and s.get("nodes") for s in (given.get("subnets") or {}).values())


def _list_of(spec: Any, name: str) -> list[Any]:
    nodes = (spec.get("nodes") if isinstance(spec, Mapping) else None) or []
    if not isinstance(nodes, list | tuple):
        raise Refused(f"subnet {name!r}: nodes is a list of names, not {nodes!r:.80}")
    return list(nodes)


# -- what else is there ------------------------------------------------------------------------------------------------


def topology(given: Given, found: tuple[Subnet, ...], nodes: Nodes, networks: Mapping[str, IPv4Network]) -> Topology:
    """The whole of it, checked. `found` are the node subnets; `networks` are the cluster's three by name."""
    overlap = bool(given.get(FLAG, False))
    peers = tuple(_peers(given.get("peers") or {}, networks, overlap))
    ours = found or (Subnet("", str(networks["node_cidr"])),)
    taken = {s.gateway: f"the router of {s.name or 'the node network'}" for s in (*ours, *peers)}
    taken |= {address: f"node {name!r}" for name, address in nodes}
    routers = tuple(_routers(given.get("routers") or {}, (*ours, *peers), taken))
    machines = tuple(_machines(given.get("machines") or {}, (*ours, *peers), taken, networks))
    known = [*(n for n, _ in nodes), *(p.name for p in peers), *(host.name for host in (*routers, *machines))]
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise Refused(f"topology: two machines are called {twice!r}")
    switches = [ground.switch_of(s) for s in (*ours, *peers)]
    commands = tuple(_commands(given.get("commands") or {}, ["router", *known, *switches]))
    return Topology(found, peers, routers, machines, commands, overlap, given.get(LIMIT, CLOUD_ROUTES))


def _peers(given: Given, networks: Mapping[str, IPv4Network], overlap: bool) -> Iterator[Subnet]:
    """Each peered network has its own addresses, and nobody else's: no router could tell them apart."""
    apart: list[tuple[str, IPv4Network]] = [("node_cidr", networks["node_cidr"])]
    fixed = [("the world outside", IPv4Network("203.0.113.0/24")), ("the routers' own cables", TRANSIT)]
    for name, text in given.items():
        _named("peer", name)
        network = cidr(f"peer {name!r}", text)
        if network.prefixlen > 29:
            raise Refused(f"peer {name!r} {network} is too small: its router has the .1 of it")
        others = [] if overlap else [(n, net) for n, net in networks.items() if n != "node_cidr"]
        for other, second in (*apart, *fixed, *others):
            _disjoint(f"peer {name!r}", network, other, second)
        apart.append((f"peer {name!r}", network))
        yield Subnet(name, str(network), router=f"router:{name}")


def _routers(given: Given, segments: tuple[Subnet, ...], taken: dict[str, str]) -> Iterator[Host]:
    for name, addresses in given.items():
        _named("router", name)
        if not isinstance(addresses, list | tuple) or not addresses:
            raise Refused(f"topology: router {name!r} has a list of addresses, one for each of its subnets")
        legs = [_segment(f"router {name!r}", text, segments) for text in addresses]
        if len({s.name for s in legs}) < len(legs):
            raise Refused(f"topology: router {name!r} has two addresses in one subnet")
        for text in addresses:
            _take(f"router {name!r}", text, taken)
        yield Host(name, tuple(map(str, addresses)))


def _machines(
    given: Given, segments: tuple[Subnet, ...], taken: dict[str, str], networks: Mapping[str, IPv4Network]
) -> Iterator[Host]:
    for name, written in given.items():
        _named("machine", name)
        spec = {"address": written} if isinstance(written, str) else written
        if not isinstance(spec, Mapping) or not {"address"} <= set(spec) <= set(MACHINE):
            raise Refused(f"topology: machine {name!r} is its address, or a mapping with {', '.join(MACHINE)}")
        address = _address(f"machine {name!r}", spec["address"])
        if not any(s.holds(str(address)) for s in segments):
            _beyond(f"machine {name!r}", address, networks)
        else:
            _segment(f"machine {name!r}", spec["address"], segments)
        _take(f"machine {name!r}", str(address), taken)
        yield Host(name, (str(address),), tuple(_ports(name, spec.get("ports") or [])))


def _beyond(what: str, address: IPv4Address, networks: Mapping[str, IPv4Network]) -> None:
    """A machine in no subnet of ours stands somewhere beyond the router: not where the cluster's own ranges are."""
    for name, network in networks.items():
        if address in network:
            raise Refused(f"{what} has {address}, which lies in {name} {network} and in none of the subnets")
    if address.is_multicast or address.is_loopback or address.is_unspecified or address.is_link_local:
        raise Refused(f"{what}: {address} is not an address that a host can have")


def _ports(name: str, ports: Any) -> Iterator[tuple[str, int]]:
    if not isinstance(ports, list | tuple):
        raise Refused(f"machine {name!r}: ports is a list such as [5432, '53/udp'], not {ports!r:.80}")
    for port in ports:
        found = re.fullmatch(r"([1-9]\d{0,4})(?:/(tcp|udp))?", str(port).lower())
        if isinstance(port, bool) or not found or int(found[1]) > 65535:
            raise Refused(f"machine {name!r}: a port is written 5432 or '53/udp', not {port!r:.80}")
        yield found[2] or "tcp", int(found[1])


def _commands(given: Given, known: list[str]) -> Iterator[tuple[str, str]]:
    for machine, lines in given.items():
        if machine not in known:
            raise Refused(f"topology: commands for {machine!r}, and there is only {', '.join(known[:12])}")
        lines = [lines] if isinstance(lines, str) else lines
        if not isinstance(lines, list | tuple) or not all(isinstance(line, str) and line.strip() for line in lines):
            raise Refused(f"topology: the commands of {machine!r} are command lines, not {lines!r:.80}")
        yield from ((machine, line) for line in lines)


# -- checks ------------------------------------------------------------------------------------------------------------


def _named(kind: str, name: Any) -> None:
    if (
        not isinstance(name, str)
        or not NAME.fullmatch(name)
        or name in RESERVED
        or (kind == "subnet" and len(name) > 15)
    ):
        raise Refused(f"topology: {name!r:.80} is no name for a {kind}: lower-case letters, digits and '-'")


def _address(what: str, text: Any) -> IPv4Address:
    try:
        return IPv4Address(text if isinstance(text, str) else str(text))
    except ValueError:
        raise Refused(f"topology: {what} has no IPv4 address {text!r:.80}") from None


def _segment(what: str, text: Any, segments: tuple[Subnet, ...]) -> Subnet:
    """The subnet that the address lies in, as one that a host can have."""
    address = _address(what, text)
    found = next((s for s in segments if s.holds(str(address))), None)
    if found is None:
        raise Refused(f"topology: {what} has {address}, which lies in none of {', '.join(s.cidr for s in segments)}")
    network = IPv4Network(found.cidr)
    if address in (network.network_address, network.broadcast_address):
        raise Refused(f"topology: {what} cannot have {address}: that is an end of {network}")
    return found


def _take(what: str, address: Any, taken: dict[str, str]) -> None:
    if str(address) in taken:
        raise Refused(f"topology: {what} cannot have {address}: that is {taken[str(address)]}")
    taken[str(address)] = what


def _apart(networks: list[tuple[str, IPv4Network]]) -> None:
    for (name, network), (other, second) in combinations(networks, 2):
        _disjoint(name, network, other, second)


def _disjoint(name: str, network: IPv4Network, other: str, second: IPv4Network) -> None:
    if network.overlaps(second):
        raise Refused(f"{name} {network} overlaps {other} {second}: a packet could not tell which of the two it is for")

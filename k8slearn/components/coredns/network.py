"""What node-cache makes on its node: a dummy device that holds the addresses at which it listens, and iptables rules.

::

    nodelocaldns   169.254.20.10/32, 10.96.0.10/32     down, and local all the same: what is for them is for this node
    raw     PREROUTING -d, OUTPUT -s and -d   port 53 (OUTPUT: 8080 too)   NOTRACK   no entry in conntrack, so no DNAT
    filter  INPUT -d, OUTPUT -s               port 53                      ACCEPT    whatever other rules would say

Each rule is put at the top of its chain, so those of the last address stand first. A rule or device that somebody
deletes is missed at the next look; a rule that stands elsewhere in its chain is left there.

Left out: ebtables. Sources: kubernetes/dns cmd/node-cache/app/cache_app.go (initIptables, setupNetworking,
TeardownNetworking), pkg/netif/netif.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from k8slearn.cni import chains
from k8slearn.cni.chains import Table, Words
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Key, Put, World
from k8slearn.journal import Table as Rows
from k8slearn.linux import addr, ip, link
from k8slearn.linux.rules import Chain, Rule

PORT = "53"
SKIP = ("-m", "comment", "--comment", "NodeLocal DNS Cache: skip conntrack")
ALLOW = ("-m", "comment", "--comment", "NodeLocal DNS Cache: allow DNS traffic")
INVALID = 'Error parsing flags - invalid localip specified - "{word}", Exiting'
SIX = "a localip of IPv6 ({word}) is not modelled here"


class Network(NamedTuple):
    """What one node-cache was told to make."""

    container: str
    addresses: tuple[str, ...]
    device: str
    """Empty: it makes none."""
    rules: bool
    at_once: bool
    """Are the rules written when CoreDNS is up, or at the first look?"""
    stays: bool
    """Is all of it left there in the end?"""
    health: str


class Placed(NamedTuple):
    """A rule, as node-cache says it and as the kernel has it, and where it is."""

    table: str
    chain: str
    words: Words
    rule: Rule

    def __str__(self) -> str:
        return f"{{{self.table} {self.chain} [{' '.join(self.words)}]}}"


def of(container: str, flags: Mapping[str, str]) -> Network:
    """By its flags. Raises Refused with its last words."""
    addresses = tuple(flags["localip"].split(","))
    for word in addresses:
        if not ip.is_address(word) or ":" in word:
            raise Refused((SIX if ip.is_address(word) else INVALID).format(word=word))
    device = flags["interfacename"] if flags["setupinterface"] == "true" else ""
    rules, stays = (flags[name] == "true" for name in ("setupiptables", "skipteardown"))
    return Network(container, addresses, device, rules, bool(flags["pidfile"]), stays, flags["health-port"])


def memory(node: str) -> Key:
    """Where the world keeps what node-cache on this node has made."""
    return (node, "node-cache", "")


def rules(own: Network) -> tuple[Placed, ...]:
    """In the order in which it asks for them."""
    return _rules(own.addresses, own.health) if own.rules else ()


@lru_cache(maxsize=64)
def _rules(addresses: tuple[str, ...], health: str) -> tuple[Placed, ...]:
    said = (words for address in addresses for words in _said(address, health))
    return tuple(Placed(*one, chains.read(Table("", name=one[0]), *one[1:])) for one in said)


def _said(address: str, health: str) -> Iterator[tuple[str, str, Words]]:
    there, back = ("-d", address, "--dport"), ("-s", address, "--sport")
    for table, chain, sides, target in (
        ("raw", "PREROUTING", (*there, PORT), ("-j", "NOTRACK", *SKIP)),
        ("filter", "INPUT", (*there, PORT), ("-j", "ACCEPT", *ALLOW)),
        ("raw", "OUTPUT", (*back, PORT), ("-j", "NOTRACK", *SKIP)),
        ("filter", "OUTPUT", (*back, PORT), ("-j", "ACCEPT", *ALLOW)),
        ("raw", "OUTPUT", (*there, PORT), ("-j", "NOTRACK", *SKIP)),
    ):
        for proto in ("tcp", "udp"):
            yield table, chain, ("-p", proto, *sides, *target)
    for side in (there, back):
        yield "raw", "OUTPUT", ("-p", "tcp", *side, health, "-j", "NOTRACK", *SKIP)


def missing(world: World, node: str, own: Network) -> list[Placed]:
    """The rules that are not there."""
    there = world.table(node, "chain").index(_standing)
    return [r for r in rules(own) if r.rule not in there.get((r.table, r.chain), ())]


def _standing(rows: Rows) -> dict[tuple[str, str], frozenset[Rule]]:
    """The rules of the chains that it writes into."""
    places = {(r.table, r.chain) for r in _rules(("0.0.0.0",), PORT)}
    found = {place: rows.get(("ip", *place)) for place in places}
    return {place: frozenset(chain.rules) for place, chain in found.items() if chain is not None}


def device_missing(world: World, node: str, own: Network) -> bool:
    """Is the device gone, or an address of it?"""
    there = {row.address for row in addr.on(world, node, own.device)} if own.device else {*own.addresses}
    return not there.issuperset(own.addresses)


def ensure_device(world: World, node: str, own: Network) -> Commands:
    """The device is there, with all its addresses. Nobody sets it up: an address is local on a device that is down."""
    if own.device and world.get(link.key(node, own.device)) is None:
        yield from link.add(world, node, own.device, "dummy", txqlen=0)
    there = {row.address for row in addr.on(world, node, own.device)}
    for address in own.addresses if own.device else ():
        if address not in there:
            yield from addr.add(world, node, own.device, f"{address}/32", scope="global")


def ensure_rules(world: World, node: str, own: Network) -> Commands:
    """Each rule that is not there is put at the top of its chain."""
    for rule in missing(world, node, own):
        yield from chains.ensure(world, Table(node, name=rule.table), rule.chain, [rule.words], first=True)


def remove(world: World, node: str, own: Network) -> Commands:
    """The rules go, each as often as it is there, then the device."""
    for table, chain in dict.fromkeys((rule.table, rule.chain) for rule in rules(own)):
        where = Table(node, name=table)
        ours = {r.rule for r in rules(own) if (r.table, r.chain) == (table, chain)}
        there: Chain | None = world.get(where.key(chain))
        kept = tuple(rule for rule in there.rules if rule not in ours) if there is not None else ()
        if there is not None and kept != there.rules:
            yield Put(where.key(chain), Chain(kept, there.policy))
    if own.device and world.get(link.key(node, own.device)) is not None:
        yield from link.delete(world, node, own.device)

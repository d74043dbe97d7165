"""flannel's rules: which pods' packets are masqueraded, and that all of them may be forwarded.

::

    nat     POSTROUTING      -> FLANNEL-POSTRTG     after whatever stands there already
            FLANNEL-POSTRTG  kube-proxy's mark       RETURN       kube-proxy will masquerade it itself
                             node's pods -> pods     RETURN       pods see each other's addresses
                             pods -> node's pods     RETURN
                             others -> node's pods   RETURN       what came from outside keeps its source
                             pods -> elsewhere       MASQUERADE   nobody outside knows the way to a pod
                             others -> pods          MASQUERADE   a node that asks a pod of another node
    filter  FORWARD          -> FLANNEL-FWD         ACCEPT to and from every pod

Every 5 seconds it looks whether they are all there; if one is missing all are written again, at the end of their chains
(pkg/trafficmngr/iptables/iptables.go: masqRules, forwardRules, ensureIPTables).

With ``EnableIPv6`` ip6tables has the same rules of the IPv6 networks.

Left out: rules of a network that flannel had before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from k8slearn.components.flannel.daemon import Daemon
from k8slearn.components.flannel.lease import piece
from k8slearn.journal import Commands, Key, Put, World
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rules import BUILT_IN, Chain, Rule

MARK = "0x4000/0x4000"
Place = tuple[str, str, str]
"""(family, table, chain)"""


class Placed(NamedTuple):
    """A rule and the chain that it is in."""

    place: Place
    rule: Rule


OWN = (("nat", "FLANNEL-POSTRTG"), ("filter", "FLANNEL-FWD"))
"""The chains that are flannel's own: (table, chain)."""
MULTICAST = {"ip": "224.0.0.0/4", "ip6": "ff00::/8"}


def start(world: World, own: Daemon) -> Commands:
    """Own chains are emptied, then everything is written."""
    for place in _places(_wanted(world, own)):
        if place[1:] in OWN:
            yield Put(_key(own, place), Chain(), own.config_map)
    yield from _write(world, own)


def ensure(world: World, own: Daemon) -> Commands:
    """A look: where one is missing, all of its table are taken out and written again, so that their order is right."""
    if missing(world, own):
        yield from _write(world, own)


def missing(world: World, own: Daemon) -> bool:
    """Is any of them gone?"""
    chains = {place: _chain(world, own, place).rules for place in {p.place for p in _wanted(world, own)}}
    return any(rule not in chains[place] for place, rule in _wanted(world, own))


def _write(world: World, own: Daemon) -> Commands:
    wanted = _wanted(world, own)
    for place in _places(wanted):
        ours = [rule for where, rule in wanted if where == place]
        chain = _chain(world, own, place)
        kept = tuple(rule for rule in chain.rules if rule not in ours)
        now = Chain((*kept, *ours), chain.policy)
        if now != chain or world.get(_key(own, place)) is None:
            yield Put(_key(own, place), now, own.config_map)


def _places(wanted: tuple[Placed, ...]) -> list[Place]:
    """The chains, those first that others jump to."""
    return sorted({place for place, _ in wanted}, key=lambda place: (place[1:] not in OWN, place))


def _chain(world: World, own: Daemon, place: Place) -> Chain:
    found: Chain | None = world.get(_key(own, place))
    return found if found is not None else Chain(policy="ACCEPT" if place[2] in BUILT_IN[place[1]] else "")


def _key(own: Daemon, place: Place) -> Key:
    return (own.node, "chain", place)


def _wanted(world: World, own: Daemon) -> tuple[Placed, ...]:
    masquerade = own.flags.get("ip-masq", "false") == "true"
    fully = own.flags.get("ip-masq-fully-random-disable", "false") != "true"
    forward = own.flags.get("iptables-forward-rules", "true") == "true"
    node, found = world.get(own.object), list[Placed]()
    for network in own.net.networks:
        found += _rules(network, piece(node, ":" in network), masquerade, fully, forward)
    return tuple(found)


@lru_cache(maxsize=8192)
def _rules(network: str, cidr: str, masquerade: bool, fully: bool, forward: bool) -> tuple[Placed, ...]:
    found: list[Placed] = []
    if masquerade:
        found += _masquerading(network, cidr, " --random-fully" if fully else "")
    if forward:
        found += _forwarding(network)
    return tuple(found)


def _masquerading(network: str, cidr: str, fully: str) -> list[Placed]:
    family = "ip6" if ":" in network else "ip"
    said = '-m comment --comment "flanneld masq"'
    own = (
        f"-m mark --mark {MARK} {said} -j RETURN",
        f"-s {cidr} -d {network} {said} -j RETURN",
        f"-s {network} -d {cidr} {said} -j RETURN",
        f"! -s {network} -d {cidr} {said} -j RETURN",
        f"-s {network} ! -d {MULTICAST[family]} {said} -j MASQUERADE{fully}",
        f"! -s {network} -d {network} {said} -j MASQUERADE{fully}",
    )
    jump = _placed(family, "nat", "POSTROUTING", f"{said} -j FLANNEL-POSTRTG")
    return [jump, *(_placed(family, *OWN[0], text) for text in own)]


def _placed(family: str, table: str, chain: str, text: str) -> Placed:
    return Placed((family, table, chain), parse_rule(text, family=family))


def _forwarding(network: str) -> list[Placed]:
    family = "ip6" if ":" in network else "ip"
    said = '-m comment --comment "flanneld forward"'
    own = (f"-s {network} {said} -j ACCEPT", f"-d {network} {said} -j ACCEPT")
    jump = _placed(family, "filter", "FORWARD", f"{said} -j FLANNEL-FWD")
    return [jump, *(_placed(family, *OWN[1], text) for text in own)]

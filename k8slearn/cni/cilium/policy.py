"""Where a packet meets policy: once where it leaves its sender's endpoint, once where it enters its receiver's.

Both places know all that a policy asks about: the endpoint whose policy it is, the direction, and the identity of the
other side, which travelled with the packet. What is allowed stands in the endpoint's own part of ``cilium_policy_v2``::

    (endpoint, direction, identity, protocol, port, bits)   the row that fits with most bits decides; none: drop
     1234      ingress    34211     tcp       80    16      from this identity to port 80
     1234      ingress    1         -         0     0       the machine itself, always (``allow-localhost: auto``)
     1234      egress     0         -         0     0       to everybody: no policy isolates it for egress

An **address** stands in no row. An ipBlock is rows for the identities of networks, and a pod's identity is never that
of a network: so an ipBlock does not mean pods, whatever addresses they have.

Answers are no new connections: what was admitted is noted in ``cilium_ct4_global``, and what comes back of it is not
asked about again; nor is an ICMP error about it.

Sources: bpf/lib/policy.h (``__policy_can_access``), bpf_lxc.c, lib/conntrack.h, pkg/policy/mapstate.go.

Left out: rows that deny (only Cilium's own policies make them), redirects to the proxy, time-outs of the connections
that are noted, names for the reasons of a drop other than "Policy denied". An endpoint for which no row has been
written yet (its agent died in between) lets everything through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from k8slearn.cni.cilium import identity as identities
from k8slearn.cni.cilium import maps
from k8slearn.cni.cilium.maps import Flow
from k8slearn.journal import Put, Table, World
from k8slearn.linux import bpf
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

EGRESS, INGRESS = "egress", "ingress"
OPPOSITE = {EGRESS: INGRESS, INGRESS: EGRESS}
ANYBODY = 0
"""As identity: whoever it is."""
EXACT = 16
"""The bits of a port."""


class PolicyKey(NamedTuple):
    """``struct policy_key``"""

    endpoint: int
    direction: str
    identity: int = ANYBODY
    protocol: str = ""
    """Empty: any."""
    port: int = 0
    bits: int = 0
    """So many leading bits of the port count; 0: any port."""

    @property
    def port_text(self) -> str:
        """``80/TCP``, ``80-95/TCP``, ``ANY``, as the tool lists it."""
        if not self.protocol:
            return "ANY"
        last = self.port | (1 << EXACT - self.bits) - 1
        number = "ANY" if not self.bits else str(self.port) if self.bits == EXACT else f"{self.port}-{last}"
        return f"{number}/{self.protocol.upper()}"

    def fits(self, protocol: str, port: int) -> bool:
        """Is the row about packets of this protocol to this port?"""
        return self.protocol in ("", protocol) and port >> EXACT - self.bits == self.port >> EXACT - self.bits


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """A row that allows, and what it was written for."""

    of: tuple[str, ...] = ()
    """``NetworkPolicy default/web, spec.ingress[0].from[1]``; empty: no policy asks for it."""

    def __str__(self) -> str:
        return f"Allow ({'; '.join(self.of)})" if self.of else "Allow"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A connection whose answers are let through."""

    endpoint: int


class Connection(NamedTuple):
    """The name of a connection in the map: in which direction it crossed its endpoint, and its first packet's ends."""

    direction: str
    flow: Flow


def admits(net: Net, skb: Skb, endpoint: maps.Endpoint, direction: str, identity: int) -> bool:
    """May this packet leave (or enter) the endpoint, towards (or from) somebody with this identity?"""
    rows, packet = rows_of(net.world, skb.netns, endpoint.id, direction), skb.packet
    if rows is None or packet.proto == "arp" or _answers(net, skb, direction):
        return True
    found = next(_fitting(rows, identity, packet), None)
    asked = PolicyKey(endpoint.id, direction, identity, packet.proto, packet.dport, EXACT)
    if found is None:
        return _denied(net, skb, asked)
    if found[1].of:
        says = f"policy of endpoint {endpoint.id} allows {_told(asked)}"
        why = Because((skb.netns, maps.POLICY, found[0]), f"{maps.POLICY}: {text(*found)}")
        net.say(Step(skb.netns, "rule", says, packet, packet, why, skb.iif, skb.program))
    key = (skb.netns, maps.CT, Connection(direction, _flow(packet)))
    if net.world.get(key) is None:
        net.write(Put(key, Admitted(endpoint.id)))
    return True


def _denied(net: Net, skb: Skb, asked: PolicyKey) -> bool:
    """``DROP_POLICY``"""
    here = f"endpoint {asked.endpoint} has no row for {_told(asked)}"
    why = Because((skb.netns, maps.POLICY, asked), f"{maps.POLICY}: {here}")
    return bpf.drop(net, skb, f"Policy denied: {_told(asked)}", why, skb.iif)


def _told(asked: PolicyKey) -> str:
    way = "from" if asked.direction == INGRESS else "to"
    ports = asked.port_text if asked.protocol not in ("icmp", "icmp6") else asked.protocol.upper()
    return f"{asked.direction} {way} {identities.name(asked.identity)}, {ports}"


def text(key: PolicyKey, entry: PolicyEntry) -> str:
    """A row, as a step names it."""
    who = identities.name(key.identity) if key.identity else "anybody"
    return f"endpoint {key.endpoint} {key.direction} {who} {key.port_text}: {entry}"


# --- rows ----------------------------------------------------------------------------------------

Rows = list[tuple[PolicyKey, PolicyEntry]]


def rows_of(world: World, node: str, endpoint: object, direction: str) -> Rows | None:
    """The rows of an endpoint for one direction; None: nothing has been written for it yet."""
    found = world.rows[node, maps.POLICY].index(_by_endpoint).get(endpoint)
    return found[direction] if found is not None else None


def _by_endpoint(rows: Table) -> dict[object, dict[str, Rows]]:
    """The rows of each endpoint by direction, those with an identity and most bits first."""
    found: dict[object, dict[str, Rows]] = {}
    for key, row in rows.items():
        assert isinstance(key, PolicyKey)
        found.setdefault(key.endpoint, {EGRESS: [], INGRESS: []})[key.direction].append((key, row))
    for some in (some for directions in found.values() for some in directions.values()):
        some.sort(key=lambda one: (one[0].identity == ANYBODY, not one[0].protocol, -one[0].bits, one[0]))
    return found


def _fitting(rows: Rows, identity: int, packet: Packet) -> Iterator[tuple[PolicyKey, PolicyEntry]]:
    for key, row in rows:
        if key.identity in (ANYBODY, identity) and key.fits(packet.proto, packet.dport):
            yield key, row


def isolates(table: Table, endpoint: int, direction: str) -> bool:
    """Does a policy isolate this endpoint in this direction?"""
    known = endpoint in table.index(_by_endpoint)
    return known and table.get(PolicyKey(endpoint, direction)) != PolicyEntry()


# --- connections -----------------------------------------------------------------------------------


def _flow(packet: Packet) -> Flow:
    if packet.proto == "icmp":
        return Flow(packet.proto, packet.src, packet.dst, packet.sport, packet.sport)
    return Flow(packet.proto, packet.src, packet.dst, packet.sport, packet.dport)


def _answers(net: Net, skb: Skb, direction: str) -> bool:
    """Is it an answer to a connection that was admitted the other way, or an error about one?"""
    rows, packet = net.world.rows[skb.netns, maps.CT], skb.packet
    if packet.proto == "icmp" and packet.inner is not None:
        return Connection(OPPOSITE[direction], _flow(packet.inner)) in rows
    proto, src, dst, sport, dport = _flow(packet)
    return Connection(OPPOSITE[direction], Flow(proto, dst, src, dport, sport)) in rows

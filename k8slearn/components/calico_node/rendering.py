"""A policy's rules as iptables has them (felix/rules/policy.go).

Every rule of a policy becomes one rule for each protocol and peer, and a **mark** carries the decision: a rule that
fits sets the accept bit and the chain returns, the pod's own chain looks at the bit. So one chain serves all pods that
a policy selects, and several policies can be asked one after the other::

    cali-pi-knp/web/allow-api      (KubernetesNetworkPolicy web/allow-api ingress)
      -p tcp -m set --match-set cali40s:… src -m multiport --dports 80   -j MARK --set-xmark 0x10000/0x10000
      -m mark --mark 0x10000/0x10000                                     -j RETURN

iptables knows one source and one destination in a rule, and 15 ports. What asks for more (holes in an address range,
named ports beside numbers) is worked out first, by rules that set and clear two bits of their own (*blocks*).

Left out: logging, staged policies, the rate and connection limits of a workload. Calico 3.32 itself leaves out a
ClusterNetworkPolicy's rule that names a port ("named ports are not supported yet"); here it means what the API says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import NamedTuple

from k8slearn.api.policy import Peer, Policy, Ports, Rule
from k8slearn.components.calico_node import names

ACCEPT, PASS, DROP, ALL_BLOCKS, THIS_BLOCK = 0x10000, 0x20000, 0x40000, 0x80000, 0x100000
"""The bits of a packet's mark, from IptablesMarkMask 0xffff0000 on (dataplane/driver.go)."""
VERDICTS = {"Accept": (ACCEPT, "RETURN"), "Pass": (PASS, "RETURN"), "Deny": (DROP, "DROP")}
SLOTS = 15
"""So many ports a multiport match takes; a range counts twice."""


class Line(NamedTuple):
    """One rule of a chain, as Felix writes it, and what it is for."""

    text: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An ipset that a rule asks: the endpoints of a peer, or their ports of one name."""

    identity: str
    peer: Peer | None
    """None: all endpoints."""
    own: str
    """The policy's namespace."""
    port: str = ""
    protocol: str = ""
    """Of the port; empty: whichever it has."""


@dataclass(slots=True)
class Rendered:
    """The rules of one policy for one direction, and the sets that they ask."""

    lines: list[Line] = field(default_factory=list)
    sets: list[Wanted] = field(default_factory=list)


def line(action: str, match: str = "", because: str = "", *comments: str) -> Line:
    """Comments, then the match, then the action (iptables/renderer.go)."""
    said = [f'-m comment --comment "{names.UNSAFE.sub("_", comment)}"' for comment in comments]
    return Line(" ".join(filter(None, (*said, match, action))), because)


def set_mark(bits: int) -> str:
    return f"--jump MARK --set-mark {bits:#x}/{bits:#x}"


def clear_mark(bits: int) -> str:
    return f"--jump MARK --set-mark 0/{bits:#x}"


def is_set(bit: int) -> str:
    return f"-m mark --mark {bit:#x}/{bit:#x}"


def is_clear(bits: int) -> str:
    return f"-m mark --mark 0/{bits:#x}"


def policy(given: Policy, direction: str, family: str) -> Rendered:
    """One policy's chain for one direction."""
    found = Rendered()
    for rule in given.rules(direction) or ():
        for protocol, ports in _by_protocol(rule.ports):
            for peer in rule.peers or (None,):
                _rule(found, _Side(given, rule, peer, protocol, ports, direction, family))
    return commented(found, names.policy_comment(given, direction))


def commented(found: Rendered, comment: str) -> Rendered:
    """Returns at the end say nothing; the first rule says whose chain it is."""
    while found.lines and found.lines[-1].text.endswith("--jump RETURN"):
        found.lines.pop()
    first = found.lines[0] if found.lines else Line("")
    said = f'-m comment --comment "{names.UNSAFE.sub("_", comment)}"'
    own = first.text.startswith("-m comment") and first.text.split('"', 2)
    text = f'{own[0]}"{own[1]}" {said}{own[2]}' if own else f"{said} {first.text}".strip()
    found.lines[:1] = [first._replace(text=text)]
    return found


class _Side(NamedTuple):
    """One rule of Calico's: a protocol, a peer and the ports."""

    policy: Policy
    rule: Rule
    peer: Peer | None
    protocol: str
    ports: tuple[Ports, ...]
    direction: str
    family: str

    @property
    def far(self) -> str:
        """Where the peer stands in a packet."""
        return "source" if self.direction == "ingress" else "destination"

    @property
    def because(self) -> str:
        ports = ", ".join(port.part.rpartition(".")[2] for port in self.ports)
        part = self.peer.part if self.peer is not None else self.rule.part
        return f"{self.policy.title}, {part}{f' with {ports}' if ports else ''}: {self.rule.action}"


def _by_protocol(ports: tuple[Ports, ...]) -> Iterator[tuple[str, tuple[Ports, ...]]]:
    """One rule for each protocol, in order; without ports one for all."""
    if not ports:
        yield "", ()
    for protocol in sorted({port.protocol for port in ports}):
        mine = tuple(port for port in ports if port.protocol == protocol)
        every = any(not port.first and not port.name for port in mine)
        yield protocol, tuple(port for port in mine if not every)


def _rule(found: Rendered, side: _Side) -> None:
    peer = side.peer
    holes = _of_family(peer.excepts if peer is not None else (), side.family)
    blocks = _of_family(peer.blocks if peer is not None else (), side.family)
    if peer is not None and peer.by_address and not blocks:
        return
    numbers, named = _numeric(side.ports), [port.name for port in side.ports if port.name]
    worked = _Blocks(side)
    splits = list(_split(numbers))
    sets = [_named(side, name) for name in named]
    if len(splits) + len(named) > 1:
        worked.ports(splits, [names.set_name(one.identity, side.family) for one in sets])
    if len(blocks) > 1:
        worked.either([f"--{side.far} {block}" for block in blocks])
    if len(blocks[:1] * (len(blocks) == 1)) + len(holes) > 1:
        worked.neither([f"--{side.far} {hole}" for hole in holes])
    match = _matches(side, found, worked, blocks, holes, splits, sets)
    found.sets += sets
    found.lines += worked.lines
    found.lines += _decided(side, match)


def _matches(
    side: _Side,
    found: Rendered,
    worked: _Blocks,
    blocks: list[str],
    holes: list[str],
    splits: list[str],
    sets: list[Wanted],
) -> str:
    """What is left for the rule itself (`CalculateRuleMatch`)."""
    peer, egress = side.peer, side.direction == "egress"
    near = [f"--{side.far} {blocks[0]}"] if len(blocks) == 1 else []
    if peer is not None and not peer.by_address and not (egress and sets and not splits):
        wanted = Wanted(_identity(peer, side.policy), peer, side.policy.namespace)
        found.sets.append(wanted)
        where = "dst" if egress else "src"
        near.append(f"-m set --match-set {names.set_name(wanted.identity, side.family)} {where}")
    ports: list[str] = []
    if len(splits) + len(sets) == 1:
        ports = [f"-m multiport --destination-ports {split}" for split in splits]
        ports += [f"-m set --match-set {names.set_name(one.identity, side.family)} dst,dst" for one in sets]
    not_near = [f"! --{side.far} {holes[0]}"] if len(holes) == 1 and not worked.negated else []
    protocol = [f"-p {side.protocol.lower()}"] if side.protocol else []
    using = [is_set(ALL_BLOCKS)] if worked.lines else []
    return " ".join([*protocol, *near, *ports, *not_near, *using])


def _decided(side: _Side, match: str) -> Iterator[Line]:
    bit, verdict = VERDICTS[side.rule.action]
    own = [f"name={side.rule.name}"] if side.rule.name else []
    yield line(set_mark(bit), match, side.because, *own)
    yield line(f"--jump {verdict}", is_set(bit), side.because, *own)


class _Blocks:
    """Rules that work out, in two bits of the mark, what one rule cannot ask (`matchBlockBuilder`)."""

    def __init__(self, side: _Side) -> None:
        self.because = side.because
        self.protocol = f"-p {side.protocol.lower()} " if side.protocol else ""
        self.lines: list[Line] = []
        self.positive = False
        self.negated = False

    def ports(self, splits: list[str], sets: list[str]) -> None:
        numbers = [f"{self.protocol}-m multiport --destination-ports {split}" for split in splits]
        self.either([*numbers, *(f"-m set --match-set {name} dst,dst" for name in sets)])

    def either(self, matches: list[str]) -> None:
        """One of these must hold."""
        self._begin(0)
        bit = THIS_BLOCK if self.positive else ALL_BLOCKS
        self.lines += [line(set_mark(bit), match, self.because) for match in matches]
        if self.positive:
            self.lines.append(line(clear_mark(ALL_BLOCKS), is_clear(THIS_BLOCK), self.because))
        self.positive = True

    def neither(self, matches: list[str]) -> None:
        """None of these may hold."""
        self._begin(ALL_BLOCKS)
        self.lines += [line(clear_mark(ALL_BLOCKS), match, self.because) for match in matches]
        self.negated = True

    def _begin(self, bits: int) -> None:
        if not self.lines:
            text = f"--jump MARK --set-mark {bits:#x}/{ALL_BLOCKS | THIS_BLOCK:#x}"
            self.lines.append(line(text, "", self.because))


# --- ports and sets ----------------------------------------------------------------------------


def _numeric(ports: tuple[Ports, ...]) -> list[tuple[int, int]]:
    """The numbers as few ranges as they make (`SimplifyPorts`)."""
    given = [(port.first, port.last) for port in ports if port.first]
    if len(ports) <= 1 or len({n for one in given for n in one}) <= 1:
        return given
    found: list[tuple[int, int]] = []
    for first, last in sorted(given):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _split(ports: list[tuple[int, int]]) -> Iterator[str]:
    """Lists of ports that a multiport match takes."""
    taken: list[str] = []
    free = SLOTS
    for first, last in ports:
        needs = 1 if first == last else 2
        if free < needs:
            yield ",".join(taken)
            taken, free = [], SLOTS
        taken.append(str(first) if first == last else f"{first}:{last}")
        free -= needs
    if taken:
        yield ",".join(taken)


def _identity(peer: Peer, owner: Policy) -> str:
    return names.unique("s", names.selector(peer, owner.namespace))


def _named(side: _Side, name: str) -> Wanted:
    """The set of (address, port) of a container port's name; on egress only those of the peer.

    A ClusterNetworkPolicy's ``destinationNamedPort`` names no protocol: it is the pod's own port's.
    """
    peer = side.peer if side.direction == "egress" else None
    chosen = peer if peer is not None and not peer.by_address else None
    selector = _identity(chosen, side.policy) if chosen is not None else names.unique("s", "all()")
    protocol = side.protocol.lower()
    return Wanted(
        names.unique("n", f"{selector},{protocol or 'any'},{name}"), chosen, side.policy.namespace, name, protocol
    )


def _of_family(blocks: tuple[str, ...], family: str) -> list[str]:
    return [str(ip_network(block, strict=False)) for block in blocks if (":" in block) == (family == "ip6")]

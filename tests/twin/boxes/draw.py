"""Scenarios drawn at random: a wiring, addresses on it, ways between them, and then everything that people get wrong.

Each drawing has a wiring that mostly works, so that a packet comes far enough to meet what is unusual.

Left out: what the engine or this kernel does not have.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from .rules import rules
from .scenario import Line, Probe, Scenario
from .six import in_ipv6

PROBES = 28
FAMILIES = ((False,), (False,), (True,), (False, True), (False, True), (True, False))
"""In which families a scenario is numbered and asked, one after the other; True: IPv6."""


@dataclass
class End:
    """A link of a box, and where it leads."""

    box: str
    dev: str
    segment: int
    address: str = ""
    prefix: int = 24

    @property
    def cidr(self) -> str:
        return f"{self.address}/{self.prefix}"


@dataclass
class Drawing:
    """What is drawn so far."""

    random: Random
    boxes: list[str] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    top: list[str] = field(default_factory=list)
    """Lines of the machine: boxes and cables."""
    cards: list[Line] = field(default_factory=list)
    """Lines that make devices on top of those, some of them in another box."""
    typed: dict[str, list[str]] = field(default_factory=dict)
    segments: int = 0
    devices: int = 0
    extra: list[str] = field(default_factory=list)
    """Addresses worth asking that are on no segment: of loopbacks, of nobody, translated ones."""
    families: tuple[bool, ...] = (False,)
    """The values that `six` takes."""
    six: bool = False
    """Is what is typed now meant in IPv6? Everything is drawn in IPv4's words (`six.py`)."""

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def type(self, box: str, line: str) -> None:
        line = in_ipv6(line) if self.six else line
        if line:
            self.typed[box].append(line)

    def device(self, box: str) -> str:
        return f"e{sum(end.box == box for end in self.ends)}"

    def mac(self) -> str:
        self.devices += 1
        return f"02:00:00:00:{self.random.randrange(256):02x}:{self.devices:02x}"

    def cable(self, one: str, other: str, segment: int, dev: str = "") -> None:
        """A veth pair; `dev` names the first end, which then is no place for an address (a bridge's port)."""
        near = End(one, dev or self.device(one), segment)
        if not dev:
            self.ends.append(near)
        far = End(other, self.device(other), segment)
        self.ends.append(far)
        self.top.append(
            f"ip link add name {near.dev} address {self.mac()} netns {one} type veth "
            f"peer name {far.dev} address {self.mac()} netns {other}"
        )

    def on(self, box: str) -> list[End]:
        return [end for end in self.ends if end.box == box]

    def segment(self) -> int:
        self.segments += 1
        return self.segments


def draw(seed: int) -> Scenario:
    """The scenario of this seed."""
    drawing = Drawing(Random(f"boxes {seed}"))
    drawing.boxes = list("abcde")[: drawing.random.choice((2, 3, 3, 3, 4, 4, 5))]
    drawing.typed = {box: [] for box in drawing.boxes}
    for box in drawing.boxes:
        drawing.top.append(f"ip netns add {box}")
    wire(drawing)
    macvlans(drawing)
    asked: list[Probe] = []
    drawing.families = drawing.random.choice(FAMILIES)
    for six in drawing.families:
        drawing.six = six
        for part in (settings, number, up, tunnels, ways, policies, neighbours, rules):
            part(drawing)
        asked += probes(drawing, PROBES // len(drawing.families))
        drawing.extra.clear()
    accidents(drawing)
    listeners(drawing, len(drawing.families) == 2)
    lines = [Line("", text) for text in drawing.top] + drawing.cards
    lines += [
        Line(box, text) for box, typed in drawing.typed.items() for text in typed if not text.startswith("listen")
    ]
    lines += [Line(box, text) for box, typed in drawing.typed.items() for text in typed if text.startswith("listen")]
    return Scenario(tuple(lines), tuple(asked))


# --- links -----------------------------------------------------------------------------------------


def wire(drawing: Drawing) -> None:
    """Chain, star, ring, a switch, or some of each."""
    boxes = drawing.boxes
    shape = drawing.random.choice(("chain", "chain", "star", "ring", "switch", "switch", "mixed"))
    if shape == "switch" or (shape == "mixed" and len(boxes) > 2):
        switch(drawing, boxes[0], boxes[1:] if shape == "switch" else boxes[1:3])
        boxes = boxes[1:] if shape == "mixed" else []
    pairs = list(itertools.pairwise(boxes))
    if shape == "star":
        pairs = [(boxes[0], other) for other in boxes[1:]]
    if shape == "ring" and len(boxes) > 2:
        pairs.append((boxes[-1], boxes[0]))
    for one, other in pairs:
        drawing.cable(one, other, drawing.segment())
        if drawing.chance(0.06):
            drawing.cable(one, other, drawing.segment())
        elif drawing.chance(0.1) and len(boxes) > 2:
            switch(drawing, one, [other])


def macvlans(drawing: Drawing) -> None:
    """Now and then some more MACs on one card: in its own box, or each in another one."""
    cards = [end for end in drawing.ends if end.dev.startswith("e")]
    if not cards or not drawing.chance(0.25):
        return
    random, card = drawing.random, drawing.random.choice(cards)
    mode = random.choice(("bridge", "bridge", "bridge", "private", "vepa", "passthru"))
    for number in range(1 if mode == "passthru" else random.randint(1, 3)):
        own = mode if drawing.chance(0.9) else random.choice(("bridge", "private", "vepa"))
        box, dev = random.choice(drawing.boxes), f"m{number}"
        away = f" netns {box}" if box != card.box else ""
        words = f"ip link add link {card.dev} name {dev} address {drawing.mac()}{away} type macvlan mode {own}"
        drawing.cards.append(Line(card.box, words))
        drawing.ends.append(End(box, dev, card.segment))


def switch(drawing: Drawing, box: str, others: list[str]) -> None:
    """A bridge in a box, with cables to others."""
    segment, name = drawing.segment(), f"br{sum(end.dev.startswith('br') for end in drawing.on(box))}"
    drawing.type(box, f"ip link add {name} address {drawing.mac()} type bridge")
    drawing.ends.append(End(box, name, segment))
    for number, other in enumerate([*others, *([others[0]] if drawing.chance(0.1) else [])]):
        port = f"{name}p{number}"
        drawing.cable(box, other, segment, port)
        drawing.type(box, f"ip link set {port} master {name}")
        if drawing.chance(0.25):
            drawing.type(box, f"ip link set {port} type bridge_slave hairpin on")
        if not drawing.chance(0.04):
            drawing.type(box, f"ip link set {port} up")
    if drawing.chance(0.1):
        drawing.type(box, f"ip link set {name} promisc on")


def up(drawing: Drawing) -> None:
    """Once for all families."""
    if any(" lo up" in line or " e0 up" in line for typed in drawing.typed.values() for line in typed):
        return
    for box in drawing.boxes:
        if not drawing.chance(0.05):
            drawing.type(box, "ip link set lo up")
    for end in drawing.ends:
        if not drawing.chance(0.03):
            drawing.type(end.box, f"ip link set {end.dev} up")


def tunnels(drawing: Drawing) -> None:
    """VXLANs between boxes; they are segments of their own, and have IPv4 addresses, over IPv4 or IPv6.

    With IPv6 off inside: a link that speaks it reports its groups, and by that the boxes below learn of each other."""
    if (
        drawing.families not in ((False,), (True, False))
        or drawing.six != drawing.families[0]
        or not drawing.chance(0.4)
    ):
        return
    for box in drawing.boxes if not drawing.six else ():
        drawing.typed[box].insert(0, "sysctl -w net.ipv6.conf.all.disable_ipv6=1")
        drawing.typed[box].insert(1, "sysctl -w net.ipv6.conf.default.disable_ipv6=1")
    random = drawing.random
    ends = {end.box: end for end in drawing.ends if end.address and not end.dev.startswith("vx")}
    if len(ends) < 2:
        return
    members = random.sample(sorted(ends), random.randint(2, min(3, len(ends))))
    segment, number = drawing.segment(), sum(end.dev.startswith("vx") for end in drawing.ends)
    learning = random.choice(("", "", " nolearning"))
    for box in members:
        mine, far = ends[box], [ends[other] for other in members if other != box]
        name = f"vx{number}"
        words = f"id {40 + number} dstport {random.choice((4789, 4789, 8472))} local {mine.address}{learning}"
        words += f" remote {random.choice(far).address}" if drawing.chance(0.7) else ""
        words += f" dev {mine.dev}" if drawing.chance(0.2) else ""
        drawing.type(box, f"ip link add {name} address {drawing.mac()} type vxlan {words}")
        for other in far:
            if drawing.chance(0.8):
                drawing.type(box, f"bridge fdb append 00:00:00:00:00:00 dev {name} dst {other.address}")
        end = End(box, name, segment, f"10.0.{segment}.{drawing.boxes.index(box) + 1}" if not drawing.six else "")
        drawing.ends.append(end)
        if drawing.six:
            drawing.type(box, f"sysctl -w net.ipv6.conf.{name}.disable_ipv6=1")
        else:
            drawing.type(box, f"ip addr add {end.cidr} dev {name}")
        if not drawing.chance(0.03):
            drawing.type(box, f"ip link set {name} up")


# --- addresses -------------------------------------------------------------------------------------


def number(drawing: Drawing) -> None:
    """Most ends have the address that one would give them; some have another, two, or none."""
    wide = drawing.chance(0.15)
    for end in drawing.ends:
        host = drawing.boxes.index(end.box) + 1
        same = [e for e in drawing.ends if e.segment == end.segment and e.box == end.box]
        host += 10 * same.index(end)
        end.address = f"10.0.{end.segment}.{host}"
        if wide:
            end.prefix = 16
        elif drawing.chance(0.1):
            end.prefix = drawing.random.choice((16, 30, 31, 32, 28))
        if end.dev.startswith("br") and drawing.chance(0.2):
            end.address = ""
            continue
        if drawing.chance(0.03):
            end.address = f"10.0.{drawing.random.randint(1, 5)}.{host}"
        if drawing.chance(0.03):
            end.address = ""
            continue
        drawing.type(end.box, f"ip addr add {end.cidr} dev {end.dev}{' brd +' if drawing.chance(0.2) else ''}")
        if drawing.chance(0.08):
            more = f"10.0.{drawing.random.choice((end.segment, 50 + end.segment))}.{host + 100}"
            drawing.extra.append(more)
            drawing.type(end.box, f"ip addr add {more}/{drawing.random.choice((24, 24, 32))} dev {end.dev}")
    for box in drawing.boxes:
        if drawing.chance(0.2):
            own = f"172.16.0.{drawing.boxes.index(box) + 1}"
            drawing.extra.append(own)
            drawing.type(box, f"ip addr add {own}/32 dev {drawing.random.choice(('lo', 'lo', drawing.on(box)[0].dev))}")
        if drawing.chance(0.05):
            drawing.extra.append(f"172.17.{drawing.boxes.index(box)}.9")
            drawing.type(box, f"ip addr add 172.17.{drawing.boxes.index(box)}.1/24 dev lo")


# --- ways ------------------------------------------------------------------------------------------


def ways(drawing: Drawing) -> None:
    """A route from each box to each segment that is not its own; then what is wrong with them."""
    lazy = drawing.chance(0.3)
    for box in drawing.boxes:
        steps = hops(drawing, box)
        done: set[str] = set()
        for segment, via in sorted(steps.items()):
            if drawing.chance(0.08):
                continue
            dst = f"10.0.{segment}.0/24"
            if lazy and len(drawing.on(box)) == 1:
                dst = "default"
            if dst not in done:
                drawing.type(box, f"ip route add {way(drawing, box, dst, via)}")
            done.add(dst)
        for _ in range(drawing.random.choice((0, 0, 0, 1, 2))):
            drawing.type(box, odd_route(drawing, box))
    for address in [a for a in drawing.extra if a.startswith("172.")]:
        for box in drawing.boxes:
            others = [e for e in drawing.ends if e.address and e.box != box]
            near = [e for e in others if any(o.segment == e.segment for o in drawing.on(box))]
            if near and drawing.chance(0.5):
                drawing.type(box, f"ip route add {address}/32 via {drawing.random.choice(near).address}")


def hops(drawing: Drawing, start: str) -> dict[int, str]:
    """Segment -> the first neighbour on the shortest way there."""
    found: dict[int, str] = {}
    seen, todo = {start}, [(start, "")]
    own = {end.segment for end in drawing.on(start)}
    while todo:
        box, first = todo.pop(0)
        for end in drawing.on(box):
            if end.segment not in own and first:
                found.setdefault(end.segment, first)
            for far in drawing.ends:
                if far.segment == end.segment and far.box not in seen and far.address:
                    seen.add(far.box)
                    todo.append((far.box, first or far.address))
    return found


def way(drawing: Drawing, box: str, dst: str, via: str) -> str:
    random = drawing.random
    if drawing.chance(0.06):
        return f"{random.choice(('blackhole', 'unreachable', 'prohibit'))} {dst}"
    if drawing.chance(0.05):
        via = random.choice([e.address for e in drawing.ends if e.address] or [via])
    words = f"{dst} via {via}"
    if drawing.chance(0.1):
        words += f" dev {random.choice(drawing.on(box)).dev}"
    if drawing.chance(0.06):
        words += f" dev {random.choice(drawing.on(box)).dev} onlink" if " dev " not in words else " onlink"
    if drawing.chance(0.08):
        words += f" metric {random.choice((10, 100))}"
    if drawing.chance(0.08):
        words += f" src {random.choice([e.address for e in drawing.on(box) if e.address] or ['10.9.9.9'])}"
    return words


def odd_route(drawing: Drawing, box: str) -> str:
    random = drawing.random
    other = random.choice([e for e in drawing.ends if e.address] or drawing.ends)
    dev = random.choice(drawing.on(box)).dev
    near = random.choice([e.address for e in drawing.ends if e.address] or ["10.9.9.9"])
    address = other.address or "10.0.1.1"
    return random.choice(
        (
            f"ip route add {address}/32 dev {dev}",
            f"ip route add {address}/32 via {near}",
            f"ip route add 10.0.{other.segment}.0/25 via {near}",
            f"ip route add 10.0.0.0/16 via {near}",
            f"ip route add 10.0.{other.segment}.0/24 dev {dev} metric 5",
            f"ip route add default via {near}",
            f"ip route add default dev {dev}",
            f"ip route add {random.choice(('blackhole', 'unreachable', 'prohibit'))} {address}/32",
            f"ip route add unreachable default metric {random.choice((1, 4096))}",
            f"ip route replace 10.0.{other.segment}.0/24 via {near}",
            f"ip route append 10.0.{other.segment}.0/24 via {near}",
            f"ip route del 10.0.{other.segment}.0/24",
        )
    )


def policies(drawing: Drawing) -> None:
    """``ip rule``: tables of one's own for some packets.

    In IPv6 a client's way is looked up before it has a source, and kept: rules that ask for one are left out."""
    for box in drawing.boxes:
        if not drawing.chance(0.12):
            continue
        random, known = drawing.random, [end.address for end in drawing.ends if end.address] or ["10.0.1.1"]
        dev, other = random.choice(drawing.on(box)).dev, random.choice(known)
        net = f"{other.rpartition('.')[0]}.0/24"
        own = () if drawing.six else (f"from {net}", f"from {net}", f"from {other}", "iif lo")
        for _ in range(random.randint(1, 2)):
            who = random.choice((f"to {net}", f"to {other}", f"iif {dev}", "fwmark 1", "", *own))
            what = random.choice(("lookup 100", "lookup 100", "lookup 100", "prohibit", "unreachable", "blackhole"))
            if what.startswith("lookup") or who:
                drawing.type(box, f"ip rule add {who} {what} pref {random.choice((10, 100, 40000))}".replace("  ", " "))
        for _ in range(random.randint(1, 2)):
            drawing.type(
                box,
                random.choice(
                    (
                        f"ip route add default via {random.choice(known)} table 100",
                        f"ip route add {net} via {random.choice(known)} table 100",
                        f"ip route add {net} dev {dev} table 100",
                        f"ip route add {random.choice(('blackhole', 'prohibit', 'throw'))} {net} table 100",
                    )
                ),
            )
        if drawing.chance(0.1):
            drawing.type(box, f"ip rule del pref {random.choice((10, 32766))}")


def neighbours(drawing: Drawing) -> None:
    for end in drawing.ends:
        if drawing.chance(0.04):
            address = f"10.0.{end.segment}.{drawing.random.randint(1, 6)}"
            mac = f"02:00:00:00:00:{drawing.random.randrange(256):02x}"
            drawing.type(end.box, f"ip neigh add {address} lladdr {mac} dev {end.dev}")


# --- settings --------------------------------------------------------------------------------------


RARE = {
    "rp_filter": (1, 1, 2),
    "proxy_arp": (1,),
    "route_localnet": (1,),
    "accept_local": (1,),
    "arp_ignore": (1, 2, 8),
    "arp_announce": (1, 2),
    "forwarding": (0, 1),
    "promote_secondaries": (1,),
}


def settings(drawing: Drawing) -> None:
    for box in drawing.boxes:
        said = [f"net.ipv4.ip_forward={int(drawing.chance(0.9))}"]
        devs = ["all", "default", *(end.dev for end in drawing.on(box) if not end.dev.startswith("br"))]
        for name, values in RARE.items():
            if drawing.chance(0.2 if name == "rp_filter" else 0.08):
                said += [f"net.ipv4.conf.{drawing.random.choice(devs)}.{name}={drawing.random.choice(values)}"]
        if drawing.chance(0.3):
            said += ["net.bridge.bridge-nf-call-iptables=0"]
        for one in said:
            drawing.type(box, f"sysctl -w {one}")


def accidents(drawing: Drawing) -> None:
    """What happens to a network that worked."""
    for end in drawing.ends:
        if drawing.chance(0.02):
            drawing.type(end.box, f"ip link set {end.dev} down")
            if drawing.chance(0.5):
                drawing.type(end.box, f"ip link set {end.dev} up")
        elif drawing.chance(0.02) and end.address:
            drawing.type(end.box, f"ip addr del {end.cidr} dev {end.dev}")
        elif drawing.chance(0.01):
            drawing.type(end.box, f"ip link del {end.dev}")
        elif drawing.chance(0.01):
            drawing.type(end.box, f"ip route flush dev {end.dev}")


# --- who listens, who asks --------------------------------------------------------------------------


def listeners(drawing: Drawing, both: bool) -> None:
    """`both`: a socket on ``::`` hears IPv4 too."""
    for box in drawing.boxes:
        own = [end.address for end in drawing.on(box) if end.address] or ["127.0.0.1"]
        for proto, port in (("tcp", 80), ("udp", 53)):
            address = "::" if both and drawing.chance(0.8) else "0.0.0.0"
            if drawing.chance(0.15):
                address = drawing.random.choice([*own, "127.0.0.1", "10.0.77.1"])
            if not drawing.chance(0.05):
                drawing.type(box, f"listen {proto} {address} {port}")
        if drawing.chance(0.2):
            drawing.type(box, f"listen tcp {drawing.random.choice(own)} 8080")
        if drawing.chance(0.1):
            drawing.type(box, f"listen tcp {drawing.random.choice([*own, '0.0.0.0'])} 80")


DOORS = (("tcp", 80), ("tcp", 80), ("tcp", 80), ("tcp", 81), ("tcp", 8080), ("udp", 53), ("udp", 53), ("udp", 54))
DOORS += (("icmp", 0), ("icmp", 0))


def probes(drawing: Drawing, count: int) -> Iterator[Probe]:
    """From any box to any address: used ones mostly."""
    known = [end.address for end in drawing.ends if end.address]
    rare = ["127.0.0.1", "10.0.1.200", f"10.0.{drawing.segments}.99", "192.0.2.1", "10.0.1.255", *drawing.extra]
    asked: set[Probe] = set()
    for _ in range(count):
        pool = rare if drawing.chance(0.2) or not known else known
        extra = [a for a in drawing.extra if not a.startswith("10.0.")]
        if extra and drawing.chance(0.2):
            pool = extra
        proto, port = drawing.random.choice(DOORS)
        address = drawing.random.choice(pool)
        address = in_ipv6(address) if drawing.six else address
        probe = Probe(drawing.random.choice(drawing.boxes), address, port, proto)
        if probe not in asked:
            yield probe
        asked.add(probe)

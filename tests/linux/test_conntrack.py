"""conntrack's laws: NAT there and back is nothing, tuples are one's own, time only shortens; stale and full tables."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.journal import Put, World
from k8slearn.linux import conntrack, nat
from k8slearn.linux.connection import inverse, tuple_of
from k8slearn.linux.rows import Connection, Netns, Tuple
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from tests.linux.boxes import MACHINE, Rows

CLIENTS = ("10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2")
SERVERS = ("10.9.0.1", "10.9.0.2", "fd09::1", "fd09::2")
RANGES = ("172.16.0.1", "172.16.0.1-172.16.0.3", "172.16.0.1:5000-5003", ":600-603", "")
packets = st.builds(
    lambda six, proto, a, b, sport, dport: Packet(
        proto if proto != "icmp" else "icmp6" if six else "icmp",
        CLIENTS[a + 2 * six],
        SERVERS[b + 2 * six],
        sport,
        dport if proto != "icmp" else sport,
        {"tcp": "SYN", "icmp": "echo-request"}.get(proto, ""),
    ),
    st.booleans(),
    st.sampled_from(("tcp", "udp", "icmp")),
    st.integers(0, 1),
    st.integers(0, 1),
    st.sampled_from((300, 700, 40000, 40001)),
    st.sampled_from((53, 80)),
)
sources = st.sampled_from(RANGES)


def through(world: World, packet: Packet, snat: str | None = None, dnat: str | None = None) -> Packet | None:
    """A packet crosses a router that translates; what comes out, or None where it ends."""
    net, skb = Net(world), Skb(MACHINE, packet, "c0")

    if not conntrack.find(net, skb, "PREROUTING") or skb.tracked is None:
        return None
    for hook, words in (("PREROUTING", dnat), ("POSTROUTING", snat)):
        source = hook == "POSTROUTING"
        if not skb.tracked.confirmed and words is not None:
            nat.setup(net, skb, nat.range_of(words), source)
        elif source and not skb.tracked.src_done:
            nat.null_binding(net, skb)
        nat.translate(net, skb, hook)
    return skb.packet if conntrack.confirm(net, skb, "POSTROUTING") else None


def in_family(words: str, packet: Packet) -> str:
    six = packet.family == "ip6"
    return words.replace("172.16.0.", "fd16::") if six and ":" not in words else "" if six else words


def router() -> World:
    world = World()
    world.apply(Put((MACHINE, "netns", ""), Netns("r", MACHINE, True)))
    return world


ANSWERS = {"SYN": "SYN-ACK", "echo-request": "echo-reply", "": ""}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(packets, sources), min_size=1, max_size=12))
def test_an_answer_comes_back_to_who_asked_and_tuples_are_one_s_own(talk: list[tuple[Packet, str]]) -> None:
    world = router()
    for packet, words in talk:
        sent = through(world, packet, in_family(words, packet))
        if sent is None:
            continue
        back = through(world, sent._replace(**swapped(sent), flags=ANSWERS[packet.flags]))
        assert back is not None
        assert tuple_of(back) == inverse(tuple_of(packet))
        rows = conntrack.entries(world, MACHINE)
        assert len({row.reply for row in rows}) == len({row.original for row in rows}) == len(rows)
        assert len(world.table(MACHINE, "conntrack")) == 2 * len(rows)


def swapped(packet: Packet) -> dict[str, Any]:
    return {"src": packet.dst, "dst": packet.src, "sport": packet.dport, "dport": packet.sport}


@settings(max_examples=40, deadline=None)
@given(st.lists(packets, min_size=1, max_size=6), st.floats(0, 500000))
def test_time_only_shortens_what_is_remembered(talk: list[Packet], later: float) -> None:
    world = router()
    for packet in talk:
        through(world, packet)
    before = conntrack.entries(world, MACHINE)
    world.apply(Put(("clock", "now", ""), later))
    after = conntrack.entries(world, MACHINE)
    assert all(row in before for row in after)
    assert {row.original for row in after} == {row.original for row in before if row.until > later}


def test_two_clients_with_one_port_leave_by_two() -> None:
    world = router()
    sent = [through(world, Packet("udp", a, "10.9.0.1", 5000, 53), "172.16.0.1") for a in CLIENTS[:2]]
    assert [p.src for p in sent if p] == ["172.16.0.1", "172.16.0.1"]
    ports = [p.sport for p in sent if p]
    assert ports[0] == 5000
    assert ports[1] != 5000
    assert ports[1] >= 1024


def test_a_udp_client_keeps_talking_to_the_dead_until_its_entry_goes() -> None:
    """The UDP black hole: the rule is changed, the old server is gone, and the old port still goes there."""
    box = Rows()
    for line in (
        "iptables -t nat -A PREROUTING -d 10.96.0.1 -p udp -j DNAT --to-destination 10.2.0.3",
        "ip -n s addr add 10.2.0.3/24 dev eth0",
    ):
        assert box.run(line).exit_code == 0
    assert box.ask("udp", "10.96.0.1", 53, 5000) == "connected"
    for line in (
        "iptables -t nat -F",
        "iptables -t nat -A PREROUTING -d 10.96.0.1 -p udp -j DNAT --to-destination 10.2.0.2",
        "ip -n s addr del 10.2.0.3/24 dev eth0",
        "ip neigh flush dev s0",
    ):
        assert box.run(line).exit_code == 0, line
    assert box.ask("udp", "10.96.0.1", 53, 5001) == "connected"
    assert box.ask("udp", "10.96.0.1", 53, 5000) == "timeout"
    assert "dport=53 src=10.2.0.3" in box.run("conntrack -L -p udp --orig-port-src 5000").stdout
    fork = Rows()
    fork.world = box.world.fork()
    fork.world.apply(Put(("clock", "now", ""), 31.0))
    assert fork.ask("udp", "10.96.0.1", 53, 5000) == "connected"
    assert box.run("conntrack -D -p udp --orig-port-src 5000").exit_code == 0
    assert box.ask("udp", "10.96.0.1", 53, 5000) == "connected"


def entry(port: int, assured: bool) -> Connection:
    original = Tuple("udp", "10.0.0.9", "10.9.0.9", port, 53)
    return Connection(original, inverse(original), "", True, assured, until=100.0)


def fill(world: World, most: int, assured: bool, buckets: int = 262144) -> None:
    for name, value in (("max", most), ("buckets", buckets)):
        world.apply(Put((MACHINE, "sysctl", f"net.netfilter.nf_conntrack_{name}"), str(value)))
    for port in range(1, most + 1):
        row = entry(port, assured)
        for side in (row.original, row.reply):
            world.apply(Put((MACHINE, "conntrack", side), row))


def test_a_full_table_takes_no_new_connection_and_keeps_the_old() -> None:
    world = router()
    fill(world, 5, True)
    assert through(world, Packet("tcp", "10.0.0.1", "10.9.0.1", 1, 2, "SYN")) is None
    assert through(world, Packet("udp", "10.0.0.9", "10.9.0.9", 3, 53)) is not None
    world.apply(Put(("clock", "now", ""), 101.0))
    assert through(world, Packet("tcp", "10.0.0.1", "10.9.0.1", 1, 2, "SYN")) is not None


def test_what_is_not_assured_gives_way_if_it_lies_near() -> None:
    world = router()
    fill(world, 5, False, buckets=8)
    assert through(world, Packet("tcp", "10.0.0.1", "10.9.0.1", 1, 2, "SYN")) is not None
    assert 1 <= len(conntrack.entries(world, MACHINE)) <= 5


def test_udp_is_a_stream_after_two_seconds() -> None:
    """`nf_conntrack_proto_udp.c`: 30 s for a question and its answer, 120 s and ASSURED for a longer talk."""
    world = router()
    ask = Packet("udp", "10.0.0.1", "10.9.0.1", 5000, 53)
    back = Packet("udp", "10.9.0.1", "10.0.0.1", 53, 5000)
    through(world, ask)
    through(world, back)
    row = conntrack.entries(world, MACHINE)[0]
    assert (row.until, row.assured, row.replied) == (30.0, False, True)
    world.apply(Put(("clock", "now", ""), 3.0))
    through(world, ask)
    row = conntrack.entries(world, MACHINE)[0]
    assert (row.until, row.assured) == (123.0, True)


def test_sctp_goes_through_the_states_of_its_standard() -> None:
    """RFC 9260: the four-way handshake and the three-way goodbye."""
    box, seen = Rows(), list[str]()
    box.run("iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT")
    world, ends = box.world, ("10.0.0.1", "10.9.0.1", 5000, 80)
    for flags in ("INIT", "INIT-ACK", "COOKIE-ECHO", "COOKIE-ACK", "DATA", "SHUTDOWN", "SHUTDOWN-ACK"):
        a, b, sport, dport = ends if flags in ("INIT", "COOKIE-ECHO", "DATA", "SHUTDOWN") else (*ends[1::-1], 80, 5000)
        through(world, Packet("sctp", a, b, sport, dport, flags))
        seen.append(conntrack.entries(world, MACHINE)[0].state)
    assert seen == [
        *("CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "ESTABLISHED"),
        *("SHUTDOWN_SENT", "SHUTDOWN_ACK_SENT"),
    ]

"""Laws of the walk: it ends, it says the same twice, it changes nothing, and fragments are the packet again."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.journal import Put, World, drive
from k8slearn.linux import addr, frag, link, netns, route
from k8slearn.linux import socket as sockets
from k8slearn.linux.rows import Netns, Route
from k8slearn.packet import Packet
from k8slearn.trace import Attempt

BOX = "node:box"
NAMES = ("a", "b", "c")
networks = st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/24", "10.2.0.9/32", "10.3.0.0/24"])
kinds = st.sampled_from(["unicast"] * 6 + ["blackhole", "unreachable", "prohibit"])
mtus = st.sampled_from([68, 576, 1280, 1400, 1500, 9000])


def triangle(routes: list[tuple[str, str, str, str]], mtu: list[int]) -> World:
    """Three boxes, each with a cable to each other, that all forward, with these routes: (in, dst, towards, kind)."""
    world = World()
    world.apply(Put((BOX, "netns", ""), Netns("box", BOX)))
    drive(link.add_loopback(BOX), world.apply)
    for name in NAMES:
        drive(netns.add(world, BOX, name), world.apply)
        drive(link.set_up(world, f"{BOX}/{name}", "lo"), world.apply)
        world.apply(Put((f"{BOX}/{name}", "sysctl", "net.ipv4.ip_forward"), "1"))
    for n, (one, other) in enumerate((("a", "b"), ("b", "c"), ("c", "a"))):
        drive(link.add_veth(world, f"{BOX}/{one}", f"to{other}", f"{BOX}/{other}", f"to{one}", mtu[n]), world.apply)
        for host, (here, there) in enumerate(((one, other), (other, one)), 1):
            drive(link.set_up(world, f"{BOX}/{here}", f"to{there}"), world.apply)
            drive(addr.add(world, f"{BOX}/{here}", f"to{there}", f"10.0.{n}.{host}/24"), world.apply)
    for here, dst, there, kind in routes:
        if here != there:
            _way(world, f"{BOX}/{here}", f"{BOX}/{there}", f"to{there}", dst, kind)
    return world


def _way(world: World, here: str, there: str, dev: str, dst: str, kind: str) -> None:
    via = next(str(row.address) for row in world.table(there, "addr").values() if row.dev == f"to{here[-1]}")
    row = Route(dst, via, dev) if kind == "unicast" else Route(dst, kind=kind)
    drive(route.replace(world, here, row), world.apply)


def walked(world: World, *question: Any, **more: Any) -> Attempt:
    fork = world.fork()
    return drive(sockets.connect(fork, f"{BOX}/a", *question, **more), fork.apply)


names = st.sampled_from(NAMES)
ways = st.lists(st.tuples(names, networks, names, kinds), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    ways,
    st.lists(mtus, min_size=3, max_size=3),
    st.sampled_from(["10.0.1.1", "10.0.1.2", "10.2.0.9", "10.3.0.1", "10.9.9.9"]),
    st.sampled_from(["tcp", "udp", "icmp"]),
    st.sampled_from([60, 600, 1500, 4000]),
    st.sampled_from(["do", "want", "dont"]),
)
def test_every_walk_ends_and_says_the_same_twice_and_changes_nothing(
    routes: list[tuple[str, str, str, str]], mtu: list[int], dst: str, proto: str, size: int, discover: str
) -> None:
    world = triangle(routes, mtu)
    before = {place: dict(rows) for place, rows in world.tables().items()}
    first = walked(world, dst, 80, proto, size=size, discover=discover)
    assert walked(world, dst, 80, proto, size=size, discover=discover) == first
    assert {place: dict(rows) for place, rows in world.tables().items()} == before
    assert all(len([step for step in leg.steps if step.what == "route"]) < 400 for leg in first.legs)


def test_a_loop_of_routes_ends_when_the_ttl_does() -> None:
    ways = [("a", "0.0.0.0/0", "b", "unicast"), ("b", "0.0.0.0/0", "c", "unicast"), ("c", "0.0.0.0/0", "b", "unicast")]
    attempt = walked(triangle(ways, [1500] * 3), "10.9.9.9", 80, "icmp")
    assert attempt.decisive is not None
    assert (attempt.decisive.says, attempt.decisive.before.ttl) == ("TTL reached 0", 1)


@given(st.integers(69, 65535), st.integers(68, 9000), st.integers(68, 9000), st.booleans())
def test_fragments_are_the_packet_again_however_often_it_is_cut(size: int, mtu: int, less: int, six: bool) -> None:
    src, dst = ("fd00::1", "fd00::2") if six else ("10.0.0.1", "10.0.0.2")
    packet = Packet("udp", src, dst, 5, 6, size=size, df=False)
    mtu, less = (mtu + 1280, mtu + 1280) if six else (mtu, min(mtu, less))
    pieces = [last for piece in frag.split(packet, mtu, 7) for last in _again(piece, less)]
    header = frag.HEADER[packet.family]
    if len(pieces) == 1:
        assert pieces == [packet] or pieces[0].fragment is not None
        return
    reached = 0
    for piece in pieces:
        assert piece.size <= less
        assert piece.fragment is not None
        assert (piece.fragment.offset, piece.fragment.whole) == (reached, packet)
        assert piece.fragment.offset % 8 == 0
        reached += piece.size - header - (8 if six else 0)
        assert piece.fragment.more == (reached < size - header)
    assert reached == size - header
    assert frag.is_complete(pieces)
    assert not frag.is_complete(pieces[:-1])
    assert not frag.is_complete(pieces[1:])


def _again(piece: Packet, mtu: int) -> list[Packet]:
    return frag.split(piece, mtu, 7) if piece.size > mtu else [piece]

"""IP-in-IP: RFC 2003, and the way Calico uses ``tunl0``. This kernel has none: held against the standard's text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn.journal import Put, World, drive
from k8slearn.linux import link
from k8slearn.linux.rows import Netns, Socket
from k8slearn.linux.socket import connect
from k8slearn.shell import run
from k8slearn.trace import Attempt, Step

A, B = "node:a", "node:b"


def machine(world: World, scope: str) -> None:
    world.apply(Put((scope, "netns", ""), Netns(scope.removeprefix("node:"), scope, ipv6=True)))
    for command in link.add_loopback(scope):
        world.apply(command)


def do(world: World, scope: str, lines: str, stdin: str = "") -> str:
    """Run command lines; the text of the last one. An error fails the test."""
    text = ""
    for line in filter(None, map(str.strip, lines.splitlines())):
        result = drive(run(world, scope, line, stdin), world.apply)
        assert (line, result.stderr) == (line, "")
        text = result.stdout
    return text


def listen(world: World, scope: str, address: str = "0.0.0.0", port: int = 80) -> None:
    world.apply(Put((scope, "socket", ("tcp", address, port)), Socket("tcp", address, port, "web", scope)))


def ask(world: World, scope: str, dst: str, port: int = 80, proto: str = "tcp") -> Attempt:
    return drive(connect(world, scope, dst, port, proto, recording=True), world.apply)


def says(attempt: Attempt) -> str:
    return "\n".join(step.says for step in attempt.steps)


def outer(attempt: Attempt) -> Iterator[Step]:
    return (step for step in attempt.steps if step.after.proto == "ipip")


@pytest.fixture
def world() -> World:
    """Two machines on one cable, each with a pod network behind tunl0, as Calico sets it up."""
    found = World()
    machine(found, A)
    machine(found, B)
    for command in link.add_veth(found, A, "eth0", B, "eth0"):
        found.apply(command)
    for scope, own in ((A, "192.168.64.11"), (B, "192.168.64.12")):
        do(found, scope, f"ip addr add {own}/24 dev eth0\nip link set lo up\nip link set eth0 up")
    for scope, pods, other, others in (
        (A, "10.244.1.0", "192.168.64.12", "10.244.2.0"),
        (B, "10.244.2.0", "192.168.64.11", "10.244.1.0"),
    ):
        do(
            found,
            scope,
            f"""
            ip link add type ipip remote 9.9.9.9
            ip link del tunl1
            ip link set tunl0 up
            ip addr add {pods}/32 dev tunl0
            ip route add {others}/26 via {other} dev tunl0 onlink
            """,
        )
        listen(found, scope)
    return found


def test_rfc_2003_a_packet_travels_in_a_packet_with_20_bytes_more(world: World) -> None:
    attempt = ask(world, A, "10.244.2.0")
    assert attempt.ending.outcome == "connected"
    assert attempt.ending.source_seen == "10.244.1.0"
    wrapped = next(outer(attempt))
    assert (wrapped.after.src, wrapped.after.dst) == ("192.168.64.11", "192.168.64.12")
    assert wrapped.after.size == wrapped.before.size + 20
    assert wrapped.after.inner == wrapped.before
    assert (wrapped.after.ttl, wrapped.after.df) == (wrapped.before.ttl, wrapped.before.df)
    on_the_wire = [f.packet for f in attempt.frames if f.dev == "eth0" and f.packet.proto != "arp"]
    assert {packet.proto for packet in on_the_wire} == {"ipip"}
    on_the_tunnel = {(f.netns, f.direction) for f in attempt.frames if f.dev == "tunl0"}
    assert on_the_tunnel == {(A, "out"), (A, "in"), (B, "out"), (B, "in")}
    assert all(not f.packet.eth_dst for f in attempt.frames if f.dev == "tunl0")


def test_the_outer_destination_of_tunl0_is_the_next_hop_of_the_route(world: World) -> None:
    do(world, A, "ip route replace 10.244.2.0/26 via 192.168.64.99 dev tunl0 onlink")
    attempt = ask(world, A, "10.244.2.0")
    assert next(outer(attempt)).after.dst == "192.168.64.99"
    assert attempt.ending.outcome == "timeout"
    assert "nobody on eth0 has 192.168.64.99" in says(attempt)


def test_without_a_tunnel_the_answer_is_protocol_unreachable_and_with_one_that_is_down_port_unreachable(
    world: World,
) -> None:
    do(world, B, "ip link set tunl0 down")
    assert "ICMP port-unreachable" in says(ask(world, A, "10.244.2.0"))
    for command in link._forget(world, B, link.find(world, B, "tunl0")):
        world.apply(command)
    assert "ICMP proto-unreachable" in says(ask(world, A, "10.244.2.0"))


def test_the_most_exact_tunnel_takes_the_packet(world: World) -> None:
    do(world, B, "ip link add exact type ipip local 192.168.64.12 remote 192.168.64.11\nip link set exact up")
    attempt = ask(world, A, "10.244.2.0")
    assert any(f.dev == "exact" and f.direction == "in" for f in attempt.frames)
    do(world, B, "ip link set exact down")
    assert not any(f.dev == "exact" for f in ask(world, A, "10.244.2.0").frames)


def test_rp_filter_looks_at_what_comes_out_of_the_tunnel(world: World) -> None:
    do(world, B, "sysctl -w net.ipv4.conf.all.rp_filter=1\nip route del 10.244.1.0/26")
    do(world, B, "ip route add 10.244.1.0/26 via 192.168.64.11 dev eth0")
    assert ask(world, A, "10.244.2.0").ending.outcome == "timeout"


def test_the_mtu_is_20_less_than_that_of_the_device_below(world: World) -> None:
    do(world, A, "ip link set eth0 mtu 1400\nip link add t5 type ipip local 192.168.64.11 remote 192.168.64.12")
    assert link.find(world, A, "t5").mtu == 1380
    assert link.find(world, A, "tunl0").mtu == 1480


def test_a_tunnel_whose_other_end_is_behind_itself_is_a_dead_loop_and_ends(world: World) -> None:
    do(
        world,
        A,
        """
        ip link add t1 type ipip local 192.168.64.11 remote 10.5.0.1
        ip link add t2 type ipip local 192.168.64.11 remote 10.6.0.1
        ip link set t1 up
        ip link set t2 up
        ip route add 10.6.0.1/32 dev t1
        ip route add 10.5.0.1/32 dev t2
        ip route add 10.7.0.0/24 dev t1
        """,
    )
    attempt = ask(world, A, "10.7.0.9")
    assert "Dead loop on virtual device" in says(attempt)
    do(world, A, "ip route add 10.8.0.0/24 dev t1\nip route replace 10.5.0.1/32 dev t1")
    assert "the way to the tunnel's other end 10.5.0.1 is the tunnel itself" in says(ask(world, A, "10.8.0.9"))


def test_an_icmp_error_about_an_outer_packet_is_told_with_the_next_packet_ipip_err(world: World) -> None:
    do(world, A, "ip link add t1 type ipip local 192.168.64.11 remote 192.168.64.12\nip link set t1 up")
    do(world, A, "ip route add 10.9.0.0/24 dev t1")
    do(world, B, "ip link set tunl0 down")
    attempt = ask(world, A, "10.9.0.1")
    assert attempt.ending == attempt.ending._replace(outcome="unreachable", error="No route to host")
    assert "remembers that its other end cannot be reached" in says(attempt)
    assert [leg.attempt for leg in attempt.legs if leg.name == "SYN"] == [0, 1]


CALICO_DETAILS = (
    "2: tunl0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN mode DEFAULT group default qlen 1000\n"
    "    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0  allmulti 0 minmtu 0 maxmtu 0 \n"
    "    ipip any remote any local any ttl inherit nopmtudisc addrgenmode eui64 numtxqueues 1 numrxqueues 1 "
)
"""Recorded in a pod of a Calico cluster (iproute2 6.1's ``allmulti`` added; what follows depends on the kernel)."""


def test_recorded_tunl0_is_in_every_namespace_of_a_machine_with_the_module(world: World) -> None:
    do(world, A, "ip netns add x")
    assert do(world, A, "ip -n x -d link show tunl0").startswith(CALICO_DETAILS)
    assert do(world, A, "ip -n x tunnel") == "tunl0: any/ip remote any local any ttl inherit nopmtudisc\n"
    assert do(world, A, "ip link del tunl0\nip -br link show tunl0").startswith(
        "tunl0@NONE       UNKNOWN        0.0.0.0"
    )


def test_documented_words_of_ip_tunnel_and_ip_link_make_the_same_devices(world: World) -> None:
    do(world, A, "ip tunnel add tun0 mode ipip local 192.0.2.1 remote 198.51.100.3 ttl 64 dev eth0")
    line = "tun0: ip/ip remote 198.51.100.3 local 192.0.2.1 dev eth0 ttl 64\n"
    assert do(world, A, "ip tunnel show tun0") == line
    assert "@eth0: <POINTOPOINT,NOARP> mtu 1480" in do(world, A, "ip link show tun0")
    assert "ipip ipip remote 198.51.100.3 local 192.0.2.1 dev eth0 ttl 64 pmtudisc" in do(
        world, A, "ip -d link show tun0"
    )
    do(world, A, "ip tunnel change tun0 remote 198.51.100.4\nip link set tun0 type ipip ttl 9")
    assert do(world, A, "ip tunnel show tun0") == line.replace(".3", ".4").replace("64", "9")
    again = drive(run(world, A, "ip link add t9 type ipip local 192.0.2.1 remote 198.51.100.4 dev eth0"), world.apply)
    assert (again.stderr, again.exit_code) == ("RTNETLINK answers: File exists\n", 2)
    do(world, A, "ip tunnel del tun0")


def test_a_tunnel_that_moves_away_sends_from_its_home(world: World) -> None:
    do(
        world,
        A,
        """
        ip netns add x
        ip link add t1 type ipip local 192.168.64.11 remote 192.168.64.12
        ip link set t1 netns x
        ip -n x link set t1 up
        ip -n x addr add 10.9.0.1/24 dev t1
        """,
    )
    do(world, B, "ip addr add 10.9.0.2/32 dev tunl0\nip route add 10.9.0.0/24 via 192.168.64.11 dev tunl0 onlink")
    attempt = ask(world, f"{A}/x", "10.9.0.2")
    assert attempt.ending.outcome == "connected"
    assert {f.netns for f in attempt.frames if f.dev == "t1"} == {f"{A}/x"}
    assert "link-netns" in do(world, A, "ip -n x link show t1")


@given(st.sampled_from(["", "ttl 5", "ttl inherit", "nopmtudisc", "dev eth0", "mode ipip"]), st.booleans())
def test_making_and_deleting_a_tunnel_leaves_the_world_as_it_was(words: str, moved: bool) -> None:
    world = World()
    machine(world, A)
    do(world, A, "ip link add eth0 type veth peer name eth1\nip netns add x\nip link add type ipip remote 9.9.9.9")
    before = {place: dict(rows) for place, rows in world.tables().items()}
    do(world, A, f"ip link add t5 type ipip local 192.0.2.1 remote 192.0.2.2 {words}")
    if moved:
        do(world, A, "ip link set t5 netns x\nip -n x link del t5")
    else:
        do(world, A, "ip link set t5 name t6\nip link del t6")
    assert {place: dict(rows) for place, rows in world.tables().items()} == before


def test_rfc_2003_a_tunnel_learns_of_a_smaller_mtu_on_its_way_and_tells_the_inner_sender() -> None:
    """A, a router with a smaller link behind it, and B: RFC 2003, section 5.1."""
    small = World()
    for scope in (A, "node:r", B):
        machine(small, scope)
    for one, other in ((A, "node:r"), ("node:r", B)):
        for command in link.add_veth(small, one, f"to-{other[5:]}", other, f"to-{one[5:]}"):
            small.apply(command)
    do(
        small,
        "node:r",
        "ip link set to-b mtu 1300\nip link set to-a up\nip link set to-b up\nsysctl -w net.ipv4.ip_forward=1",
    )
    do(small, "node:r", "ip addr add 10.1.0.254/24 dev to-a\nip addr add 10.2.0.254/24 dev to-b")
    for scope, own, far in ((A, "10.1.0.1", "10.2.0.1"), (B, "10.2.0.1", "10.1.0.1")):
        do(small, scope, f"ip link set lo up\nip link set to-r up\nip addr add {own}/24 dev to-r")
        do(small, scope, f"ip route add default via {own[:5]}0.254".replace("0.0.", "0."))
        do(small, scope, f"ip link add t type ipip local {own} remote {far}\nip link set t up")
    do(small, A, "ip addr add 172.16.1.1/24 dev t\nip route add 172.16.2.0/24 dev t")
    do(small, B, "ip addr add 172.16.2.1/24 dev t\nip route add 172.16.1.0/24 dev t")

    def ping(size: int) -> Attempt:
        walk = connect(small, A, "172.16.2.1", 0, "icmp", size=size, discover="do", recording=True)
        return drive(walk, small.apply)

    assert ping(1200).ending.outcome == "connected"
    first, second = ping(1400), ping(1400)
    assert "tells 10.1.0.1: ICMP frag-needed" in says(first)
    assert "1400 bytes and 20 more do not fit on the way" in says(second)
    assert any(step.after.flags == "frag-needed" and step.after.mtu == 1280 for step in second.steps)
    assert ping(1280).ending.outcome == "connected"

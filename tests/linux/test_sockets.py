"""Sockets: who may listen where, in the kernel's words; closed ports; how often a client knocks."""

from __future__ import annotations

import socket as s
from random import Random
from typing import Any

import pytest

from k8slearn.errors import CommandError
from k8slearn.journal import Put, drive
from k8slearn.linux import socket
from k8slearn.linux.rows import Socket
from tests.linux.boxes import MACHINE, Rows, boxes

ADDRESSES = ("0.0.0.0", "::", "127.0.0.1", "::1", "10.2.0.2", "10.9.9.9", "127.0.0.9", "fe80::1", "2001:db8::1")
WIRE = "ip link set lo up", "ip link add v0 type veth peer name v1", "ip addr add 10.2.0.2/24 dev v0"


@pytest.mark.root
@pytest.mark.parametrize("seed", range(6))
def test_who_may_bind_what_is_as_the_kernel_has_it(seed: int) -> None:
    rng, box = Random(seed), Rows(ipv6=True)
    with boxes("b") as there:
        for line in WIRE:
            assert box.run(line).exit_code == 0
            assert there.run("b", line).returncode == 0
        held: list[s.socket] = []
        for _ in range(40):
            proto, address = rng.choice(("tcp", "udp")), rng.choice(ADDRESSES)
            row = Socket(proto, address, rng.choice((80, 81)), "py", "b", v6only=":" in address and rng.random() < 0.4)
            held.append(there.socket("b", s.AF_INET6 if ":" in address else s.AF_INET, KIND[proto]))
            assert (row, refused(box, row)) == (row, real(held[-1], row))
        for one in held:
            one.close()


KIND = {"tcp": s.SOCK_STREAM, "udp": s.SOCK_DGRAM}


def refused(box: Rows, row: Socket) -> str:
    try:
        drive(socket.bind(box.world, MACHINE, row), box.world.apply)
    except CommandError as error:
        return error.stderr
    return ""


def real(sock: s.socket, row: Socket) -> str:
    try:
        if ":" in row.address:
            sock.setsockopt(s.IPPROTO_IPV6, s.IPV6_V6ONLY, int(row.v6only))
        sock.bind((row.address, row.port))
        if row.proto == "tcp":
            sock.listen()
    except OSError as error:
        sock.close()
        return f"py: bind: {error.strerror}\n"
    return ""


def test_a_listener_on_two_colons_takes_both_families_unless_it_is_v6only() -> None:
    box = Rows(ipv6=True)
    world = box.world
    world.apply(Put((MACHINE, "socket", ("tcp", "::", 80)), Socket("tcp", "::", 80, "a", "a")))
    world.apply(Put((MACHINE, "socket", ("tcp", "::", 81)), Socket("tcp", "::", 81, "b", "b", v6only=True)))
    assert [found(box, address, 80) for address in ("10.0.0.1", "fd00::1")] == ["a", "a"]
    assert [found(box, address, 81) for address in ("10.0.0.1", "fd00::1")] == [None, "b"]
    world.apply(Put((MACHINE, "socket", ("tcp", "0.0.0.0", 81)), Socket("tcp", "0.0.0.0", 81, "c", "c")))
    assert found(box, "10.0.0.1", 81) == "c"


def found(box: Rows, address: str, port: int) -> str | None:
    row = socket.listener(box.world, MACHINE, "tcp", address, port)
    return row and row.program


def test_closed_ports_answer_in_their_protocol_s_words() -> None:
    """RST, ICMP port unreachable, and for SCTP ABORT (RFC 9260, 8.4: an INIT for nobody)."""
    box = Rows()
    for proto, word in (("tcp", "RST-ACK"), ("udp", "port-unreachable"), ("sctp", "ABORT")):
        talk = drive(socket.connect(box.world, f"{MACHINE}/c", "10.2.0.2", 99, proto, recording=True), box.world.apply)
        assert (talk.ending.outcome, talk.ending.error) == ("refused", "Connection refused")
        assert any(frame.packet.flags == word for frame in talk.frames)


def test_a_conversation_is_closed_only_when_it_is_really_held() -> None:
    box = Rows()
    asked: Any = drive(socket.connect(box.world, f"{MACHINE}/c", "10.2.0.2", 80), lambda command: None)
    held = drive(socket.connect(box.world, f"{MACHINE}/c", "10.2.0.2", 80, recording=True), box.world.apply)
    assert [leg.name for leg in asked.legs] == [leg.name for leg in held.legs]
    seen = [frame.packet.flags for frame in held.frames if (frame.netns, frame.dev) == (f"{MACHINE}/s", "eth0")]
    assert seen[-8:] == ["SYN", "SYN-ACK", "ACK", "PSH-ACK", "PSH-ACK", "FIN-ACK", "FIN-ACK", "ACK"]


@pytest.mark.parametrize(
    ("linear", "times"),
    [(4, (0, 1, 2, 3, 4)), (0, (0, 1, 3)), (1, (0, 1, 2, 4)), (2, (0, 1, 2, 3)), (9, (0, 1, 2, 3, 4))],
)
def test_a_client_knocks_as_often_as_its_kernel_is_told(linear: int, times: tuple[int, ...]) -> None:
    box = Rows()
    box.world.apply(Put((MACHINE, "sysctl", "net.ipv4.tcp_syn_linear_timeouts"), str(linear)))
    assert socket.syn_times(box.world, MACHINE) == times


def test_long_requests_and_answers_arrive_whole() -> None:
    box = Rows()
    for proto, port in (("tcp", 80), ("udp", 53)):
        talk = drive(
            socket.connect(box.world, f"{MACHINE}/c", "10.2.0.2", port, proto, path="/bytes/4000", padding=3000),
            box.world.apply,
        )
        assert (talk.ending.outcome, len(talk.ending.payload)) == ("connected", 4000)

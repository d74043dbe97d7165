"""Programs at a device's hooks and at connect(): what they are shown, and what they may do with it."""

from __future__ import annotations

import pytest

from k8slearn.journal import Key, Put, World, drive
from k8slearn.linux import attempt, bpf, link, qdisc
from k8slearn.linux.bpf import OK, Connect, Instead, Program
from k8slearn.linux.rows import Link, Netns, Socket
from k8slearn.linux.skb import Net, Skb
from k8slearn.shell import run
from k8slearn.trace import Attempt, Because

MACHINE = "m"
LINES = """
ip netns add a
ip netns add b
ip link add la type veth peer name eth0 netns a
ip link add lb type veth peer name eth0 netns b
ip link set la up
ip link set lb up
ip -n a addr add 10.0.0.1/24 dev eth0
ip -n b addr add 10.0.0.2/24 dev eth0
ip -n a link set eth0 up
ip -n b link set eth0 up
ip -n a neigh add 10.0.0.2 lladdr 02:00:00:00:00:0b dev eth0 nud permanent
ip -n b neigh add 10.0.0.1 lladdr 02:00:00:00:00:0a dev eth0 nud permanent
"""
WHY = Because((MACHINE, "map", "pods"), "pods: 10.0.0.1 la, 10.0.0.2 lb")


def machine() -> World:
    """Two namespaces, each on a cable of its own to the machine, which neither bridges nor routes."""
    world = World()
    world.apply(Put((MACHINE, "netns", ""), Netns(MACHINE, MACHINE)))
    drive(link.add_loopback(MACHINE), world.apply)
    for line in filter(None, LINES.splitlines()):
        assert drive(run(world, MACHINE, line), world.apply).exit_code == 0, line
    world.apply(Put((f"{MACHINE}/b", "socket", ("tcp", "0.0.0.0", 80)), Socket("tcp", "0.0.0.0", 80, "b", "b", "b")))
    return world


def to_the_pod(how: str) -> Program:
    """Whatever comes out of one namespace goes into the other, wherever its MAC says."""

    def run(net: Net, skb: Skb, link: Link) -> bool:
        if skb.packet.proto == "arp":
            return OK
        dev = {"10.0.0.1": "la", "10.0.0.2": "lb"}[skb.packet.dst]
        far: Link = net.world.rows[f"{MACHINE}/{dev[-1]}", "link"]["eth0"]
        frame = skb.packet.framed(link.mac, far.mac)
        send = {"redirect": bpf.redirect, "peer": bpf.redirect_peer}[how]
        return send(net, skb, dev, frame, f"to {dev}", WHY)

    return Program("to_the_pod", run)


def attach(world: World, program: Program, hook: str = "ingress") -> None:
    for dev in ("la", "lb"):
        drive(bpf.attach(MACHINE, dev, hook, program), world.apply)


def ask(world: World, dst: str = "10.0.0.2", port: int = 80) -> Attempt:
    fork = world.fork()
    return drive(attempt.connect(fork, f"{MACHINE}/a", dst, port), fork.apply)


def test_without_a_program_nothing_joins_the_two() -> None:
    assert ask(machine()).ending.outcome == "timeout"


@pytest.mark.parametrize("how", ["redirect", "peer"])
def test_a_program_carries_packets_that_no_bridge_and_no_route_would(how: str) -> None:
    world = machine()
    attach(world, to_the_pod(how))
    found = ask(world)
    assert (found.ending.outcome, found.ending.source_seen) == ("connected", "10.0.0.1")
    said = [step for leg in found.legs for step in leg.steps if step.because == WHY]
    assert [step.says for step in said] == ["to lb", "to la", "to lb", "to lb", "to la"]
    assert not any(
        step.what in ("bridge", "route") and step.where == MACHINE for leg in found.legs for step in leg.steps
    )


def test_a_program_may_let_a_packet_go_on_as_ever_or_end_it() -> None:
    def shoot(net: Net, skb: Skb, link: Link) -> bool:
        return bpf.drop(net, skb, "not with me", WHY, link.name)

    def watch(net: Net, skb: Skb, link: Link) -> bool:
        return OK

    world = machine()
    attach(world, Program("watch", watch))
    assert ask(world).ending.outcome == "timeout"
    attach(world, Program("shoot", shoot))
    last = ask(world).decisive
    assert last is not None
    assert (last.says, last.because, last.reason) == ("not with me", WHY, "TC_INGRESS")


def test_a_program_on_the_way_out_sees_what_the_machine_sends() -> None:
    def no(net: Net, skb: Skb, link: Link) -> bool:
        if skb.packet.dst == "10.0.0.2":
            return bpf.drop(net, skb, "nothing for b", WHY, link.name)
        return OK

    world = machine()
    attach(world, to_the_pod("redirect"))
    attach(world, Program("no", no), "egress")
    assert ask(world).ending.outcome == "timeout"
    attach(world, to_the_pod("peer"))
    assert ask(world).ending.outcome == "connected", "a redirect to the peer passes no queue and no egress hook"


def test_a_socket_is_told_another_address_before_there_is_a_packet() -> None:
    def elsewhere(net: Net, netns: str, dst: str, port: int, proto: str) -> Instead | None:
        return Instead("10.0.0.2", 80, WHY) if (dst, port, proto) == ("10.96.0.10", 8080, "tcp") else None

    world = machine()
    attach(world, to_the_pod("peer"))
    drive(bpf.attach_sockets(MACHINE, Connect("sock4_connect", elsewhere)), world.apply)
    found = ask(world, "10.96.0.10", 8080)
    assert (found.ending.outcome, found.ending.destination_seen) == ("connected", "10.0.0.2:80")
    assert found.legs[0].name == "connect"
    packets = [step.before for leg in found.legs[1:] for step in leg.steps]
    assert packets
    assert all("10.96.0.10" not in (packet.src, packet.dst) for packet in packets)
    assert ask(world).legs[0].name == "SYN", "what the program does not know is asked as it was"


def test_programs_go_with_their_clsact_and_tc_names_it() -> None:
    world = machine()
    before = {place: dict(rows) for place, rows in world.tables().items()}
    attach(world, to_the_pod("peer"))
    key: Key = qdisc.key(MACHINE, "la", "ingress")
    assert world.get(key).kind == "clsact"
    shown = drive(run(world, MACHINE, "tc qdisc show dev la"), world.apply).stdout
    assert "qdisc clsact ffff: parent ffff:fff1" in shown
    for dev in ("la", "lb"):
        drive(bpf.detach(world, MACHINE, dev), world.apply)
    assert {place: dict(rows) for place, rows in world.tables().items()} == before

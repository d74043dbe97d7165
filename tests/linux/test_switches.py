"""Laws of bridges, VLANs and VXLANs, and what this kernel lacks, held against the standard."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import shell
from k8slearn.journal import Put, World, drive
from k8slearn.linux import bridge, fdb, fib, link, path, socket
from k8slearn.linux.rows import Netns
from k8slearn.linux.skb import Net
from k8slearn.packet import Packet

M = "node:m"
PORTS = ("p1", "p2", "p3", "p4")
MACS = tuple(f"02:00:00:00:00:0{n}" for n in range(1, 6))


def machine() -> World:
    world = World()
    world.apply(Put((M, "netns", ""), Netns("m", M)))
    for command in link.add_loopback(M):
        world.apply(command)
    return world


def run(world: World, script: str) -> str:
    said = ""
    for line in filter(None, map(str.strip, script.splitlines())):
        result = drive(shell.run(world, M, line), world.apply)
        assert result.exit_code == 0, (line, result.stderr)
        said = result.stdout
    return said


def pods(*names: str, more: str = "") -> World:
    """Namespaces with eth0 on br0; pod `a` has 10.0.0.1, `b` 10.0.0.2, ..."""
    world = machine()
    run(world, "ip link add br0 type bridge\nip link set br0 up")
    for number, name in enumerate(names, 1):
        run(
            world,
            f"""ip netns add {name}
            ip link add eth0 netns {name} type veth peer name {name}0
            ip link set {name}0 master br0
            ip link set {name}0 up
            ip -n {name} link set eth0 up
            ip -n {name} addr add 10.0.0.{number}/24 dev eth0""",
        )
    run(world, more)
    return world


def pings(world: World, source: str, dst: str) -> str:
    return drive(socket.ping(world, f"{M}/{source}" if source else M, dst), world.apply).ending.outcome


frames = st.lists(
    st.tuples(st.sampled_from(PORTS), st.sampled_from(MACS), st.sampled_from((*MACS, "ff:ff:ff:ff:ff:ff"))), max_size=30
)


def switch_of(ports: tuple[str, ...]) -> World:
    world = machine()
    run(world, "ip link add br0 type bridge\nip link set br0 up")
    for port in ports:
        run(world, f"ip link add {port} type veth peer name {port}x\nip link set {port} master br0")
        run(world, f"ip link set {port} up\nip link set {port}x up")
    return world


@settings(max_examples=40, deadline=None)
@given(frames, st.sets(st.sampled_from(PORTS)))
def test_a_bridge_knows_what_a_brute_force_model_knows_and_never_sends_back(sent: Any, hairpin: Any) -> None:
    world, model = switch_of(PORTS), dict[str, str]()
    for port in hairpin:
        run(world, f"bridge link set dev {port} hairpin on")
    for port, src, dst in sent:
        net = Net(world, recording=True)
        frame = Packet("udp", "10.0.0.1", "10.0.0.2", 1, 2, eth_src=src, eth_dst=dst)
        came_by = fib.link(world, M, port)
        assert came_by is not None
        bridge.handle_frame(net, M, came_by, frame)
        model[src] = port
        out = {f.dev for f in net.frames if f.direction == "out" and f.dev in PORTS}
        assert port not in out - hairpin
        if dst in model:
            assert out == ({model[dst]} if model[dst] != port or port in hairpin else set())
    learned = {row.mac: row.port for row in world.table(M, "fdb").values()}
    assert learned == model


KINDS = ("bridge", "dummy", "ifb", "vxlan id 7 dstport 0 remote 10.0.0.9", "veth peer name y", "bridge ageing_time 5")


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_that_came_and_went_leaves_the_world_as_it_was(kind: str) -> None:
    world = pods("a")
    run(world, "ip link set lo up")
    before = {key: dict(rows) for key, rows in world.tables().items()}
    run(world, f"ip link add x type {kind}\nip link set x up\nip addr add 10.5.0.1/24 dev x\nip link del x")
    assert {key: dict(rows) for key, rows in world.tables().items()} == before


edges = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=7)


@settings(max_examples=30, deadline=None)
@given(edges, st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=4))
def test_no_walk_over_bridges_and_vxlans_runs_for_ever(cables: Any, tunnels: Any) -> None:
    world = machine()
    run(world, "ip addr add 192.168.0.1/24 dev lo\nip link set lo up")
    for n in range(4):
        run(world, f"ip link add b{n} type bridge\nip link set b{n} up\nip addr add 10.{n}.0.1/24 dev b{n}")
    for n, (one, other) in enumerate(cables):
        run(world, f"ip link add c{n} type veth peer name d{n}\nip link set c{n} master b{one} up")
        run(world, f"ip link set d{n} master b{other} up")
    for n, (on, vni) in enumerate(tunnels):
        run(world, f"ip link add v{n} type vxlan id {n + vni * 10} dstport 0 remote 192.168.0.1")
        run(world, f"ip link set v{n} master b{on} up")
        run(world, f"bridge fdb append 00:00:00:00:00:00 dev v{n} dst 192.168.0.1 vni {vni * 10}")
    attempt = drive(socket.ping(world, M, "10.0.0.77"), world.apply)
    assert len(attempt.steps) < 20_000


def test_an_entry_that_was_not_heard_of_for_300_seconds_is_forgotten_and_flooded() -> None:
    world = pods("a", "b")
    assert pings(world, "a", "10.0.0.2") == "connected"
    assert "dev b0 master br0 \n" in run(world, "bridge fdb show br br0")
    world.apply(Put(("clock", "now", ""), 299.0))
    assert "used 299/299" in run(world, "bridge -s fdb show dynamic")
    world.apply(Put(("clock", "now", ""), 300.0))
    assert run(world, "bridge fdb show dynamic") == ""
    attempt = drive(socket.ping(world, f"{M}/a", "10.0.0.2"), world.apply)
    assert any("floods" in step.says for step in attempt.steps)
    assert run(world, "bridge -s fdb show dynamic").count("used 0/0") == 2


def test_a_vxlan_entry_ages_as_its_device_says() -> None:
    world = machine()
    run(
        world,
        """ip link add x type vxlan id 1 dstport 0 ageing 10
        bridge fdb add 02:00:00:00:00:01 dev x dst 10.0.0.2 dynamic""",
    )
    world.apply(Put(("clock", "now", ""), 9.0))
    assert "10.0.0.2" in run(world, "bridge fdb show dev x")
    world.apply(Put(("clock", "now", ""), 10.0))
    assert run(world, "bridge fdb show dev x") == ""


# --- VLAN filtering: 802.1Q and br_vlan.c, which this kernel lacks ----------------------------------

FILTER = "ip link set br0 type bridge vlan_filtering 1\n"
TWO = "bridge vlan add dev a0 vid 10 pvid untagged\nbridge vlan add dev b0 vid 20 pvid untagged\n"


def test_a_bridge_that_filters_joins_the_same_ports_as_long_as_nobody_says_more() -> None:
    world = pods("a", "b", more=FILTER)
    assert pings(world, "a", "10.0.0.2") == "connected"
    assert run(world, "bridge vlan show dev a0") == (
        "port              vlan-id  \na0                1 PVID Egress Untagged\n"
    )
    assert "dev b0 vlan 1 master br0" in run(world, "bridge fdb show br br0")


def test_two_vlans_on_one_bridge_do_not_hear_each_other() -> None:
    world = pods("a", "b", "c", more=FILTER + TWO + "bridge vlan add dev c0 vid 10 pvid untagged")
    assert pings(world, "a", "10.0.0.2") != "connected"
    assert pings(world, "a", "10.0.0.3") == "connected"
    run(world, "bridge vlan del dev c0 vid 10")
    assert pings(world, "a", "10.0.0.3") != "connected"


def test_frames_keep_their_tag_on_a_trunk() -> None:
    world = pods("a", "b", more=FILTER + TWO + "ip link add t type veth peer name u\nip link set t master br0")
    run(world, "ip link set t up\nip link set u up\nbridge vlan add dev t vid 10-20\nbridge vlan del dev t vid 1")
    for source, tag in (("a0", 10), ("b0", 20)):
        net = Net(world, recording=True)
        port = fib.link(world, M, source)
        assert port is not None
        frame = Packet(
            "arp", "10.0.0.1", "10.0.0.99", flags="who-has", eth_src="02:00:00:00:00:77", eth_dst="ff:ff:ff:ff:ff:ff"
        )
        bridge.handle_frame(net, M, port, frame)
        assert [f.packet.tag for f in net.frames if f.dev == "t"] == [tag]
    listed = run(world, "bridge -j vlan show dev t")
    assert listed.startswith('[{"ifname":"t","vlans":[{"vlan":10},{"vlan":11}')


def test_the_machine_itself_is_in_a_vlan_by_self() -> None:
    world = pods("a", more=FILTER + "bridge vlan add dev a0 vid 10 pvid untagged\nip addr add 10.0.0.9/24 dev br0")
    assert pings(world, "a", "10.0.0.9") != "connected"
    run(world, "bridge vlan add dev br0 vid 10 self pvid untagged")
    assert pings(world, "a", "10.0.0.9") == "connected"


def test_without_filtering_nothing_is_kept_apart() -> None:
    world = pods("a", "b", more=TWO)
    assert pings(world, "a", "10.0.0.2") == "connected"


# --- dummy, ifb, counters ----------------------------------------------------------------------------


def test_a_dummy_swallows_and_still_lends_its_address() -> None:
    world = pods(
        "a",
        more="ip link add d type dummy\nip addr add 10.7.0.1/24 dev d\nip link set d up\n"
        "ip addr add 10.0.0.9/24 dev br0",
    )
    run(world, "ip -n a route add default via 10.0.0.9")
    assert pings(world, "a", "10.7.0.1") == "connected"
    assert pings(world, "", "10.7.0.2") != "connected"
    assert "d: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UNKNOWN" in run(world, "ip link show d")


def test_a_device_counts_what_it_sent_and_received() -> None:
    world = pods("a", "b")
    drive(socket.connect(world, f"{M}/a", "10.0.0.2", 0, "icmp", recording=True), world.apply)
    said = run(world, "ip -s link show a0").splitlines()
    assert [line.split()[1] for line in (said[3], said[5])] == ["2", "2"]
    assert fdb.entries(world, M, path.fib.link(world, M, "br0"))  # type: ignore[arg-type]

"""vlan (IEEE 802.1Q) and ipvlan (the kernel's Documentation/networking/ipvlan.rst): this kernel has neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn.journal import World, drive
from k8slearn.linux import link
from k8slearn.shell import run
from tests.linux.test_tunnels import A, B, ask, do, listen, machine, says


@pytest.fixture
def world() -> World:
    """Two machines on one cable, both up."""
    found = World()
    machine(found, A)
    machine(found, B)
    for command in link.add_veth(found, A, "eth0", B, "eth0"):
        found.apply(command)
    for scope, own in ((A, "10.0.0.1"), (B, "10.0.0.2")):
        do(found, scope, f"ip link set lo up\nip link set eth0 up\nip addr add {own}/24 dev eth0")
        listen(found, scope)
    return found


def tagged(world: World, number: int = 10, far: int = 10) -> None:
    for scope, own, vid in ((A, "10.10.0.1", number), (B, "10.10.0.2", far)):
        do(world, scope, f"ip link add link eth0 name eth0.10 type vlan id {vid}\nip link set eth0.10 up")
        do(world, scope, f"ip addr add {own}/24 dev eth0.10")


def refused(world: World, line: str, scope: str = A) -> str:
    return drive(run(world, scope, line), world.apply).stderr


# --- vlan: 802.1Q ------------------------------------------------------------------------------


def test_802_1q_a_tag_is_put_on_and_taken_off(world: World) -> None:
    tagged(world)
    attempt = ask(world, A, "10.10.0.2")
    assert attempt.ending.outcome == "connected"
    assert {f.packet.tag for f in attempt.frames if f.dev == "eth0"} == {10}
    assert {f.packet.tag for f in attempt.frames if f.dev == "eth0.10"} == {0}
    assert {f.packet.tag for f in ask(world, A, "10.0.0.2").frames} == {0}


def test_802_1q_another_tag_and_no_tag_are_not_seen(world: World) -> None:
    tagged(world, 10, 20)
    attempt = ask(world, A, "10.10.0.2")
    assert attempt.ending.outcome == "unreachable"
    assert "no vlan on eth0 has the id 10" in says(attempt)


def test_802_1q_a_full_packet_fits_with_its_tag(world: World) -> None:
    tagged(world)
    assert drive(run(world, A, "ping -c 1 -s 1472 10.10.0.2"), world.apply).exit_code == 0


def test_a_vlan_goes_up_and_down_with_the_device_below(world: World) -> None:
    assert _down_below(world) == "RTNETLINK answers: Network is down\n"
    tagged_up = do(world, A, "ip link set eth0 up\nip link show eth0.10")
    assert "<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500" in tagged_up
    assert "eth0.10@eth0: <BROADCAST,MULTICAST,M-DOWN>" in do(world, A, "ip link set eth0 down\nip link show eth0.10")
    do(world, A, "ip link set eth0 up")
    do(world, B, "ip link set eth0 down")
    assert "<NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500" in do(world, A, "ip link show eth0.10")
    assert "state LOWERLAYERDOWN" in do(world, A, "ip link show eth0.10")


def _down_below(world: World) -> str:
    do(world, A, "ip link add link eth0 name eth0.10 type vlan id 10\nip link set eth0 down")
    return refused(world, "ip link set eth0.10 up")


def test_a_vlan_wears_the_mac_below_and_has_no_larger_mtu(world: World) -> None:
    tagged(world)
    do(world, A, "ip link set eth0 address 02:00:00:00:00:77\nip link set eth0 mtu 1400")
    row = link.find(world, A, "eth0.10")
    assert (row.mac, row.mtu) == ("02:00:00:00:00:77", 1400)
    assert refused(world, "ip link set eth0.10 mtu 1500") == "RTNETLINK answers: Numerical result out of range\n"
    assert (
        refused(world, "ip link add link eth0 name v type vlan id 10") == "Error: 8021q: VLAN device already exists.\n"
    )
    assert refused(world, "ip link add link eth0 name v type vlan id 4095") == "Error: 8021q: Invalid VLAN id.\n"
    assert (
        refused(world, "ip link add link lo name v type vlan id 1") == "Error: 8021q: VLANs not supported on device.\n"
    )
    assert refused(world, "ip link add link eth0 name v type vlan") == "Error: 8021q: VLAN properties not specified.\n"


VLAN_DETAILS = "    vlan protocol 802.1Q id 10 <REORDER_HDR> "


def test_recorded_details_of_a_vlan(world: World) -> None:
    tagged(world)
    lines = do(world, A, "ip -d link show eth0.10").splitlines()
    assert lines[0].startswith("3: eth0.10@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP")
    assert "promiscuity 0  allmulti 0 minmtu 0 maxmtu 65535" in lines[1]
    assert lines[2].startswith(VLAN_DETAILS)


def test_a_vlan_stands_on_a_bridge_and_a_macvlan_on_a_vlan(world: World) -> None:
    do(world, B, "ip addr flush dev eth0\nip link add br0 type bridge\nip link set br0 up\nip link set eth0 master br0")
    do(world, B, "ip link add link br0 name v type vlan id 10\nip link set v up\nip netns add x")
    do(world, B, "ip link add link v name mv0 netns x type macvlan mode bridge\nip -n x link set mv0 up")
    do(world, B, "ip -n x addr add 10.10.0.2/24 dev mv0")
    listen(world, f"{B}/x")
    do(world, A, "ip link add link eth0 name v type vlan id 10\nip link set v up\nip addr add 10.10.0.1/24 dev v")
    assert ask(world, A, "10.10.0.2").ending.outcome == "connected"


# --- ipvlan ------------------------------------------------------------------------------------


def two_pods(world: World, words: str) -> None:
    for pod, own in (("p", "10.0.0.10"), ("q", "10.0.0.11")):
        do(world, A, f"ip netns add {pod}\nip link add link eth0 name ipvl type ipvlan {words}")
        do(world, A, f"ip link set ipvl netns {pod}\nip -n {pod} link set ipvl up\nip -n {pod} link set lo up")
        do(world, A, f"ip -n {pod} addr add {own}/24 dev ipvl")
        listen(world, f"{A}/{pod}")


def reached(world: World, *ways: tuple[str, str]) -> list[str]:
    return [ask(world, scope, dst).ending.outcome for scope, dst in ways]


P, Q = f"{A}/p", f"{A}/q"
WAYS = ((P, "10.0.0.2"), (B, "10.0.0.10"), (P, "10.0.0.11"), (A, "10.0.0.2"))


def test_documented_ipvlan_l2_shares_the_mac_and_the_pods_ask_themselves(world: World) -> None:
    two_pods(world, "mode l2")
    assert link.find(world, P, "ipvl").mac == link.find(world, A, "eth0").mac
    assert reached(world, *WAYS) == ["connected"] * 4
    assert reached(world, (P, "10.0.0.1"), (A, "10.0.0.10")) == ["unreachable"] * 2
    assert "<BROADCAST,MULTICAST,UP,LOWER_UP>" in do(world, A, "ip -n p link show ipvl")


@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_documented_ipvlan_l3_routes_in_the_namespace_below_and_asks_nobody(world: World, mode: str) -> None:
    two_pods(world, f"mode {mode}")
    do(world, B, "ip route add 10.0.0.10/32 via 10.0.0.1\nip route add 10.0.0.11/32 via 10.0.0.1")
    assert reached(world, *WAYS) == ["connected"] * 4
    attempt = ask(world, P, "10.0.0.2")
    assert not any(f.packet.proto == "arp" for f in attempt.frames if f.dev == "ipvl")
    assert "<BROADCAST,MULTICAST,NOARP,UP,LOWER_UP>" in do(world, A, "ip -n p link show ipvl")


def test_documented_only_l3s_shows_what_comes_in_to_the_nodes_firewall(world: World) -> None:
    for mode, outcome in (("l3", "connected"), ("l3s", "timeout")):
        if mode == "l3":
            two_pods(world, "mode l3")
            do(world, B, "ip route add 10.0.0.10/32 via 10.0.0.1")
            do(world, A, "iptables -A INPUT -p tcp --dport 80 -j DROP")
        else:
            do(world, A, "ip -n p link set ipvl type ipvlan mode l3s")
        assert ask(world, B, "10.0.0.10").ending.outcome == outcome


def test_documented_private_pods_do_not_meet(world: World) -> None:
    two_pods(world, "mode l2 private")
    assert reached(world, (P, "10.0.0.11"), (P, "10.0.0.2")) == ["unreachable", "connected"]


def test_documented_words_of_an_ipvlan(world: World) -> None:
    two_pods(world, "mode l2")
    assert "\n    ipvlan  mode l2 bridge addrgenmode eui64 " in do(world, A, "ip -n p -d link show ipvl")
    do(world, A, "ip -n q link set ipvl type ipvlan mode l3 private")
    assert "\n    ipvlan  mode l3 private " in do(world, A, "ip -n p -d link show ipvl")
    assert refused(world, "ip link add link eth0 m type macvlan") == "RTNETLINK answers: Device or resource busy\n"
    assert refused(world, "ip link add i type ipvlan") == "RTNETLINK answers: Invalid argument\n"
    assert (
        refused(world, "ip -n p link set ipvl address 02:00:00:00:00:09")
        == "RTNETLINK answers: Operation not supported\n"
    )


@given(
    st.sampled_from(["vlan id 7", "macvlan mode bridge", "macvlan mode passthru", "ipvlan mode l2", "ipvlan mode l3s"]),
    st.sampled_from(
        ["ip link del u", "ip link set u netns x\nip -n x link del u", "ip link set u netns x\nip netns del x"]
    ),
)
def test_an_upper_device_goes_without_a_trace_and_its_lower_takes_it_along(kind: str, way: str) -> None:
    world = World()
    machine(world, A)
    do(world, A, "ip link add eth0 type veth peer name eth1\nip link set eth0 up")
    before = {place: dict(rows) for place, rows in world.tables().items()}
    do(world, A, f"ip netns add x\nip link add link eth0 name u type {kind}\nip link set u up\n{way}")
    if "del x" not in way:
        do(world, A, "ip netns del x")
    assert {place: dict(rows) for place, rows in world.tables().items()} == before
    do(world, A, f"ip netns add x\nip link add link eth0 name u netns x type {kind}\nip link del eth0")
    assert do(world, A, "ip -n x -br link").split()[0] == "lo"
    do(world, A, "ip netns del x")
    assert not any(table == "upper" for _, table in world.tables())

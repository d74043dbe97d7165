"""WireGuard: the protocol paper, RFC 7748, and what wireguard-go put on a wire (this kernel has no WireGuard)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.journal import Put, World, drive
from k8slearn.linux import link
from k8slearn.linux.curve25519 import BASE, made_up_key, preshared_key, public_key, x25519
from k8slearn.linux.socket import connect
from k8slearn.packet import Packet
from k8slearn.trace import Attempt
from tests.linux.test_tunnels import A, B, ask, do, listen, machine, says

KEYS = {A: made_up_key("a"), B: made_up_key("b")}
PUB = {scope: public_key(key) for scope, key in KEYS.items()}


def test_rfc_7748_the_first_test_vector_and_a_thousand_iterations() -> None:
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    assert x25519(scalar, point).hex() == "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    k = u = BASE
    for count in range(1000):
        k, u = x25519(k, u), k
        if count == 0:
            assert k.hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    assert k.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def test_rfc_7748_two_people_come_to_the_same_secret() -> None:
    alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645c6df1f3f6e1d2ce8f6bc9a4d1f3c5a0a"[:64])
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    assert x25519(alice, x25519(bob, BASE)) == x25519(bob, x25519(alice, BASE))
    assert x25519(bob, BASE).hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"


@pytest.fixture
def world() -> World:
    return two_machines()


def two_machines() -> World:
    """Two machines on one cable; each pod network is behind the other's key."""
    found = World()
    machine(found, A)
    machine(found, B)
    for command in link.add_veth(found, A, "eth0", B, "eth0"):
        found.apply(command)
    for scope, own, pods in ((A, "192.168.64.11", "10.244.1.1"), (B, "192.168.64.12", "10.244.2.1")):
        do(
            found,
            scope,
            f"""
            ip link set lo up
            ip addr add {own}/24 dev eth0
            ip link set eth0 up
            ip link add wg0 type wireguard
            ip addr add {pods}/24 dev wg0
            """,
        )
        do(found, scope, "wg set wg0 listen-port 51820 private-key /dev/stdin", KEYS[scope])
        do(found, scope, "ip link set wg0 up")
        listen(found, scope)
    do(
        found,
        A,
        f"wg set wg0 peer {PUB[B]} allowed-ips 10.244.2.0/24 endpoint 192.168.64.12:51820\n"
        "ip route replace 10.244.2.0/24 dev wg0",
    )
    do(found, B, f"wg set wg0 peer {PUB[A]} allowed-ips 10.244.1.0/24\nip route add 10.244.1.0/24 dev wg0")
    return found


def wire(attempt: Attempt) -> list[tuple[str, int]]:
    """(message, bytes of UDP payload) of what left A or B by eth0."""
    frames = [f.packet for f in attempt.frames if f.dev == "eth0" and f.direction == "out" and f.packet.proto == "udp"]
    return [(packet.flags, packet.size - 28) for packet in frames]


def shown(packet: Packet) -> str:
    return json.dumps(packet.to_dict()) + str(packet)


def test_recorded_from_wireguard_go_a_handshake_and_a_ping_have_these_sizes(world: World) -> None:
    attempt = ask(world, A, "10.244.2.1", 0, "icmp")
    assert attempt.ending.outcome == "connected"
    first = [("handshake initiation", 148), ("handshake response", 92)]
    assert wire(attempt)[:2] == first
    again = ask(world, A, "10.244.2.1", 0, "icmp")
    assert [name for name, _ in wire(again)] == ["data", "data"]
    assert all(size % 16 == 0 for _, size in wire(again))


def test_nobody_between_the_two_ends_sees_the_inner_packet(world: World) -> None:
    attempt = ask(world, A, "10.244.2.1")
    assert attempt.ending.source_seen == "10.244.1.1"
    outside = [f.packet for f in attempt.frames if f.dev == "eth0" and f.packet.proto != "arp"]
    assert outside
    assert all(packet.cipher and packet.proto == "udp" for packet in outside)
    assert not any("10.244." in shown(packet) or "GET" in shown(packet) for packet in outside)
    inside = [f.packet for f in attempt.frames if f.dev == "wg0"]
    assert inside
    assert not any(packet.cipher for packet in inside)


def test_every_step_between_encrypt_and_decrypt_has_the_cipher_only(world: World) -> None:
    cipher = False
    for step in ask(world, A, "10.244.2.1").steps:
        if step.what == "decapsulate":
            cipher = False
        elif cipher and step.after.proto != "arp":
            assert step.before.cipher or step.before.proto == "arp"
            assert step.after.cipher
        if step.what == "encapsulate" and step.after.cipher:
            cipher = True


def test_no_peer_has_the_address_so_there_is_no_key(world: World) -> None:
    do(world, A, "ip route add 10.9.0.0/16 dev wg0")
    attempt = ask(world, A, "10.9.0.1", 80, "udp")
    assert attempt.ending.error == "Required key not available"
    assert ask(world, A, "10.9.0.1").ending.error == "No route to host"
    assert "10.9.0.1 is in no peer's allowed-ips" in says(attempt)


def test_a_peer_without_an_endpoint_cannot_be_asked_until_it_has_spoken(world: World) -> None:
    assert "no endpoint: Destination address required" in says(ask(world, B, "10.244.1.1"))
    assert ask(world, A, "10.244.2.1").ending.outcome == "connected"
    assert "  endpoint: 192.168.64.11:51820\n" in do(world, B, "wg show wg0")
    assert ask(world, B, "10.244.1.1").ending.outcome == "connected"


def test_the_inner_source_must_be_that_peers_own(world: World) -> None:
    do(world, B, f"wg set wg0 peer {PUB[A]} allowed-ips 10.244.99.0/24")
    attempt = ask(world, A, "10.244.2.1")
    assert attempt.ending.outcome == "timeout"
    assert "10.244.1.1 is not in the allowed-ips of peer" in says(attempt)


def test_a_wrong_key_and_an_unknown_peer_look_like_silence(world: World) -> None:
    do(world, A, f"wg set wg0 peer {PUB[B]} remove")
    stranger = public_key(made_up_key("stranger"))
    do(world, A, f"wg set wg0 peer {stranger} allowed-ips 10.244.2.0/24 endpoint 192.168.64.12:51820")
    attempt = ask(world, A, "10.244.2.1")
    assert attempt.ending.outcome == "timeout"
    assert "the handshake was made for another public key: silence" in says(attempt)
    do(world, A, f"wg set wg0 peer {stranger} remove")
    do(world, A, f"wg set wg0 peer {PUB[B]} allowed-ips 10.244.2.0/24 endpoint 192.168.64.12:51820")
    do(world, B, f"wg set wg0 peer {PUB[A]} remove")
    assert "who is no peer: silence" in says(ask(world, A, "10.244.2.1"))


def test_both_need_the_same_preshared_key(world: World) -> None:
    do(world, A, f"wg set wg0 peer {PUB[B]} preshared-key /dev/stdin", preshared_key("x"))
    assert "the preshared keys differ" in says(ask(world, A, "10.244.2.1"))
    do(world, B, f"wg set wg0 peer {PUB[A]} preshared-key /dev/stdin", preshared_key("x"))
    assert ask(world, A, "10.244.2.1").ending.outcome == "connected"


def test_the_longest_allowed_network_chooses_the_peer_and_belongs_to_one(world: World) -> None:
    other = public_key(made_up_key("other"))
    do(world, A, f"wg set wg0 peer {other} allowed-ips 10.244.2.1/32 endpoint 192.168.64.99:51820")
    assert ask(world, A, "10.244.2.1").ending.outcome == "timeout"
    do(world, A, f"wg set wg0 peer {PUB[B]} allowed-ips 10.244.2.0/24,10.244.2.1/32")
    assert ask(world, A, "10.244.2.1").ending.outcome == "connected"
    assert do(world, A, "wg show wg0 allowed-ips").splitlines()[1] == f"{other}\t(none)"


def test_who_moves_is_answered_where_it_is_now(world: World) -> None:
    ask(world, A, "10.244.2.1")
    do(world, A, "ip addr add 192.168.64.77/24 dev eth0\nip addr del 192.168.64.11/24 dev eth0")
    do(world, A, "ip addr add 192.168.64.77/24 dev eth0")
    assert ask(world, A, "10.244.2.1").ending.outcome == "connected"
    assert do(world, B, "wg show wg0 endpoints") == f"{PUB[A]}\t192.168.64.77:51820\n"


def test_a_session_is_good_for_three_minutes(world: World) -> None:
    ask(world, A, "10.244.2.1")
    world.apply(Put(("clock", "now", ""), 100.0))
    assert {name for name, _ in wire(ask(world, A, "10.244.2.1"))} == {"data"}
    assert "latest handshake: 1 minute, 40 seconds ago" in do(world, A, "wg show wg0")
    world.apply(Put(("clock", "now", ""), 130.0))
    assert "handshake initiation" in {name for name, _ in wire(ask(world, A, "10.244.2.1"))}
    assert "latest handshake: Now" in do(world, B, "wg show wg0")
    world.apply(Put(("clock", "now", ""), 400.0))
    assert wire(ask(world, B, "10.244.1.1"))[0] == ("handshake initiation", 148)


def test_a_new_private_key_forgets_the_sessions_and_is_nobodys_peer(world: World) -> None:
    ask(world, A, "10.244.2.1")
    do(world, B, "wg set wg0 private-key /dev/stdin", made_up_key("new"))
    assert ask(world, A, "10.244.2.1").ending.outcome == "timeout"


def test_a_firewall_between_sees_udp_and_nothing_else(world: World) -> None:
    do(world, B, "iptables -A INPUT -i eth0 -s 10.244.0.0/16 -j DROP")
    assert ask(world, A, "10.244.2.1").ending.outcome == "connected"
    do(world, B, "iptables -A INPUT -i eth0 -p udp --dport 51820 -j DROP")
    assert ask(world, A, "10.244.2.1").ending.outcome == "timeout"


def test_the_outer_packets_carry_the_fwmark(world: World) -> None:
    do(world, A, "wg set wg0 fwmark 0x51\niptables -t mangle -A OUTPUT -m mark --mark 0x51 -j DROP")
    assert ask(world, A, "10.244.2.1").ending.outcome == "timeout"


def test_a_device_that_moves_away_sends_from_its_home(world: World) -> None:
    do(
        world,
        A,
        "ip netns add x\nip link set wg0 netns x\nip -n x link set wg0 up\nip -n x addr add 10.244.1.1/24 dev wg0",
    )
    do(world, A, "ip -n x route add 10.244.2.0/24 dev wg0")
    attempt = ask(world, f"{A}/x", "10.244.2.1")
    assert attempt.ending.outcome == "connected"
    assert {f.netns for f in attempt.frames if f.dev == "wg0"} == {f"{A}/x", B}


def test_a_device_routed_into_itself_comes_to_an_end(world: World) -> None:
    ask(world, A, "10.244.2.1")
    do(world, A, f"wg set wg0 peer {PUB[B]} allowed-ips 0.0.0.0/0\nip route add 192.168.64.12/32 dev wg0")
    assert ask(world, A, "10.244.2.1").ending.outcome == "timeout"


def test_recorded_from_wireguard_go_three_pings_of_56_100_and_1392_bytes_are_1888_bytes_there_and_1832_back(
    world: World,
) -> None:
    for data in (56, 100, 1392):
        walk = connect(world, A, "10.244.2.1", 0, "icmp", size=data + 28, recording=True)
        assert drive(walk, world.apply).ending.outcome == "connected"
    assert do(world, B, "wg show wg0 transfer") == f"{PUB[A]}\t1888\t1832\n"
    assert do(world, A, "wg show wg0 transfer") == f"{PUB[B]}\t1832\t1888\n"
    assert "  transfer: 1.84 KiB received, 1.79 KiB sent\n" in do(world, B, "wg show")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1300))
def test_data_has_32_bytes_more_than_the_padded_packet_and_60_with_the_headers(size: int) -> None:
    world = two_machines()
    walk = connect(world, A, "10.244.2.1", 80, "tcp", path="/" + "x" * size, recording=True)
    frames = [f for f in drive(walk, world.apply).frames if f.direction == "out"]
    inside = [f.packet.size for f in frames if f.dev == "wg0"]
    outside = [f.packet.size for f in frames if f.dev == "eth0" and f.packet.flags == "data"]
    assert [60 + min(1420, -(-inner // 16) * 16) for inner in inside] == outside


def test_what_comes_out_is_what_went_in(world: World) -> None:
    frames = ask(world, A, "10.244.2.1").frames
    went = [f.packet for f in frames if f.dev == "wg0" and f.direction == "out"]
    came = [f.packet for f in frames if f.dev == "wg0" and f.direction == "in"]
    assert went == came


def test_making_and_deleting_a_device_leaves_the_world_as_it_was(world: World) -> None:
    before = {place: dict(rows) for place, rows in world.tables().items()}
    do(world, A, "ip link add wg5 type wireguard\nip netns add x\nip link set wg5 netns x\nip -n x link set wg5 up")
    do(world, A, "ip -n x link set wg5 name wg6\nip -n x link del wg6\nip netns del x")
    assert {place: dict(rows) for place, rows in world.tables().items()} == before

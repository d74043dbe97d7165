"""Who reaches whom over macvlans: the same pings on this kernel and here."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.root, pytest.mark.slow]

LAB = """
ip netns add far
ip netns add a
ip netns add b
ip link add v1 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns far
ip link set lo up
ip -n far link set lo up
ip link set v1 up
ip addr add 10.0.0.1/24 dev v1
ip -n far link set eth0 up
ip -n far addr add 10.0.0.2/24 dev eth0
ip link add link v1 name pa address 02:00:00:00:00:0a type macvlan mode {mode}
ip link add link v1 name pb address 02:00:00:00:00:0b type macvlan mode {mode}
ip link set pa netns a
ip link set pb netns b
ip -n a link set pa up
ip -n b link set pb up
ip -n a addr add 10.0.0.10/24 dev pa
ip -n b addr add 10.0.0.11/24 dev pb
"""
PINGS = """
ip netns exec a ping -c 1 -W 1 10.0.0.2
ip netns exec far ping -c 1 -W 1 10.0.0.10
ip netns exec a ping -c 1 -W 1 10.0.0.11
ip netns exec b ping -c 1 -W 1 10.0.0.10
ip netns exec a ping -c 1 -W 1 10.0.0.1
ping -c 1 -W 1 10.0.0.10
ping -c 1 -W 1 10.0.0.2
ip netns exec far ping -c 1 -W 1 10.0.0.1
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def set_up(pair: Any, text: str) -> None:
    for line in lines(text):
        want, got = pair.real.run(line), pair.ours.run(line)
        assert (line, got.stderr, got.exit_code) == (line, want.stderr, want.exit_code)


def ping(pair: Any, text: str = PINGS) -> list[bool]:
    """Which pings are answered: here, after it was seen that it is so on the real machine."""
    found = []
    for line in lines(text):
        want, got = pair.real.run(line).exit_code == 0, pair.ours.run(line).exit_code == 0
        assert (line, got) == (line, want)
        found.append(got)
    return found


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa"])
def test_a_node_never_reaches_its_own_macvlans_and_siblings_do_in_bridge_mode(pair: Any, mode: str) -> None:
    set_up(pair, LAB.format(mode=mode))
    near = mode == "bridge"
    assert ping(pair) == [True, True, near, near, False, False, True, True]


def test_a_switch_that_sends_back_makes_vepa_siblings_meet(pair: Any) -> None:
    set_up(pair, LAB.format(mode="vepa"))
    set_up(
        pair,
        """
        ip -n far addr flush dev eth0
        ip -n far link add br0 address 02:00:00:00:00:bb type bridge
        ip -n far link set br0 up
        ip -n far link set eth0 master br0
        ip -n far link set eth0 type bridge_slave hairpin on
        ip -n far addr add 10.0.0.2/24 dev br0
        """,
    )
    ping(pair)


def test_a_passthru_device_wears_the_cards_mac_and_takes_everything(pair: Any) -> None:
    set_up(pair, "\n".join(line for line in lines(LAB.format(mode="passthru")) if "pb" not in line))
    ping(pair)
    pair.check("ip -n a link show pa\nip link show v1")


def test_macvlans_on_a_bridge_and_on_a_card_that_is_down(pair: Any) -> None:
    set_up(pair, LAB.format(mode="bridge"))
    set_up(pair, "ip link set v1 down")
    ping(pair)
    set_up(
        pair,
        """
        ip link set v1 up
        ip -n a link del pa
        ip link add br0 address 02:00:00:00:00:cc type bridge
        ip link set br0 up
        ip link add link br0 name pa address 02:00:00:00:00:0a type macvlan mode bridge
        ip link set pa netns a
        ip -n b link del pb
        ip addr flush dev v1
        ip link set v1 master br0
        ip addr add 10.0.0.1/24 dev br0
        ip -n a link set pa up
        ip -n a addr add 10.0.0.10/24 dev pa
        """,
    )
    ping(pair)

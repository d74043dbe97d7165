"""MTU, fragments and the complaints about them: what the kernel of this machine does, our walk does."""

from __future__ import annotations

import pytest

from .lab import boxes

pytestmark = pytest.mark.root

ROUTED = """
ip netns add a
ip netns add r
ip netns add b
ip link add e0 netns a type veth peer name ra netns r
ip link add e0 netns b type veth peer name rb netns r
ip -n a addr add 10.1.0.2/24 dev e0
ip -n r addr add 10.1.0.1/24 dev ra
ip -n r addr add 10.2.0.1/24 dev rb
ip -n b addr add 10.2.0.2/24 dev e0
ip -n a link set lo up
ip -n r link set lo up
ip -n b link set lo up
ip -n a link set e0 up
ip -n b link set e0 up
ip -n r link set ra up
ip -n r link set rb up
ip -n a route add default via 10.1.0.1
ip -n b route add default via 10.2.0.1
ip netns exec r sysctl -w net.ipv4.ip_forward=1
"""
NARROW = """
ip -n r link set rb mtu 1400
ip -n b link set e0 mtu 1400
"""
FORGET = "ip -n a route flush cache"


def test_a_packet_that_fits_passes_and_one_that_may_be_cut_goes_as_fragments() -> None:
    with boxes(ROUTED) as pair:
        pair.serve("b", "udp", 53)
        pair.check("a", "10.2.0.2")
        for size in (1500, 1501, 3000, 65000):
            assert pair.counted("a r b", "a", "10.2.0.2", size=size).outcome == "connected"
            assert pair.counted("a r b", "a", "10.2.0.2", "udp", 53, size=size).outcome == "connected"


@pytest.mark.parametrize("proto", ["icmp", "udp"])
def test_a_router_tells_what_fits_and_the_sender_remembers_it(proto: str) -> None:
    with boxes(ROUTED + NARROW) as pair:
        pair.serve("b", "udp", 53)
        pair.check("a", "10.2.0.2")
        first = pair.counted("a r b", "a", "10.2.0.2", proto, 53, size=1500)
        assert first.errors == (("10.1.0.1", "frag-needed", 1400),)
        assert pair.counted("a r b", "a", "10.2.0.2", proto, 53, size=1500).outcome == "connected"
        local = pair.counted("a r b", "a", "10.2.0.2", proto, 53, size=1500, pmtu="do")
        assert (local.answer, local.errors) == ("Message too long", ())
        assert pair.counted("a r b", "a", "10.2.0.2", proto, 53, size=1400, pmtu="do").outcome == "connected"


def test_without_the_df_bit_the_router_cuts() -> None:
    with boxes(ROUTED + NARROW) as pair:
        pair.check("a", "10.2.0.2")
        assert pair.counted("a r b", "a", "10.2.0.2", size=1500, pmtu="dont").outcome == "connected"
        assert pair.counted("a r b", "a", "10.2.0.2", size=4000, pmtu="dont").outcome == "connected"


def test_where_icmp_is_filtered_big_packets_vanish_and_small_ones_pass() -> None:
    """The MTU black hole."""
    with boxes(ROUTED + NARROW) as pair:
        pair.serve("b", "udp", 53)
        pair.do("ip netns exec r iptables -A OUTPUT -p icmp -j DROP")
        pair.check("a", "10.2.0.2")
        for _ in range(2):
            assert pair.counted("a r b", "a", "10.2.0.2", "udp", 53, size=1450).outcome == "timeout"
        assert pair.counted("a r b", "a", "10.2.0.2", "udp", 53, size=1400).outcome == "connected"


def test_a_receiver_drops_what_is_longer_than_its_own_mtu_by_more_than_a_tag() -> None:
    with boxes(ROUTED) as pair:
        pair.do("ip -n b link set e0 mtu 1400")
        pair.check("a", "10.2.0.2")
        for size, outcome in ((1400, "connected"), (1404, "connected"), (1405, "timeout")):
            assert pair.counted("a r b", "a", "10.2.0.2", size=size, pmtu="dont").outcome == outcome


def test_less_than_552_is_not_believed_but_packets_lose_their_df_bit() -> None:
    with boxes(ROUTED) as pair:
        pair.do("ip -n r link set rb mtu 400\nip -n b link set e0 mtu 400")
        pair.check("a", "10.2.0.2")
        assert pair.counted("a r b", "a", "10.2.0.2", size=700).errors == (("10.1.0.1", "frag-needed", 400),)
        for size in (450, 552, 700):
            assert pair.counted("a r b", "a", "10.2.0.2", size=size).outcome == "connected"


def test_a_router_with_conntrack_puts_fragments_together_and_cuts_them_again() -> None:
    with boxes(ROUTED) as pair:
        pair.serve("b", "udp", 53)
        pair.do("ip netns exec r iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP")
        pair.do("ip netns exec r iptables -A FORWARD -p udp --dport 53 -j ACCEPT")
        pair.do("ip netns exec r iptables -A FORWARD -s 10.1.0.0/24 -p udp -j DROP")
        pair.check("a", "10.2.0.2")
        assert pair.counted("a r b", "a", "10.2.0.2", "udp", 53, size=3000).outcome == "connected"
        assert pair.counted("a r b", "a", "10.2.0.2", size=3000).outcome == "connected"


def test_without_conntrack_a_firewall_sees_ports_in_the_first_fragment_alone() -> None:
    with boxes(ROUTED) as pair:
        pair.serve("b", "udp", 53)
        pair.do("ip netns exec r iptables -A FORWARD -s 10.1.0.0/24 -p udp --dport 53 -j ACCEPT")
        pair.do("ip netns exec r iptables -A FORWARD -s 10.1.0.0/24 -p udp -j DROP")
        pair.check("a", "10.2.0.2")
        assert pair.counted("a r", "a", "10.2.0.2", "udp", 53, size=1400).outcome == "connected"
        assert pair.counted("a r", "a", "10.2.0.2", "udp", 53, size=3000).outcome == "timeout"


def test_the_path_mtu_is_kept_for_the_next_hop_and_for_ten_minutes() -> None:
    with boxes(ROUTED + NARROW) as pair:
        pair.check("a", "10.2.0.2", size=1500)
        rows = pair.ours.world.table(pair.ours.scope("a"), "pmtu")
        assert [(row.dst, row.mtu, row.until) for row in rows.values()] == [("10.2.0.2", 1400, 600.0)]
        assert "mtu 1400" in pair.real.say("ip -n a route get 10.2.0.2")
        pair.check("a", "10.2.0.77", size=1500)


@pytest.fixture
def bridged() -> str:
    return """
ip netns add a
ip netns add s
ip netns add b
ip netns exec s ip link add br0 type bridge
ip link add e0 netns a type veth peer name pa netns s
ip link add e0 netns b type veth peer name pb netns s
ip -n s link set pa master br0
ip -n s link set pb master br0
ip -n a addr add 10.1.0.2/24 dev e0
ip -n b addr add 10.1.0.3/24 dev e0
ip -n a link set e0 up
ip -n b link set e0 up
ip -n s link set pa up
ip -n s link set pb up
ip -n s link set br0 up
"""


@pytest.mark.parametrize("shown", ["0", "1"])
@pytest.mark.parametrize("mtu", ["1400", "1500"])
def test_a_bridge_drops_what_its_port_does_not_take_and_says_nothing(bridged: str, shown: str, mtu: str) -> None:
    """br_netfilter cuts what may be cut for the bridge's MTU, even if the port takes less."""
    with boxes(bridged) as pair:
        pair.do(f"ip netns exec s sysctl -w net.bridge.bridge-nf-call-iptables={shown}")
        pair.do(f"ip -n s link set pb mtu 1400\nip -n s link set br0 mtu {mtu}")
        pair.check("a", "10.1.0.3")
        for size in (1400, 1404, 1405, 1500):
            pair.counted("s", "a", "10.1.0.3", among="Frag", size=size, pmtu="do")
            pair.counted("s", "a", "10.1.0.3", among="Frag", size=size, pmtu="dont")


def test_a_bridge_that_shows_frames_to_conntrack_shows_whole_packets(bridged: str) -> None:
    with boxes(bridged) as pair:
        pair.serve("b", "udp", 53)
        pair.do("ip netns exec s sysctl -w net.bridge.bridge-nf-call-iptables=1")
        pair.do("ip netns exec s iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT")
        pair.do("ip netns exec s iptables -A FORWARD -p udp --dport 53 -j ACCEPT")
        pair.do("ip netns exec s iptables -A FORWARD -j DROP")
        assert pair.check("a", "10.1.0.3", "udp", 53).outcome == "connected"
        assert pair.counted("s", "a", "10.1.0.3", "udp", 53, among="Frag", size=4000).outcome == "connected"
        assert pair.counted("s", "a", "10.1.0.3", "udp", 54, among="Frag", size=4000).outcome == "timeout"

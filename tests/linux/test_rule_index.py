"""A long chain's index finds what asking every rule finds: the same rules, at the same positions."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.journal import Put, World
from k8slearn.linux import netfilter, ruleindex
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rules import Chain
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Step

BOX = "node:box"
HOSTS = [f"10.0.0.{n}" for n in range(1, 5)]
PARTS = (
    st.sampled_from(["", "-s 10.0.0.1", "-s 10.0.0.2/32", "-s 10.0.0.0/24", "! -s 10.0.0.1"]),
    st.sampled_from(["", "-d 10.0.0.3", "-d 10.0.0.4/32", "-d 10.0.0.0/30", "! -d 10.0.0.3"]),
    st.sampled_from(
        ["", "-p tcp", "-p tcp --dport 80", "-p udp --dport 80", "-p tcp ! --dport 80", "-p tcp --dport 1:9"]
    ),
    st.sampled_from(["", "-j MARK --set-mark 1", "-j RETURN", "-j more", "-g more", "-j DROP", "-j ACCEPT"]),
)
RULES = st.lists(st.tuples(*PARTS).map(" ".join), min_size=ruleindex.SHORT, max_size=40)
PORTS = st.sampled_from([22, 80])
PACKETS = st.builds(
    Packet,
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from(HOSTS),
    st.sampled_from(HOSTS),
    st.just(40000),
    st.sampled_from([22, 80]),
)


def met(world: World, packet: Packet) -> tuple[list[tuple[str, int]], bool, int]:
    """The rules that a packet matches, whether it goes on, and how many rules Linux compares."""
    net, steps = Net(world), list[Step]()
    net.say = steps.append
    goes_on = netfilter.traverse(net, Skb(BOX, packet), "ip", "filter", "INPUT")
    found = [(step.because.text, step.because.position) for step in steps if step.because is not None]
    return found, goes_on, net.compared


def box(first: list[str], second: list[str], policy: str) -> World:
    world = World()
    chains = {"INPUT": Chain(tuple(map(parse_rule, first)), policy)}
    inner = [line.replace("more", "ACCEPT") for line in second]
    chains["more"] = Chain(tuple(map(parse_rule, inner)))
    for name, chain in chains.items():
        world.apply(Put((BOX, "chain", ("ip", "filter", name)), chain))
    return world


@settings(max_examples=100, deadline=None)
@given(RULES, RULES, st.sampled_from(["ACCEPT", "DROP"]), PACKETS)
def test_the_index_of_a_chain_changes_nothing_but_the_time(
    first: list[str], second: list[str], policy: str, packet: Packet
) -> None:
    indexed = met(box(first, second, policy), packet)
    short, ruleindex.SHORT = ruleindex.SHORT, 10**6
    try:
        assert met(box(first, second, policy), packet) == indexed
    finally:
        ruleindex.SHORT = short


def test_the_last_of_ten_thousand_rules_says_its_position_and_how_many_were_compared() -> None:
    world = box([f"-d 10.1.{n >> 8}.{n & 255}/32 -p tcp -j more" for n in range(10_000)], ["-j RETURN"], "DROP")
    found, goes_on, compared = met(world, Packet("tcp", "10.0.0.1", "10.1.39.15", 40000, 80))
    assert found[0] == ("-A INPUT -d 10.1.39.15/32 -p tcp -j more", 10_000)
    assert not goes_on
    assert compared == 10_001

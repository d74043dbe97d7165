"""Laws of the Linux floor that hold for every input: routes, rules, chance."""

from __future__ import annotations

import ipaddress
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from k8slearn import shell
from k8slearn.journal import Put, World, drive
from k8slearn.linux import fib, ip
from k8slearn.linux.iptables import parse_rule, rule_text, save
from k8slearn.linux.program import Result
from k8slearn.linux.rows import Route
from k8slearn.linux.rules import Chain

addresses = st.integers(0, 0xFFFFFFFF).map(ip.text)
networks = st.tuples(addresses, st.integers(0, 32)).map(lambda a: ip.network_of(*a))


@given(addresses)
def test_an_address_survives_the_way_to_a_number_and_back(address: str) -> None:
    assert ip.text(ip.number(address)) == address
    assert ip.number(address) == int(ipaddress.ip_address(address))


@given(addresses, networks)
def test_membership_of_a_network_is_what_pythons_own_library_says(address: str, network: str) -> None:
    assert ip.within(address, network) == (ipaddress.ip_address(address) in ipaddress.ip_network(network))


@given(st.lists(st.tuples(networks, st.integers(0, 3)), max_size=12, unique=True), addresses)
def test_the_longest_prefix_wins_and_then_the_lowest_metric(rows: list[tuple[str, int]], dst: str) -> None:
    world = World()
    for network, metric in rows:
        route = Route(network, dev=f"d{metric}", metric=metric)
        world.apply(Put(("node:x", "route", ("main", network, metric)), route))
    fitting = [(-ip.network(n)[1], m, n) for n, m in rows if ipaddress.ip_address(dst) in ipaddress.ip_network(n)]
    found = fib.lookup(world, "node:x", dst)
    if dst == "255.255.255.255":
        assert found.kind == "broadcast"
    elif not fitting:
        assert found.kind == "none"
    else:
        _, metric, network = min(fitting)
        assert found.route is not None
        assert (found.route.dst, found.route.metric) == (network, metric)


words = st.text("abcdefgh XYZ-_:/.\"'", min_size=1, max_size=20).filter(
    lambda s: s.strip() == s and not s.startswith("-")
)
sides = st.sampled_from(["-s", "-d"])


@st.composite
def rule_lines(draw: st.DrawFn) -> str:
    """Rules of many shapes, as a person or kube-proxy might type them."""
    parts = []
    if draw(st.booleans()):
        network = draw(networks)
        bang = "" if network.endswith("/0") else draw(st.sampled_from(["", "! "]))
        parts.append(f"{bang}{draw(sides)} {network}")
    proto = draw(st.sampled_from(["", "tcp", "udp"]))
    if proto:
        parts.append(f"-p {proto} -m {proto} --dport {draw(st.integers(1, 65535))}")
    if draw(st.booleans()):
        parts.append(f"-m mark --mark {draw(st.integers(0, 255))}/{draw(st.sampled_from(['0xff', '0x4000']))}")
    if draw(st.booleans()):
        parts.append(f"-m statistic --mode random --probability {draw(st.floats(0.0001, 1)):.10f}")
    parts.append(f"-j {draw(st.sampled_from(['ACCEPT', 'DROP', 'RETURN', 'MARK --or-mark 0x4000', 'KUBE-SVC-X']))}")
    return " ".join(parts)


@given(rule_lines())
def test_a_rule_printed_and_read_again_is_the_same_rule(line: str) -> None:
    rule = parse_rule(line)
    assert parse_rule(rule_text(rule)) == rule
    assert rule_text(parse_rule(rule_text(rule))) == rule_text(rule)


@given(st.lists(rule_lines(), max_size=6))
def test_what_iptables_save_prints_iptables_restore_reads(lines: list[str]) -> None:
    text = (
        "*filter\n:FORWARD DROP [0:0]\n:KUBE-SVC-X - [0:0]\n" + "".join(f"-A FORWARD {x}\n" for x in lines) + "COMMIT\n"
    )
    world, again = World(), World()
    for target, source in ((world, text), (again, "")):
        running = shell.run(target, "node:x", "iptables-restore", stdin=source or save(world, "node:x"))
        assert drive(running, target.apply) == Result()
    assert save(again, "node:x") == save(world, "node:x")
    assert {k: c for k, c in again.table("node:x", "chain").items() if c != Chain((), "ACCEPT")} == {
        k: c for k, c in world.table("node:x", "chain").items() if c != Chain((), "ACCEPT")
    }


def test_the_kernel_keeps_a_probability_in_31_bits() -> None:
    assert "0.33333333349" in rule_text(parse_rule("-m statistic --mode random --probability 0.3333333333 -j X"))
    assert Fraction(715827883, 2147483648) > Fraction(1, 3)

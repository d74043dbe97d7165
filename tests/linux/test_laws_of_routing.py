"""Laws of the routing tables: an index finds what a look at every rule and every route finds, in both families."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.errors import CommandError
from k8slearn.journal import Put, World, drive
from k8slearn.linux import addr, fib, ip, link, netns, route, rule
from k8slearn.linux.rows import Netns, Route, Rule
from k8slearn.shell import run

HERE = "node:n"
DEVICES = ("v0", "p0")
KINDS = ("unicast", "unicast", "unicast", "blackhole", "unreachable", "prohibit", "throw")


def box() -> World:
    world = World()
    world.apply(Put((HERE, "netns", ""), Netns("n", HERE, True)))
    for make in (
        link.add_loopback(HERE),
        link.add_veth(world, HERE, "v0", HERE, "v1"),
        link.add_veth(world, HERE, "p0", HERE, "p1"),
        *(link.set_up(world, HERE, name) for name in ("lo", "v0", "v1", "p0", "p1")),
    ):
        for command in make:
            world.apply(command)
    return world


BOX = box()


def network(six: bool) -> st.SearchStrategy[str]:
    """Networks that often lie in one another."""
    lengths = (0, 16, 32, 48, 64, 127, 128) if six else (0, 8, 16, 24, 31, 32)
    numbers = st.sampled_from([0x20010DB8 << 96 | n << 64 | m for n in range(3) for m in range(3)])
    fours = st.sampled_from([10 << 24 | n << 16 | m << 8 | o for n in range(2) for m in range(2) for o in range(3)])
    return st.builds(
        lambda number, length: ip.network_of(ip.text(number, 128 if six else 32), length),
        numbers if six else fours,
        st.sampled_from(lengths),
    )


def routes(six: bool) -> st.SearchStrategy[list[Route]]:
    one = st.builds(
        lambda dst, dev, metric, table, kind: Route(
            dst, dev=dev if kind == "unicast" else "lo" * six, metric=metric or 1024 * six, table=table, kind=kind
        ),
        network(six),
        st.sampled_from(DEVICES),
        st.sampled_from((0, 5, 7)),
        st.sampled_from(("main", "main", "100", "default")),
        st.sampled_from(KINDS),
    )
    return st.lists(one, max_size=12)


def rules(six: bool) -> st.SearchStrategy[list[Rule]]:
    family = "ip6" if six else "ip"
    one = st.builds(
        lambda priority, src, mark, inverted, table, suppress: Rule(
            *(family, priority, table, src),
            mark=mark,
            mask=0xFFFFFFFF if mark else 0,
            inverted=inverted,
            suppress_prefixlength=suppress,
        ),
        st.integers(1, 40000),
        st.one_of(st.just(""), network(six).filter(lambda cidr: not cidr.endswith("/0"))),
        st.sampled_from((0, 0, 1)),
        st.booleans(),
        st.sampled_from(("100", "main", "default", "7")),
        st.sampled_from((-1, -1, 0)),
    )
    return st.lists(one, max_size=4)


def brute(world: World, dst: str, src: str, mark: int) -> tuple[str, str, str]:
    """(kind, device, destination): every rule, and for each every route of its table."""
    six = ":" in dst
    mine = [row for row in world.table(HERE, "rule").values() if row.family == ("ip6" if six else "ip")]
    every = [*rule.DEFAULTS["ip6" if six else "ip"], *mine]
    merged = not mine and not six
    for row in sorted(every, key=lambda row: row.priority):
        fits = (not row.src or (src and inside(src, row.src))) and not (row.mark ^ mark) & row.mask
        if bool(fits) == row.inverted:
            continue
        found = in_table(world, row.table, dst, merged)
        if found is None or found.kind == "throw":
            continue
        refusal = found.kind in ("blackhole", "unreachable", "prohibit")
        if not refusal and ipaddress.ip_network(found.dst).prefixlen <= row.suppress_prefixlength:
            continue
        return found.kind, found.dev, found.dst
    return "none", "", ""


def inside(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


def in_table(world: World, table: str, dst: str, merged: bool) -> Route | None:
    if table == "local" and merged:
        return None
    rows = [r for r in world.table(HERE, "route").values() if (":" in r.dst) == (":" in dst) and r.table == table]
    near = [r for r in rows if inside(dst, r.dst)]
    return min(near, key=lambda r: (-ipaddress.ip_network(r.dst).prefixlen, r.metric), default=None)


@pytest.mark.parametrize("six", [False, True])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_look_up_finds_what_a_look_at_every_rule_and_route_finds(six: bool, data: st.DataObject) -> None:
    world = BOX.fork()
    for row in data.draw(routes(six)):
        world.apply(Put(route.free_key(world, HERE, row), row))
    for policy in data.draw(rules(six)):
        world.apply(Put((HERE, "rule", rule.name(policy)), policy))
    for _ in range(4):
        dst, src = (data.draw(network(six)).partition("/")[0] for _ in range(2))
        mark = data.draw(st.sampled_from((0, 1)))
        found = fib.lookup(world, HERE, dst, src=src, mark=mark)
        said = (found.kind, found.dev, found.route.dst if found.route else "")
        assert said == brute(world, dst, src, mark)


@settings(max_examples=100, deadline=None)
@given(rules(False) | rules(True))
def test_rules_added_and_deleted_leave_the_box_as_it_was(policies: list[Rule]) -> None:
    world = BOX.fork()
    before = world.tables()
    added = []
    for policy in policies:
        with suppress(CommandError):  # one like it is there
            play(world, lambda policy=policy: rule.add(world, HERE, policy, policy.priority))
            added.append(policy)
    for policy in reversed(added):
        play(world, lambda policy=policy: rule.delete(world, HERE, policy))
    assert world.tables() == before


def play(world: World, make: Callable[[], object]) -> None:
    for command in make():  # type: ignore[attr-defined]
        world.apply(command)


@settings(max_examples=100, deadline=None)
@given(rules(False) | rules(True))
def test_a_rule_that_is_printed_and_read_again_is_the_same_rule(policies: list[Rule]) -> None:
    for policy in policies:
        world = BOX.fork()
        words = rule.text(policy).replace("from all", "").split()
        flag = "-6" if policy.family == "ip6" else "-4"
        done = drive(run(world, HERE, ["ip", flag, "rule", "add", *words, "pref", str(policy.priority)]), world.apply)
        assert done.exit_code == 0, done
        (read,) = world.table(HERE, "rule").values()
        assert replace(read, proto="boot") == policy


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**128 - 1))
def test_addresses_have_one_form(number: int) -> None:
    text = ip.text(number, 128)
    assert ip.number(text) == number
    assert ip.canonical(ipaddress.IPv6Address(number).exploded) == text


WORDS = ("add", "del", "show", "get", "from", "to", "via", "dev", "table", "metric", "src", "nud", "lladdr", "proto")
WORDS += ("10.0.0.1", "10.0.0.0/8", "2001:db8::1/64", "fe80::1", "default", "main", "v0", "nope", "-1", "0x10", "1/2")
WORDS += ("", "not", "fwmark", "pref", "lookup", "proxy", "peer", "label", "scope", "link", "mtu", "lock", "::", ":::")


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(("addr", "route", "rule", "neigh")),
    st.sampled_from(("", "-4", "-6", "-j", "-br")),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), max_size=7),
)
def test_any_command_line_gets_an_answer_in_words(what: str, option: str, words: list[str]) -> None:
    world = BOX.fork()
    done = drive(run(world, HERE, ["ip", *filter(None, [option]), what, *words]), world.apply)
    assert done.exit_code == 0 or done.stderr


def test_a_namespace_whose_kernel_knows_no_ipv6_gets_none() -> None:
    world = World()
    world.apply(Put((HERE, "netns", ""), Netns("n", HERE)))
    for make in (link.add_loopback(HERE), link.set_up(world, HERE, "lo")):
        for command in make:
            world.apply(command)
    for command in netns.add(world, HERE, "x"):
        world.apply(command)
    assert [row.address for row in world.table(HERE, "addr").values()] == ["127.0.0.1"]
    with pytest.raises(CommandError, match="Operation not supported"):
        list(addr.add(world, HERE, "lo", "2001:db8::1/64"))

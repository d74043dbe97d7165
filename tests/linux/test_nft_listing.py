"""nftables' language against the real nft: what goes in comes out as it lists it, and refusals say what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from os import geteuid, getpid
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn.errors import CommandError
from k8slearn.journal import World
from k8slearn.linux.nft import Store, as_json, run
from tests.linux import nft_rules

RECORDED = json.loads((Path(__file__).parent / "nft_listings.json").read_text())
"""Rules and what nft 1.0.6 said on kernel 6.18: family -> [what was typed, what was listed or the first line of the
complaint]."""


AS_JSON = json.loads((Path(__file__).parent / "nft_json.json").read_text())
"""Rules and what ``nft -j`` 1.0.6 listed for them: family -> [what was typed, the rule's ``expr``]."""


def base(family: str) -> str:
    kind = "ipv6_addr" if family == "ip6" else "ipv4_addr"
    return f"""table {family} t {{
        set s4 {{ type {kind}; }}
        set a {{ type {kind}; flags dynamic,timeout; timeout 3h; }}
        map m {{ type {kind} . inet_proto . inet_service : verdict; }}
        map d {{ type {kind} . inet_service : {kind} . inet_service; }}
        counter cc {{ }}
        chain x {{ }}
        chain c {{ }}
    }}
    """


def listed(text: str, handles: bool = False) -> str:
    store = Store(World(), "box")
    run(store, text, "/dev/stdin")
    return run(store, "list ruleset", handles=handles)


def as_document(text: str) -> str:
    store = Store(World(), "box")
    run(store, text, "/dev/stdin")
    return run(store, "list ruleset", form=as_json)


def no_table_handles(document: str) -> str:
    """A kernel counts its tables for ever."""
    return re.sub(r'("table": \{[^}]*"handle": )\d+', r"\1N", document)


def complaint(text: str) -> str:
    """What nft says against a text, or nothing."""
    try:
        listed(text)
    except CommandError as error:
        return error.stderr
    return ""


def said(family: str, rule: str) -> str:
    """The rule as it is listed, or the complaint."""
    store = Store(World(), "box")
    run(store, base(family))
    try:
        run(store, f"add rule {family} t c {rule}\n", "/dev/stdin")
    except CommandError as error:
        return error.stderr.splitlines()[0]
    lines = run(store, f"list chain {family} t c").splitlines()[2:-2]
    return "|".join(line.removeprefix("\t\t") for line in lines)


@pytest.mark.parametrize("family", sorted(RECORDED["rules"]))
def test_a_rule_is_listed_as_nft_lists_it(family: str) -> None:
    rows = RECORDED["rules"][family]
    differing = [(typed, want, got) for typed, want in rows if (got := said(family, typed)) != want]
    assert differing == []


@pytest.mark.parametrize("family", sorted(AS_JSON))
def test_a_rule_is_listed_as_json_as_nft_lists_it(family: str) -> None:
    store = Store(World(), "box")
    run(store, base(family) + "".join(f"add rule {family} t c {typed}\n" for typed, _ in AS_JSON[family]))
    entries = json.loads(run(store, f"list chain {family} t c", form=as_json))["nftables"][2:]
    got = [entry["rule"]["expr"] for entry in entries]
    assert got == [want for _, want in AS_JSON[family]]


def test_counters_are_reset_and_shown_as_they_were() -> None:
    store = Store(World(), "box")
    text = "table ip t {\n\tcounter c {\n\t\tpackets %s bytes %s\n\t}\n}\n"
    run(store, text % (3, 4))
    assert run(store, "reset counters") == text % (3, 4)
    assert run(store, "reset counter ip t c") == text % (0, 0)
    with pytest.raises(CommandError, match="unexpected string, expecting counter or counters or quotas or quota"):
        run(store, "reset rules")
    with pytest.raises(CommandError, match="`reset quotas` is not modelled here"):
        run(store, "reset quotas")


@pytest.mark.parametrize("name", sorted(RECORDED["files"]))
def test_tables_sets_and_chains_are_listed_as_nft_lists_them(name: str) -> None:
    typed, want = RECORDED["files"][name]
    assert re.sub(r" expires \w+", " expires T", listed(typed)) == re.sub(r" expires \w+", " expires T", want)


UNWRITABLE = (
    ("type ipv4_addr; flags dynamic;", "add @s { ip saddr timeout 5s }", "Operation not supported"),
    ("type ipv4_addr; size 7;", "update @s { ip saddr }", "Operation not supported"),
    ("type ipv4_addr; flags interval;", "add @s { ip saddr }", "Operation not supported"),
    ("type ipv4_addr; flags constant; elements = { 10.0.0.1 };", "delete @s { ip saddr }", "Operation not supported"),
)


@pytest.mark.parametrize(("lines", "statement", "why"), UNWRITABLE)
def test_a_set_that_packets_cannot_write_into_is_refused_where_a_rule_wants_them_to(
    lines: str, statement: str, why: str
) -> None:
    world = World()
    store = Store(world, "box")
    run(store, f"add table ip t; add chain ip t c; add set ip t s {{ {lines} }}")
    with pytest.raises(CommandError) as refused:
        run(Store(store.world, "box"), f"add rule ip t c {statement}")
    assert (
        refused.value.stderr
        == f"Error: Could not process rule: {why}\nadd rule ip t c {statement}\n{' ' * 16}{'^' * len(statement)}\n"
    )


@pytest.mark.root
@pytest.mark.parametrize(("lines", "statement", "why"), UNWRITABLE)
def test_and_this_nft_refuses_it_in_the_same_words(netns: str, lines: str, statement: str, why: str) -> None:
    real(netns, "flush", "ruleset")
    assert real(netns, f"add table ip t; add chain ip t c; add set ip t s {{ {lines} }}")[1] == ""
    assert real(netns, f"add rule ip t c {statement}")[1].startswith(f"Error: Could not process rule: {why}\n")


def test_a_set_is_made_for_the_rule_of_the_same_batch_that_writes_into_it() -> None:
    text = "add table ip t; add chain ip t c; add set ip t s { type ipv4_addr; size 7; }"
    assert "size 7\n\t\tflags dynamic\n" in listed(f"{text}; add rule ip t c add @s {{ ip saddr }}")


def test_a_session_is_answered_as_nft_answers_it() -> None:
    """Command after command: what each prints, and how each is refused."""
    store = Store(World(), "box")
    run(store, RECORDED["session"]["start"])
    differing = []
    for line, want in RECORDED["session"]["lines"]:
        draft = Store(store.world, "box")
        try:
            got = run(draft, line)
            store = draft
        except CommandError as error:
            got = error.stderr
        if _plain(got) != _plain(want):
            differing.append((line, want, got))
    assert differing == []


def _plain(text: str) -> str:
    """Without the name that nft guesses was meant."""
    return re.sub(r"; did you mean .*", "", text)


@given(st.integers(0, 1 << 30))
def test_what_is_listed_is_read_and_listed_the_same(seed: int) -> None:
    try:
        second = listed(listed(nft_rules.ruleset(Random(seed))))
        third = listed(second)
    except CommandError:
        return  # nft refuses some of what it lists itself
    assert third == second


WORDS = st.sampled_from(
    [
        "add",
        "table",
        "ip",
        "t",
        "chain",
        "c",
        "{",
        "}",
        "type",
        "filter",
        "hook",
        "input",
        "priority",
        "0",
        ";",
        "policy",
        "drop",
        "rule",
        "tcp",
        "dport",
        "80",
        "accept",
        "@",
        "s",
        ".",
        ":",
        ",",
        "ip",
        "saddr",
        "10.0.0.1/8",
        "vmap",
        "map",
        "numgen",
        "random",
        "mod",
        "2",
        "ct",
        "state",
        "new",
        "\n",
        '"',
        "'",
        "$",
        "mark",
        "set",
        "or",
        "0x1",
        "list",
        "ruleset",
        "reject",
        "with",
        "dnat",
        "to",
        "[",
        "::1",
        "-",
        "set",
        "element",
        "flush",
        "delete",
        "handle",
        "fib",
        "daddr",
        "meta",
        "#",
        "limit",
        "rate",
        "1/second",
        "log",
        "prefix",
    ]
)


@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=40))
def test_any_text_gets_an_answer_or_a_complaint(text: str) -> None:
    for start in ("", "add table ip t\nadd chain ip t c\nadd rule ip t c "):
        assert (complaint(start + text) or "Error").startswith(("/dev/stdin:", "Error"))


# --- the real nft --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def netns() -> Iterator[str]:
    if geteuid() != 0 or shutil.which("nft") is None:
        pytest.skip("needs root and nft")
    name = f"nft-list-{getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


def real(netns: str, *words: str, stdin: str = "") -> tuple[str, str]:
    done = subprocess.run(
        ["ip", "netns", "exec", netns, "nft", *words], input=stdin, capture_output=True, text=True, check=False
    )
    return done.stdout, done.stderr


@pytest.mark.root
@pytest.mark.parametrize("seed", range(40))
def test_random_rule_sets_are_listed_byte_for_byte_as_by_the_kernel(netns: str, seed: int) -> None:
    text = nft_rules.ruleset(Random(seed), tables=3)
    real(netns, "flush", "ruleset")
    _, refusal = real(netns, "-f", "-", stdin=text)
    assert complaint(text).partition("\n")[0] == refusal.partition("\n")[0]
    if refusal:
        return
    ours = listed(text)
    assert real(netns, "list", "ruleset")[0] == ours
    hidden = r"(table.*\{) # handle \d+"
    assert re.sub(hidden, r"\1", real(netns, "-a", "list", "ruleset")[0]) == re.sub(hidden, r"\1", listed(text, True))
    assert no_table_handles(real(netns, "-j", "list", "ruleset")[0]) == no_table_handles(as_document(text))
    refused = real(netns, "-c", "-f", "-", stdin=ours)[1]
    assert not refused or "conflicting protocols" in refused or "cannot use tcp reset" in refused


@pytest.mark.root
def test_the_recorded_rules_are_what_this_nft_says(netns: str) -> None:
    for name, (typed, want) in RECORDED["files"].items():
        real(netns, "flush", "ruleset")
        assert real(netns, "-f", "-", stdin=typed)[1] == "", name
        got = real(netns, "list", "ruleset")[0]
        assert re.sub(r" expires \w+", "", got) == re.sub(r" expires \w+", "", want)

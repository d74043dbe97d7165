"""``nft`` beside the real one: the same lines to both, the same answers."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.root
def test_a_session_prints_the_same_on_both_machines(pair: Any) -> None:
    pair.check(
        """
        nft list ruleset
        nft
        nft -v
        nft -f /nowhere
        nft -f
        nft add table ip shop
        nft add table ip shop '{ comment "what is sold" ; }'
        nft list tables
        nft add chain ip shop door '{ type filter hook input priority filter ; policy accept ; }'
        nft add chain ip shop back
        nft add set ip shop friends '{ type ipv4_addr ; flags interval ; }'
        nft add element ip shop friends '{ 10.0.0.0/8, 192.168.1.1 }'
        nft add rule ip shop door ip saddr @friends tcp dport '{ 443, 80 }' counter accept
        nft add rule ip shop door ct state established,related accept
        nft insert rule ip shop door iifname lo accept comment '"myself"'
        nft add rule ip shop door jump back
        nft add rule ip shop back limit rate 5/second log prefix '"back: "' reject with icmp admin-prohibited
        nft list ruleset
        nft -a list chain ip shop door
        nft delete rule ip shop door handle 5
        nft replace rule ip shop back handle 9 drop
        nft list table ip shop
        nft list set ip shop friends
        nft get element ip shop friends '{ 10.4.4.4 }'
        nft add rule ip shop door tcp dport 70000
        nft add rule ip shop cellar accept
        nft add rule ip shop door ip saddr 1.2.3.4 udp dport 5 tcp dport 5
        nft -c add table ip6 draft
        nft list tables
        nft delete chain ip shop back
        nft flush table ip shop
        nft delete chain ip shop back
        nft list ruleset
        nft flush ruleset
        nft list ruleset
        """
    )


@pytest.mark.root
def test_a_file_is_applied_whole_or_not_at_all(pair: Any) -> None:
    good = "add table inet t\nadd chain inet t c\nadd rule inet t c tcp dport 22 accept\n"
    for text in (good + "add rule inet t c tcp dport hello\n", good + "add rule inet nope c accept\n", good):
        real, ours = pair.real.run("nft -f -", text), pair.ours.run("nft -f -", text)
        assert ours == real
        assert pair.ours.run("nft list ruleset") == pair.real.run("nft list ruleset")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nft list flowtables", "`list flowtables` is not modelled here"),
        ("nft list meters", "`list meters` is not modelled here"),
        ("nft add quota ip t q", "`add quota` is not modelled here"),
        ("nft add table bridge t", "family bridge is not modelled here"),
        ("nft monitor", "`monitor` is not modelled here"),
    ],
)
def test_what_is_not_here_is_refused_in_a_sentence(ours: Any, line: str, says: str) -> None:
    said = ours.run(line)
    assert says in said.stderr
    assert said.exit_code == 1

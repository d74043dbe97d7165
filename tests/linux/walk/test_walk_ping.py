"""``ping`` prints what iputils prints, for every way a packet can be lost: byte for byte, but for the times."""

from __future__ import annotations

import re

import pytest

from .lab import Boxes, boxes
from .test_walk_mtu import NARROW, ROUTED

pytestmark = pytest.mark.root

LINES4 = [
    *("10.2.0.2", "-s 1472 -M do 10.2.0.2", "-s 1472 -M do 10.2.0.2", "-s 3000 -M do 10.2.0.2"),
    *("-s 1472 -M dont 10.2.0.2", "-s 2000 10.2.0.2", "-s 4 10.2.0.2", "-s 16 10.2.0.2", "-s 1472 -M want 10.2.0.2"),
    *("-M foo 10.2.0.2", "-s x 10.2.0.2", "-s -1 10.2.0.2", "-6 10.2.0.2", "-t 1 10.2.0.2", "10.9.0.9", "127.0.0.1"),
    *("-I 10.1.0.2 10.2.0.2", "-I e0 10.2.0.2", "-q -s 100 10.2.0.2", "10.1.0.77", "10.2.0.77"),
]


def said(pair: Boxes, words: str) -> tuple[str, str]:
    """What the real one and ours print for ``ping -n -c1 -W1 WORDS`` in box a."""
    line = f"ip netns exec a ping -n -c1 -W1 {words}"
    ours = pair.ours.say(line)
    return blurred(pair.real.say(f"{line} 2>&1")), blurred(ours.stderr + ours.stdout if ours.exit_code else ours.stdout)


def blurred(text: str) -> str:
    text = re.sub(r"time=[\d.]+ ms", "time=T ms", text)
    lines = re.sub(r"= [\d./]+ ms", "= T ms", text).strip().splitlines()
    return "\n".join(sorted(filter(None, lines)))


@pytest.mark.parametrize("narrow", ["", NARROW])
def test_ping_says_what_became_of_each_packet(narrow: str) -> None:
    with boxes(ROUTED + narrow) as pair:
        pair.check("a", "10.2.0.2")
        for words in LINES4:
            want, got = said(pair, words)
            assert got == want, words


def test_ping_cannot_even_begin_where_the_table_gives_no_way() -> None:
    with boxes(ROUTED) as pair:
        pair.do("ip -n a route add unreachable 10.7.0.0/16\nip -n a route add prohibit 10.8.0.0/16")
        pair.do("ip -n a route add blackhole 10.6.0.0/16")
        for address in ("10.6.0.1", "10.7.0.1", "10.8.0.1"):
            want, got = said(pair, address)
            assert got == want

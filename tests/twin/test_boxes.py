"""The kernel twin below Kubernetes: random boxes and links, and every probe answered as the real kernel answers it.

`pytest -m slow tests/twin/test_boxes.py` asks of 320 scenarios; the default run takes a few of them.
``python -m tests.twin.boxes`` tries fresh ones for as long as you like.
"""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .boxes import shrink as shrinking
from .boxes.compare import SIDE_BY_SIDE, Difference, differences
from .boxes.draw import draw
from .boxes.ours import Ours
from .boxes.real import MISSING, Real, playable
from .boxes.scenario import Answer, Line, Probe, Scenario
from .boxes.script import script

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
SEEDS = range(320)
A_FEW = range(40, 50)
TWO_BOXES = """
- ip netns add a
- ip netns add b
- ip link add name e0 address 02:00:00:00:00:01 netns a type veth peer name e0 address 02:00:00:00:00:02 netns b
a ip addr add 10.0.1.1/24 dev e0
a ip link set lo up
a ip link set e0 up
b ip addr add 10.0.1.2/24 dev e0
b ip link set e0 up
b ip route add 10.9.0.0/16 via 10.7.7.7
a ip6tables -A OUTPUT -p tcp -m tcp --dport 9 -j REJECT
b nft 'add table inet mine'
b nft 'add chain inet mine in { type filter hook input priority filter; policy accept; }'
b nft 'add rule inet mine in tcp dport { 82, 83 } drop'
b listen tcp 0.0.0.0 80
b listen udp 10.0.1.2 53
"""
PROBES = (
    Probe("a", "10.0.1.2", 80, "tcp"),
    Probe("a", "10.0.1.2", 81, "tcp"),
    Probe("a", "10.0.1.2", 82, "tcp"),
    Probe("a", "10.0.1.2", 53, "udp"),
    Probe("a", "10.0.1.2", 0, "icmp"),
    Probe("a", "10.0.1.9", 0, "icmp"),
    Probe("a", "10.2.0.1", 80, "tcp"),
)
ANSWERS = [
    Answer("connected", "b", "10.0.1.1"),
    Answer("refused"),
    Answer("timeout"),
    Answer("connected", "b", "10.0.1.1"),
    Answer("connected", "b", "10.0.1.1"),
    Answer("unreachable"),
    Answer("unreachable"),
]


def two_boxes() -> Scenario:
    rows = (line.split(" ", 1) for line in TWO_BOXES.strip().splitlines())
    return Scenario(tuple(Line(box.strip("-"), text) for box, text in rows), PROBES)


def report(seeds: range) -> str:
    """What differs in the scenarios of these seeds."""

    def one(seed: int) -> str:
        return "".join(f"seed {seed}: {found}\n" for found in differences(playable(draw(seed))))

    with ThreadPoolExecutor(SIDE_BY_SIDE) as side_by_side:
        return "".join(side_by_side.map(one, seeds))


def test_the_engine_says_what_the_kernel_does_in_a_few_networks_of_boxes() -> None:
    assert report(A_FEW) == ""


@pytest.mark.slow
@pytest.mark.parametrize("start", range(SEEDS.start, SEEDS.stop, 80))
def test_the_engine_says_what_the_kernel_does_in_many_networks_of_boxes(start: int) -> None:
    assert report(range(start, start + 80)) == ""


@pytest.mark.slow
def test_both_hear_the_same_lines_and_refuse_the_same_ones() -> None:
    scenario = two_boxes()
    with built(scenario) as real:
        assert list(real.refused) == [8] == list(Ours(scenario).refused)
        assert real.ask(PROBES) == ANSWERS
    assert [Ours(scenario).ask(probe) for probe in PROBES] == [{answer} for answer in ANSWERS]


def built(scenario: Scenario) -> Real:
    real = Real(scenario)
    real.begin()
    return real


@pytest.mark.slow
def test_the_printed_script_runs_by_itself_and_says_what_the_kernel_said(tmp_path: Path) -> None:
    path = tmp_path / "boxes.sh"
    path.write_text(script(two_boxes(), prefix="kbxtest-"))
    done = subprocess.run(["bash", str(path)], capture_output=True, text=True, timeout=60, check=True)
    said = done.stdout.splitlines()
    assert said[0] == "  refused: ip netns exec kbxtest-b ip route add 10.9.0.0/16 via 10.7.7.7"
    assert [Answer(**json.loads(line)) for line in said if line.startswith("{")] == ANSWERS
    assert "kbxtest-" not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout


def test_a_difference_shrinks_to_the_lines_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a rule of box b and the addresses of both made it."""
    scenario = draw(12)
    needed = [*[line for line in scenario.lines if "ip addr add 10.0.1." in line.text][:2], scenario.lines[0]]
    difference = Difference("probe", "connected", "timeout", probe=scenario.probes[0])
    monkeypatch.setattr(shrinking, "still", lambda smaller, _: set(needed) <= set(smaller.lines))
    small = shrinking.shrink(scenario, difference)
    assert sorted(small.lines) == sorted(needed)
    assert small.probes == (scenario.probes[0],)


def test_the_same_seed_draws_the_same_scenario() -> None:
    assert [draw(seed) for seed in range(50)] == [draw(seed) for seed in range(50)]

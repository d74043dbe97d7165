"""Every drop has the kernel's own name for it, and a recorded conversation counts it once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from k8slearn import linux
from k8slearn.journal import World, drive
from k8slearn.linux import socket
from k8slearn.linux.reasons import REASONS
from k8slearn.trace import ENDS, Attempt
from tests.twin.boxes.draw import draw
from tests.twin.boxes.ours import Ours, scope_of
from tests.twin.boxes.scenario import Probe

BTF = Path("/sys/kernel/btf/vmlinux")
FOLDER = Path(linux.__file__).parent
STEP = re.compile(r'Step\([\w.\[\]]+, "drop",')


def test_every_reason_is_a_name_of_this_kernel() -> None:
    if not BTF.exists():
        pytest.skip("this kernel tells nothing about its types")
    known = set(re.findall(rb"SKB_(?:DROP_REASON_)?([A-Z0-9_]+)\0", BTF.read_bytes()))
    if b"RECURSION_LIMIT" not in known:
        pytest.skip("an older kernel has fewer names")
    assert {name.encode() for name in REASONS} <= known


def test_every_line_that_drops_a_packet_gives_a_reason_of_the_table() -> None:
    for path in FOLDER.rglob("*.py"):
        for line in path.read_text().splitlines():
            if STEP.search(line):
                assert re.search(r'reason=|"[A-Z_]{8,}"\)+$|refused\[1\]', line), (path.name, line)
            for name in re.findall(r'reason="([A-Z0-9_]*)"', line):
                assert name in REASONS, (path.name, line)


@pytest.mark.parametrize("seed", range(60, 72))
def test_in_any_network_of_boxes_each_drop_has_a_reason_and_is_counted_once(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("k8slearn.linux.attempt.FAREWELL", ())  # the legs of a goodbye are told too
    scenario = draw(seed)
    built = Ours(scenario)
    for probe in scenario.probes[::2]:
        world = built.world.fork()
        if world.get((scope_of(probe.box), "netns", "")) is not None:
            said = dropped(recorded(world, probe))
            assert {reason for _, reason in said} <= REASONS.keys(), probe
            assert counted(world, [scope_of(box) for box in ("", *scenario.boxes)]) == said, probe


def recorded(world: World, probe: Probe) -> Attempt:
    walk = socket.connect(world, scope_of(probe.box), probe.address, probe.port, probe.proto, recording=True)
    return drive(walk, world.apply)


def dropped(found: Attempt) -> Counter[tuple[str, str]]:
    """(namespace, reason) of each packet's end; a ``connect()`` that fails at once had no packet."""
    ends = [step for leg in found.legs for step in leg.steps if step.what in ENDS]
    return Counter((end.where, end.reason) for end in ends if not end.says.startswith("connect to "))


def counted(world: World, scopes: list[str]) -> Counter[tuple[str, str]]:
    return Counter(
        {(scope, name): packets for scope in scopes for name, (packets, _) in world.table(scope, "drops").items()}
    )

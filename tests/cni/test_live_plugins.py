"""bridge, ptp, portmap, firewall and bandwidth, alone and in lists, against Debian's own: grown configurations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from . import grown, live, runner

pytestmark = [pytest.mark.root, pytest.mark.slow]
CASES = [(kind, seed) for kind in grown.LISTS for seed in range(11)]
GO_DEFAULT = ("0" * 20 + "ffff" + "0" * 8, "0" * 8)
"""How Go prints the mask of 0.0.0.0/0 where it is written in 16 bytes."""


def recorded(steps: list[grown.Step]) -> dict[str, Any]:
    """The case as the real plugins did it, up to where one of them crashed."""
    pods = sorted({step["env"]["CNI_NETNS"][-4:] for step in steps if step.get("env", {}).get("CNI_NETNS")})
    case = json.loads(json.dumps(live.record(steps, pods)).replace(*GO_DEFAULT))
    _drop_learned(case["steps"])
    crashed = [n for n, step in enumerate(case["steps"]) if step.get("stderr", "").startswith("panic:")]
    return {**case, "steps": case["steps"][: crashed[0] if crashed else None]}


def _drop_learned(steps: list[dict[str, Any]]) -> None:
    """Whether a bridge has heard of a pod whose ADD failed at once depends on the millisecond."""
    failed = False
    for step in steps:
        failed = failed or step.get("exit", 0) != 0
        for seen in step.get("after", {}).values() if failed else ():
            seen.pop("bridge_fdb", None)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_ours_and_the_real_ones_print_and_leave_the_same(kind: str, seed: int) -> None:
    why = live.why_not("bridge", "ptp", "portmap", "firewall", "bandwidth", "host-local")
    if why:
        pytest.skip(why)
    runner.replay(recorded(grown.steps(kind, seed)), "kcni-pod1", "kcni-pod2", ipv6=True)

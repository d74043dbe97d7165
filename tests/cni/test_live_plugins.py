"""Six plugins, alone and in lists, against Debian's own: the same calls, from grown configurations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn.shell import run as shell_run

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
    why = live.why_not(*sorted({grow.__name__.replace("_", "-") for grow in grown.LISTS[kind]}), "host-local")
    if why:
        pytest.skip(why)
    runner.replay(recorded(grown.steps(kind, seed)), "kcni-pod1", "kcni-pod2", ipv6=True)


def _filters(text: str) -> list[str]:
    """Filters without the second action that the real plugin's library adds: the frame is gone by then."""
    lines = [line.replace("*flowid", "flowid").strip() for line in text.splitlines()]
    first = lines[: next((n for n, line in enumerate(lines) if "action order 2" in line), None)]
    return [line for line in first if line]


def test_what_a_pod_sends_is_led_to_a_device_of_its_own_as_tc_filter_shows_it() -> None:
    if why := live.why_not("ptp", "bandwidth", "host-local"):
        pytest.skip(why)
    head = {"cniVersion": "1.0.0", "name": "knet"}
    leases = {"type": "host-local", "dataDir": "$TMP/ipam", "ranges": [[{"subnet": "10.1.0.0/24"}]]}
    limits = {"type": "bandwidth", "egressRate": 1_000_000, "egressBurst": 800_000}
    steps = grown.add([{**head, "type": "ptp", "ipam": leases}, {**head, **limits}])
    command = ("tc", "filter", "show", "dev", "VETH1", "parent", "ffff:")
    with live.Machine(("pod1",)) as machine:
        case = [machine.do(step, look=False) for step in steps]
        real = machine.normal(machine.within("host", [machine.real(word) for word in command]).stdout)
    world, tokens = runner.machine("kcni-pod1", ipv6=True), runner.Tokens()
    for step in case:
        done = runner.do(world, step, tokens)
        assert tokens.same(step["stdout_json"], json.loads(done.stdout))
    ours = runner.run(world, shell_run(world, runner.NODE, tuple(tokens.fill(command)))).stdout
    assert tokens.same(_filters(real), _filters(ours)), (_filters(real), _filters(ours))

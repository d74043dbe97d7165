"""Our plugins against Debian's own: same input, same output, same things left behind on the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8slearn.linux import netns

from .runner import NODE, Tokens, do, ipam_files, machine, snapshot

CASES = json.loads((Path(__file__).parent.parent / "truth" / "cni_cases.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_a_plugin_does_what_the_reference_plugin_did(case: dict[str, Any]) -> None:
    world, tokens = machine("kcni-pod1", "kcni-pod2", "kcni-pod3", "kcni-pod4"), Tokens()
    for number, step in enumerate(case["steps"]):
        done = do(world, step, tokens)
        if "plugin" in step:
            _compare_output(step, done, tokens, number)
        for name, recorded in step.get("after", {}).items():
            if name == "ipam_files":
                assert ipam_files(world) == (recorded or {}), f"step {number}: leases"
                continue
            scope = NODE if name == "host" else netns.scope(NODE, f"kcni-{name}")
            if "error" not in recorded and netns.exists(world, scope):
                _compare_namespace(recorded, snapshot(world, scope, recorded), tokens, f"step {number}: {name}")


def _compare_output(step: dict[str, Any], done: Any, tokens: Tokens, number: int) -> None:
    assert done.exit_code == step["exit"], f"step {number}: {done}"
    if "stdout_json" in step:
        ours = json.loads(done.stdout)
        assert tokens.same(_without_ipv6(step["stdout_json"]), ours), f"step {number}: {step['stdout_json']} {ours}"
    else:
        assert done.stdout == step["stdout_text"]
    assert done.stderr.strip() == step.get("stderr", "").strip()


def _compare_namespace(recorded: dict[str, Any], ours: dict[str, Any], tokens: Tokens, where: str) -> None:
    for part, said in recorded.items():
        theirs, mine = _comparable(part, tokens.fill(said)), _comparable(part, ours[part])
        assert tokens.same(theirs, mine), f"{where}: {part}\n{theirs}\n{mine}"


def _comparable(part: str, value: Any) -> Any:
    """Order means nothing in lists of rows; what a bridge without ports calls its state depends on the millisecond."""
    if part == "link":
        bare = {row["ifname"] for row in value if row.get("kind") == "bridge"} - {row.get("master") for row in value}
        rows = [dict(row, operstate="", flags=[]) if row["ifname"] in bare else dict(row) for row in value]
        return [dict(row, flags=sorted(set(row["flags"]) - {"PROMISC"})) for row in rows]
    if part == "bridge_fdb":
        return sorted((row for row in value if row[1] != row[2]), key=lambda row: (row[1], row[3]))
    if part == "route4":
        return sorted(value, key=str)
    return sorted(value) if isinstance(value, list) else value


def _without_ipv6(result: Any) -> Any:
    if isinstance(result, dict) and "ips" in result:
        return {**result, "ips": [ip for ip in result["ips"] if ":" not in ip["address"]]}
    return result

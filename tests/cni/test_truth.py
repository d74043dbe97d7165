"""Our plugins against Debian's own: same input, same output, same things left behind on the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .runner import replay

CASES = json.loads((Path(__file__).parent.parent / "truth" / "cni_cases.json").read_text())["cases"]
OTHER_KERNEL = {"bridge-vlan-100"}
"""Recorded on a kernel that was built without VLAN filtering, which ours has (`linux/vlanfilter.py`)."""


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["id"] not in OTHER_KERNEL], ids=lambda case: case["id"]
)
def test_a_plugin_does_what_the_reference_plugin_did(case: dict[str, Any]) -> None:
    replay(case)

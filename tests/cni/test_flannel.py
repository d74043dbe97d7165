"""flannel's CNI plugin against the real one's record: what it makes of subnet.env, and what it says without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .runner import replay

CASES = json.loads((Path(__file__).parent.parent / "truth" / "cni_flannel.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_flannel_does_what_the_real_plugin_did(case: dict[str, Any]) -> None:
    """(The record has no standard error: it shows Go's own data structures there.)"""
    replay(case)

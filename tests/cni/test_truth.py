"""Our plugins against Debian's own: same input, same output, same things left behind on the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .runner import replay

CASES = json.loads((Path(__file__).parent.parent / "truth" / "cni_cases.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_a_plugin_does_what_the_reference_plugin_did(case: dict[str, Any]) -> None:
    replay(case)

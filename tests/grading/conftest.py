"""The tests' own shelf of exercises, and notebooks made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8slearn.grading.record import MIME

FIXTURES = Path(__file__).parent / "fixture_exercises"


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shelf with the tiny exercise alone."""
    monkeypatch.setenv("K8SLEARN_EXERCISES", str(FIXTURES))
    return FIXTURES


@pytest.fixture
def hand_in(tmp_path: Path) -> Callable[..., Path]:
    """Write SUBMISSIONS/LEARNER/EXERCISE.ipynb; what is no JSON value is written as it is."""

    def write(learner: str, content: Any, exercise: str = "01-tiny") -> Path:
        path = tmp_path / "submissions" / learner / f"{exercise}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        path.write_bytes(raw)
        return path

    return write


def notebook(*records: Any) -> dict[str, Any]:
    """A saved notebook with these records, a cell each."""
    cells = [
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "source": "exercise.check()",
            "outputs": [{"output_type": "display_data", "metadata": {}, "data": {"text/plain": "done", MIME: record}}],
        }
        for record in records
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}

"""Sessions at the command line, as text: tests/shell/transcripts/*.txt (``pytest --rewrite`` writes them anew)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..transcripts import check

HERE = Path(__file__).parent / "transcripts"


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_a_session_prints_what_its_transcript_says(path: Path, request: pytest.FixtureRequest) -> None:
    check(path, rewrite=request.config.getoption("--rewrite"))

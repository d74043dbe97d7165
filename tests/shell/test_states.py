"""In every recorded state, each question gets the very words that the real tool gave (`states/`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Ours, Said
from .states import states
from .states.plain import plain

RECORD: dict[str, dict[str, list[Any]]] = json.loads(
    (Path(__file__).parents[1] / "truth" / "tool_states.json").read_text()
)


@pytest.mark.parametrize(("name", "done"), states(), ids=[name for name, _ in states()])
def test_every_tool_says_what_the_real_one_said(ours: Ours, name: str, done: list[str]) -> None:
    for line in done:
        ours.run(line)
    wrong = {}
    for line, recorded in RECORD[name].items():
        want, got = Said(*recorded), plain(line, ours.run(line))
        if got != want:
            wrong[line] = (want, got)
    assert not wrong, "\n".join(
        f"$ {line}\n--- real\n{w.stdout}{w.stderr}--- ours\n{g.stdout}{g.stderr}" for line, (w, g) in wrong.items()
    )


def test_there_are_at_least_sixty_states() -> None:
    assert len(RECORD) >= 60
    assert set(RECORD) == {name for name, _ in states()}

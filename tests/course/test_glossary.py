"""Every word that the engine answers with, and every command that it takes, is in the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from k8slearn.shell.process import PROGRAMS
from k8slearn.trace import OUTCOMES

GLOSSARY = (Path(__file__).resolve().parents[2] / "course" / "glossary.md").read_text()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_is_explained(outcome: str) -> None:
    assert re.search(rf"^\*\*.*{outcome}.*\*\*", GLOSSARY, re.MULTILINE)


@pytest.mark.parametrize("command", sorted(PROGRAMS))
def test_every_command_is_explained(command: str) -> None:
    rows = [line.split("|")[1] for line in GLOSSARY.splitlines() if line.startswith("| `")]
    assert any(f"`{command}`" in row for row in rows)

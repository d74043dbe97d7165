"""What a lesson tells people to type in a real cluster is what the shell here knows, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from k8slearn import Cluster
from k8slearn.shell import kubectl

TEXTS = Path(__file__).resolve().parents[2] / "course" / "text"
HEADING = "## In a real cluster, type this"
LESSONS = sorted(path for path in TEXTS.glob("*.md") if HEADING in path.read_text(encoding="utf-8"))
NO_COMMAND = re.compile(r"[A-Z/.~]|[a-z]+:|\w+=|-|\w+/\w+$|.*…$")
"""A placeholder, a path, a field, an option that stands alone, or the beginning of any command."""


def typed(path: Path) -> list[str]:
    """Every command in the section: what stands in backticks in the last column of its table, or in its blocks."""
    section = path.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    rows = [line.rstrip(" |").rpartition(" | ")[2] for line in section.splitlines() if line.startswith("| ")][1:]
    found = [code for row in rows for code in re.findall(r"`([^`]+)`", row)]
    for block in re.findall(r"```(?:bash|console)?\n(.*?)```", section, re.DOTALL):
        found += [line.removeprefix("$ ") for line in block.splitlines() if line.strip()]
    return [code for code in found if not NO_COMMAND.match(code)]


def test_every_lesson_but_the_last_two_has_such_a_section() -> None:
    named = {path.name[:2] for path in LESSONS}
    assert named >= {f"{number:02}" for number in range(1, 15)}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_shell_here_knows_every_command(path: Path) -> None:
    place, unknown = Cluster(nodes=1).node("node-1"), []
    for command in typed(path):
        first, *words = command.split()
        known = (
            kubectl._command(words)[0] in kubectl.COMMANDS
            if first == "kubectl"
            else "command not found" not in place.run(first).stderr
        )
        if not known:
            unknown.append(command)
    assert typed(path)
    assert unknown == []

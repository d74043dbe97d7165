"""The map is complete: every line of the outline leads to a lesson and to an exercise that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

COURSE = Path(__file__).resolve().parents[2] / "course"
OUTLINE = COURSE.parents[1] / "shared" / "seed"
"""The outline itself, where it stands beside the repository; a clone has the line numbers alone."""
STATEMENTS = {*range(4, 11), *range(13, 21), *range(23, 35), *range(37, 46)}
HEADINGS = {1, 3, 12, 22, 36}
WAY_BACK = {47}
"""The outline's link to the page that it came from."""


def rows() -> list[tuple[set[int], str, str, str]]:
    """(lines, topic, lesson, exercises) of the map."""
    table = (COURSE / "README.md").read_text(encoding="utf-8").partition("| Lines |")[2].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table if line.startswith("|")]
    return [(lines(span), topic, lesson, exercises) for span, topic, lesson, exercises in cells]


def lines(span: str) -> set[int]:
    """``1, 3-4`` as numbers."""
    ends = [[int(end) for end in part.split("-")] for part in span.split(",")]
    return {number for part in ends for number in range(part[0], part[-1] + 1)}


def test_every_line_of_the_outline_stands_in_the_map_once() -> None:
    named = [number for row in rows() for number in row[0]]
    assert sorted(named) == sorted(STATEMENTS | HEADINGS)


def test_every_topic_has_a_lesson_and_what_is_no_heading_an_exercise() -> None:
    for _, topic, lesson, exercises in rows():
        for number in re.findall(r"(?:^|[;:] )(\d+)", lesson):
            assert list(COURSE.glob(f"{int(number):02}-*.ipynb")), topic
        named = re.findall(r"\[([\w-]+)\]\(exercises/\1\.ipynb\)", exercises)
        assert named or topic.startswith("**"), topic
        assert re.match(r"\d+", lesson), topic
        assert all((COURSE / "exercises" / f"{exercise}.ipynb").is_file() for exercise in named)


@pytest.mark.parametrize("sheet", sorted((COURSE / "exercises").glob("*.ipynb")), ids=lambda sheet: sheet.stem)
def test_every_exercise_is_named_by_its_lesson_and_by_the_map(sheet: Path) -> None:
    (lesson,) = (COURSE / "text").glob(f"{sheet.stem[:2]}-*.md")
    link = f"(exercises/{sheet.name})"
    assert link in lesson.read_text(encoding="utf-8")
    assert link in (COURSE / "README.md").read_text(encoding="utf-8")


def test_the_outline_has_no_line_that_the_map_does_not_know() -> None:
    for outline in OUTLINE.glob("*.txt"):
        text = outline.read_text(encoding="utf-8").splitlines()
        written = {number for number, line in enumerate(text, 1) if line.strip()}
        assert written == STATEMENTS | HEADINGS | WAY_BACK
        assert {number for number in written if text[number - 1].startswith("#")} == HEADINGS | WAY_BACK

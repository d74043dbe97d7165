"""`k8slearn lab` copies the course and never loses what a learner did to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8slearn import lab
from k8slearn.errors import Refused


@pytest.fixture
def course(tmp_path: Path) -> Path:
    source = tmp_path / "course"
    (source / "text").mkdir(parents=True)
    (source / "images").mkdir()
    (source / "01-a.ipynb").write_text("lesson one")
    (source / "text" / "01-a.md").write_text("for authors")
    (source / "images" / "a.svg").write_text("<svg/>")
    return source


def test_a_new_folder_gets_the_whole_course_but_not_its_sources(course: Path, tmp_path: Path) -> None:
    mine = tmp_path / "deep" / "mine"
    assert lab.copy_course(course, mine) == []
    copied = sorted(p.relative_to(mine).as_posix() for p in mine.rglob("*") if p.is_file())
    lesson = [name for name in copied if not name.startswith(".k8slearn/")]
    assert lesson == ["01-a.ipynb", "images/a.svg"]


def test_a_file_that_the_learner_left_alone_follows_the_course(course: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    lab.copy_course(course, mine)
    (course / "01-a.ipynb").write_text("lesson one, better")
    assert lab.copy_course(course, mine) == []
    assert (mine / "01-a.ipynb").read_text() == "lesson one, better"


def test_what_the_learner_changed_stays_and_the_new_version_goes_beside_it(course: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    lab.copy_course(course, mine)
    (mine / "01-a.ipynb").write_text("my work")
    assert lab.copy_course(course, mine) == []
    assert [p.name for p in mine.glob("01-a*")] == ["01-a.ipynb"]

    (course / "01-a.ipynb").write_text("lesson one, better")
    (note,) = lab.copy_course(course, mine)
    assert "01-a.new.ipynb" in note
    assert (mine / "01-a.ipynb").read_text() == "my work"
    assert (mine / "01-a.new.ipynb").read_text() == "lesson one, better"
    assert lab.copy_course(course, mine) == []


def test_work_in_a_file_beside_is_not_overwritten_by_the_next_version(course: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    for version in ("one", "two", "three"):
        (course / "01-a.ipynb").write_text(version)
        lab.copy_course(course, mine)
        for mine_too in mine.glob("01-a*.ipynb"):
            mine_too.write_text(f"my work on {mine_too.read_text()}")
    assert (mine / "01-a.ipynb").read_text().endswith("one")
    assert (mine / "01-a.new.ipynb").read_text().endswith("two")
    assert (mine / "01-a.new2.ipynb").read_text().endswith("three")


@pytest.mark.parametrize("memory", ["", "[]", "{", '{"01-a.ipynb": 7}'])
def test_a_lost_memory_costs_no_work(course: Path, tmp_path: Path, memory: str) -> None:
    mine = tmp_path / "mine"
    lab.copy_course(course, mine)
    (mine / ".k8slearn" / "copied.json").write_text(memory)
    (mine / "01-a.ipynb").write_text("my work")
    lab.copy_course(course, mine)
    assert (mine / "01-a.ipynb").read_text() == "my work"


def test_a_folder_that_cannot_be_written_is_refused_in_one_sentence(course: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Refused, match="cannot be copied"):
        lab.copy_course(course, tmp_path / "file" / "mine")


def test_the_lab_opens_the_introduction() -> None:
    assert lab.FIRST == "00-introduction.ipynb"
    assert (lab.course() / lab.FIRST).is_file()

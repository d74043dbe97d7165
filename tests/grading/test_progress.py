"""Progress: what the saved files say, by the grader's rules; carried to another machine, and never sent anywhere."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from k8slearn import open_exercise
from k8slearn.cli import main
from k8slearn.errors import Refused
from k8slearn.grading.definition import load
from k8slearn.grading.laws import solutions
from k8slearn.grading.progress import Progress, Stand, progress, unpack

EXERCISE = "05-mend-the-route"


def solved(folder: Path, learner: str = "alice") -> None:
    exercise = open_exercise(EXERCISE, learner, autosave=folder / ".k8slearn")
    solve = next(iter(solutions(load(EXERCISE).folder / "reference.py").values()))
    solve(exercise)
    assert exercise.done


def test_what_was_done_has_its_points_and_the_rest_is_not_begun(tmp_path: Path) -> None:
    solved(tmp_path)
    found = progress(tmp_path, "alice")
    mine = next(stand for stand in found.stands if stand.id == EXERCISE)
    assert (mine.state, mine.points, mine.first_time) == ("done", mine.max_points, True)
    assert (found.done, found.streak) == (1, 1)
    assert {stand.state for stand in found.stands if stand is not mine} == {"not begun"}
    assert "right the first time" in found.text()
    assert 'download="k8slearn-progress.zip"' in found._repr_html_()


def test_reading_progress_writes_nothing(tmp_path: Path) -> None:
    solved(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    progress(tmp_path, "alice")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_packed_work_goes_on_on_another_machine(tmp_path: Path) -> None:
    here, there, packed = tmp_path / "here", tmp_path / "there", tmp_path / "progress.zip"
    solved(here)
    assert main(["progress", str(here), "--learner", "alice", "--pack", str(packed)]) == 0
    assert main(["progress", str(there), "--learner", "alice", "--unpack", str(packed), "-o", "json"]) == 0
    assert progress(there, "alice").to_dict() == progress(here, "alice").to_dict()
    assert open_exercise(EXERCISE, "alice", autosave=there / ".k8slearn").done


def test_work_that_is_there_already_is_kept_beside_it(tmp_path: Path) -> None:
    solved(tmp_path)
    (tmp_path / "p.zip").write_bytes(progress(tmp_path, "alice").packed())
    saved = next((tmp_path / ".k8slearn").glob("*.jsonl"))
    saved.write_text("mine")
    assert "kept as" in unpack(tmp_path / "p.zip", tmp_path)[0]
    assert saved.with_name(saved.name + "~").read_text() == "mine"


def test_a_zip_that_is_none_of_ours_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tmp_path / "odd.zip"
    with zipfile.ZipFile(odd, "w") as archive:
        archive.writestr("../../evil-x.jsonl", "{}")
    with pytest.raises(Refused, match="no progress of k8slearn"):
        unpack(odd, tmp_path)
    odd.write_text("no zip")
    assert main(["progress", str(tmp_path), "--unpack", str(odd)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_spoilt_file_is_said_and_hides_nothing_else(tmp_path: Path) -> None:
    solved(tmp_path)
    (tmp_path / ".k8slearn" / f"{EXERCISE}-bob.jsonl").write_text("{}\n")
    assert progress(tmp_path, "alice").done == 1
    states = {stand.id: stand.state for stand in progress(tmp_path, "bob").stands}
    assert states[EXERCISE] == "cannot be read"


def test_a_streak_is_broken_by_what_was_answered_twice_and_not_by_what_was_left_out() -> None:
    def stand(state: str, first: bool) -> Stand:
        return Stand("x", "", "", state, first_time=first)

    right, left_out, twice = stand("done", True), stand("not begun", False), stand("done", False)
    assert Progress("a", Path(), (right, left_out, right, twice, right)).streak == 2
    json.dumps(Progress("a", Path(), (right,)).to_dict())


def test_the_lab_saves_where_progress_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8SLEARN_AUTOSAVE", str(tmp_path / ".k8slearn"))
    solve = next(iter(solutions(load(EXERCISE).folder / "reference.py").values()))
    solve(open_exercise(EXERCISE, "alice"))
    assert progress(learner="alice").done == 1


def test_a_card_reads_in_what_was_downloaded_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    solved(tmp_path / "there")
    card = progress(tmp_path / "here", "alice").card()
    assert "0 of" in card.summary
    card.file = {"name": "p.zip", "data": progress(tmp_path / "there", "alice").link().split(",")[1]}
    assert card.said == f"{EXERCISE}-alice.jsonl: taken over"
    assert "alice: 1 of" in card.summary
    card.file = {"name": "x.zip", "data": "aGVsbG8="}
    assert card.said == "✕ this file cannot be read: File is not a zip file"
    assert card.link == progress(tmp_path / "here", "alice").link()


def test_work_that_was_kept_once_is_not_lost_when_another_file_is_taken_over(tmp_path: Path) -> None:
    saved = tmp_path / ".k8slearn" / "01-tiny-alice.jsonl"
    for number in (1, 2, 3):
        with zipfile.ZipFile(tmp_path / "work.zip", "w") as archive:
            archive.writestr(saved.name, f"work {number}")
        unpack(tmp_path / "work.zip", tmp_path)
    assert {path.read_text() for path in saved.parent.iterdir()} == {"work 1", "work 2", "work 3"}

"""What came after the deadline is marked and costs what the course says; of several copies the newest counts."""

from __future__ import annotations

import csv
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from k8slearn.cli import main
from k8slearn.grading.collect import collect, moment
from k8slearn.grading.late import told

from .conftest import notebook
from .work import record_of

DEADLINE = "2026-12-01T12:00+01:00"
HOUR = 3600


@pytest.fixture
def class_of_three(shelf: Path, hand_in: Callable[..., Path], tmp_path: Path) -> Path:
    """alice is in time, bob an hour late, carol two days and an hour."""
    for name, over in (("alice", -1), ("bob", HOUR), ("carol", 49 * HOUR)):
        path = hand_in(name, notebook(record_of(name)))
        os.utime(path, (moment(DEADLINE, "") + over,) * 2)
    return tmp_path / "submissions"


def graded(submissions: Path, out: Path, *options: str) -> dict[str, tuple[str, str]]:
    """Learner -> points and message."""
    assert main(["grade", str(submissions), "--out", str(out), "--jobs", "1", *options]) == 0
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {row["learner"]: (row["points"], row["message"]) for row in csv.DictReader(file)}


def test_what_is_late_is_marked_and_costs_nothing_unless_the_course_says_so(
    class_of_three: Path, tmp_path: Path
) -> None:
    assert graded(class_of_three, tmp_path / "out", "--deadline", DEADLINE) == {
        "alice": ("4", ""),
        "bob": ("4", "Handed in 1 hour after the deadline."),
        "carol": ("4", "Handed in 2 days 1 hour after the deadline."),
    }
    assert "1 hour after" in (tmp_path / "out" / "feedback" / "bob.html").read_text()
    assert {
        g["learner"] for g in json.loads((tmp_path / "out" / "grades.json").read_text())["grades"] if "late" in g
    } == {
        "bob",
        "carol",
    }
    assert graded(class_of_three, tmp_path / "free")["carol"] == ("4", "")


def test_a_penalty_is_for_each_day_begun_and_another_one_needs_no_new_grading(
    class_of_three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = graded(class_of_three, out, "--deadline", DEADLINE, "--late-penalty", "10")
    assert {name: points for name, (points, _) in found.items()} == {"alice": "4", "bob": "3.6", "carol": "2.8"}
    assert found["carol"][1] == "Handed in 2 days 1 hour after the deadline: 1.2 of the 4 points are taken off."
    found = graded(class_of_three, out, "--deadline", DEADLINE, "--late-penalty", "50")
    assert {name: points for name, (points, _) in found.items()} == {"alice": "4", "bob": "2", "carol": "0"}
    assert graded(class_of_three, out)["carol"] == ("4", "")


def test_a_learner_may_have_a_deadline_of_their_own(class_of_three: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("alice\nbob,2026-12-01T13:00+01:00\ncarol\n")
    found = graded(class_of_three, tmp_path / "out", "--deadline", DEADLINE, "--roster", str(roster))
    assert (found["bob"][1], found["carol"][1][:16]) == ("", "Handed in 2 days")


def test_a_zip_a_list_and_nbgraders_timestamp_say_when(class_of_three: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        member = zipfile.ZipInfo("bob/01-tiny.ipynb", (2026, 12, 1, 11, 0, 2))
        archive.writestr(member, (class_of_three / "bob" / "01-tiny.ipynb").read_bytes())
    assert graded(tmp_path / "all.zip", tmp_path / "zip", "--deadline", DEADLINE)["bob"][1].startswith(
        "Handed in 2 seconds"
    )
    (tmp_path / "list.csv").write_text(
        f"bob,{class_of_three}/bob,2026-12-01T12:30+01:00\ncarol,{class_of_three}/carol\n"
    )
    listed = graded(tmp_path / "list.csv", tmp_path / "listed", "--deadline", DEADLINE)
    assert listed["bob"][1] == "Handed in 30 minutes after the deadline."
    assert listed["carol"][1] == "Nothing says when this was handed in."
    (class_of_three / "carol" / "timestamp.txt").write_text("2026-12-01 10:59:00.123456 UTC\n")
    (class_of_three / "bob" / "timestamp.txt").write_text("yesterday")
    stamped = graded(class_of_three, tmp_path / "stamped", "--deadline", DEADLINE)
    assert (stamped["carol"][1], stamped["bob"][1]) == ("", "Nothing says when this was handed in.")


def test_of_several_copies_the_newest_counts_and_the_others_are_named(
    shelf: Path, hand_in: Callable[..., Path], tmp_path: Path
) -> None:
    first = hand_in("alice", notebook(record_of("alice", "wrong/timeout.py")))
    newer = first.with_name("01-tiny (1).ipynb")
    newer.write_bytes(json.dumps(notebook(record_of("alice"))).encode())
    os.utime(first, (1_000_000_000,) * 2)
    assert collect(tmp_path / "submissions")["alice"]["01-tiny"].path == newer
    assert graded(tmp_path / "submissions", tmp_path / "out") == {"alice": ("4", "")}
    assert "another copy does not count: 01-tiny.ipynb" in (tmp_path / "out" / "grades.json").read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--deadline", "tomorrow"), "--deadline has the time 'tomorrow'; write it as 2026-12-01T12:00+01:00"),
        (("--late-penalty", "10"), "--late-penalty needs --deadline TIME"),
        (("--deadline", DEADLINE, "--late-penalty", "-1"), "a percentage from 0 to 100, not -1"),
    ],
)
def test_a_deadline_that_is_none_is_refused_in_a_sentence(
    class_of_three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], says: str
) -> None:
    assert main(["grade", str(class_of_three), "--out", str(tmp_path / "out"), *options]) == 2
    assert says in capsys.readouterr().err


def test_a_length_of_time_is_said_in_its_two_largest_units() -> None:
    assert [told(s) for s in (1, 61, 3600, 90_061)] == ["1 second", "1 minute 1 second", "1 hour", "1 day 1 hour"]

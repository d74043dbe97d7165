"""A class is graded: the honest get what they earned, the hostile get a sentence, and nothing else happens."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from k8slearn.errors import Refused
from k8slearn.grading.pool import Allowance
from k8slearn.grading.report import REPORTS, write_reports
from k8slearn.grading.run import STATUSES, Course, Row, grade_run

from .conftest import notebook
from .work import record_of, with_inputs

pytestmark = pytest.mark.usefixtures("shelf")
HandIn = Callable[..., Path]
QUICK = Allowance(megabytes=400, seconds=1, wall=30.0)

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
)
FLOOD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: flood}
spec:
  replicas: 1000000
  selector: {matchLabels: {app: flood}}
  template:
    metadata: {labels: {app: flood}}
    spec: {containers: [{name: c, image: x}]}
"""
YEAR = 366 * 24 * 3600


def apply(source: str) -> tuple[str, dict[str, Any]]:
    return "apply", {"source": source, "namespace": "default"}


def run_on(on: str, command: str) -> tuple[str, dict[str, Any]]:
    return "run", {"on": on, "command": command, "stdin": "", "env": {}}


def honest(hand_in: HandIn) -> None:
    hand_in("alice", notebook(record_of("alice")))
    hand_in("bob", notebook(record_of("bob", "wrong/timeout.py")))
    hand_in("carol", notebook(record_of("carol", "")))
    hand_in("dave", notebook(record_of("dave"), record_of("dave", "wrong/other-port.py")))


def grades(rows: list[Row]) -> dict[str, tuple[float, str]]:
    return {row.learner: (row.points, row.status) for row in rows}


def test_each_learner_gets_what_the_newest_record_is_worth(hand_in: HandIn, tmp_path: Path) -> None:
    honest(hand_in)
    rows = grade_run(tmp_path / "submissions", jobs=2)
    assert grades(rows) == {
        "alice": (4, "done"),
        "bob": (3, "not done"),
        "carol": (0, "not done"),
        "dave": (2, "not done"),
    }
    assert "You answered timeout." in rows[1].message


HOSTILE: dict[str, Callable[[str], Any]] = {
    "someone-elses": lambda name: notebook(record_of("alice")),
    "other-variant": lambda name: notebook({**record_of(name), "variant": record_of("zoe")["variant"]}),
    "no-variant": lambda name: notebook({**record_of(name), "variant": {}}),
    "other-exercise": lambda name: notebook({**record_of(name), "exercise": "02-mend"}),
    "claims-points": lambda name: notebook({**record_of(name, ""), "points": 4}),
    "forged-output": lambda name: {"cells": [{"outputs": [{"data": {"text/plain": "done: 4 of 4 points"}}]}]},
    "runs-python": lambda name: notebook(with_inputs(record_of(name, ""), ("python", {"code": "import os"}))),
    "empty": lambda name: b"",
    "rubbish": lambda name: os.urandom(5000),
    "big": lambda name: b" " * 25_000_000,
    "no-record": lambda name: notebook(),
    "deep": lambda name: b'{"cells":' + b"[" * 100_000,
    "nan": lambda name: (
        json.dumps(notebook(record_of(name))).replace('"revision": ', '"revision": NaN, "x": ').encode()
    ),
}

ENTRIES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "yaml-bomb": [apply(BOMB)],
    "yaml-python": [apply("!!python/object/apply:os.system ['touch owned']")],
    "yaml-deep": [apply("[" * 50_000)],
    "flood": [apply(FLOOD)],
    "clock": [("advance", {"seconds": YEAR})] * 50,
    "long-address": [run_on("node:node-1", "ip route add " + "1" * 100_000 + " via 10.0.0.1")],
    "shell": [run_on("node:node-1", "touch /tmp/owned; $(touch owned) `touch owned`")],
    "files": [("kubectl", {"command": "apply -f /etc/passwd", "stdin": ""})],
    "paths": [run_on("node:../../etc", "cat /etc/passwd")],
    "selector": [("kubectl", {"command": "get pods -l '" + "a in (" * 5000 + "'", "stdin": ""})],
}


@pytest.fixture
def hostile(hand_in: HandIn, tmp_path: Path) -> Path:
    """Every hostile submission, with one honest one between them."""
    hand_in("alice", notebook(record_of("alice")))
    for name, make in HOSTILE.items():
        hand_in(name, make(name))
    for name, inputs in ENTRIES.items():
        hand_in(name, notebook(with_inputs(record_of(name, ""), *inputs)))
    submissions = tmp_path / "submissions"
    (submissions / "link").symlink_to(submissions / "alice")
    (submissions / "linked").mkdir()
    (submissions / "linked" / "01-tiny.ipynb").symlink_to(submissions / "alice" / "01-tiny.ipynb")
    (submissions / "pipe").mkdir()
    os.mkfifo(submissions / "pipe" / "01-tiny.ipynb")
    (submissions / "folder" / "01-tiny.ipynb").mkdir(parents=True)
    (submissions / "conftest.py").write_text("raise SystemExit(0)")
    (submissions / "alice" / "k8slearn.py").write_text("raise SystemExit(0)")
    return submissions


def test_no_hostile_submission_earns_a_point_or_stops_the_run(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_in(tmp_path)
    monkeypatch.chdir(hostile)
    rows = grade_run(hostile, jobs=2, allowance=QUICK)
    found = grades(rows)
    assert found.pop("alice") == (4, "done")
    assert set(found) == {*HOSTILE, *ENTRIES, "linked", "pipe", "folder"}
    assert {name: points for name, (points, _) in found.items() if points} == {}
    for row in rows:
        assert row.status in STATUSES
        assert row.message or row.status == "done", row
    for name in HOSTILE:
        assert found[name][1] == "refused", name
    assert files_in(tmp_path) == before


def test_a_hostile_learner_keeps_what_was_earned_honestly(hand_in: HandIn, tmp_path: Path) -> None:
    evil = notebook(record_of("mallory"))
    evil["cells"][0]["source"] = "import k8slearn.grading.judge as j; j.judge = None"
    evil["cells"][0]["metadata"] = {"tags": ["skip-execution", "raises-exception"]}
    evil["metadata"] = {"kernelspec": {"name": "evil", "language": "bash"}}
    hand_in("mallory", evil)
    for name, inputs in ENTRIES.items():
        if name not in ("flood", "clock", "yaml-bomb"):
            hand_in(name, notebook(with_inputs(record_of(name), *inputs)))
    for row in grade_run(tmp_path / "submissions", jobs=2):
        assert row.status in ("done", "refused"), row
        if row.status == "done" and row.learner != "mallory":
            assert row.judgement is not None
            assert row.judgement.odd, row.learner


def test_any_number_of_workers_gives_the_same_bytes(hand_in: HandIn, tmp_path: Path) -> None:
    honest(hand_in)
    for name in ("empty", "someone-elses", "nan"):
        hand_in(name, HOSTILE[name](name))
    reports = []
    for jobs in (1, 3):
        write_reports(grade_run(tmp_path / "submissions", jobs=jobs), tmp_path / str(jobs))
        reports.append({p.relative_to(tmp_path / str(jobs)): p.read_bytes() for p in files_in(tmp_path / str(jobs))})
    assert reports[0] == reports[1]


NAMES = [
    "<img src=x onerror=alert(1)>",
    "=cmd|' " + "'!A1",
    "new\nline",
    "\x1b[31m",
    "a|b",
    "-rf",
    "::error::x",
    "É ü",
    "x" * 200,
]


def test_a_name_is_text_in_every_report(hand_in: HandIn, tmp_path: Path) -> None:
    for name in NAMES:
        content = notebook(record_of("alice") if not name.isprintable() or len(name) > 80 else record_of(name))
        hand_in(name, content)
    out = tmp_path / "report"
    rows = grade_run(tmp_path / "submissions", jobs=1)
    write_reports(rows, out)
    assert len(rows) == len(NAMES)
    assert sum(row.status == "done" for row in rows) == len([n for n in NAMES if n.isprintable() and len(n) <= 80])
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(NAMES)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in table for cell in row.values())
    assert list(table[0]) == ["learner", "exercise", "points", "max_points", "status", "message"]
    suites = ElementTree.parse(out / "junit.xml").getroot()
    assert len(suites) == len(NAMES)
    assert {f.suffix for f in (out / "feedback").iterdir()} == {".html"}
    assert len(list((out / "feedback").iterdir())) == len(NAMES)
    for page in files_in(out):
        text = page.read_text(encoding="utf-8")
        assert "<img" not in text or page.suffix in (".csv", ".json", ".txt")
        assert "\x1b" not in text
        ours = "::warning title=" if page.name == "annotations.txt" else "our own commands stand in that file only"
        assert not any(line.startswith("::") and not line.startswith(ours) for line in text.splitlines())
    assert json.loads((out / "grades.json").read_text())["grades"][0]["max_points"] == 4


def test_who_handed_in_nothing_is_missing(hand_in: HandIn, tmp_path: Path) -> None:
    honest(hand_in)
    hand_in("erin", {}, exercise="holiday")
    roster = tmp_path / "roster.csv"
    roster.write_text("# the class\nalice,a@example.com\nzoe,z@example.com\n")
    rows = grade_run(tmp_path / "submissions", jobs=1, course=Course(roster))
    found = {(row.learner, row.exercise): (row.status, row.message) for row in rows}
    assert found["zoe", "01-tiny"] == ("missing", "no notebook was handed in")
    assert found["erin", "01-tiny"][0] == "missing"
    assert "there is no exercise called 'holiday'" in found["erin", "holiday"][1]


def test_nothing_to_grade_is_one_sentence(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(Refused, match=r"LEARNER/EXERCISE\.ipynb"):
            grade_run(wrong)


def test_progress_is_told_once_per_submission(hand_in: HandIn, tmp_path: Path) -> None:
    honest(hand_in)
    told: list[tuple[int, int]] = []
    grade_run(tmp_path / "submissions", jobs=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def files_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_the_platforms_get_a_column_per_exercise_and_the_summary_fits_a_step() -> None:
    rows = [Row(f"={n}" + "<x>" * 200, e, 1.5, 2, "done") for n in range(1000) for e in ("a", "b")]
    reports = {name: make(rows) for name, make in REPORTS.items()}
    for name, first in (("canvas.csv", 5), ("moodle.csv", 1)):
        table = list(csv.reader(reports[name].splitlines()))
        assert table[0][first:] == ["a", "b"]
        assert table[-1][first:] == ["1.5", "1.5"]
        assert not any(cell[:1] in ("=", "+", "-", "@") for line in table for cell in line if cell)
    assert len(reports["summary.md"].encode()) < 2**20
    assert reports["summary.md"].rstrip().endswith("more in grades.csv")

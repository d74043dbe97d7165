"""What an instructor does: release, collect from anywhere, grade, explain one grade, mend a check and grade again."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8slearn import open_exercise
from k8slearn.cli import main
from k8slearn.errors import Refused
from k8slearn.grading.checks import run_file
from k8slearn.grading.notebook import MOST_BYTES
from k8slearn.grading.release import write_release
from k8slearn.grading.run import Course, Row, Task, find_tasks, grade, grade_run
from k8slearn.grading.token import accepted, make_secret, read_secret, sign

from .conftest import FIXTURES, notebook
from .work import TINY, record_of

pytestmark = pytest.mark.usefixtures("shelf")
SECRET = b"a secret of the course"
HandIn = Callable[..., Path]


def signed_record(learner: str, token: str) -> dict[str, Any]:
    exercise = open_exercise("01-tiny", learner=learner, autosave=False, token=token)
    run_file(TINY / "reference.py")["solve"](exercise)
    return exercise.record()


# -- variants that the course signs ------------------------------------------------------------------------------------


def test_a_signed_variant_is_graded_and_any_other_is_not(hand_in: HandIn, tmp_path: Path) -> None:
    alices = sign(SECRET, "01-tiny", "alice")
    hand_in("alice", notebook(signed_record("alice", alices)))
    hand_in("bob", notebook({**signed_record("alice", alices), "learner": "bob"}))
    hand_in("carol", notebook(record_of("carol")))
    hand_in("dave", notebook(signed_record("dave", sign(b"another course's secret", "01-tiny", "dave"))))
    rows = grade_run(tmp_path / "submissions", jobs=1, course=Course(secret=SECRET))
    assert [(r.points, r.status) for r in rows] == [(4, "done"), *[(0, "refused")] * 3]
    assert all("released to this learner" in r.message for r in rows[1:])


@pytest.mark.parametrize("token", ["x", "0" * 40, sign(SECRET, "01-tiny", "bob"), sign(SECRET, "02-x", "alice"), "é"])
def test_a_token_of_somebody_else_does_not_open_the_exercise(token: str) -> None:
    with pytest.raises(Refused, match="is not the one that the course released to 'alice'"):
        open_exercise("01-tiny", learner="alice", token=token)


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    made = make_secret(path)
    assert make_secret(path) == read_secret(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert accepted(sign(made, "e", "é"), "e", "é")
    path.write_bytes(b"short")
    with pytest.raises(Refused, match="at least 16"):
        read_secret(path)


# -- release -----------------------------------------------------------------------------------------------------------


def test_what_is_released_and_solved_is_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roster, out, secret = tmp_path / "roster.csv", tmp_path / "release", tmp_path / "secret"
    roster.write_text("alice\nÉva <b>\n")
    asked = ["--roster", str(roster), "--secret", str(secret)]
    assert main(["release", str(out), *asked]) == 0
    for name in ("alice", "Éva <b>"):
        path = out / name / "01-tiny.ipynb"
        made = json.loads(path.read_text())
        opening = made["cells"][2]["source"].splitlines()[1]
        exercise = eval(opening.removeprefix("exercise = "), {"open_exercise": open_exercise})
        run_file(TINY / "reference.py")["solve"](exercise)
        path.write_text(json.dumps(notebook(exercise.record())))
    assert main(["grade", str(out), *asked, "--out", str(tmp_path / "report")]) == 0
    assert "2 graded, 2 done" in capsys.readouterr().out
    assert main(["release", str(out)]) == 2
    assert "is no empty folder" in capsys.readouterr().err


def test_nbgrader_takes_the_released_course(tmp_path: Path) -> None:
    import nbformat

    assert write_release(tmp_path / "course", nbgrader=True) == 1
    made = nbformat.read(tmp_path / "course" / "source" / "k8slearn" / "01-tiny.ipynb", as_version=4)
    nbformat.validate(made)
    marks = [cell.metadata.nbgrader for cell in made.cells if "nbgrader" in cell.metadata]
    assert len({m.grade_id for m in marks}) == len(marks)
    assert sum(m.get("points", 0) for m in marks if m.grade) == 4
    assert [m.grade_id for m in marks if m.solution] == ["answer"]
    assert {m.schema_version for m in marks} == {3}


@pytest.mark.parametrize("solution", ["reference.py", "wrong/timeout.py", "wrong/other-port.py"])
def test_its_test_cells_give_the_points_that_the_grader_gives(tmp_path: Path, solution: str, hand_in: HandIn) -> None:
    """nbgrader's rule: a test cell that raises earns nothing, any other its points."""
    write_release(tmp_path / "course", nbgrader=True)
    made = json.loads((tmp_path / "course" / "source" / "k8slearn" / "01-tiny.ipynb").read_text())
    names: dict[str, Any] = {}
    earned = 0.0
    for cell in made["cells"]:
        marks = cell["metadata"].get("nbgrader", {})
        source = cell["source"] if cell["cell_type"] == "code" else ""
        if marks.get("solution"):
            source = (TINY / solution).read_text() + "\nsolve(exercise)"
        try:
            exec(source, names)
        except Exception:
            assert marks["grade"]
        else:
            earned += marks.get("points", 0)
    hand_in("your-name", notebook(names["exercise"].record()))
    assert grade_run(tmp_path / "submissions", jobs=1)[0].points == earned


# -- hand-ins of any shape ---------------------------------------------------------------------------------------------


def zipped(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_zip_is_graded_without_unpacking_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = json.dumps(notebook(record_of("alice"))).encode()
    bomb = b" " * (MOST_BYTES + 1)
    monkeypatch.chdir(tmp_path)
    path = zipped(
        tmp_path / "class.zip",
        ("class/alice/01-tiny.ipynb", good),
        ("class/../../../../01-tiny.ipynb", good),
        ("/etc/01-tiny.ipynb", good),
        ("__MACOSX/01-tiny.ipynb", good),
        ("class/bomb/01-tiny.ipynb", bomb),
        ("class/deep/er/and/deeper/01-tiny.ipynb", good),
    )
    rows = {row.learner: row for row in grade_run(path, jobs=1)}
    assert rows["alice"].status == "done"
    assert "unpacked" in rows["bomb"].message
    assert {row.status for name, row in rows.items() if name != "alice"} == {"refused"}
    assert [p.name for p in tmp_path.iterdir()] == ["class.zip"]


def test_a_damaged_zip_is_a_sentence(tmp_path: Path) -> None:
    good = json.dumps(notebook(record_of("alice"))).encode()
    path = zipped(tmp_path / "class.zip", ("alice/01-tiny.ipynb", good))
    raw = bytearray(path.read_bytes())
    raw[100:140] = b"\xff" * 40
    path.write_bytes(raw)
    assert grade_run(path, jobs=1)[0].status == "refused"
    path.write_bytes(raw[:-60])
    with pytest.raises(Refused):
        grade_run(path, jobs=1)


def test_a_list_of_checkouts_is_graded(tmp_path: Path) -> None:
    inside = tmp_path / "repo" / "course" / "exercises"
    inside.mkdir(parents=True)
    (inside / "01-tiny.ipynb").write_text(json.dumps(notebook(record_of("alice"))))
    listed = tmp_path / "list.csv"
    listed.write_text("# learner, checkout\nalice,repo\n")
    assert [row.status for row in grade_run(listed, jobs=1)] == ["done"]
    (tmp_path / "repo" / "01-tiny.ipynb").write_text("{}")
    assert [row.status for row in grade_run(listed, jobs=1)] == ["refused"]
    listed.write_text("alice,nowhere\n")
    with pytest.raises(Refused, match="not LEARNER,FOLDER"):
        grade_run(listed)


# -- hidden checks, one grade explained, one exercise graded again -----------------------------------------------------

HIDDEN = """
from k8slearn.grading.checks import Failed, check

@check("private", asks="Nobody knows.", points=5)
def private(work):
    raise Failed("It does not hold.")
"""


def test_a_hidden_check_counts_and_stands_in_no_learners_folder(hand_in: HandIn, tmp_path: Path) -> None:
    hand_in("alice", notebook(record_of("alice")))
    (tmp_path / "hidden" / "01-tiny").mkdir(parents=True)
    (tmp_path / "hidden" / "01-tiny" / "checks.py").write_text(HIDDEN)
    (row,) = grade_run(tmp_path / "submissions", jobs=1, course=Course(hidden=tmp_path / "hidden"))
    assert (row.points, row.max_points, row.message) == (4, 9, "It does not hold.")


def test_a_disputed_grade_is_explained(hand_in: HandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hand_in("bob", notebook(record_of("bob", "wrong/timeout.py")))
    hand_in("eve", b"rubbish\x1b[31m")
    class_ = str(tmp_path / "submissions")
    assert main(["grade", class_, "--explain", "bob", "01-tiny"]) == 0
    assert "not done: 3 of 4 points" in (told := capsys.readouterr().out)
    assert "You answered timeout." in told
    assert "Misconception: timeout (check predicted)" in told
    assert main(["grade", class_, "--explain", "eve", "01-tiny"]) == 0
    assert "refused: the notebook is not JSON" in capsys.readouterr().out
    assert main(["grade", class_, "--explain", "zoe", "01-tiny"]) == 2


def test_only_what_changed_is_graded_again(hand_in: HandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sqlalchemy")
    from k8slearn.grading.gradebook import Gradebook

    exercises = tmp_path / "exercises"
    shutil.copytree(FIXTURES, exercises, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("K8SLEARN_EXERCISES", str(exercises))
    for name in ("alice", "bob"):
        hand_in(name, notebook(record_of(name)))
    hand_in("\udcff", b"rubbish")

    def graded() -> tuple[list[Row], int]:
        told: list[int] = []
        with Gradebook(f"sqlite:///{tmp_path}/grades.db") as book:
            rows = grade_run(tmp_path / "submissions", 1, progress=lambda done, total: told.append(done), book=book)
        return rows, len(told)

    first, count = graded()
    assert count == 3
    assert graded() == (first, 0)
    hand_in("bob", notebook(record_of("bob", "wrong/timeout.py")))
    assert graded()[1] == 1
    checks = exercises / "01-tiny" / "checks.py"
    checks.write_text(checks.read_text() + "\n# mended\n")
    assert graded()[1] == 3
    assert [row.points for row in graded()[0]] == [4, 3, 0]


def test_a_run_that_was_interrupted_goes_on(hand_in: HandIn, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from k8slearn.grading.gradebook import Gradebook

    for name in ("alice", "bob", "carol"):
        hand_in(name, notebook(record_of(name, "")))
    url = f"sqlite:///{tmp_path}/grades.db"

    def interrupted(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Gradebook(url) as book:
        grade_run(tmp_path / "submissions", 1, progress=interrupted, book=book)
    told: list[int] = []
    with Gradebook(url) as book:
        rows = grade_run(tmp_path / "submissions", 1, progress=lambda done, total: told.append(total), book=book)
    assert (told, len(rows)) == ([1], 3)


def test_a_gradebook_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from k8slearn.grading.gradebook import Gradebook

    for url in ("nonsense", "sqlite:////no/such/folder/x.db", "postgresql+nothing://x/y"):
        with pytest.raises(Refused, match="the gradebook cannot be opened"):
            Gradebook(url)


def test_one_task_can_be_graded_by_itself(hand_in: HandIn, tmp_path: Path) -> None:
    hand_in("alice", notebook(record_of("alice")))
    (task,) = find_tasks(tmp_path / "submissions")
    assert isinstance(task, Task)
    assert grade(task).points == 4

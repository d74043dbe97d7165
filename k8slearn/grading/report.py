"""The grade run's reports: CSV, JSON, JUnit, Markdown, a page of feedback per learner, and one about the class.

Each is made of the same rows, in the same order, without a time or a path: the same submissions give the same bytes.
Whatever a learner wrote passes through `inert`. A file is written beside its place and moved there when it is whole.

Left out: learning platforms other than Canvas and Moodle.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from k8slearn import __version__
from k8slearn.errors import Refused
from k8slearn.grading.classreport import class_page
from k8slearn.grading.feedback import as_page_part, number, page, section
from k8slearn.grading.inert import as_command, as_csv, as_filename, as_html, as_markdown, one_line, plain
from k8slearn.grading.run import Row

MOST_SUMMARY = 2**20 - 1_000
COLUMNS = ("learner", "exercise", "points", "max_points", "status", "message")


def write_reports(rows: Sequence[Row], out: Path) -> None:
    """Write every report into the folder `out`; raises `Refused` when it cannot be written."""
    try:
        (out / "feedback").mkdir(parents=True, exist_ok=True)
        for name, make in REPORTS.items():
            _write(out / name, make(rows))
        for learner, theirs in groupby(rows, key=lambda r: r.learner):
            _write(out / "feedback" / f"{as_filename(learner)}.html", feedback_page(learner, theirs))
    except OSError as wrong:
        raise Refused(f"the report cannot be written to {out}: {wrong.strerror}") from wrong


def _write(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8", newline="")
    os.replace(beside, path)


def grades_csv(rows: Iterable[Row]) -> str:
    """One row per learner and exercise."""
    lines: list[Sequence[str]] = [COLUMNS]
    for r in rows:
        points = (number(r.points), number(r.max_points))
        lines.append(
            [as_csv(r.learner), as_csv(r.exercise), *points, r.status, as_csv(f"{r.message} {r.late}".strip())]
        )
    return _csv(lines)


def canvas_csv(rows: Iterable[Row]) -> str:
    """A column per exercise, as Canvas imports it: the learner's name is their SIS login."""
    found = list(rows)
    exercises = _worth(found)
    lines = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *map(as_csv, exercises)]]
    lines.append(["    Points Possible", "", "", "", "", *map(number, exercises.values())])
    for learner, points in _points(found):
        name = as_csv(learner)
        lines.append([name, "", "", name, "", *(points.get(e, "") for e in exercises)])
    return _csv(lines)


def moodle_csv(rows: Iterable[Row]) -> str:
    """A column per exercise, as Moodle imports it: the learner's name is their username."""
    found = list(rows)
    exercises = _worth(found)
    lines = [["username", *map(as_csv, exercises)]]
    lines += [[as_csv(learner), *(points.get(e, "") for e in exercises)] for learner, points in _points(found)]
    return _csv(lines)


def _worth(rows: Iterable[Row]) -> dict[str, float]:
    """Exercise -> the points that it is worth; what is no exercise is worth nothing and left out."""
    return dict(sorted((r.exercise, r.max_points) for r in rows if r.max_points))


def _points(rows: Iterable[Row]) -> Iterable[tuple[str, dict[str, str]]]:
    for learner, theirs in groupby(rows, key=lambda r: r.learner):
        yield learner, {r.exercise: number(r.points) for r in theirs}


def _csv(lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def grades_json(rows: Iterable[Row]) -> str:
    """The rows with every check's verdict, and what was odd."""
    grades = [_row_fields(r) for r in rows]
    return json.dumps({"engine": __version__, "grades": grades}, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def _row_fields(row: Row) -> dict[str, Any]:
    verdicts = row.judgement.verdicts if row.judgement else ()
    return {
        "learner": plain(row.learner),
        "exercise": plain(row.exercise),
        "points": _whole(row.points),
        "max_points": _whole(row.max_points),
        "status": row.status,
        "message": plain(row.message),
        **({"late": row.late} if row.late else {}),
        "checks": [
            {
                "check": v.check,
                "holds": v.holds,
                "points": _whole(v.points),
                "max_points": _whole(v.max_points),
                "says": plain(v.says),
            }
            for v in verdicts
        ],
        "odd": [plain(o) for o in row.judgement.odd] if row.judgement else [],
    }


def _whole(points: float) -> float:
    """2 for 2.0: a gradebook gives back another kind of number than it was given, and the bytes are to be the same."""
    return int(points) if points == int(points) else points


def junit_xml(rows: Sequence[Row]) -> str:
    """A test suite per learner, a test case per check; what could not be graded is an error."""
    top = ElementTree.Element("testsuites", name="k8slearn grade")
    for learner, theirs in groupby(rows, key=lambda r: r.learner):
        cases = [case for row in theirs for case in _cases(row)]
        counts = {kind: str(sum(c.find(kind) is not None for c in cases)) for kind in ("failure", "error")}
        suite = ElementTree.SubElement(
            top,
            "testsuite",
            name=one_line(learner),
            tests=str(len(cases)),
            failures=counts["failure"],
            errors=counts["error"],
        )
        suite.extend(cases)
    ElementTree.indent(top)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(top, encoding="unicode") + "\n"


def _cases(row: Row) -> list[ElementTree.Element]:
    where = one_line(row.exercise)
    if row.judgement is None:
        case = ElementTree.Element("testcase", classname=where, name="graded")
        ElementTree.SubElement(case, "error", type=row.status, message=one_line(row.message))
        return [case]
    cases = []
    for v in row.judgement.verdicts:
        cases.append(case := ElementTree.Element("testcase", classname=where, name=v.check))
        if not v.holds:
            ElementTree.SubElement(case, "failure", type="check", message=one_line(v.says)).text = plain(v.says)
    return cases


def summary_md(rows: Sequence[Row]) -> str:
    """A table per class: how each exercise went, then each learner's points."""
    lines = ["# Grades", "", "| exercise | done | not done | missing | refused | over a limit |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for exercise in sorted({r.exercise for r in rows if r.max_points}):
        states = [r.status for r in rows if r.exercise == exercise]
        counts = (states.count(s) for s in ("done", "not done", "missing", "refused", "limit"))
        lines.append(f"| {as_markdown(exercise)} | {' | '.join(map(str, counts))} |")
    lines += ["", "| learner | points | of |", "|---|---:|---:|"]
    for learner, theirs in groupby(rows, key=lambda r: r.learner):
        found = list(theirs)
        points, most = sum(r.points for r in found), sum(r.max_points for r in found)
        lines.append(f"| {as_markdown(learner)} | {number(points)} | {number(most)} |")
    return _under_a_mebibyte(lines)


def annotations_txt(rows: Sequence[Row]) -> str:
    """A workflow command for each row that somebody should look at: what could not be graded first, then what is odd.

    ``cat annotations.txt`` in a step shows them on the run's page; GitHub shows ten of a kind for each step."""
    strange = [(r, r.message) for r in rows if r.status in ("refused", "limit")]
    strange += [(r, told) for r in rows if r.judgement for told in r.judgement.odd]
    told = (f"::warning title={as_command(f'{r.learner} {r.exercise}')}::{as_command(says)}\n" for r, says in strange)
    return "".join(told)


def _under_a_mebibyte(lines: Sequence[str]) -> str:
    """The lines that fit into GitHub's step summary (1 MiB), and how many do not."""
    sizes = accumulate(len(line.encode()) + 1 for line in lines)
    shown = sum(size <= MOST_SUMMARY for size in sizes)
    more = [] if shown == len(lines) else ["", f"and {len(lines) - shown} more in grades.csv"]
    return "\n".join([*lines[:shown], *more]) + "\n"


def feedback_page(learner: str, rows: Iterable[Row]) -> str:
    """What a learner reads: every exercise, and each check of it."""
    parts = [
        (f"<p>{as_html(r.exercise)}: {as_html(r.late)}</p>\n" if r.late else "")
        + as_page_part(r.exercise, r.judgement, 2)
        if r.judgement
        else section(r.exercise, f"{r.status}: 0 of {number(r.max_points)} points. {r.message}", (), 2)
        for r in rows
    ]
    return page(f"Feedback for {as_html(learner)}", "\n".join(parts) + "\n", "50rem")


REPORTS: dict[str, Callable[[Sequence[Row]], str]] = {
    "annotations.txt": annotations_txt,
    "canvas.csv": canvas_csv,
    "class.html": class_page,
    "grades.csv": grades_csv,
    "grades.json": grades_json,
    "junit.xml": junit_xml,
    "moodle.csv": moodle_csv,
    "summary.md": summary_md,
}

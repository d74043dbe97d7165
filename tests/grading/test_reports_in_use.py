"""The reports in the hands of those who use them: a spreadsheet, a reader of JUnit files, a step summary."""

from __future__ import annotations

import csv
import itertools
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from k8slearn.cli import main
from k8slearn.grading.report import summary_md
from k8slearn.grading.row import Row

from .conftest import FIXTURES
from .payloads import hostile_class

GNUMERIC = "{http://www.gnumeric.org/v10.dtd}"
NUMBER, TEXT = "40", "60"
"""Gnumeric's types of a cell's value (its file format's `ValueType`)."""
MEBIBYTE = 1_048_576


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a class whose names, answers and commands are formulas and worse."""
    folder = tmp_path_factory.mktemp("class")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K8SLEARN_EXERCISES", str(FIXTURES))
        assert main(["grade", str(hostile_class(folder)), "--out", str(folder / "report"), "--jobs", "2"]) == 0
    return folder / "report"


def imported(table: Path, folder: Path) -> dict[tuple[int, int], tuple[str | None, str]]:
    """(row, column) -> (type, content) of each filled cell, as Gnumeric has it after it imported a CSV file.

    A cell that holds a formula has no type there, and the apostrophe that marks a text is no part of it."""
    if shutil.which("ssconvert") is None:
        pytest.skip("Gnumeric is not installed")
    book = folder / "book.xml"
    command = ["ssconvert", "-T", "Gnumeric_XmlIO:sax:0", str(table), str(book)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    cells = ElementTree.parse(book).iter(f"{GNUMERIC}Cell")
    return {(int(c.attrib["Row"]), int(c.attrib["Col"])): (c.get("ValueType"), c.text or "") for c in cells}


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "points"), [("grades.csv", {2, 3}), ("canvas.csv", {5}), ("moodle.csv", {1})], ids=lambda value: str(value)
)
def test_a_spreadsheet_takes_points_for_numbers_and_all_else_for_text(
    report: Path, tmp_path: Path, name: str, points: set[int]
) -> None:
    with (report / name).open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    found = imported(report / name, tmp_path)
    written = {(row, column): cell for row, line in enumerate(lines) for column, cell in enumerate(line) if cell}
    assert found.keys() == written.keys()
    for (row, column), cell in written.items():
        kind, content = found[row, column]
        assert kind == (NUMBER if row and column in points else TEXT), (row, column, cell)
        assert content in (cell, cell.strip(), cell.removeprefix("'")) or float(content) == float(cell)
    assert len(lines) > 150


@pytest.mark.slow
def test_a_reader_of_junit_files_counts_what_was_graded(report: Path) -> None:
    junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed")
    read = junitparser.JUnitXml.fromfile(str(report / "junit.xml"))
    suites = list(read)
    assert len(suites) == len(list((report / "feedback").iterdir()))
    for suite in suites:
        cases = list(suite)
        wrong = [type(found).__name__ for case in cases for found in case.result]
        assert (suite.tests, suite.failures, suite.errors) == (len(cases), wrong.count("Failure"), wrong.count("Error"))
        assert suite.tests > 0
    told = (read.tests, read.failures, read.errors)
    read.update_statistics()
    assert (read.tests, read.failures, read.errors) == told


@pytest.mark.parametrize(
    "name", ["learner-{:04}", "Zoë Müller-Lüdenscheidt <{:04}> [van|der] *Berg*", "&" * 76 + "{:04}"]
)
def test_a_summary_of_a_thousand_learners_fits_into_a_step(name: str) -> None:
    exercises = [f"{number:02}-exercise" for number in range(60)]
    learners = sorted(name.format(number) for number in range(1000))
    rows = [Row(who, what, 3, 4, "not done", "") for who, what in itertools.product(learners, exercises)]
    told = summary_md(rows)
    assert len(told.encode()) <= MEBIBYTE
    assert told.count("| 180 | 240 |") == 1000

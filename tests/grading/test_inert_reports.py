"""Finished reports of a class whose names, answers and commands act in every format: nothing of them acts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from k8slearn.cli import main

from .conftest import FIXTURES
from .payloads import PAYLOADS, hostile_class

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "section", "article", "details", "summary"),
    *("span", "strong", "b", "em", "code", "br", "div", "dl", "dt", "dd", "header"),
}
ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys, or what turns a line around."""
OURS = re.compile(r"::warning title=[^:,]+::[^:,]+")
OUR_STYLES = {
    "list-style:none;padding-left:0",
    "white-space:pre-wrap;margin:0.2em 1.4em",
    "margin:0.2em 1.4em",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The report of one run over every payload in every place."""
    folder = tmp_path_factory.mktemp("class")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K8SLEARN_EXERCISES", str(FIXTURES))
        assert main(["grade", str(hostile_class(folder)), "--out", str(folder / "report"), "--jobs", "2"]) == 0
        yield folder / "report"


def texts(report: Path) -> list[tuple[Path, str]]:
    return [(p, p.read_text(encoding="utf-8")) for p in sorted(report.rglob("*.*")) if p.suffix != ".sqlite"]


pytestmark = pytest.mark.slow


def test_no_report_commands_a_terminal_or_a_runner(report: Path) -> None:
    for path, text in texts(report):
        assert not ACTS.search(text), path
        if path.name == "annotations.txt":
            assert all(OURS.fullmatch(line) for line in text.split("\n")[:-1]), "only our own commands, each whole"
            continue
        assert not re.search(r"(?m)^\s*::|##\[", text), path


class Page(HTMLParser):
    """What a browser would make of a page: its tags and attributes."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "href", "srcdoc", "action"), (tag, name, value)
            assert name != "style" or value in OUR_STYLES, (tag, value)

    def handle_decl(self, decl: str) -> None:
        assert decl.lower() == "doctype html"


def test_no_page_runs_draws_or_fetches_what_a_learner_wrote(report: Path) -> None:
    pages = [(path, text) for path, text in texts(report) if path.suffix == ".html"]
    assert len(pages) > len(PAYLOADS) * 6
    for _, text in pages:
        Page().feed(text)
        assert text.count("<style") == text.count("</style") == 1


def test_no_cell_is_a_formula(report: Path) -> None:
    for name in ("grades.csv", "canvas.csv", "moodle.csv"):
        lines = list(csv.reader(io.StringIO((report / name).read_text(encoding="utf-8"), newline="")))
        assert len({len(line) for line in lines}) == 1
        for cell in (cell for line in lines for cell in line):
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "|", "%")), cell


def test_the_junit_file_has_only_elements_of_junit(report: Path) -> None:
    top = ElementTree.parse(report / "junit.xml").getroot()
    assert {e.tag for e in top.iter()} <= {"testsuites", "testsuite", "testcase", "failure", "error"}
    assert len(top) == len(list((report / "feedback").iterdir()))


def test_the_summary_is_a_table_and_nothing_else(report: Path) -> None:
    text = (report / "summary.md").read_text(encoding="utf-8")
    assert not re.search(r"[<>\[\]`@]", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {4, 7}
    assert text.count("https://") == text.count("http://") == 0


def test_the_gradebook_holds_what_was_earned(report: Path) -> None:
    sql = pytest.importorskip("sqlalchemy")
    with sql.create_engine(f"sqlite:///{report / 'gradebook.sqlite'}").connect() as book:
        rows = list(book.execute(sql.text("SELECT learner, points FROM grades")))
    assert len(rows) == len(list((report / "feedback").iterdir()))
    assert max(points for _, points in rows) <= 3


def test_a_grade_explained_in_a_terminal_is_text(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (report.parent / "class.csv").open(newline="", encoding="utf-8") as file:
        learners = [learner for learner, _ in csv.reader(file)]
    assert len(learners) > len(PAYLOADS) * 6
    for learner in learners:
        with suppress(SystemExit):  # a name that begins with a dash is no argument, which is said in a sentence too
            main(["grade", str(report.parent / "class.csv"), "--explain", learner, "01-tiny"])
        said = "".join(capsys.readouterr())
        assert said
        assert not ACTS.search(said), said

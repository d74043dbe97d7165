"""Finished reports of a class whose names, answers and commands act in every format: nothing of them acts."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from k8slearn.cli import main
from k8slearn.grading.record import MIME

from .conftest import FIXTURES, notebook
from .work import record_of, with_inputs

PAYLOADS = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "\" onmouseover=alert(1) x='",
    "svg": "</svg><svg onload=alert(1)><text>x</text>",
    "style": "</style><style>body{display:none}",
    "markdown": "[x](javascript:alert(1)) ![x](http://127.0.0.1/x) @everyone #1 `x`",
    "table": "a | b | c",
    "autolink": "http://127.0.0.1/ www.example.com a@example.com",
    "formula": "=HYPERLINK(A1)",
    "formula-at": "@SUM(A1)",
    "formula-plus": "+1+cmd|' /C calc'!A0",
    "formula-minus": "-2+3",
    "formula-tab": "\t=1+1",
    "formula-return": "\r=1+1",
    "xml": "]]><x/>&bad;<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
    "xml-control": "a\x00\x01\x0bb\ufffe",
    "workflow": "::error file=a::owned",
    "workflow-line": "x\n::add-mask::owned\n  ::stop-commands::x",
    "workflow-old": "a ##[error]owned ##[set-output name=a]b",
    "workflow-separator": "x\u2028::error::x\x85::error::y",
    "escape": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "overwrite": "good\r\x08\x08evil",
    "bidi": "\u202egnp.\u2066exe",
    "sql": "x'; DROP TABLE grades; --",
    "sql-quote": '" OR 1=1; UPDATE grades SET points=4 --',
    "format": "%s %n {0} ${x} {{7*7}}",
    "path": "../../owned",
}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "section", "article", "details", "summary"),
    *("span", "strong", "b", "em", "code", "br", "div", "dl", "dt", "dd", "header"),
}
OURS = re.compile(r"::warning title=[^:,]+::[^:,]+")
OUR_STYLES = {
    "list-style:none;padding-left:0",
    "white-space:pre-wrap;margin:0.2em 1.4em",
    "margin:0.2em 1.4em",
}


def hostile(name: str, payload: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The payload as a learner's name, as an answer, as the engine's name and in commands that are told back."""
    honest = record_of(name, "wrong/timeout.py")
    told = [{**a, "value": payload} if a["question"] == "outcome" else a for a in honest["answers"]]
    yield payload, {**record_of("zoe"), "learner": payload}
    yield f"{name}-answer", {**record_of(f"{name}-answer", "wrong/timeout.py"), "answers": told}
    yield f"{name}-engine", {**record_of(f"{name}-engine", "wrong/timeout.py"), "engine": payload}
    yield f"{name}-exercise", {**record_of(f"{name}-exercise"), "exercise": payload}
    commands = [
        ("run", {"on": payload, "command": payload, "stdin": "", "env": {}}),
        ("kubectl", {"command": f"get pod {payload}", "stdin": ""}),
        ("apply", {"source": json.dumps({"apiVersion": "v1", "kind": payload, "metadata": {"name": payload}})}),
    ]
    for number, (kind, arguments) in enumerate(commands):
        learner = f"{name}-{number}"
        more = {**arguments, "namespace": payload} if kind == "apply" else arguments
        yield learner, with_inputs(record_of(learner, "wrong/timeout.py"), (kind, more))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of one run over every payload in every place."""
    folder = tmp_path_factory.mktemp("class")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K8SLEARN_EXERCISES", str(FIXTURES))
        lines = []
        for name, payload in PAYLOADS.items():
            for learner, record in hostile(name, payload):
                checkout = folder / f"checkout-{len(lines)}"
                checkout.mkdir()
                (checkout / "01-tiny.ipynb").write_text(json.dumps(notebook(record)))
                lines.append([learner, checkout.name])
        with (folder / "class.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(lines)
        assert MIME in (folder / "checkout-0" / "01-tiny.ipynb").read_text()
        assert main(["grade", str(folder / "class.csv"), "--out", str(folder / "report"), "--jobs", "2"]) == 0
    return folder / "report"


def texts(report: Path) -> list[tuple[Path, str]]:
    return [(p, p.read_text(encoding="utf-8")) for p in sorted(report.rglob("*.*")) if p.suffix != ".sqlite"]


pytestmark = pytest.mark.slow


def test_no_report_commands_a_terminal_or_a_runner(report: Path) -> None:
    for path, text in texts(report):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text), path
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

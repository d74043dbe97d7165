"""Tricks of graders' history, each tried on work that has earned 3 of 4 points: never more, always a sentence.

The kinds are those that broke nbgrader, otter, RELATE and others: tags, edited tests and metadata, forged outputs,
patched libraries, shadowed modules, floods, bombs, names that act.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8slearn.grading.pool import Allowance
from k8slearn.grading.record import MIME
from k8slearn.grading.report import write_reports
from k8slearn.grading.run import STATUSES, grade_run

from .conftest import notebook
from .work import record_of, with_inputs

pytestmark = pytest.mark.usefixtures("shelf")
EARNED = 3
Trick = Callable[[dict[str, Any]], Any]


def cell(source: str, *tags: str, **metadata: Any) -> Trick:
    """A cell before the record's, with this source and metadata."""
    code = {"cell_type": "code", "execution_count": None, "outputs": [], "source": source}
    before = {**code, "metadata": {"tags": list(tags), **metadata}}
    return lambda made: {**made, "cells": [before, *made["cells"]]}


def output(**data: Any) -> Trick:
    """An output after the record's."""

    def trick(made: dict[str, Any]) -> dict[str, Any]:
        shown = {"output_type": "display_data", "metadata": {}, "data": data}
        made["cells"][0]["outputs"].append(shown)
        return made

    return trick


def record(**fields: Any) -> Trick:
    """The record with other fields."""

    def trick(made: dict[str, Any]) -> dict[str, Any]:
        made["cells"][0]["outputs"][0]["data"][MIME].update(fields)
        return made

    return trick


def answers(value: Any, revision: int | None = None) -> Trick:
    """Another answer in the place of the wrong one."""

    def trick(made: dict[str, Any]) -> dict[str, Any]:
        for found in made["cells"][0]["outputs"][0]["data"][MIME]["answers"]:
            if found["question"] == "outcome":
                found["value"] = value
                found["revision"] = found["revision"] if revision is None else revision
        return made

    return trick


def entry(kind: str, **arguments: Any) -> Trick:
    """One more entry after the honest ones."""

    def trick(made: dict[str, Any]) -> dict[str, Any]:
        data = made["cells"][0]["outputs"][0]["data"]
        data[MIME] = with_inputs(data[MIME], (kind, arguments))
        return made

    return trick


def command(text: str, on: str = "node:node-1") -> Trick:
    return entry("run", on=on, command=text, stdin="", env={})


def kubectl(text: str, stdin: str = "") -> Trick:
    return entry("kubectl", command=text, stdin=stdin)


def apply(source: str) -> Trick:
    return entry("apply", source=source, namespace="default")


def text(change: Callable[[str], str]) -> Trick:
    return lambda made: change(json.dumps(made)).encode("utf-8", "surrogatepass")


NBGRADER = {"schema_version": 3, "grade": True, "grade_id": "a", "locked": False, "solution": False, "points": 1e9}
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: c, image: x}]}\n"

TRICKS: dict[str, Trick] = {
    # cells that a grader which runs them would obey
    "skip-execution": cell("assert False", "skip-execution"),
    "raises-exception": cell("1/0", "raises-exception"),
    "nbval-skip": cell("# NBVAL_SKIP\nassert False", "nbval-skip"),
    "exit": cell("import os; os._exit(0)"),
    "sys-exit": cell("raise SystemExit(0)"),
    "ast-transformer": cell("get_ipython().ast_transformers.append(object())"),
    "input-transformer": cell("get_ipython().input_transformers_cleanup.append(lambda lines: [])"),
    "patched-shell": cell("get_ipython().run_cell = lambda *a, **k: None"),
    "patched-judge": cell("import k8slearn.grading.judge as j; j.judge = lambda *a: None"),
    "patched-checks": cell("from k8slearn.grading.checks import Work; Work.connects = lambda *a, **k: None"),
    "always-true": cell("class T:\n __eq__ = lambda *a: True\nanswer = T()"),
    "endless": cell("while True: pass"),
    "fork-bomb": cell("import os\nwhile True: os.fork()"),
    "reads-tests": cell("print(open('checks.py').read())"),
    "reads-environment": cell("import os; print(os.environ)"),
    "gradebook": cell("import sqlite3; sqlite3.connect('grades.db').execute('UPDATE grades SET points = 4')"),
    # metadata
    "points": cell("", nbgrader=NBGRADER),
    "doubled-grade-id": cell("", nbgrader={**NBGRADER, "grade_id": "a"}),
    "old-schema": cell("", nbgrader={**NBGRADER, "schema_version": 1}),
    "kernelspec": lambda made: {**made, "metadata": {"kernelspec": {"name": "../evil", "argv": ["sh"]}}},
    "otter": lambda made: {**made, "metadata": {"otter": {"tests": {"q": "points: 100"}}}},
    "k8slearn-points": lambda made: {**made, "metadata": {"k8slearn": {"points": 4}}},
    "nbformat": lambda made: {**made, "nbformat": 10**9},
    "cells-that-are-none": lambda made: {**made, "cells": [None, 3, "x", *made["cells"]]},
    # forged outputs
    "says-done": output(**{"text/plain": "done: 4 of 4 points"}),
    "html": output(**{"text/html": "<script>alert(1)</script>"}),
    "pickle": output(**{"application/octet-stream": "gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU"}),
    "second-record-null": output(**{MIME: None}),
    "second-record-list": output(**{MIME: []}),
    "second-record-text": output(**{MIME: "4 of 4"}),
    # the record
    "claims": record(points=4),
    "claims-done": record(done=True),
    "engine": record(engine="x" * 5000),
    "engine-escape": record(engine="\x1b[2J::error::x"),
    "format-float": record(format=1.0),
    "other-exercise": record(exercise="../01-tiny"),
    "other-learner": record(learner="zoe"),
    "learner-nfd": record(learner="mallory\u200b"),
    "no-inputs": record(inputs=[]),
    "inputs-null": record(inputs=None),
    "variant-with-token": record(variant={"token": "0" * 40}),
    "checks-in-variant": record(variant={"checks": []}),
    "answer-true": answers(True),
    "answer-list": answers(["connected"]),
    "answer-dict": answers({"connected": 1}),
    "answer-all": answers("connected timeout refused"),
    "answer-regex": answers(".*"),
    "answer-other-case": answers("CONNECTED"),
    "answer-null": answers(None),
    "answer-html": answers("<img src=x onerror=alert(1)>"),
    "answer-formula": answers("=cmd|' /C calc'!A0"),
    "answer-workflow": answers("x\n::error::owned\n::set-output name=x::y"),
    "answer-escape": answers("\x1b]0;owned\x07"),
    "answer-huge": answers("x" * 1_900_000),
    "answer-far": answers("timeout", 10**9 - 1),
    "answer-before-all": answers("timeout", 0),
    # entries
    "python": entry("python", code="import os"),
    "unknown-kind": entry("__class__"),
    "answers-as-entry": entry("answer", question="outcome", value="connected"),
    "plugin": entry("install-plugin", name="../../evil"),
    "plugin-answers": entry("advance", seconds=1, answers=[{"exit": 0}] * 5000),
    "negative-time": entry("advance", seconds=-1),
    "long-time": entry("advance", seconds=1e12),
    "substitution": command("$(touch owned)`touch owned`"),
    "redirect": command("echo x > /etc/passwd; echo x > ../../owned"),
    "no-such-place": command("true", on="pod:\x00/../.."),
    "prefix": command("ip addr add 999.999.999.999/999 dev lo"),
    "many-words": command("echo " + "a " * 50_000),
    "quotes": command("'" * 9_999),
    "kubectl-file": kubectl("apply -f /etc/passwd"),
    "kubectl-url": kubectl("apply -f http://127.0.0.1/x.yaml"),
    "kubectl-exec": kubectl("exec web -- sh -c 'touch owned'"),
    "kubectl-pipe": kubectl("get pods | sh"),
    "kubectl-jsonpath": kubectl("get pods -o jsonpath='{" + "." * 5_000 + "}'"),
    "yaml-alias": apply("&a [*a]"),
    "yaml-merge": apply("a: &a {<<: *a}"),
    "yaml-tag": apply("!!python/object/new:os.system [touch owned]"),
    "yaml-key": apply("? [1, 2]\n: x"),
    "yaml-doubled": apply("kind: Pod\nkind: Service\nmetadata: {name: a, name: b}"),
    "yaml-nan": apply("apiVersion: v1\nkind: Pod\nmetadata: {name: .nan}\nspec: .inf"),
    "yaml-date": apply("apiVersion: v1\nkind: Pod\nmetadata: {name: 2020-01-01}"),
    "pod-name-html": apply(POD % "'<script>'"),
    "pod-name-path": apply(POD % "'../../x'"),
    "pod-name-escape": apply(POD % '"\\e[31m"'),
    # the file
    "doubled-key": text(lambda raw: raw.replace('"outcome"', '"outcome", "value": "connected"', 1)),
    "nan": text(lambda raw: raw.replace('"revision": ', '"revision": NaN, "was": ', 1)),
    "infinity": text(lambda raw: raw.replace('"format": 1', '"format": 1e999', 1)),
    "truncated": text(lambda raw: raw[: len(raw) // 2]),
    "twice": text(lambda raw: raw + raw),
    "nul": text(lambda raw: raw.replace("timeout", "time\\u0000out")),
    "surrogate": text(lambda raw: raw.replace("timeout", "\\ud800")),
    "digits": text(lambda raw: raw.replace('"nbformat": 4', '"nbformat": ' + "9" * 5_000)),
    "bom": lambda made: b"\xef\xbb\xbf" + json.dumps(made).encode(),
    "utf-16": lambda made: json.dumps(made).encode("utf-16"),
    "latin-1": lambda made: json.dumps({**made, "x": "é"}, ensure_ascii=False).encode("latin-1"),
    "gzip": lambda made: b"\x1f\x8b\x08" + json.dumps(made).encode(),
    "deep": lambda made: b'{"x":' * 50_000,
}


@pytest.mark.slow
def test_no_trick_earns_more_than_the_work(
    hand_in: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(TRICKS) >= 60
    for name, trick in TRICKS.items():
        made = notebook(json.loads(json.dumps(record_of(name, "wrong/timeout.py"))))
        hand_in(name, trick(copy.deepcopy(made)))
    submissions = tmp_path / "submissions"
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(submissions)
    rows = grade_run(submissions, jobs=2, allowance=Allowance(megabytes=400, seconds=4, wall=60.0))
    assert sorted(tmp_path.rglob("*")) == before
    assert [row.learner for row in rows] == sorted(TRICKS)
    for row in rows:
        assert row.points <= EARNED, row
        assert row.status in set(STATUSES) - {"done"}, row
        assert row.message, row
        assert row.points == EARNED or row.status == "refused" or "outcome" in str(row) or row.judgement, row
    untouched = [n for n, trick in TRICKS.items() if trick.__qualname__.startswith("cell.")]
    found = {row.learner: row.points for row in rows}
    assert {found[name] for name in untouched} == {EARNED}
    write_reports(rows, tmp_path / "report")
    for path in (tmp_path / "report").rglob("*.*"):
        raw = path.read_text(encoding="utf-8")
        assert "\x1b" not in raw
        assert "<script" not in raw or path.suffix in (".csv", ".json", ".txt")
        if path.name != "annotations.txt":
            assert not any(line.startswith("::") for line in raw.splitlines())
        else:  # the one report that is made of workflow commands: ours alone
            assert all(re.match(r"::warning title=", line) for line in raw.splitlines())

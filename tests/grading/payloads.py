"""Texts that act somewhere (a browser, a terminal, a spreadsheet, a database), and a class that hands them in."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from k8slearn.grading.record import MIME

from .conftest import notebook
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


def hostile_class(folder: Path) -> Path:
    """The list of a class that hands in every payload in every place; the exercises' shelf must be the tests' own."""
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
    return folder / "class.csv"

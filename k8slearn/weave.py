"""``python -m k8slearn.weave``: the course's text becomes its notebooks.

MyST Markdown is the format of Jupyter Book: prose with cells between fences::

    ```{code-cell}
    :tags: [raises-exception]
    cluster.laws()
    ```

``course/text/01-x.md`` becomes ``course/01-x.ipynb``: a Markdown cell for the prose between two code cells (a line
``+++`` starts a new one), each code cell run on the plain python3 kernel, its output kept. The same text gives the
same bytes on every machine: a cell's id is a hash of its text, and times, versions and widget models are taken out.
The picture on the first screen of README.md is drawn by the engine, too: no figure is made by hand.

Left out: every other MyST directive, and cell options other than ``:tags:``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from k8slearn.cluster import Cluster
from k8slearn.errors import Refused

Notebook = dict[str, Any]
Cell = dict[str, Any]

HIDDEN = "hide-input"
_FENCE = re.compile(r"^(?P<fence>`{3,})\{code-cell\}[^\n]*\n(?P<body>.*?)^(?P=fence)[ \t]*$", re.M | re.S)
_TAGS = re.compile(r"\A:tags: *\[(?P<tags>[^\]]*)\] *\n+")
_FRONT = re.compile(r"\A---\n.*?^---\n", re.M | re.S)
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_UNSTABLE = {"application/vnd.jupyter.widget-view+json"}
"""Kinds of output that are new at each run: a widget is drawn again when the learner runs its cell."""


def weave(text: str) -> str:
    """The notebook of a lesson, run and cleaned, as the bytes that are committed."""
    return written(clean(run(unrun(text))))


def unrun(text: str) -> Notebook:
    """The notebook of a lesson before anybody ran it."""
    return {
        "cells": _numbered(_cells(_FRONT.sub("", text, count=1))),
        "metadata": {"kernelspec": _KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def run(notebook: Notebook) -> Notebook:
    """Run every cell in a new python3 kernel (in a folder of its own, so that a lesson leaves nothing behind)."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "lesson.ipynb")
        path.write_text(written(notebook), encoding="utf-8")
        command = [sys.executable, "-m", "jupyter", "execute", "--inplace", "--timeout=120", path.name]
        quiet = {k: v for k, v in os.environ.items() if not k.startswith("K8SLEARN_")}
        done = subprocess.run(command, cwd=scratch, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(f"a cell of the lesson failed: {done.stderr.rpartition('CellExecutionError: ')[2].strip()}")
        return dict(json.loads(path.read_text(encoding="utf-8")))


def clean(notebook: Notebook) -> Notebook:
    """Without what differs from run to run and from machine to machine."""
    cells = [_clean_cell(cell) for cell in notebook["cells"]]
    return {**unrun(""), "cells": cells}


def written(notebook: Notebook) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cells(text: str) -> Iterator[Cell]:
    """Prose and code in turn; a cell has no id yet."""
    end = 0
    for fence in _FENCE.finditer(text):
        yield from _prose(text[end : fence.start()])
        yield _code(fence["body"])
        end = fence.end()
    yield from _prose(text[end:])


def _prose(text: str) -> Iterator[Cell]:
    for part in re.split(r"^\+\+\+[^\n]*$", text, flags=re.M):
        if part.strip():
            yield {"cell_type": "markdown", "metadata": {}, "source": part.strip()}


def _code(body: str) -> Cell:
    tags = _TAGS.match(body)
    source = body[tags.end() :] if tags else body
    metadata = _tagged([t.strip() for t in tags["tags"].split(",")] if tags else [])
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": source.strip("\n"),
    }


def _tagged(tags: list[str]) -> dict[str, Any]:
    """A cell's metadata; the source of a cell with the tag ``hide-input`` is folded away."""
    return {**({"jupyter": {"source_hidden": True}} if HIDDEN in tags else {}), **({"tags": tags} if tags else {})}


def _numbered(cells: Iterator[Cell]) -> list[Cell]:
    """Each cell with an id that depends on its text (and on how often the text came before) alone."""
    seen: Counter[str] = Counter()
    done = []
    for cell in cells:
        words = f"{cell['cell_type']}\n{cell['source']}"
        seen[words] += 1
        name = hashlib.sha256(f"{seen[words]}\n{words}".encode()).hexdigest()[:12]
        done.append({**cell, "id": name, "source": cell["source"].splitlines(keepends=True)})
    return done


def _clean_cell(cell: Cell) -> Cell:
    kept = {**cell, "metadata": _tagged(cell["metadata"].get("tags", []))}
    if "outputs" in cell:
        kept["outputs"] = [_clean_output(o) for o in _merged(cell["outputs"])]
    return kept


def _merged(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring texts of one stream as one: how they were cut depends on the moment."""
    done: list[dict[str, Any]] = []
    for output in outputs:
        last = done[-1] if done else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            done[-1] = {**last, "text": [*last["text"], *output["text"]]}
        else:
            done.append(output)
    return done


def _clean_output(output: dict[str, Any]) -> dict[str, Any]:
    if output["output_type"] == "stream":
        return {**output, "text": "".join(output["text"]).splitlines(keepends=True)}
    if "data" not in output:
        return output
    return {**output, "metadata": {}, "data": {k: v for k, v in output["data"].items() if k not in _UNSTABLE}}


def lessons(course: Path) -> list[tuple[Path, Path]]:
    """(text, notebook) of every lesson and exercise, in order: ``text/a/b.md`` becomes ``a/b.ipynb``."""
    texts = course / "text"
    found = sorted(texts.rglob("[0-9][0-9]-*.md"))
    return [(text, (course / text.relative_to(texts)).with_suffix(".ipynb")) for text in found]


def picture(course: Path) -> tuple[Path, str]:
    """Where README's picture stands, and what the engine draws: one packet's way through a Service."""
    cluster = Cluster(nodes=2)
    cluster.apply(course / "text" / "first-packet.yaml")
    trace = cluster.trace("default/client", "svc:default/web", port=80)
    return course / "images" / "first-packet.svg", trace.svg()


def stale(course: Path) -> list[str]:
    """The names of the notebooks (and of the picture) that are not what their text gives today."""
    image, drawn = picture(course)
    pairs = lessons(course)
    known = {notebook for _, notebook in pairs}
    orphans = [
        n.name for n in sorted(course.rglob("*.ipynb")) if n not in known and ".ipynb_checkpoints" not in n.parts
    ]
    return orphans + [path.name for path, new in (*_woven(pairs), (image, drawn)) if not _holds(path, new)]


def _woven(pairs: list[tuple[Path, Path]]) -> Iterator[tuple[Path, str]]:
    """(notebook, its bytes) of each lesson: as many at a time as there are processors, for each is run in its own."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(
            (notebook for _, notebook in pairs),
            pool.map(lambda pair: weave(pair[0].read_text(encoding="utf-8")), pairs),
            strict=True,
        )


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(path, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Weave the course, or with ``--check`` say what is not current (exit status 1)."""
    parser = argparse.ArgumentParser(prog="python -m k8slearn.weave", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("course", nargs="?", type=Path, default=Path("course"), help="the course's folder")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a notebook is not current")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            names = stale(options.course)
            for name in names:
                print(f"{name} is not what its text gives: run python -m k8slearn.weave")
            return 1 if names else 0
        _write(*picture(options.course))
        for notebook, woven in _woven(lessons(options.course)):
            _write(notebook, woven)
    except Refused as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The commands, as a table: what each does and which arguments it takes.

Left out (so far): ``serve``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from k8slearn.cli.asking import DONE, FAILED, export, matrix, trace
from k8slearn.errors import Refused

WRONG = 2


# -- the commands ------------------------------------------------------------------------------------------------------


def lab(given: argparse.Namespace) -> int:
    from k8slearn.lab import open_lab

    return open_lab(Path(given.directory), *given.hands_on)


def grade(given: argparse.Namespace) -> int:
    from k8slearn.grading.instructor import grade_class

    return grade_class(given, _bar if sys.stderr.isatty() else _quiet)


def release(given: argparse.Namespace) -> int:
    from k8slearn.grading.instructor import release_course

    return release_course(given)


def progress(given: argparse.Namespace) -> int:
    import json

    from k8slearn.grading import progress as room

    if given.unpack:
        print("\n".join(room.unpack(given.unpack, given.directory)))
    found = room.progress(given.directory, given.learner)
    if given.pack:
        Path(given.pack).write_bytes(found.packed())
    print(json.dumps(found.to_dict(), indent=2) if given.output == "json" else found.text())
    return DONE


def site(given: argparse.Namespace) -> int:
    from k8slearn.site import build

    print("\n".join(build(Path(given.out))))
    return DONE


def check(given: argparse.Namespace) -> int:
    from k8slearn.cli.watching import watch
    from k8slearn.grading.laws import broken_laws
    from k8slearn.grading.shelf import find, ids

    exercises = given.exercises or ids()
    for exercise in exercises:
        find(exercise)
    if given.watch:
        return watch(given.exercises)
    broken = 0
    for exercise in exercises:
        found = broken_laws(exercise)
        broken += len(found)
        print("\n".join(found) if found else f"{exercise}: the five laws hold", flush=True)
    if not given.exercises:
        broken += _stale_notebooks()
    return FAILED if broken else DONE


def new(given: argparse.Namespace) -> int:
    from k8slearn.grading.skeleton import new_exercise

    print("\n".join(map(str, new_exercise(given.id, given.kind))))
    print(f"k8slearn check {given.id} names what is still to do; then give it its row in course/README.md")
    return DONE


def later(given: argparse.Namespace) -> int:
    raise Refused("this command comes with a later version of k8slearn")


# -- what they share ---------------------------------------------------------------------------------------------------


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None


def _quiet(done: int, total: int) -> None:
    """No terminal, no progress."""


def _bar(done: int, total: int) -> None:
    filled = 40 * done // total
    end = "\n" if done == total else ""
    print(f"\r[{'#' * filled}{'.' * (40 - filled)}] {done} of {total}", end=end, file=sys.stderr, flush=True)


def _stale_notebooks() -> int:
    """How many lessons are not what their text weaves to; an installed course has no text and cannot be stale."""
    from k8slearn import lab, weave

    names = weave.stale(lab.course()) if (lab.course() / "text").is_dir() else []
    for name in names:
        print(f"{name} is not what its text gives: run python -m k8slearn.weave")
    return len(names)


class Option(NamedTuple):
    """One argument of a command, as argparse takes it."""

    names: tuple[str, ...]
    help: str
    settings: dict[str, object]


def _option(*names: str, help: str, **settings: object) -> Option:
    return Option(names, help, settings)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 10_000:
        raise argparse.ArgumentTypeError(f"a number from 1 to 9999, not {text!r}")
    return int(text)


_FILES = (
    _option("files", nargs="+", metavar="FILE", help="YAML or JSON: a file, a folder, a pattern; - is standard input"),
    _option(
        "--nodes", type=_positive, metavar="N", help="how many nodes (default: those that the files tell of, or 2)"
    ),
    _option("--network", metavar="NAME", help="the wiring (default: the one that the files tell of, or bridge)"),
)
_ROSTER = _option("--roster", metavar="FILE", help="the class, LEARNER or LEARNER,OWN-DEADLINE per line")
_SECRET = _option("--secret", metavar="FILE", help="the secret that signs variants (release makes it if there is none)")
_ANY = (_option("rest", nargs="*", help=argparse.SUPPRESS),)
_PORT = _option("--port", type=_port, default=80, metavar="P", help="the destination port (default 80)")
_PROTOCOL = _option("--protocol", default="TCP", type=str.upper, choices=("TCP", "UDP", "SCTP"), help="default TCP")


class Command(NamedTuple):
    """One command: what it does, and the arguments that it takes."""

    run: Callable[[argparse.Namespace], int]
    help: str
    options: tuple[Option, ...]
    hands_on: bool = False
    """Whether it takes options that it does not know itself."""
    example: str = ""


COMMANDS = {
    "lab": Command(
        lab,
        "copy the course into a folder (never over a learner's work) and open JupyterLab there (jupyter's options too)",
        (_option("directory", nargs="?", default=".", metavar="DIR", help="where to (default: here)"),),
        hands_on=True,
    ),
    "grade": Command(
        grade,
        "grade SUBMISSIONS/LEARNER/EXERCISE.ipynb into a folder of reports",
        (
            _option(
                "submissions",
                metavar="SUBMISSIONS",
                help="a folder of LEARNER/EXERCISE.ipynb, a zip of it, or a CSV file of LEARNER,CHECKOUT",
            ),
            _option("--out", metavar="REPORT", help="the folder for the reports"),
            _option("--jobs", type=_positive, metavar="N", help="worker processes (default: one per core)"),
            _ROSTER,
            _SECRET,
            _option("--hidden", metavar="DIR", help="private checks: DIR/EXERCISE/checks.py"),
            _option(
                "--gradebook",
                metavar="URL",
                help="remember grades in this database and not in REPORT/gradebook.sqlite (postgresql+psycopg://…)",
            ),
            _option("--deadline", metavar="TIME", help="mark what came later (2026-12-01T12:00+01:00)"),
            _option(
                "--late-penalty", type=float, default=0.0, metavar="PERCENT", help="taken off for each day begun (0)"
            ),
            _option("--explain", nargs=2, metavar=("LEARNER", "EXERCISE"), help="one grade in full, and no reports"),
            _option(
                "--scheduler", metavar="ADDRESS", help="grade on the workers of this Dask cluster (tcp://HOST:8786)"
            ),
        ),
    ),
    "check": Command(
        check,
        "for authors: the five laws of exercises, and the notebooks woven and current",
        (
            _option("exercises", nargs="*", metavar="EXERCISE", help="which ones (default: all, and the notebooks)"),
            _option("--watch", action="store_true", help="stay, and check again what changes"),
        ),
    ),
    "new": Command(
        new,
        "for authors: the files of a new exercise, to fill in",
        (
            _option("what", choices=("exercise",), help="what is new: an exercise"),
            _option("id", metavar="ID", help="its lesson's two digits and a few small words: 05-mend-the-route"),
            _option("--kind", required=True, metavar="KIND", help="predict, observe, write, configure, find, mend, …"),
        ),
    ),
    "progress": Command(
        progress,
        "what is done of the course, and its points; pack it to carry it to another machine (nothing is sent anywhere)",
        (
            _option("directory", nargs="?", default=".", metavar="DIR", help="where the course is (default: here)"),
            _option(
                "--learner",
                default=os.environ.get("K8SLEARN_LEARNER", "learner"),
                metavar="NAME",
                help="whose (default: K8SLEARN_LEARNER, else learner)",
            ),
            _option("--pack", metavar="FILE", help="write all saved work into this zip"),
            _option("--unpack", metavar="FILE", help="take over the work of such a zip first"),
            _option("-o", "--output", default="text", choices=("text", "json"), help="text (default) or json"),
        ),
    ),
    "site": Command(
        site,
        "build the course as a site that runs in a browser tab, with no server behind it (JupyterLite)",
        (_option("out", metavar="OUT", help="a folder that does not exist yet, or is empty"),),
    ),
    "release": Command(
        release,
        "write the learners' notebooks: one variant each, or a course folder for nbgrader",
        (
            _option("out", metavar="OUT", help="a folder that does not exist yet, or is empty"),
            _ROSTER,
            _SECRET,
            _option("--nbgrader", action="store_true", help="a course folder that nbgrader takes as it is"),
        ),
    ),
    "serve": Command(later, "not there yet: the cluster for the real kubectl", _ANY, hands_on=True),
    "trace": Command(
        trace,
        "the fate of a connection in the cluster that the manifests describe",
        (
            *_FILES,
            _option("--from", required=True, metavar="ENDPOINT", help="NAMESPACE/POD, node:NAME, outside, …"),
            _option("--to", required=True, metavar="ENDPOINT", help="the same, svc:NAMESPACE/NAME or an address"),
            _PORT,
            _PROTOCOL,
            _option("-o", "--output", default="text", choices=("text", "json"), help="text (default) or json"),
        ),
        example="k8slearn trace shop.yaml --from default/client --to svc:default/shop --port 80\n"
        "kubectl get nodes,all,netpol -A -o yaml | k8slearn trace - --from shop/web --to svc:shop/api",
    ),
    "matrix": Command(
        matrix,
        "who can reach whom",
        (
            *_FILES,
            _PORT,
            _PROTOCOL,
            _option(
                "-o", "--output", default="table", choices=("json", "table", "svg"), help="table (default), json or svg"
            ),
        ),
    ),
    "export": Command(
        export,
        "the cluster as a script for a Linux machine, for kind, or as manifests",
        (*_FILES, _option("--to", required=True, choices=("netns", "kind", "manifests"), help="what to write")),
    ),
}

"""The command line: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from k8slearn.cli import COMMANDS, main

from .conftest import notebook
from .work import record_of

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {nodeName: node-1, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: node-2, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "pods.yaml"
    path.write_text(PODS)
    return str(path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of a command."""
    try:
        status = main(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def test_a_trace_that_connects_ends_with_0_and_one_that_does_not_with_1(capsys, manifest: str) -> None:
    status, out, _ = said(capsys, "trace", manifest, "--from", "default/client", "--to", "default/web")
    assert (status, "connected" in out) == (0, True)
    status, out, _ = said(
        capsys, "trace", manifest, "--from", "default/client", "--to", "default/web", "--port", "81", "-o", "json"
    )
    assert (status, json.loads(out)["outcome"]) == (1, "refused")


def test_a_matrix_has_three_faces(capsys, manifest: str) -> None:
    status, out, _ = said(capsys, "matrix", manifest)
    assert (status, "default/client" in out) == (0, True)
    assert json.loads(said(capsys, "matrix", manifest, "-o", "json")[1])
    assert said(capsys, "matrix", manifest, "-o", "svg")[1].startswith("<svg")


def test_an_export_is_a_script(capsys, manifest: str) -> None:
    status, out, _ = said(capsys, "export", manifest, "--to", "netns")
    assert (status, out[:2]) == (0, "#!")


WRONG = [
    ([], "COMMAND"),
    (["frobnicate"], "invalid choice"),
    (["trace", "nowhere.yaml", "--from", "a/b", "--to", "c/d"], "nowhere.yaml"),
    (["trace", "MANIFEST", "--from", "default/nobody", "--to", "default/web"], "nobody"),
    (["trace", "MANIFEST", "--from", "default/client", "--to", "default/web", "--port", "http"], "a port is a number"),
    (["trace", "MANIFEST", "--from", "default/client", "--to", "default/web", "--port", "70000"], "a port is a number"),
    (["trace", "MANIFEST", "--to", "default/web"], "--from"),
    (["matrix", "MANIFEST", "--network", "avian-carriers"], "avian-carriers"),
    (["grade", "nowhere", "--out", "x"], "LEARNER/EXERCISE.ipynb"),
    (["grade", "nowhere"], "--out"),
    (["grade", "nowhere", "--out", "x", "--scheduler", "tcp://x"], "is not a folder"),
    (["grade", "nowhere", "--out", "x", "--secret", "nowhere"], "cannot be read"),
    (["check", "no-such-exercise"], "there is no exercise called"),
    (["release"], "OUT"),
    (["release", "/dev/null"], "/dev/null"),
    (["serve", "--nodes", "3"], "later version"),
    (["matrix", "MANIFEST", "--frobnicate"], "does not know --frobnicate"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG, ids=lambda value: " ".join(value)[:40] if value else "nothing")
def test_wrong_use_is_one_sentence_and_2(
    capsys, arguments: list[str], says: str, manifest: str, tmp_path: Path
) -> None:
    bad = [manifest if word == "MANIFEST" else word for word in arguments]
    status, out, err = said(capsys, *bad)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "yaml", ["kind: [", "just text", "kind: Pod", "apiVersion: v1\nkind: Pod\nmetadata: {name: UPPER}"]
)
def test_a_broken_manifest_is_one_sentence_and_2(capsys, yaml: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(yaml)
    status, out, err = said(capsys, "matrix", str(path))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_help(capsys, command: str) -> None:
    status, out, _ = said(capsys, command, "--help")
    assert status == 0
    assert f"k8slearn {command}" in out


def test_a_class_is_graded(capsys, shelf: Path, hand_in: Callable[..., Path], tmp_path: Path) -> None:
    hand_in("alice", notebook(record_of("alice")))
    hand_in("bob", b"rubbish")
    out = tmp_path / "report"
    status, printed, err = said(capsys, "grade", str(tmp_path / "submissions"), "--out", str(out), "--jobs", "1")
    assert (status, err) == (0, "")
    assert "2 graded, 1 done" in printed
    assert (out / "grades.csv").read_text().splitlines()[1] == "alice,01-tiny,4,4,done,"
    made = {
        "annotations.txt",
        "canvas.csv",
        "class.html",
        "grades.csv",
        "grades.json",
        "junit.xml",
        "moodle.csv",
        "summary.md",
        "gradebook.sqlite",
    }
    assert {p.name for p in out.iterdir()} == {*made, "feedback"}


def test_the_lab_gets_the_options_that_are_jupyters(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, ...]] = []
    monkeypatch.setattr("k8slearn.lab.open_lab", lambda directory, *options: opened.append((directory, *options)) or 0)
    assert main(["lab", "course", "--no-browser", "--port=9000"]) == 0
    assert main(["lab", "--no-browser"]) == 0
    assert opened == [(Path("course"), "--no-browser", "--port=9000"), (Path("."), "--no-browser")]


def test_the_laws_are_checked(capsys, shelf: Path) -> None:
    assert said(capsys, "check", "01-tiny") == (0, "01-tiny: the five laws hold\n", "")


def test_help_is_there() -> None:
    done = subprocess.run([sys.executable, "-m", "k8slearn.cli", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "trace" in done.stdout

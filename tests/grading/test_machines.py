"""A class graded by a Dask cluster: the bytes of a local run, also when workers are killed half-way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from k8slearn.errors import Refused
from k8slearn.grading import gradebook, grader, machines
from k8slearn.grading.machines import Parcel, grade_at
from k8slearn.grading.pool import Allowance
from k8slearn.grading.report import grades_json
from k8slearn.grading.row import Task
from k8slearn.grading.run import grade_run

from .conftest import FIXTURES, notebook
from .work import record_of

HandIn = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("shelf")


def test_a_machine_with_other_checks_grades_nothing(hand_in: HandIn) -> None:
    path = hand_in("alice", notebook(record_of("alice")))
    task = Task("alice", "01-tiny", path)
    unlike = Parcel((0,), (task,), (path.read_bytes(),), ("another digest",), Allowance())
    assert "other checks for 01-tiny" in str(grader.answer(unlike))
    alike = unlike._replace(decided=(gradebook.of(task, {}),))
    [row] = grader.answer(alike)
    assert row.points == 4  # type: ignore[union-attr]


@pytest.mark.slow
def test_an_address_where_nobody_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(machines, "PATIENCE", 1)
    with pytest.raises(Refused, match="no Dask scheduler answers at tcp://127"):
        list(grade_at("tcp://127.0.0.1:9", [], Allowance()))


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers, each a process of its own, as an instructor would start them."""
    environment = {**os.environ, "K8SLEARN_EXERCISES": str(FIXTURES)}
    dask = [sys.executable, "-m", "distributed.cli.dask_worker"]
    told = folder / "scheduler.json"
    commands = [[sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]]
    commands += [[*dask, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]] * workers
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            where = ["--scheduler-file", str(told)]
            running.append(subprocess.Popen([*command, *where], cwd=folder, env=environment, stderr=subprocess.DEVNULL))
        while not told.exists():
            assert running[0].poll() is None
            time.sleep(0.05)
        yield scheduler_in(told), running[1:]
    finally:
        for process in running:
            process.kill()
            process.wait()


def scheduler_in(told: Path) -> str:
    while True:
        try:
            return str(json.loads(told.read_text())["address"])
        except ValueError:
            time.sleep(0.05)


@pytest.mark.slow
def test_workers_killed_half_way_lose_no_grade_and_double_none(
    hand_in: HandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(machines, "PARCEL", 3)
    solutions = ["reference.py", "wrong/timeout.py", "wrong/other-port.py", ""]
    for number in range(60):
        name = f"learner-{number:02}"
        hand_in(name, notebook(record_of(name, solutions[number % 4])))
    hand_in("broken", b"{")
    (tmp_path / "submissions" / "linked").mkdir()
    (tmp_path / "submissions" / "linked" / "01-tiny.ipynb").symlink_to(tmp_path)
    here = grade_run(tmp_path / "submissions", jobs=2)
    told: list[int] = []
    with cluster(4, tmp_path) as (address, workers):
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(4, timeout=120)

        def kill_two(done: int, total: int) -> None:
            told.append(done)
            if done == total // 2:
                for worker in workers[:2]:
                    worker.kill()

        there = grade_run(tmp_path / "submissions", progress=kill_two, scheduler=address)
        assert [worker.poll() is None for worker in workers] == [False, False, True, True]
    assert told == list(range(1, 63))
    assert grades_json(there) == grades_json(here)

"""A kernel that is killed at any moment leaves a file that loads, with at most the command in flight missing."""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from k8slearn import open_exercise

pytestmark = [
    pytest.mark.usefixtures("shelf"),
    pytest.mark.skipif(sys.platform != "linux", reason="kills a forked process"),
]


def work_on(folder: Path, pipe: Connection) -> None:
    """A learner who types as fast as the disk takes it, and says so after each command."""
    exercise = open_exercise("01-tiny", learner="alice", autosave=folder)
    pipe.send(len(exercise.cluster.engine.inputs()))
    for number in range(100_000):
        if number % 5 == 4:
            exercise.cluster.undo()
        else:
            exercise.cluster.apply(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "note"},
                    "data": {"n": f"{time.time_ns()}"},
                }
            )
        pipe.send(len(exercise.cluster.engine.inputs()))


def killed_after(seconds: float, folder: Path) -> int:
    """Kill a learner's process at this moment; how many inputs it had when it last said so."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=work_on, args=(folder, theirs))
    process.start()
    theirs.close()
    said = ours.recv()
    time.sleep(seconds)
    process.kill()
    process.join()
    try:
        while True:
            said = ours.recv()
    except EOFError:
        return int(said)


@pytest.mark.parametrize("moments", [10, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:.*last line was cut off")
def test_nothing_but_the_command_in_flight_is_lost(moments: int, tmp_path: Path) -> None:
    chance = random.Random(moments)
    open_exercise("01-tiny", learner="alice")  # warm before the fork
    for _ in range(moments):
        said = killed_after(chance.uniform(0, 0.05), tmp_path)
        found = len(open_exercise("01-tiny", learner="alice", autosave=tmp_path).cluster.engine.inputs())
        assert abs(found - said) <= 1

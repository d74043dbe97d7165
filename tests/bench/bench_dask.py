"""A class of 10,000 graded by four Dask workers, of which two are killed half-way: all grades, once, and how fast.

    python tests/bench/bench_dask.py [SUBMISSIONS]

The notebooks are those of the tests' tiny exercise, one learner each; scheduler and workers run on this machine. It
reports, and fails only if a grade is missing, doubled or another than in a local run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from distributed import Client

from k8slearn.grading.report import grades_json
from k8slearn.grading.run import grade_run
from tests.grading.conftest import FIXTURES, notebook
from tests.grading.test_machines import cluster
from tests.grading.work import record_of

SOLUTIONS = ("reference.py", "wrong/timeout.py", "wrong/other-port.py", "")


def hand_in(submissions: Path, many: int) -> None:
    for number in range(many):
        folder = submissions / f"learner-{number:05}"
        folder.mkdir(parents=True)
        made = notebook(record_of(folder.name, SOLUTIONS[number % len(SOLUTIONS)]))
        (folder / "01-tiny.ipynb").write_text(json.dumps(made), encoding="utf-8")


def main(many: int) -> None:
    os.environ["K8SLEARN_EXERCISES"] = str(FIXTURES)
    with tempfile.TemporaryDirectory() as folder:
        submissions = Path(folder, "submissions")
        hand_in(submissions, many)
        started = time.perf_counter()
        here = grade_run(submissions)
        local = time.perf_counter() - started
        told: list[int] = []
        with cluster(4, Path(folder)) as (address, workers):
            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(4, timeout=120)

            def kill_two(done: int, total: int) -> None:
                told.append(done)
                if done == total // 2:
                    for worker in workers[:2]:
                        worker.kill()

            started = time.perf_counter()
            there = grade_run(submissions, progress=kill_two, scheduler=address)
            took = time.perf_counter() - started
    assert told == list(range(1, many + 1)), "a grade is missing or came twice"
    assert grades_json(there) == grades_json(here), "the cluster's grades are not the local run's"
    print(f"{many} submissions, 4 Dask workers of which 2 were killed: all grades, once, the bytes of a local run")
    print(f"{many / took:.0f} per second ({took:.0f} s); local: {many / local:.0f} per second ({local:.0f} s)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)

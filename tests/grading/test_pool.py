"""Worker processes: limits are the kernel's, a broken worker is replaced, the rest of the run does not notice."""

import os
import time

from k8slearn.grading.pool import Allowance, Broken, Pool

SMALL = Allowance(megabytes=64, seconds=1, wall=30.0)


def work(task: str) -> str:
    """A worker that does what the task says."""
    if task == "memory":
        return "x" * (400 * 2**20)
    if task == "loop":
        while True:
            pass
    if task == "sleep":
        time.sleep(60)
    if task == "die":
        os._exit(3)
    if task == "write":
        try:
            with open("written", "w", encoding="ascii") as file:
                file.write("x")
        except OSError:
            return "no file is written"
    return task.upper()


def run(tasks: list[str], jobs: int, allowance: Allowance = SMALL) -> list[str | Broken]:
    found = dict(Pool(work, jobs, allowance).run(tasks))
    return [found[n] for n in range(len(tasks))]


def test_one_bad_task_never_stops_the_others() -> None:
    tasks = ["a", "memory", "b", "loop", "c", "die", "d", "e", "f"]
    broken = {
        "memory": Broken("it needs more than 64 MB of memory"),
        "loop": Broken("it took more than 1 seconds of processor time"),
        "die": Broken("the process that graded it died"),
    }
    assert run(tasks, 2) == [broken.get(task, task.upper()) for task in tasks]


def test_a_worker_that_sleeps_is_killed_by_the_clock_on_the_wall() -> None:
    assert run(["sleep", "a"], 2, Allowance(wall=1.0)) == [Broken("it took more than 1 seconds"), "A"]


def test_a_worker_writes_no_file(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["write"], 1) == ["no file is written"]


def test_no_task_is_no_work() -> None:
    assert run([], 2) == []

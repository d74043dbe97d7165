"""``python -m k8slearn.grading.grader``: what a Dask worker starts to grade parcels, under the same limits as anywhere.

A Dask worker has threads and may be a daemon, and neither should fork. So it keeps this process beside it, which has
one thread and nothing else to do: a parcel comes in on standard input, its results go out on standard output, and each
submission is graded in a forked worker of `pool.Pool`. It ends when its input does: a Dask worker that is killed
leaves nobody behind.

Left out: a cage around this process itself; nothing that a learner wrote is read in it.
"""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from k8slearn.grading import gradebook
from k8slearn.grading.machines import Parcel, Result
from k8slearn.grading.pool import Pool
from k8slearn.grading.row import Task
from k8slearn.grading.run import grade


def main() -> None:
    """Parcels in, lists of results (or a refusal's sentence) out, until the input ends."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not print between the results
    with suppress(EOFError, BrokenPipeError):
        while True:
            pickle.dump(answer(pickle.load(source)), sink)
            sink.flush()


def answer(parcel: Parcel) -> list[Result] | str:
    """The results in the parcel's order; a sentence if this machine would grade otherwise than the sender."""
    with TemporaryDirectory(prefix="k8slearn-") as folder:
        found = enumerate(zip(parcel.tasks, parcel.notebooks, strict=True))
        tasks = [_unpacked(Path(folder, str(number)), task, notebook) for number, (task, notebook) in found]
        checks: dict[str, str] = {}
        for task, decided in zip(tasks, parcel.decided, strict=True):
            if decided != gradebook.of(task, checks):
                return f"a worker has another k8slearn, or other checks for {task.exercise}, than this machine"
        results = dict(Pool(grade, 1, parcel.allowance).run(tasks))
        return [results[number] for number in range(len(tasks))]


def _unpacked(path: Path, task: Task, notebook: bytes) -> Task:
    path.write_bytes(notebook)
    return task._replace(path=path, member="")


if __name__ == "__main__":
    main()

"""The same grading tasks on other machines: a `Dask <https://distributed.dask.org>`_ cluster, by its address.

Submissions travel in parcels with their notebooks' bytes, those of one start together; a worker needs k8slearn, the
course and the hidden checks (at the same path), and says so when it has others. It grades under the same limits as a
local worker (`grader`). A parcel whose worker is lost goes to another one, and each parcel's results are taken once:
no grade is lost and none comes twice. The order in which results come changes no report.

A submission that cannot be read at all is not sent: its sentence is found here.

Left out: starting a cluster; a cluster without workers is waited for once, at the beginning, and a worker is trusted.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from k8slearn.errors import Refused
from k8slearn.grading import gradebook
from k8slearn.grading.notebook import contents
from k8slearn.grading.pool import Allowance, Broken
from k8slearn.grading.row import Row, Task

Result = Row | Broken
Submission = tuple[int, Task, bytes, str]
"""Its number, its notebook's bytes and its digest."""

PARCEL = 16
"""How many submissions travel together."""
MOST_BYTES = 8_000_000
"""A parcel that holds this much is full."""
IN_FLIGHT = 64
"""How many parcels the cluster holds at once."""
RETRIES = 5
"""How often a parcel is sent again, after those that Dask itself sends again (its `allowed-failures`)."""
PATIENCE = 30
"""Seconds for the scheduler to answer, and for a first worker to be there."""


class Parcel(NamedTuple):
    """Some submissions with their notebooks' bytes, so that no folder has to be shared.

    `decided` holds each one's digest as the sender has it (`gradebook.of`)."""

    numbers: tuple[int, ...]
    tasks: tuple[Task, ...]
    notebooks: tuple[bytes, ...]
    decided: tuple[str, ...]
    allowance: Allowance


def readable(task: Task) -> bool:
    """Whether there are bytes to send."""
    assert task.path is not None
    try:
        contents(task.path, task.member)
    except Refused:
        return False
    return True


def grade_at(address: str, tasks: Sequence[Task], allowance: Allowance) -> Iterator[tuple[int, Result]]:
    """Each task's number and result, as they come; tasks of one start should stand side by side."""
    client = _client(address)
    try:
        yield from _graded(client, _parcels(tasks, allowance))
    finally:
        client.close()


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise Refused("--scheduler needs Dask: pip install 'k8slearn[dask]'") from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as wrong:
        raise Refused(f"no Dask scheduler answers at {address} ({type(wrong).__name__})") from wrong
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as wrong:
        client.close()
        raise Refused(f"the Dask scheduler at {address} has no worker: start one with dask worker {address}") from wrong
    return client


def _parcels(tasks: Sequence[Task], allowance: Allowance) -> Iterator[Parcel]:
    held: list[Submission] = []
    checks: dict[str, str] = {}
    for number, task in enumerate(tasks):
        assert task.path is not None
        held.append((number, task, contents(task.path, task.member), gradebook.of(task, checks)))
        if len(held) == PARCEL or sum(len(raw) for _, _, raw, _ in held) > MOST_BYTES:
            yield _parcel(held, allowance)
            held = []
    if held:
        yield _parcel(held, allowance)


def _parcel(held: Sequence[Submission], allowance: Allowance) -> Parcel:
    numbers, tasks, notebooks, decided = zip(*held, strict=True)
    return Parcel(numbers, tasks, notebooks, decided, allowance)


def _graded(client: Any, parcels: Iterator[Parcel]) -> Iterator[tuple[int, Result]]:
    """Keep `IN_FLIGHT` parcels at the cluster; one whose workers died is sent again."""
    from distributed import as_completed

    sent: dict[Any, tuple[Parcel, int]] = {}
    coming = as_completed(loop=client.loop)

    def send(parcel: Parcel | None, tries: int = 0) -> None:
        if parcel:
            future = client.submit(graded_there, parcel, pure=False, retries=RETRIES)
            sent[future.key] = parcel, tries
            coming.add(future)

    for _ in range(IN_FLIGHT):
        send(next(parcels, None))
    for future in coming:
        parcel, tries = sent.pop(future.key)
        found = _results(future, tries)
        if found is None:
            send(parcel, tries + 1)
        else:
            yield from zip(parcel.numbers, found, strict=True)
            send(next(parcels, None))


def _results(future: Any, tries: int) -> list[Result] | None:
    """What a parcel came to; None if it should be sent again. Raises `Refused` when that has been done too often."""
    if future.status == "finished":
        found: list[Result] | str = future.result()
        if isinstance(found, str):
            raise Refused(found)
        return found
    if tries < RETRIES:
        return None
    wrong = type(future.exception()).__name__ if future.status == "error" else future.status
    raise Refused(
        f"the Dask cluster could not grade a parcel after {tries} tries ({wrong}); what came is in the gradebook"
    )


# -- on the worker -----------------------------------------------------------------------------------------------------

_MINE = threading.local()
"""The grader of each thread of a worker."""


def graded_there(parcel: Parcel) -> list[Result] | str:
    """Have this thread's grader grade a parcel; one that died is replaced, and Dask sends the parcel again."""
    grader: subprocess.Popen[bytes] = getattr(_MINE, "grader", None) or _started()
    assert grader.stdin
    assert grader.stdout
    try:
        pickle.dump(parcel, grader.stdin)
        grader.stdin.flush()
        found: list[Result] | str = pickle.load(grader.stdout)
        return found
    except (OSError, EOFError):
        grader.kill()
        grader.wait()
        _MINE.grader = None
        raise


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "k8slearn.grading.grader"]
    grader = _MINE.grader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return grader

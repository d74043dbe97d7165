"""Warmed worker processes, one per core, each task under limits; a worker that breaks one is replaced.

A worker is a fork of this process with the engine already imported (elsewhere than on Linux: a fresh process that
imports it). The kernel holds the limits: address space above what the worker began with, processor
seconds per task, and no file may be written. Processor seconds and not the clock on the wall, so that a loaded machine
grades as an idle one does; the wall is a second line for a worker that sleeps.

A worker's memory holds what earlier tasks left in its caches, so a task that breaks a used worker is tried once more in
a fresh one. That makes the result a matter of the task alone, for any number of workers.

Left out: the kernel's limits on systems that have none (there the wall alone holds).
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

if sys.platform == "linux":
    _CONTEXT = multiprocessing.get_context("fork")
else:
    _CONTEXT = multiprocessing.get_context("spawn")

AHEAD = 64
"""How many waiting tasks are looked through for one that fits."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one task may use."""

    megabytes: int = 512
    seconds: int = 10
    wall: float = 60.0


@dataclass(frozen=True, slots=True)
class Broken:
    """A task whose worker broke a limit: which one, as a sentence."""

    says: str


@dataclass(eq=False, slots=True)
class Worker(Generic[T]):
    """One process and what it is busy with."""

    process: BaseProcess
    pipe: Connection
    task: int | None = None
    since: float = 0.0
    served: int = 0
    kind: Hashable = None


@dataclass(slots=True)
class Pool(Generic[T, R]):
    """Runs `work` over tasks in worker processes. Results come as they are ready, with the task's number."""

    work: Callable[[T], R]
    jobs: int
    allowance: Allowance = field(default_factory=Allowance)
    workers: list[Worker[T]] = field(default_factory=list)

    def run(self, tasks: Sequence[T], kinds: Sequence[Hashable] = ()) -> Iterator[tuple[int, R | Broken]]:
        """`kinds` names tasks that share what a worker remembers: a worker goes on with its own kind if it can."""
        waiting = deque(range(len(tasks)))
        try:
            for _ in range(min(self.jobs, len(tasks))):
                self._hire()
            while waiting or any(w.task is not None for w in self.workers):
                self._hand_out(waiting, tasks, kinds)
                for worker in self._ready():
                    number, result = self._collect(worker, waiting)
                    if number is not None and result is not None:
                        yield number, result
        finally:
            for worker in list(self.workers):
                self._dismiss(worker)

    def _hire(self) -> None:
        ours, theirs = _CONTEXT.Pipe()
        inherited = [ours, *(w.pipe for w in self.workers)] if sys.platform == "linux" else []
        process = _CONTEXT.Process(target=_serve, args=(theirs, inherited, self.work, self.allowance), daemon=True)
        process.start()
        theirs.close()
        self.workers.append(Worker(process, ours))

    def _dismiss(self, worker: Worker[T]) -> None:
        self.workers.remove(worker)
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()

    def _hand_out(self, waiting: deque[int], tasks: Sequence[T], kinds: Sequence[Hashable]) -> None:
        for worker in self.workers:
            if worker.task is None and waiting:
                number = self._fitting(worker, waiting, kinds) if kinds else waiting[0]
                waiting.remove(number)
                worker.task, worker.since = number, time.monotonic()
                worker.kind = kinds[number] if kinds else None
                with suppress(OSError):  # one that died while it was idle is found by `_ready`
                    worker.pipe.send(tasks[worker.task])

    def _fitting(self, worker: Worker[T], waiting: deque[int], kinds: Sequence[Hashable]) -> int:
        """A task of the worker's own kind, or of one that nobody else is at, or simply the first."""
        ahead = list(islice(waiting, AHEAD))
        others = {w.kind for w in self.workers if w is not worker}
        own = (number for number in ahead if kinds[number] == worker.kind)
        free = (number for number in ahead if kinds[number] not in others)
        return next(own, next(free, ahead[0]))

    def _ready(self) -> list[Worker[T]]:
        """The workers that have something to say: a result, their death, or nothing for too long."""
        busy = [w for w in self.workers if w.task is not None]
        oldest = min(w.since for w in busy)
        left = max(0.0, oldest + self.allowance.wall - time.monotonic())
        heard = set(wait([w.pipe for w in busy], timeout=left))
        late = time.monotonic() - self.allowance.wall
        return [w for w in busy if w.pipe in heard or w.since <= late]

    def _collect(self, worker: Worker[T], waiting: deque[int]) -> tuple[int | None, R | Broken | None]:
        number = worker.task
        assert number is not None
        result = self._hear(worker)
        if not isinstance(result, Broken):
            worker.task, worker.served = None, worker.served + 1
            return number, result
        self._dismiss(worker)
        self._hire()
        if worker.served:
            self._again(number, waiting)
            return None, None
        return number, result

    def _again(self, number: int, waiting: deque[int]) -> None:
        waiting.appendleft(number)
        fresh = self.workers.pop()
        self.workers.insert(0, fresh)  # it has served nothing, and it is handed the first task that waits

    def _hear(self, worker: Worker[T]) -> R | Broken:
        if not worker.pipe.poll():
            return Broken(f"it took more than {self.allowance.wall:g} seconds")
        try:
            heard = worker.pipe.recv()
        except EOFError:
            worker.process.join(5)
            return self._died(worker.process.exitcode)
        if heard is None:
            return Broken(f"it needs more than {self.allowance.megabytes} MB of memory")
        result: R = heard[0]
        return result

    def _died(self, status: int | None) -> Broken:
        if status == -getattr(signal, "SIGXCPU", 24):
            return Broken(f"it took more than {self.allowance.seconds} seconds of processor time")
        return Broken("the process that graded it died")


def _serve(pipe: Connection, inherited: list[Connection], work: Callable[[Any], Any], allowance: Allowance) -> None:
    """A worker's life: a task in, a result out, until the pipe closes. None says that memory ran out."""
    for other in inherited:
        other.close()  # a fork holds its siblings' pipes too; while it does, their end is never seen
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what every task shares is not looked through again and again, and what one leaves less often:
    gc.set_threshold(50_000, 20, 50)  # a cluster is many small rows that live as long as it does, and few circles
    _limit_memory(allowance.megabytes)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        _limit_time(allowance.seconds)
        try:
            pipe.send([work(task)])
        except MemoryError:
            pipe.send(None)


def _limit_memory(megabytes: int) -> None:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + megabytes * 2**20,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError):
        return  # no such limits on this system


def _limit_time(seconds: int) -> None:
    try:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = int(used.ru_utime + used.ru_stime) + seconds + 1
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    except (ImportError, OSError):
        return  # no such limits on this system

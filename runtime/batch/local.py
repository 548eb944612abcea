"""The workers of a batch as processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

from ...errors import DeviceFailed
from ..child_process.child import die_with, leave_no_core
from .batch_file import BatchFile
from .worker import Answer, FileWorker, Job, died, never_began

_worker: list[FileWorker] = []
"""In a worker's process, its one worker."""


class LocalEngine:
    """So many processes, each a pool of its own: so one's death is known to be of its file, and hurts no other."""

    def __init__(self, job: Job, workers: int) -> None:
        self.workers, self._job = workers, job
        self._free = [_Process(job) for _ in range(workers)]
        self._all = tuple(self._free)
        self._busy: dict[Future[Answer], _Process] = {}

    def submit(self, file: BatchFile) -> Future[Answer]:
        """See Engine."""
        process = self._free.pop()
        future = process.submit(file)
        self._busy[future] = process
        return future

    def answer(self, future: Future[Answer]) -> Answer:
        """See Engine."""
        process = self._busy.pop(future)
        self._free.append(process)
        return process.answer(future)

    def release(self) -> None:
        """See Engine."""
        for process in self._free:
            process.kill()

    def close(self) -> None:
        """See Engine."""
        for process in self._all:
            process.kill()


class _Process:
    """One process, started with its first file and again after its death."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pool: ProcessPoolExecutor | None = None
        self._child: BaseProcess | None = None
        self._ready: Future[Answer] | None = None

    def submit(self, file: BatchFile) -> Future[Answer]:
        for _ in range(2):
            pool = self._pool or self._start()
            try:
                return pool.submit(_analyse, file)
            except BrokenProcessPool:  # it was ended while it had nothing to do
                self.kill()
        raise _not_to_be_had()

    def answer(self, future: Future[Answer]) -> Answer:
        try:
            return future.result()
        except BrokenProcessPool:
            began = self._ready is not None and self._ready.done() and not self._ready.exception()
            death = self._death()
            self.kill()
            return Answer(fault=died(death) if began else never_began(death))

    def kill(self) -> None:
        pool, self._pool = self._pool, None
        if pool:
            if self._child:
                self._child.kill()
            pool.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(self._job, os.getpid())
        )
        before = set(multiprocessing.active_children())
        with _interrupts_held():
            self._ready = pool.submit(_open)  # the process starts here, and not in another thread
        self._pool = pool
        self._child = next(iter(set(multiprocessing.active_children()) - before), None)
        return pool

    def _death(self) -> str:
        """How the process ended, in words."""
        if self._child is None:
            return ""
        self._child.join(10)
        code = self._child.exitcode
        return f" (signal {-code}, {signal.Signals(-code).name})" if code and code < 0 else f" (exit code {code})"


def _begin(job: Job, parent: int) -> None:
    """What a process does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the whole group, and the parent ends this one
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with(parent)
    leave_no_core()
    _worker.append(FileWorker(job))


def _open() -> Answer:
    return _worker[0].ready()


def _analyse(file: BatchFile) -> Answer:
    return _worker[0].analyse(file)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits, here and in what is started meanwhile: Python's own start would die of it with a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _not_to_be_had() -> DeviceFailed:
    return DeviceFailed("workers end as soon as they begin", cause="the system ends them for want of memory")

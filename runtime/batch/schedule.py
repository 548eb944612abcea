"""In which order a batch's files go to its workers, and which are tried again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from .batch_file import BatchFile
from .worker import Answer

TRIES = 2
"""Times that a file goes to a worker when the first ended by what may pass, such as the worker's death."""


class Engine(Protocol):
    """Where the workers are. Whoever submits waits for an answer before more is submitted than there are workers."""

    workers: int

    def submit(self, file: BatchFile) -> Future[Answer]:
        """Give a file to a worker that has none; raises FerEdgeError when no worker can be had."""

    def answer(self, future: Future[Answer]) -> Answer:
        """What came of a future that is done, a worker's death too; frees the worker. Never raises."""

    def release(self) -> None:
        """No file waits: whoever has none may end, and makes room for those that still begin, or for others."""

    def close(self) -> None:
        """End all workers, whatever they do."""


def schedule(engine: Engine, files: Iterable[BatchFile]) -> Iterator[tuple[BatchFile, Answer]]:
    """Every file with its answer, as they come; a worker has one file at a time, and no file waits for a turn twice.

    Raises FerEdgeError: no worker can be had.
    """
    waiting, tried = deque(files), Counter[str]()
    running: dict[Future[Answer], BatchFile] = {}
    while waiting or running:
        while waiting and len(running) < engine.workers:
            file = waiting.popleft()
            tried[file.key] += 1
            running[engine.submit(file)] = file
        if not waiting:
            engine.release()
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            file, answer = running.pop(future), engine.answer(future)
            if answer.fault and answer.fault.verdict == "again" and tried[file.key] < TRIES:
                waiting.append(file)
            else:
                yield file, answer

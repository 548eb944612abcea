"""In which order a batch's files go to its workers, and which are tried again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import Protocol

from .batch_file import JOIN, BatchFile
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

    A film that is to be divided takes its segments' turns instead, before other files, and then one to join them. What
    became of a segment only who joins them needs to know, unless it stops everything.

    Raises FerEdgeError: no worker can be had.
    """
    waiting, tried, left = deque(files), Counter[tuple[str, int | None]](), Counter[str]()
    running: dict[Future[Answer], BatchFile] = {}
    while waiting or running:
        while waiting and len(running) < engine.workers:
            file = waiting.popleft()
            tried[file.key, file.part] += 1
            running[engine.submit(file)] = file
        if not waiting:
            engine.release()
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            file, answer = running.pop(future), engine.answer(future)
            if answer.fault and answer.fault.verdict == "again" and tried[file.key, file.part] < TRIES:
                waiting.append(file)
            elif answer.parts:
                left[file.key] = len(answer.parts)
                waiting.extendleft(replace(file, part=part) for part in reversed(answer.parts))
            elif file.part in (None, JOIN) or (answer.fault and answer.fault.stops):
                yield replace(file, part=None), answer
            else:
                left[file.key] -= 1
                if not left[file.key]:
                    waiting.appendleft(replace(file, part=JOIN))

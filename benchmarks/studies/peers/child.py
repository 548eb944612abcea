"""A peer in a process of its own, asked over pipes.

Messages look as `runtime/child_process/child.py` documents, a kind, a length and a body:

    out  D  {"labels", "runtime"}: the net's labels in its own words and order; sent once, when it is ready
    in   I  shape (4 x u32) and pixels of one picture or more
    out  A  shape (2 x u32), float32 probabilities, and as many u64 nanoseconds as pictures
    out  E  {"message"}: it did not work

The child takes the times itself, so the pipes are not in them. It ends when its input ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import LABELS
from ....bundle.labels import common_names
from ....errors import DeviceFailed, UsageError
from ....runtime.child_process.process import CHILD_FAULTS, NONSENSE, ChildProcess
from ....runtime.inference.worker import LOGITS, PICTURES
from .peer import Answers

OPEN_S, CALL_S = 120.0, 120.0
"""Deadlines, in seconds, for loading and for CHUNK pictures."""
CHUNK = 64
"""Pictures in one message."""
STOP_S = 2.0


class ChildSession:
    """A child that answers pictures."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        settings: Mapping[str, str] | None = None,
        open_s: float = OPEN_S,
        call_s: float = CALL_S,
    ) -> None:
        """Start it and wait until its net is loaded.

        Args:
            name: for errors.
            settings: further environment variables.
            open_s, call_s: deadlines in seconds.

        Raises:
            DeviceNotFound: its interpreter cannot be started; DeviceFailed: it ended, hangs, or has other labels.
        """
        self.name, self._call_s = name, call_s
        self._child = ChildProcess(
            [str(word) for word in command], {**os.environ, **(settings or {})}, kinds=b"DAE", gently_s=STOP_S
        )
        try:
            said = json.loads(self._answer(b"D", open_s))
            self._runtime = str(said["runtime"])
            self._order = self._order_of(said["labels"])
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._child.pid

    def ask(self, batch: NDArray[np.uint8]) -> Answers:
        """See Session; raises DeviceFailed, and UsageError for what is no batch of pictures."""
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[3] != 3 or 0 in batch.shape[1:]:
            raise UsageError(f"a batch must be uint8 (N, H, W, 3); this one is {batch.dtype} {batch.shape}")
        parts = [self._some(batch[i : i + CHUNK]) for i in range(0, len(batch), CHUNK)]
        if not parts:
            return Answers(np.zeros((0, len(LABELS)), np.float32), np.zeros(0, np.int64))
        return Answers(np.concatenate([p for p, _ in parts]), np.concatenate([t for _, t in parts]))

    def describe(self) -> str:
        """See Session."""
        return self._runtime

    def close(self) -> None:
        """End the child, gently and then not; calling it twice is harmless."""
        self._child.close()

    def _some(self, batch: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        answer = self._answer(b"A", self._call_s, b"I", PICTURES.pack(*batch.shape), np.ascontiguousarray(batch).data)
        count, classes = LOGITS.unpack_from(answer)
        if (count, classes) != (len(batch), len(LABELS)) or len(answer) != LOGITS.size + count * (4 * classes + 8):
            raise self._failure(NONSENSE)
        own = np.frombuffer(answer, np.float32, count * classes, LOGITS.size).reshape(count, classes)
        taken = np.frombuffer(answer, np.uint64, count, LOGITS.size + own.nbytes)
        return own[:, self._order], taken.astype(np.int64)

    def _answer(self, wanted: bytes, limit_s: float, *message: Any) -> bytes:
        """Send a message, if there is one, and give the body of the answer."""
        deadline = monotonic() + limit_s
        try:
            if message:
                self._child.send(*message, deadline=deadline)
            kind, body = self._child.receive(deadline)
            if kind not in (wanted, b"E"):
                raise ValueError
        except CHILD_FAULTS as error:
            raise self._failure(self._child.fault(error)) from None
        if kind == b"E":
            raise self._failure(f"failed: {json.loads(body)['message']}")
        return body

    def _order_of(self, labels: Sequence[str]) -> list[int]:
        """Column of each of our labels in the child's answers."""
        ours = common_names(labels)
        if sorted(ours) != sorted(LABELS):
            raise self._failure(f"knows other labels: {', '.join(labels)}")
        return [ours.index(label) for label in LABELS]

    def _failure(self, what: str) -> DeviceFailed:
        """The child's end as an error; there is no child afterwards."""
        self._child.kill()
        self._child.close()
        lines = self._child.last_words() if what.startswith("ended") else []
        says_most = next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
        cause = "it was killed, or its library crashed" if what.startswith("ended") else ""
        return DeviceFailed(f"the peer {self.name} {what}", cause=says_most or cause)

"""A peer in a process of its own, asked over pipes.

Frames are those of `runtime/inference/worker.py`, a kind, a length and a body:

    out  D  {"labels", "runtime"}: the net's labels in its own words and order; sent once, when it is ready
    in   I  shape (4 x u32) and pixels of one picture or more
    out  A  shape (2 x u32), float32 probabilities, and as many u64 nanoseconds as pictures
    out  E  {"message"}: it did not work

The child takes the times itself, so the pipes are not in them. It ends when its input ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....bundle import LABELS
from ....errors import DeviceFailed, DeviceNotFound, UsageError
from ....runtime.inference.worker import HEAD, LOGITS, PICTURES
from .peer import Answers

OPEN_S, CALL_S = 120.0, 120.0
"""Deadlines, in seconds, for loading and for CHUNK pictures."""
CHUNK = 64
"""Pictures in one frame."""
STOP_S = 2.0
WORDS = {"disgusted": "disgust", "fearful": "fear", "surprised": "surprise"}
"""Peers' words for our labels, where they differ."""


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
        self.name, self._call_s, self._late = name, call_s, False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close())
        try:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, **(settings or {})},
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise DeviceNotFound(
                f"{command[0]} cannot be started ({error.strerror})", hint=f"ls -l {command[0]}"
            ) from error
        try:
            said = json.loads(self._ask(b"", b"D", open_s))
            self._runtime = str(said["runtime"])
            self._order = self._order_of(said["labels"])
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

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
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # what a dead child did not take
                    stream.close()
        try:
            self._process.wait(STOP_S if self._process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _some(self, batch: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        body = PICTURES.pack(*batch.shape) + batch.tobytes()
        answer = self._ask(HEAD.pack(b"I", len(body)) + body, b"A", self._call_s)
        count, classes = LOGITS.unpack_from(answer)
        if (count, classes) != (len(batch), len(LABELS)) or len(answer) != LOGITS.size + count * (4 * classes + 8):
            raise self._failure("answered with something that is no answer")
        own = np.frombuffer(answer, np.float32, count * classes, LOGITS.size).reshape(count, classes)
        taken = np.frombuffer(answer, np.uint64, count, LOGITS.size + own.nbytes)
        return own[:, self._order], taken.astype(np.int64)

    def _ask(self, frame: bytes, wanted: bytes, limit_s: float) -> bytes:
        """Send a frame, if there is one, and give the body of the answer."""
        assert self._process.stdin is not None
        watchdog = threading.Timer(limit_s, self._give_up)
        watchdog.start()
        try:
            self._process.stdin.write(frame)
            self._process.stdin.flush()
            kind, length = HEAD.unpack(self._read(HEAD.size))
            if kind not in (wanted, b"E"):
                raise self._failure("answered with something that is no answer")
            body = self._read(length)
        except BrokenPipeError:
            raise self._failure("ended") from None
        finally:
            watchdog.cancel()
        if kind == b"E":
            raise self._failure(f"failed: {json.loads(body)['message']}")
        return body

    def _read(self, count: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(count)
        if len(data) < count:
            raise self._failure("ended")
        return data

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def _order_of(self, labels: Sequence[str]) -> list[int]:
        """Column of each of our labels in the child's answers."""
        ours = [WORDS.get(label, label) for label in labels]
        if sorted(ours) != sorted(LABELS):
            raise self._failure(f"knows other labels: {', '.join(labels)}")
        return [ours.index(label) for label in LABELS]

    def _failure(self, what: str) -> DeviceFailed:
        """The child's end as an error; there is no child afterwards."""
        cause = ""
        if self._late:
            what = "did not answer in time; it hangs"
        elif what == "ended":
            code = self._ended()
            what = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            cause = self._last_words() or "it was killed, or its library crashed"
        self._process.kill()
        self._process.wait()
        return DeviceFailed(f"the peer {self.name} {what}", cause=cause)

    def _last_words(self) -> str:
        """The line of what it printed that says most: the last with an error's name in it, else the last."""
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")

    def _ended(self) -> int:
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            return 0

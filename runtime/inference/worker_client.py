"""A backend in another process: started under the interpreter its vendor library needs, asked over pipes.

Pictures cross in a file in memory, the rest over the pipes; `benchmarks/studies/ipc_overhead.py` measures both ways.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleDamaged, DeviceFailed, DeviceNotFound
from ..backends import FILES
from ..child_process.isolated import alone, surroundings
from ..child_process.shared_memory import SharedPictures
from .worker import HEAD, HEARTBEAT_S, LOGITS, PICTURES

WORKER = Path(__file__).with_name("worker.py")
OPEN_S, CALL_S = 120.0, 5.0
"""Deadlines: the first call of an accelerator loads firmware and compiles; every later one takes milliseconds."""
SILENCE_S = 5 * HEARTBEAT_S
"""Without a word for so long, between calls, the worker is taken for hung."""
PIPE_BYTES = 1 << 20
"""A crop of 256 x 256 in one piece; a pipe as it comes holds 64 KiB."""
LAST_WORDS = 20
OPENING = "opening: "
"""A backend may print such a line on standard error before a step that can end the process: the likely cause, should it
be its last word. Once the artifact is open the line means nothing."""
STOP_S = 2.0


class RemoteBackend:
    """A worker process with an opened artifact."""

    def __init__(
        self,
        backend: Path,
        artifact: Path,
        options: dict[str, Any],
        python: str = sys.executable,
        open_s: float = OPEN_S,
        call_s: float = CALL_S,
        share: bool = True,
        folder: Path | None = None,
    ) -> None:
        """Start a worker and open the artifact in it.

        Args:
            backend: the backend's file.
            python: the interpreter to run it under.
            open_s, call_s: deadlines for opening and for each call, in seconds.
            share: pictures cross in shared memory; over the pipe when False, or where the kernel offers none.
            folder: where the worker runs; here when None.

        Raises:
            DeviceNotFound: no such interpreter, or the device or its library is absent.
            BundleDamaged: the backend cannot read the artifact; DeviceFailed: it crashed or hung.
        """
        self.name = next((name for name, file in FILES.items() if file == backend.stem), backend.stem)
        self._call_s, self._artifact, self._opened = call_s, artifact, False
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self._shared = SharedPictures.create() if share else None
        self._process = self._start(python, backend, folder)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._in, self._out):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            os.set_blocking(pipe, False)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._heard = monotonic()
        try:
            request = json.dumps({"artifact": str(artifact), "options": options}).encode()
            self._described = json.loads(self._ask(b"O", b"D", [request], open_s))
            self._opened = True
        except BaseException:
            self.close()
            raise

    def _start(self, python: str, backend: Path, folder: Path | None) -> subprocess.Popen[bytes]:
        passed = [self._shared.descriptor] if self._shared else []
        try:
            return subprocess.Popen(
                alone(python, str(WORKER), str(backend), str(passed[0] if passed else -1), str(os.getpid())),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=passed,
                cwd=folder,
                env=surroundings(python, os.environ),
            )
        except OSError as error:
            if self._shared:
                self._shared.close()
            raise DeviceNotFound(
                f"the interpreter {python} cannot be started",
                cause=error.strerror or str(error),
                hint=f"ls -l {python}",
            ) from error

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3); raises DeviceFailed when the worker crashed or hangs."""
        shape = PICTURES.pack(*batch.shape)
        if self._shared is not None:
            self._shared.write(batch)
            body = self._ask(b"S", b"L", [shape], self._call_s)
        else:
            body = self._ask(b"I", b"L", [shape, np.ascontiguousarray(batch).data], self._call_s)
        return np.frombuffer(body, np.float32, offset=LOGITS.size).reshape(LOGITS.unpack_from(body))

    def describe(self) -> dict[str, Any]:
        """The backend's own description, and the interpreter's version."""
        return dict(self._described)

    @property
    def pid(self) -> int:
        """Of the worker."""
        return self._process.pid

    def check(self) -> None:
        """Between calls: raise DeviceFailed when the worker has ended, or was silent for too long."""
        while self._readable(0):
            kind, _ = self._frame(monotonic() + SILENCE_S)
            if kind != b"H":
                raise self._failure("said something nobody asked for")
        if monotonic() - self._heard > SILENCE_S:
            raise self._failure(f"has not answered for {SILENCE_S:.0f} s")

    def close(self) -> None:
        """End the worker, gently and then not; calling it twice is harmless."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(STOP_S if self._process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        if self._shared is not None:
            self._shared.close()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _ask(self, kind: bytes, wanted: bytes, parts: list[Any], limit_s: float) -> bytes:
        """Send a frame and wait for the answer of the kind wanted."""
        deadline = monotonic() + limit_s
        self._write(HEAD.pack(kind, sum(len(memoryview(p).cast("B")) for p in parts)), deadline)
        for part in parts:
            self._write(part, deadline)
        while True:
            got, body = self._frame(deadline)
            if got == wanted:
                return body
            if got == b"E":
                raise self._refusal(json.loads(body))
            if got != b"H":
                raise self._failure("answered with something that is no answer")

    def _frame(self, deadline: float) -> tuple[bytes, bytes]:
        kind, length = HEAD.unpack(self._read(HEAD.size, deadline))
        if kind not in b"DLEH" or length > 1 << 28:
            raise self._failure("answered with something that is no answer")
        self._heard = monotonic()
        return kind, self._read(length, deadline)

    def _write(self, data: Any, deadline: float) -> None:
        left = memoryview(data).cast("B")
        while left:
            if not select.select([], [self._in], [], max(0.0, deadline - monotonic()))[1]:
                raise self._failure("does not take its pictures; it hangs")
            try:
                left = left[os.write(self._in, left) :]
            except BrokenPipeError:
                raise self._failure("ended") from None

    def _read(self, count: int, deadline: float) -> bytes:
        parts = []
        while count:
            if not self._readable(max(0.0, deadline - monotonic())):
                raise self._failure("did not answer in time; it hangs")
            part = os.read(self._out, count)
            if not part:
                raise self._failure("ended")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _readable(self, wait_s: float) -> bool:
        return bool(select.select([self._out], [], [], wait_s)[0])

    def _listen(self) -> None:
        """Keep the last lines a vendor library prints, for the error that may follow."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._words.append(line.decode(errors="replace").rstrip())

    def _failure(self, what: str) -> DeviceFailed:
        """The worker's end, or its silence, as an error; the worker is no more afterwards."""
        if what == "ended":
            try:
                code = self._process.wait(STOP_S)
                name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                what = f"ended by {name}"
            except subprocess.TimeoutExpired:
                what = "closed its pipe"
        self._process.kill()
        self.close()
        said = [line for line in self._words if line.strip() and not (self._opened and line.startswith(OPENING))]
        return DeviceFailed(
            f"the worker of the backend {self.name} {what}",
            cause=said[-1].replace(OPENING, "", 1)
            if said
            else "the vendor library crashed, or the device was unplugged",
            hint="fer-edge doctor",
        )

    def _refusal(self, answer: dict[str, str]) -> Exception:
        """What the backend raised, as the error it stands for."""
        kind, message = answer["kind"], answer["message"]
        if kind in ("ImportError", "LookupError"):
            return DeviceNotFound(
                f"the backend {self.name} cannot start: {message}",
                cause="its library or its device is not there",
                hint="fer-edge doctor",
            )
        if kind == "ValueError":
            return BundleDamaged(f"{self._artifact.name} cannot be loaded by {self.name}: {message}")
        words = "out of memory" if kind == "MemoryError" else message
        return DeviceFailed(f"the backend {self.name} failed: {words}", hint="fer-edge doctor")

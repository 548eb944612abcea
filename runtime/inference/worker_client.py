"""A backend in another process: started under the interpreter its vendor library needs, asked over pipes.

Pictures cross in a file in memory, the rest over the pipes; `benchmarks/studies/ipc_overhead.py` measures both ways.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleDamaged, DeviceFailed, DeviceNotFound
from ..backends import FILES
from ..child_process.process import CHILD_FAULTS, ChildProcess, ChildRefused, child_environment, isolated_command
from ..child_process.shared_memory import SharedPictures
from .worker import HEARTBEAT_S, LOGITS, PICTURES

WORKER = Path(__file__).with_name("worker.py")
OPEN_S, CALL_S = 120.0, 5.0
"""Deadlines: the first call of an accelerator loads firmware and compiles; every later one takes milliseconds."""
SILENCE_S = 5 * HEARTBEAT_S
"""Without a word for so long, between calls, the worker is taken for hung."""
OPENING = "opening: "
"""A backend may print such a line on standard error before a step that can end the process: the likely cause, should it
be its last word. Once the artifact is open the line means nothing."""
NO_INTERPRETER = ("exit code 126", "exit code 127")
"""How a shell's stand-in for an interpreter ends that finds none, such as one of pyenv's shims."""
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
            DeviceNotFound: no such interpreter, or one that does not run, or the device or its library is absent.
            BundleDamaged: the backend cannot read the artifact; DeviceFailed: it crashed or hung.
        """
        self.name = next((name for name, file in FILES.items() if file == backend.stem), backend.stem)
        self._call_s, self._artifact, self._python, self._opened = call_s, artifact, python, False
        shared = SharedPictures.create() if share else None
        self._child = ChildProcess(
            isolated_command(python, WORKER, shared),
            child_environment(python, os.environ),
            kinds=b"DLEH",
            shared=shared,
            folder=folder,
            gently_s=STOP_S,
        )
        try:
            request = {"file": str(backend), "what": str(artifact), "options": options}
            self._described = json.loads(self._ask(b"O", b"D", [json.dumps(request).encode()], open_s))
            self._opened = True
        except BaseException:
            self.close()
            raise

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3); raises DeviceFailed when the worker crashed or hangs."""
        shape = PICTURES.pack(*batch.shape)
        if self._child.shared is not None:
            self._child.shared.write(batch)
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
        return self._child.pid

    def check(self) -> None:
        """Between calls: raise DeviceFailed when the worker has ended, or was silent for too long."""
        try:
            while self._child.has_message():
                if self._child.receive(monotonic() + SILENCE_S)[0] != b"H":
                    raise self._failure("said something nobody asked for")
        except CHILD_FAULTS as error:
            raise self._failure(self._child.fault(error)) from None
        if monotonic() - self._child.heard_s > SILENCE_S:
            raise self._failure(f"has not answered for {SILENCE_S:.0f} s")

    def close(self) -> None:
        """End the worker, gently and then not; calling it twice is harmless."""
        self._child.close()

    def _ask(self, kind: bytes, wanted: bytes, parts: list[Any], limit_s: float) -> bytes:
        """Send a message and wait for the answer of the kind wanted."""
        try:
            return self._child.ask(kind, *parts, wanted=wanted, deadline=monotonic() + limit_s)[1]
        except ChildRefused as error:
            raise self._refusal(error) from None
        except CHILD_FAULTS as error:
            raise self._failure(self._child.fault(error)) from None

    def _failure(self, what: str) -> DeviceFailed | DeviceNotFound:
        """The worker's end, or its silence, as an error; the worker is no more afterwards."""
        self._child.kill()
        self._child.close()
        if not self._opened and what.endswith(NO_INTERPRETER):
            words = " ".join(self._child.last_words())
            return DeviceNotFound(f"the interpreter {self._python} does not run here: {words}", hint="fer-edge doctor")
        said = [line for line in self._child.last_words() if not (self._opened and line.startswith(OPENING))]
        return DeviceFailed(
            f"the worker of the backend {self.name} {what}",
            cause=said[-1].replace(OPENING, "", 1)
            if said
            else "the vendor library crashed, or the device was unplugged",
            hint="fer-edge doctor",
        )

    def _refusal(self, answer: ChildRefused) -> Exception:
        """What the backend raised, as the error it stands for."""
        kind, message = answer.kind, answer.message
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

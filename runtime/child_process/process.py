"""A child process and the pipes to it: a deadline for every answer, and its end: gentle, then sure, never long awaited.

What crosses the pipes is written in child.py; `benchmarks/studies/ipc_overhead.py` measures what a crossing costs.
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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from ...errors import DeviceNotFound
from .child import HEAD
from .shared_memory import SharedPictures

CHILD = Path(__file__).with_name("child.py")
SITE = "FER_EDGE_SITE"
"""Folders that the child puts before its own: `python -I` does not look at PYTHONPATH, and a kiosk that install.sh put
into place has its libraries there. For our own interpreter only; another one has other libraries."""
GENTLY_S, SURELY_S = 0.5, 0.5
"""What a child is given to let go of its device, and the kernel to end it."""
EXIT_S = 2.0
"""How long after a child closed its pipes its exit code is waited for."""
MAX_WORDS = 1 << 14
"""Bytes of what the child's libraries said last that are kept."""
MAX_ANSWER = 1 << 30
PIPE_BYTES = 1 << 20
"""A crop of 256 x 256 in one piece; a pipe as it comes holds 64 KiB."""
NONSENSE = "answered with something that is no answer"
CHILD_FAULTS = (TimeoutError, EOFError, ValueError)
"""What speaking with a child raises: it was late, it has ended, it talks nonsense."""


def isolated_command(python: str, server: Path, shared: SharedPictures | None) -> list[str]:
    """Starts child.py isolated (-I), so that nothing that lies about is imported in the place of a library."""
    memory = shared.descriptor if shared else -1
    return [python, "-I", str(CHILD), str(server), str(memory), str(os.getpid())]


def child_environment(python: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of an isolated child under that interpreter, made from the parent's."""
    rest = {name: value for name, value in environment.items() if name != SITE}
    folders = [os.path.abspath(folder) for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return {**rest, SITE: os.pathsep.join(folders)} if folders and python == sys.executable else rest


class ChildRefused(Exception):
    """What a library raised in the child: the standard kind of the error, and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


class ChildProcess:
    """A running child. One thread speaks with it; `kill` may be called from any."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        kinds: bytes,
        purpose: str = "",
        shared: SharedPictures | None = None,
        folder: Path | None = None,
        gently_s: float = GENTLY_S,
    ) -> None:
        """Start it; raises DeviceNotFound when the interpreter cannot be started.

        Args:
            kinds: of the messages it may send; anything else is nonsense.
            purpose: follows the interpreter's name in the error.
            shared: a file in memory that it gets, and that is closed with it.
            folder: where it runs; here when None.
            gently_s: what it is given to end by itself.
        """
        self.shared, self._kinds, self._gently_s, self._words = shared, kinds, gently_s, b""
        self.heard_s = monotonic()
        """When the child's last message came, in monotonic seconds."""
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                pass_fds=[shared.descriptor] if shared else [],
                cwd=folder,
                env=environment,
            )
        except OSError as error:
            if shared:
                shared.close()
            raise DeviceNotFound(
                f"the interpreter {command[0]}{purpose} cannot be started",
                cause=error.strerror or str(error),
                hint=f"ls -l {command[0]}",
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._in, self._out, self._err = self._process.stdin, self._process.stdout, self._process.stderr
        self._readable, self._writable = select.poll(), select.poll()  # select() knows no descriptor above 1023
        self._readable.register(self._out, select.POLLIN)
        self._writable.register(self._in, select.POLLOUT)
        for poll in (self._readable, self._writable):
            poll.register(self._err, select.POLLIN)
        for pipe in (self._in, self._err):
            os.set_blocking(pipe.fileno(), False)
        for pipe in (self._in, self._out):
            with suppress(OSError, AttributeError):  # a user may have only so many large pipes, and only on Linux
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    def ask(self, kind: bytes, *parts: Any, wanted: bytes, deadline: float) -> tuple[bytes, bytes]:
        """Send a message and wait for the answer: its kind, one of those wanted, and its body.

        Raises ChildRefused: it did not work, as the child says; and as `send` and `receive`.
        """
        self.send(kind, *parts, deadline=deadline)
        while True:
            got, body = self.receive(deadline)
            if got == b"E":
                answer = json.loads(body)
                raise ChildRefused(answer["kind"], answer["message"])
            if got in wanted:
                return got, body
            if got != b"H":
                raise ValueError("it is no answer to that")

    def send(self, kind: bytes, *parts: Any, deadline: float) -> None:
        """Write one message; raises TimeoutError when the child did not take it in time, EOFError when it has ended.

        Args:
            parts: of its body: bytes, or the buffer of a contiguous array.
            deadline: in monotonic seconds.
        """
        body = [memoryview(part).cast("B") for part in parts]
        left = [memoryview(HEAD.pack(kind, sum(map(len, body)))), *body]
        while left:
            try:
                written = os.writev(self._in.fileno(), left)
            except BlockingIOError:
                self._wait(self._writable, self._in.fileno(), deadline)
                continue
            except (BrokenPipeError, ValueError):  # ended, or closed by us
                raise EOFError from None
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]

    def receive(self, deadline: float) -> tuple[bytes, bytes]:
        """The kind and body of the child's next message; raises TimeoutError, EOFError at its end, or ValueError."""
        kind, length = HEAD.unpack(self._read(HEAD.size, deadline))
        if kind not in self._kinds or length > MAX_ANSWER:
            raise ValueError("it is no answer")
        self.heard_s = monotonic()
        return kind, self._read(length, deadline)

    def has_message(self) -> bool:
        """Whether `receive` would find something now, be it the child's end."""
        try:
            self._wait(self._readable, self._out.fileno(), 0.0)
        except TimeoutError:
            return False
        return True

    def fault(self, error: Exception) -> str:
        """One of CHILD_FAULTS as the end of a sentence that begins with the child's name."""
        if isinstance(error, TimeoutError):
            return "did not answer in time; it hangs"
        if isinstance(error, EOFError):
            return f"ended by {self.how_it_ended()}"
        return NONSENSE

    def last_words(self) -> list[str]:
        """The lines that the child's libraries printed last, without empty ones."""
        self._listen()
        return [line.strip() for line in self._words.decode(errors="replace").splitlines() if line.strip()]

    def how_it_ended(self) -> str:
        """`SIGSEGV` or `exit code 1`; waits a moment for the end."""
        code = self._exit_code(EXIT_S)
        if code is None:
            return "closing its pipe"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def kill(self) -> None:
        """End the child and what it may have started (they are a group of their own); does not wait."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ask the child to end, then make it, within gently_s + SURELY_S; calling it twice is harmless."""
        self._in.close()
        self._out.close()
        if self._exit_code(self._gently_s) is None:
            self.kill()
            if self._exit_code(SURELY_S) is None:  # in the kernel's hands, which lets go when the driver does
                threading.Thread(target=self._process.wait, daemon=True).start()
        self._listen()
        self._err.close()
        if self.shared is not None:
            self.shared.close()

    def _read(self, count: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        while count:
            self._wait(self._readable, self._out.fileno(), deadline)
            part = os.read(self._out.fileno(), min(count, PIPE_BYTES))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _wait(self, poll: select.poll, descriptor: int, deadline: float) -> None:
        """Until that pipe is ready; meanwhile what the child prints is kept, so that its pipe never fills."""
        while True:
            left_s = max(0.0, deadline - monotonic())
            ready = dict(poll.poll(1000 * left_s))
            if self._err.fileno() in ready:
                self._listen()
            if descriptor in ready:
                return
            if not left_s or not ready:
                raise TimeoutError

    def _listen(self) -> None:
        """Keep the last of what the child has printed."""
        if self._err.closed:
            return
        try:
            said = os.read(self._err.fileno(), PIPE_BYTES)
        except BlockingIOError:
            return
        self._words = (self._words + said)[-MAX_WORDS:]
        if not said:  # it prints no more, and would be ready for ever
            for poll in (self._readable, self._writable):
                with suppress(KeyError):
                    poll.unregister(self._err)

    def _exit_code(self, limit_s: float) -> int | None:
        """None when it did not end in time."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

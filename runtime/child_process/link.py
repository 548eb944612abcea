"""The pipes to a child, with a deadline for every answer, and its end: gentle, then sure, never awaited for long."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

from ..sources.camera_child import HEAD

GENTLY_S, SURELY_S = 0.5, 0.5
"""What a child is given to let go of its camera, and the kernel to end it."""
LONGEST_WORDS = 4096
"""Bytes of what the child's libraries said last that are kept."""
LONGEST_ANSWER = 1 << 30
PART_BYTES = 1 << 20
_ADDRESS = re.compile(r"^\[(\w+) @ 0x[0-9a-f]+\] ")


class Link:
    """A running child. One thread speaks with it; `kill` may be called from any."""

    def __init__(self, command: Sequence[str], passed: Sequence[int], environment: Mapping[str, str]) -> None:
        """Start it, with these descriptors open; raises OSError."""
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            pass_fds=passed,
            env=environment,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._in, self._out, self._err = self._process.stdin, self._process.stdout, self._process.stderr
        self._words = b""
        os.set_blocking(self._err.fileno(), False)

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Write one frame; raises EOFError when the child has ended.

        It is sent only when the child waits for one, and a pipe holds 64 KiB, so this does not block.
        """
        try:
            self._in.write(HEAD.pack(kind, len(body)) + body)
        except (BrokenPipeError, ValueError):
            raise EOFError from None

    def answer(self, deadline: float) -> tuple[bytes, bytes]:
        """The kind and body of the child's next frame.

        Args:
            deadline: in monotonic seconds.

        Raises:
            TimeoutError: it did not come in time; EOFError: the child has ended; ValueError: it is no frame.
        """
        kind, length = HEAD.unpack(self._receive(HEAD.size, deadline))
        if kind not in b"DPZE" or length > LONGEST_ANSWER:
            raise ValueError("it is no answer")
        return kind, self._receive(length, deadline)

    def last_words(self) -> str:
        """The last line that the child's libraries printed, without FFmpeg's address; empty when they said nothing."""
        self._listen()
        lines = [line.strip() for line in self._words.decode(errors="replace").splitlines() if line.strip()]
        return _ADDRESS.sub("", lines[-1]) if lines else ""

    def how_it_ended(self) -> str:
        """`SIGSEGV` or `exit code 1`; waits a moment for the end."""
        code = _wait(self._process, SURELY_S)
        if code is None:
            return "closing its pipe"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def kill(self) -> None:
        """End the child and what it may have started (they are a group of their own); does not wait."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ask the child to end, then make it, within GENTLY_S + SURELY_S; calling it twice is harmless."""
        self._in.close()
        self._out.close()
        if _wait(self._process, GENTLY_S) is None:
            self.kill()
            if _wait(self._process, SURELY_S) is None:  # in the kernel's hands, which lets go when the driver does
                threading.Thread(target=self._process.wait, daemon=True).start()
        self._err.close()

    def _receive(self, count: int, deadline: float) -> bytes:
        poll = select.poll()  # select() knows no descriptor above 1023
        poll.register(self._out, select.POLLIN)
        poll.register(self._err, select.POLLIN)
        parts: list[bytes] = []
        while count:
            ready = dict(poll.poll(1000 * max(0.0, deadline - monotonic())))
            if not ready:
                raise TimeoutError
            if self._err.fileno() in ready and not self._listen():
                poll.unregister(self._err)
            if self._out.fileno() in ready:
                part = os.read(self._out.fileno(), min(count, PART_BYTES))
                if not part:
                    raise EOFError
                parts.append(part)
                count -= len(part)
        return b"".join(parts)

    def _listen(self) -> bool:
        """Keep what the child prints, so that its pipe never fills; False when it prints no more."""
        try:
            said = os.read(self._err.fileno(), LONGEST_WORDS)
        except BlockingIOError:
            return True
        self._words = (self._words + said)[-LONGEST_WORDS:]
        return bool(said)


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> int | None:
    """The exit code, or None when it did not end in time."""
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None

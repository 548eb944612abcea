"""Talking to a shell in the guest over a console: a command in, what it said and how it ended out."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LINE_MOST = 3500
"""Of characters in a command: a terminal takes 4096 in a line."""
KNOCK_S = 2.0


class ConsoleError(AssertionError):
    """The guest did not answer, or a command failed; shows the end of what was said."""


@dataclass(frozen=True)
class Answer:
    """What a command said, both outputs together, and its exit code."""

    text: str
    code: int


class Console:
    """The host's end of a console that is a pair of pipes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log.open("wb")
        self._said = bytearray()
        self._more = threading.Condition()
        self._count = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout
        while data := descriptor.read1(4096):  # type: ignore[attr-defined]
            self._log.write(data)
            self._log.flush()
            with self._more:
                self._said += data
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def greet(self, timeout_s: float) -> None:
        """Wait for a shell and make it quiet: no echo, no prompt, plain line ends.

        Raises ConsoleError: none came in time, or the machine went off.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            self._send("stty -echo -onlcr; PS1=; PS2=; echo shell-$((40 + 2))-here\n")
            if self._wait(b"shell-42-here", KNOCK_S) is not None:
                self.run("true", 30)
                return
            if self._process.poll() is not None:
                raise ConsoleError("the machine went off before a shell came")
        raise ConsoleError(f"no shell within {timeout_s:.0f} s")

    def run(self, command: str, timeout_s: float = 60) -> str:
        """Run a shell command in the guest and give what it said; raises ConsoleError unless it ended with 0."""
        answer = self.ask(command, timeout_s)
        if answer.code:
            raise ConsoleError(f"{command!r} ended with {answer.code}:\n{answer.text[-3000:]}")
        return answer.text

    def ask(self, command: str, timeout_s: float = 60) -> Answer:
        """Run a shell command in the guest; raises ConsoleError when it does not end in time."""
        assert len(command) < LINE_MOST, "too long for a terminal's line"
        self._count += 1
        begin, end = f"<<begin {self._count}>>", f"<<end {self._count} "
        with self._more:
            self._said.clear()
        # The marks are put together in the guest: an echo of this line does not hold them.
        opening, closing = f"printf '<<begin %s>>' {self._count}", f"printf '<<end %s %s>>' {self._count} $?"
        self._send(f"{opening}; {{ {command}\n}} < /dev/null 2>&1; {closing}\n")
        said = self._wait(end.encode(), timeout_s, b">>")
        if said is None:
            state = "is off" if self._process.poll() is not None else "is on"
            raise ConsoleError(f"{command!r} did not end in {timeout_s:.0f} s; the machine {state}:\n{self._tail()}")
        text = said.split(begin, 1)[-1]
        body, _, rest = text.rpartition(end)
        return Answer(body.replace("\r\n", "\n"), int(rest.split(">>")[0]))

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ConsoleError("the machine is off") from None

    def _wait(self, mark: bytes, timeout_s: float, after: bytes = b"") -> str | None:
        """What was said once a mark, and something after it, has come; None when it does not in time."""
        end = time.monotonic() + timeout_s
        with self._more:
            while True:
                place = self._said.find(mark)
                if place >= 0 and self._said.find(after, place + len(mark)) >= 0:
                    return self._said.decode(errors="replace")
                left = end - time.monotonic()
                if left <= 0 or self._process.poll() is not None:
                    return None
                self._more.wait(min(left, 1.0))

    def _tail(self) -> str:
        with self._more:
            return self._said.decode(errors="replace")[-3000:]

    def close(self) -> None:
        """Let go of the pipes after the machine's end."""
        self._reader.join(5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._log.close()

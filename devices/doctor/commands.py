"""What programs say: run here, or read from a recorded tree.

A recorded tree keeps what a program printed in `commands/NAME.txt` below its root, NAME being the command line as it is
typed (`commands/vcgencmd get_throttled.txt`) or the name that the caller gives (`commands/interpreter.txt`), and where
the program did not end well its exit code in `commands/NAME.code`.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ..detect import number_of, text_of

RECORDED = "commands"
LIMIT_S = 10.0
LATE = 124
"""Exit code for a program that was ended at its limit, as timeout(1) has it."""
MAX_BYTES = 1 << 20
SYSTEM_PLACES = ("/usr/sbin", "/sbin", "/usr/local/sbin")
"""nvpmodel and jetson_clocks are here, and a user's PATH often is not."""


@dataclass(frozen=True)
class Answer:
    """What a program printed, and its exit code: negative when a signal ended it, 124 when we did, at its limit."""

    text: str
    code: int = 0


def is_live(root: Path) -> bool:
    """Whether a root is this machine's own; anything else is a recorded tree, where nothing is run or opened."""
    return os.path.realpath(root) == "/"


def ask(
    root: Path, words: Sequence[str], *, name: str = "", limit_s: float = LIMIT_S, one_line: bool = False
) -> Answer | None:
    """What a program says; None when it is not here, or was not recorded.

    Args:
        words: the command line.
        name: of the recording; the command line when empty.
        one_line: end the program after its first line, for one that never stops.
    """
    if is_live(root):
        return _run(words, limit_s, one_line)
    file = root / RECORDED / f"{name or ' '.join(words)}.txt"  # Path.is_file raises in a folder that is closed to us
    if not os.path.isfile(file):
        return None
    text = text_of(file)
    return Answer(text.partition("\n")[0] if one_line else text, number_of(file.with_suffix(".code")) or 0)


def _run(words: Sequence[str], limit_s: float, one_line: bool) -> Answer | None:
    program = shutil.which(words[0], path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_PLACES]))
    if program is None:
        return None
    try:
        child = subprocess.Popen(
            [program, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C", "ORT_DISABLE_TELEMETRY": "1"},
        )
    except OSError:
        return None
    assert child.stdout is not None
    data, late = _listen(child, monotonic() + limit_s, one_line)
    child.stdout.close()
    code = _end(child, at_once=late or one_line)
    line = data.partition(b"\n")[0] if one_line else data
    text = line.decode("utf-8", errors="replace").strip("\0\n ")
    return Answer(text, LATE if late else 0 if one_line else code)


def _listen(child: subprocess.Popen[bytes], deadline: float, one_line: bool) -> tuple[bytes, bool]:
    """What it prints until it ends, and whether the deadline passed before.

    Its end counts, not the pipe's: a grandchild may keep that open.
    """
    assert child.stdout is not None
    data = b""
    while len(data) < MAX_BYTES and not (one_line and b"\n" in data):
        gone = child.poll() is not None
        ready = select.select([child.stdout], [], [], 0 if gone else 0.1)[0]
        if ready:
            piece = os.read(child.stdout.fileno(), 1 << 16)
            if not piece:
                break
            data += piece
        elif gone:
            break
        elif monotonic() > deadline:
            return data, True
    return data, False


def _end(child: subprocess.Popen[bytes], *, at_once: bool) -> int:
    """Its exit code. Killed with all it started when it does not end; left behind if a driver holds it even then."""
    if not at_once:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(2)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        return child.wait(2)
    return -signal.SIGKILL

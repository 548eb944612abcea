"""debugfs, spoken to: commands in, answers and complaints out. It edits file systems inside an image, without root."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ....errors import DeviceFailed, OutputError
from ..tools import run_tool

BANNER = re.compile(rb"^debugfs \d.*$")
FULL = ("No free space", "Could not allocate")
"""How e2fsprogs says that no block or inode is left."""


@contextmanager
def session(image: Path, offset: int) -> Iterator[Session]:
    """A `Session` with a temporary folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="fer-edge-") as folder:
        link = Path(folder) / "image"
        link.symlink_to(image.absolute())  # its own name may hold a `?`, which debugfs takes for an option
        yield Session(Path(folder), f"image?offset={offset}")


class Session:
    """One image and one folder, in which debugfs runs: files named without a path lie there."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder, self.image = folder, image

    def ask(self, command: str) -> tuple[bytes, list[str]]:
        """One reading command: what it prints, and what it complains about."""
        done = run_tool("debugfs", ["-R", command, self.image], self.folder)
        return done.stdout, _complaints(done.stderr)

    def ask_all(self, commands: Sequence[str]) -> list[str]:
        """Many reading commands, one answer each; a complaint is an empty answer."""
        (self.folder / "commands").write_text("".join(f"{c}\n" for c in commands), encoding="utf-8")
        done = run_tool("debugfs", ["-f", "commands", self.image], self.folder)
        text = done.stdout.decode("utf-8", "replace")
        answers: list[str] = []
        for command in commands:
            head, _, text = text.partition(f"debugfs: {command}\n")
            answers.append(head)
        return [*answers[1:], text]

    def change(self, commands: Sequence[str]) -> None:
        """Writing commands; its exit code says nothing, so any complaint is an error.

        Raises OutputError: the file system is full; DeviceFailed: it complains about something else.
        """
        (self.folder / "commands").write_text("".join(f"{c}\n" for c in commands), encoding="utf-8")
        done = run_tool("debugfs", ["-w", "-f", "commands", self.image], self.folder)
        wrong = _complaints(done.stderr)
        if any(word in line for line in wrong for word in FULL):
            raise OutputError(
                "the root file system is full",
                cause="the image has little room of its own",
                hint="the same command with --grow 8G",
            )
        if wrong or done.returncode:
            raise DeviceFailed(
                f"debugfs did not do as told: {wrong[0] if wrong else f'exit code {done.returncode}'}",
                cause="the file system is damaged, or this e2fsprogs is old",
                hint="debugfs -V",
            )


def quoted(text: str) -> str:
    """A word for debugfs; `expand` has refused what cannot be quoted."""
    return f'"{text}"'


def _complaints(stderr: bytes) -> list[str]:
    lines = [line.strip() for line in stderr.splitlines()]
    return [line.decode("utf-8", "replace") for line in lines if line and not BANNER.match(line)]

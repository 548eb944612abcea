"""A tool's own environment in the user's cache: made once, marked when it is ready, removed when a step fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ...bundle import locked, write_text
from ...errors import DeviceNotFound

STEP_S = 600.0
"""Deadline of one step; TensorFlow, the largest, took half a minute here."""
READY = "ready"
QUIET = ("--quiet", "--disable-pip-version-check")
Steps = Sequence[Sequence[str | Path]]
"""Commands, in order."""


def ready(folder: Path) -> bool:
    """Whether it was made to its end."""
    return (folder / READY).is_file()


def make(
    folder: Path, steps: Steps, say: Callable[[str], None], about: str = "preparing", limit_s: float = STEP_S
) -> None:
    """Run the steps that fill `folder`, unless it is ready; another process that makes it is waited for.

    Args:
        about: how the line that is said begins; it ends with the folder.
        limit_s: deadline of one step.

    Raises:
        DeviceNotFound: a step failed; nothing is left of the folder. OutputError: the cache cannot be written.
    """
    if ready(folder):
        return
    with locked(folder):
        if ready(folder):
            return
        say(f"{about} {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            for step in steps:
                _run(folder, [str(word) for word in step], limit_s)
            write_text(folder / READY, "")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def python_steps(python: str, folder: Path, package: str, needs: Sequence[str], *pip_options: str) -> Steps:
    """The steps of a virtual environment with a package, installed without its own list, and what it needs."""
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", *QUIET, *pip_options]
    return [(python, "-m", "venv", folder), [*pip, "--no-deps", package], [*pip, *needs]]


def base_python(versions: Sequence[tuple[int, int]]) -> str:
    """An interpreter of one of these versions, this one first; empty if there is none."""
    if sys.version_info[:2] in versions:
        return sys.executable
    found = (shutil.which(f"python{major}.{minor}") for major, minor in versions)
    return next((path for path in found if path), "")


def _run(folder: Path, command: list[str], limit_s: float) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise _not_made(folder, f"`{command[0]}` took longer than {limit_s:.0f} s") from None
    except OSError as error:
        raise _not_made(folder, f"`{command[0]}` cannot be started ({error.strerror})") from error
    if done.returncode:
        raise _not_made(folder, _complaint(done.stderr) or f"`{command[0]}` ended with {done.returncode}")


def _complaint(words: str) -> str:
    """The line of pip's or npm's standard error that says most: the first that begins as an error, else the last."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return next((line for line in lines if line.lower().startswith(("error", "npm err"))), lines[-1] if lines else "")


def _not_made(folder: Path, words: str) -> DeviceNotFound:
    return DeviceNotFound(
        f"the environment {folder.name} could not be made", cause=words, hint=f"df -h {folder.parent}"
    )

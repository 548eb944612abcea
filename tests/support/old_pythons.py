"""Interpreters of other versions, with a vendor's library inside, and the fakes where there is none to be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from fer_edge.files import locked

from .children import FAKES


def bare_python(version: str) -> Path | None:
    """pyenv's interpreter of another version, where there is one."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return next(iter(sorted(versions.glob(f"{version}.*/bin/python"))), None)


def old_python(version: str, kept: Path, *packages: str) -> str:
    """An interpreter of another version with these packages, made once; skips where it cannot be had."""
    folder = kept / f"python{version}-{packages[0].replace('==', '-')}"
    if reason := _why_not(version, folder, packages):
        pytest.skip(reason)
    return str(folder / "bin" / "python")


@cache
def _why_not(version: str, folder: Path, packages: tuple[str, ...]) -> str:
    """Make that environment unless it is there; why it could not be made, or nothing."""
    base = bare_python(version)
    if base is None:
        return f"no Python {version} on this machine"
    with locked(folder):
        if (folder / "ready").is_file():
            return ""
        subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
        for words in (["--upgrade", "pip<22"], packages)[version not in ("3.6", "3.7") :]:  # theirs knows no new wheels
            pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", *words]
            done = subprocess.run(pip, capture_output=True, text=True)
            if done.returncode:
                return f"{packages[0]} cannot be installed: {done.stderr.splitlines()[-1]}"
        (folder / "ready").touch()
    return ""


def compiled(source: str, target: Path) -> Path:
    """A fake in C as a shared library; skips without a compiler."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler for the stand-in")
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", target, FAKES / source], check=True)
    return target


def with_fakes(place: Path, python: str = sys.executable, *, modules: str, libraries: Path | None = None) -> str:
    """An "interpreter" for a worker, to which fakes are visible: it drops -I, which would hide them."""
    lines = ["#!/bin/sh", "shift", f'PYTHONPATH="{FAKES / modules}:{FAKES}"', "export PYTHONPATH"]
    if libraries:
        lines += [f'LD_LIBRARY_PATH="{libraries}"', "export LD_LIBRARY_PATH"]
    place.write_text("\n".join([*lines, f'exec "{python}" "$@"']) + "\n")
    place.chmod(0o755)
    return str(place)

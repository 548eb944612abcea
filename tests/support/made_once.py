"""What is dear to make and comes out the same: kept in .cache/ by what it was made from, for all workers and runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from fer_edge.files import locked, sha256_of

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("FER_EDGE_TEST_CACHE", ROOT / ".cache"))


def made_once(name: str, made_from: Iterable[Path | str], make: Callable[[Path], None]) -> Path:
    """A folder, to be read and not written: made by `make` unless it was, from files, folders or words just like these.

    A second worker waits for the first; an interrupted making leaves nothing; what was made from other input goes.
    """
    target = CACHE / f"{name}-{_key(made_from)}"
    with locked(CACHE / name):
        if not target.is_dir():
            for old in CACHE.glob(f"{name}-*"):
                shutil.rmtree(old, ignore_errors=True)
            part = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=CACHE))
            try:
                make(part)
                part.rename(target)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return target


def _key(made_from: Iterable[Path | str]) -> str:
    digest = hashlib.sha256(f"{sys.version_info} {sha256_of(ROOT / 'constraints.txt')}".encode())
    for item in made_from:
        if isinstance(item, str):
            digest.update(item.encode())
            continue
        inside = sorted(p for p in item.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        for path in inside if item.is_dir() else [item]:
            digest.update(f"{path.relative_to(item.parent)} {sha256_of(path)}\n".encode())
    return digest.hexdigest()[:16]

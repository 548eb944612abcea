"""What was measured to be fastest on this very processor, with these very libraries: kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..bundle import Bundle, cache_folder, write_text
from ..words import counted
from . import cpu

LIBRARIES = ("fer-edge", "numpy", "onnxruntime", "openvino", "ai-edge-litert", "tflite-runtime")
NEAR = 1.05
"""Fewer threads are taken where they need at most this many times as long: the rest of the machine has work too."""


@dataclass(frozen=True)
class Timing:
    """One way to run a bundle on the processor: the median of about a second of single crops, in milliseconds."""

    backend: str
    artifact: str
    precision: str
    threads: int
    p50_ms: float

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}, {counted(self.threads, 'thread')}: {self.p50_ms:.2f} ms"


def best(timings: Sequence[Timing], threads: int | None = None) -> Timing | None:
    """The fastest, with so many threads where they are given; None when none was measured so."""
    fitting = [t for t in timings if threads in (None, t.threads)]
    if not fitting:
        return None
    limit = NEAR * min(t.p50_ms for t in fitting)
    return min((t for t in fitting if t.p50_ms <= limit), key=lambda t: (t.threads, t.p50_ms))


def recall(bundle: Bundle) -> tuple[Timing, ...]:
    """What was measured of a bundle on this processor with these versions; empty where nothing was."""
    if not _folder().is_dir():
        return ()  # to find the file, every library's version must be known, which takes longer than all else here
    try:
        return tuple(Timing(**row) for row in recorded(bundle)["timings"])
    except (KeyError, TypeError):
        return ()


def recorded(bundle: Bundle) -> dict[str, Any]:
    """The kept file as it is: processor, instruction sets, cores, versions, artifacts by hash, timings; or empty."""
    try:
        known = json.loads(_file(bundle).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def remember(bundle: Bundle, timings: Sequence[Timing]) -> Path:
    """Keep what was measured; where. Raises OutputError."""
    path = _file(bundle)
    write_text(path, json.dumps({**_key(bundle), "timings": [asdict(t) for t in timings]}, indent=1) + "\n")
    return path


def told(bundle: Bundle) -> str:
    """The choice for people, and how far ahead it was; empty where nothing was measured."""
    timings = recall(bundle)
    first = best(timings)
    others = [t.p50_ms for t in timings if first and (t.backend, t.artifact) != (first.backend, first.artifact)]
    ahead = f"; the next best way needs {min(others):.2f} ms" if others else ""
    return f"{first}{ahead}" if first else ""


def _key(bundle: Bundle) -> dict[str, Any]:
    """Everything that a timing depends on."""
    return {
        "processor": cpu.model_name(),
        "instructions": sorted(cpu.flags()),
        "cores": cpu.usable_cores(),
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
        "artifacts": {a.path: a.sha256 for a in bundle.manifest.artifacts},
    }


def _file(bundle: Bundle) -> Path:
    digest = hashlib.sha256(json.dumps(_key(bundle), sort_keys=True).encode()).hexdigest()
    return _folder() / f"{digest[:16]}.json"


def _folder() -> Path:
    return cache_folder() / "tuned"


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""

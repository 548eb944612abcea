"""Sessions with episodes that we know, as a run writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from fer_edge.bundle import LABELS
from fer_edge.runtime.storage.session import StoreSink
from fer_edge.runtime.types import Frame, Observation
from fer_edge.runtime.vision.quality_gate import UNSUITABLE
from fer_edge.runtime.vision.smoothing import UNCERTAIN

FPS = 10
IMAGE = np.zeros((2, 2, 3), np.uint8)
BEGAN = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)

Pieces = Sequence[tuple[str, float]]
"""(label, seconds) in a row; "" is without a face."""


def row(label: str) -> tuple[float, ...]:
    """Probabilities that lead with a label; all alike of none."""
    if label not in LABELS:
        return (1 / 7,) * 7
    return tuple(0.82 if name == label else 0.03 for name in LABELS)


def observation(index: int, time_s: float, label: str, track: int = 1) -> Observation:
    """One face that shows a label, `uncertain` or `unsuitable`."""
    raw = label if label in LABELS else "neutral"
    box = (0.0, 0.0, 9.0, 9.0)
    if label == UNSUITABLE:
        return Observation(index, time_s, track, label, 0.0, label, (), box, "small")
    return Observation(index, time_s, track, label, 0.4 if label == UNCERTAIN else 0.8, raw, row(label), box)


def plant(
    folder: Path, *faces: Pieces, fps: float = FPS, day: float = 0.0, facts: Mapping[str, Any] | None = None
) -> Path:
    """Write a session in which each face shows its pieces, `day` days after the first of all."""
    began = BEGAN + timedelta(days=day)
    known = {"labels": list(LABELS), "source": "planted", "started": began.isoformat(timespec="seconds")}
    known |= {"bundle": "planted 1", "artifact_sha256": "0" * 64, "smoother": "exponential", "resting": None}
    sink = StoreSink(folder, {**known, **(facts or {})})
    shown = [[label for label, seconds in pieces for _ in range(round(seconds * fps))] for pieces in faces]
    frames = max(map(len, shown))
    for i in range(frames):
        seen = [observation(i, i / fps, at[i], n) for n, at in enumerate(shown, 1) if i < len(at) and at[i]]
        sink.write(Frame(i, i / fps, IMAGE), seen)
    sink.note({"frames": frames, "ended": "source ended"})
    sink.close()
    return folder

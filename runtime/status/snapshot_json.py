"""A snapshot as JSON: the one form in which it is published."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .snapshot import Snapshot


def state_of(snapshot: Snapshot) -> dict[str, Any]:
    """JSON values: shares 0..1 by label, milliseconds by stage, ISO 8601 in UTC; NaN and infinite numbers are null."""
    return {
        "time": datetime.fromtimestamp(snapshot.wall_s, timezone.utc).isoformat(timespec="milliseconds"),
        "clock_ok": snapshot.clock_ok,
        "health": {"condition": snapshot.health.condition.value, "reason": snapshot.health.reason},
        "faces": snapshot.faces,
        "shares": _rounded(snapshot.shares),
        "window": _rounded(snapshot.window),
        "frames": snapshot.frames,
        "dropped": snapshot.dropped,
        "fps": _finite(snapshot.fps),
        "stages_ms": _rounded(snapshot.stages_ms),
        "latency_ms": _finite(snapshot.latency_ms),
        "device": dict(snapshot.device),
        "paused": snapshot.paused,
        "recording": snapshot.recording,
    }


def state_json(snapshot: Snapshot) -> str:
    """`state_of` as text."""
    return json.dumps(state_of(snapshot), default=str)


def _rounded(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None

"""What a kiosk publishes of a moment: aggregates, health, timings. No face, no box, no track number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .health import Health


@dataclass(frozen=True)
class Snapshot:
    """The kiosk at one moment.

    Attributes:
        wall_s: seconds since 1970; clock_ok says whether the clock was synchronised.
        faces: how many are in view; None when fewer than the least group size are, and not published.
        shares: label -> share 0..1 of the faces in view (smoothed labels and `uncertain`); empty when not published.
        window: label -> share over the last minute, empty when not published.
        frames, dropped: since the start; fps: of the last seconds.
        stages_ms: stage -> mean milliseconds of the last seconds; latency_ms from capture to publishing.
        device: what `Classifier.describe` says, without paths.
        paused: no picture is looked at, on request.
        recording: a session is being recorded, on request.
    """

    wall_s: float
    clock_ok: bool
    health: Health
    faces: int | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    window: Mapping[str, float] = field(default_factory=dict)
    frames: int = 0
    dropped: int = 0
    fps: float = 0.0
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    latency_ms: float | None = None
    device: Mapping[str, object] = field(default_factory=dict)
    paused: bool = False
    recording: bool = False

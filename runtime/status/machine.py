"""What whoever looks after many kiosks wants to know of each: software, model, heat and room on the disk.

A processor that works for a face is warmer than one that does not, and each observation takes room. So with a least
group the temperature is the last day's highest in steps of five degrees, and the disk is told in twentieths.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic

from ...devices.sensors import temperature_c
from .prometheus import Metric, single

LOOK_S = 30.0
"""Between two looks at the sensors."""
HOUR_S, HOURS = 3600.0, 24
STEP_C, STEP_DISK = 5.0, 0.05


@dataclass
class MachineState:
    """Looks now and then; for one thread.

    Attributes:
        version: of fer-edge.
        model, made: the bundle's name and version, and the day it was made, as its manifest says; empty: it does not.
        disk: the folder whose disk is told of.
        coarse: whether it is asked to hide what a single face changes.
        root: of the system.
    """

    version: str
    model: str
    made: str
    disk: Path
    coarse: Callable[[], bool]
    root: Path = Path("/")
    clock: Callable[[], float] = monotonic
    _next_s: float = float("-inf")
    _now: tuple[float | None, float | None] = (None, None)
    _hours: dict[int, float] = field(default_factory=dict)

    def told(self) -> Mapping[str, object]:
        """JSON values: `version`, `model`, `model_made` (ISO 8601), `temperature_c` and `disk_used`, a share 0..1."""
        self._look()
        temperature, used = self._now
        if self.coarse():
            temperature = _down(max(self._hours.values(), default=None), STEP_C)
            used = _down(used, STEP_DISK)
        return {
            "version": self.version,
            "model": self.model,
            "model_made": self.made,
            "temperature_c": temperature,
            "disk_used": used,
        }

    def _look(self) -> None:
        now = self.clock()
        if now < self._next_s:
            return
        self._next_s, hour = now + LOOK_S, int(now // HOUR_S)
        degrees, used = temperature_c(self.root), None
        with suppress(OSError):
            free = shutil.disk_usage(next(p for p in (self.disk, *self.disk.parents) if p.exists()))
            used = round(1 - free.free / free.total, 3) if free.total else None
        self._now = degrees, used
        if degrees is not None:
            self._hours[hour] = max(degrees, self._hours.get(hour, degrees))
        self._hours = {h: highest for h, highest in self._hours.items() if hour - h < HOURS}


def machine_metrics(told: Mapping[str, object]) -> list[Metric]:
    """The same for Prometheus."""
    info = {name: told[name] for name in ("version", "model")}
    return [
        Metric("kiosk_info", "Software and model.", [(info, 1.0)]),
        single("model_made_seconds", "When the model was made, in seconds since 1970.", _day_s(told["model_made"])),
        single(
            "temperature_celsius",
            "The hottest sensor; the last day's with a least group.",
            _number(told, "temperature_c"),
        ),
        single("disk_used_ratio", "Of the disk that the store is on.", _number(told, "disk_used")),
    ]


def _day_s(day: object) -> float | None:
    """Seconds since 1970 of the begin of a day in UTC; None of what is no date."""
    try:
        return datetime.fromisoformat(str(day)).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


def _number(told: Mapping[str, object], name: str) -> float | None:
    value = told[name]
    return float(value) if isinstance(value, (int, float)) else None


def _down(value: float | None, step: float) -> float | None:
    return None if value is None else round(math.floor(value / step + 1e-9) * step, 2)

"""One kiosk of the town: the daemon's own store, publisher, page and health; what sees and classifies is made up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from fer_edge.bundle import LABELS
from fer_edge.runtime.config import KioskConfig, load_config
from fer_edge.runtime.kiosk import kiosk as real
from fer_edge.runtime.kiosk.systemd import Notifier
from fer_edge.runtime.pipeline import Pipeline
from fer_edge.runtime.sources.source import Phase, State
from fer_edge.runtime.status.machine import MachineState
from fer_edge.runtime.types import Face, Frame, Stamped
from fer_edge.runtime.vision.smoothing import ExponentialSmoother

from .visitors import place_of, visitors

FRAME_S = 0.45
"""Between two frames, a little less than the daemon waits for one."""
SIDE = 4
BAD, LATE_BAD = "bad", "late"
"""Releases that see nothing: from their start on, and after LATE_S."""
LATE_S = 8.0


class Eyes:
    """A source whose frames hold the labels of who is there; a bad release gets none."""

    dropped = reopened = 0

    def __init__(self, number: int, release: str) -> None:
        self._number, self._index, self._began_s = number, 0, monotonic()
        self._last_s, self._blind_s = 0.0, {BAD: 0.0, LATE_BAD: LATE_S}.get(release, float("inf"))

    def take(self, timeout_s: float) -> Stamped | None:
        """See Capture."""
        now = monotonic()
        if now - self._last_s < FRAME_S or now - self._began_s >= self._blind_s:
            return None
        self._last_s, self._index = now, self._index + 1
        image = np.zeros((120, 320, 3), np.uint8)
        for rank, label in enumerate(labels := visitors(self._number, now)):
            left, top, side, _ = map(int, place_of(rank, labels))
            image[top : top + side, left : left + side] = LABELS.index(label) + 1
        return Stamped(Frame(self._index, now - self._began_s, image), now)

    def ended(self) -> bool:
        """See Capture."""
        return False

    def check(self) -> str:
        """See Capture."""
        return ""

    def state(self) -> State:
        """See Capture."""
        return State(Phase.OPEN)

    def close(self) -> None:
        """Nothing is open."""


class Finder:
    """A detector that finds those squares."""

    name = "stand-in"

    def detect(self, image: Any, least: float = 0.0) -> list[Face]:
        """See Detector."""
        places = [(x, y) for y in (0, 60) for x in range(0, 320, 40) if image[y, x, 0]]
        return [Face((float(x), float(y), 30.0, 30.0), 1.0) for x, y in places]

    def near(self, image: Any, boxes: Sequence[Any]) -> list[list[Face]]:
        """See Detector."""
        return [[face for face in self.detect(image) if abs(face.box[0] - box[0]) < 20] for box in boxes]


class Reader:
    """A classifier that reads the label which the frame holds."""

    labels, size, model = tuple(LABELS), SIDE, ("stand-in 1", "2026-11-29")

    def crop(self, bgr: Any, face: Face) -> Any:
        """See FaceClassifier."""
        x, y = int(face.box[0]) + 5, int(face.box[1]) + 5
        return bgr[y : y + SIDE, x : x + SIDE]

    def probabilities(self, crops: Any) -> Any:
        """See FaceClassifier."""
        return np.eye(len(LABELS) + 1, dtype=np.float32)[crops[:, 0, 0, 0]][:, 1:]

    def idle(self) -> None:
        """See FaceClassifier."""

    def describe(self) -> dict[str, Any]:
        """See FaceClassifier."""
        return {"backend": "stand-in", "device": "none", "precision": "float32"}

    def close(self) -> None:
        """See Classifier."""


def open_nothing(config: KioskConfig, count: int) -> tuple[list[Pipeline], Any]:
    """In place of `factory.open_pipelines`: no bundle, no detector's weights."""
    reader = Reader()
    made = [
        Pipeline(Finder(), reader, ExponentialSmoother(LABELS, tau_s=0.01), quality_gate=False) for _ in range(count)
    ]
    return made, reader


class StandIn(real.Kiosk):
    """A kiosk that says which release it is, as one that was updated does."""

    def __init__(self, config: Path, number: int, release: str) -> None:
        self._release = release

        def read() -> KioskConfig:
            return load_config(config, {}, [])

        def eyes(config: KioskConfig, source: Any, told: Callable[[State], None], news: Callable[[], None]) -> Any:
            return Eyes(number, release)

        super().__init__(read(), read, Notifier({}), eyes)
        self._thread = threading.Thread(target=self.daemon.run, name=config.parent.name, daemon=True)
        self._thread.start()

    def _machine_state(self) -> MachineState:
        return replace(super()._machine_state(), version=self._release)

    def ended(self) -> bool:
        """Whether it gave up."""
        return not self._thread.is_alive()

    def end(self) -> None:
        """As by SIGTERM."""
        self.daemon.stop()
        self._thread.join(30)
        self.close()

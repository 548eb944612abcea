"""The page's last ten minutes from the store: what was told then and nothing else, and seldom read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fer_edge.runtime.kiosk.timeline import Timeline
from fer_edge.runtime.storage.clock import Stamp
from fer_edge.runtime.storage.history import History
from fer_edge.runtime.types import Frame, Observation

FRAME = Frame(0, 0.0, np.zeros((4, 4, 3), np.uint8))
SEEN = Observation(0, 0.0, 1, "happy", 0.9, "happy", (0.9, 0.1), (0, 0, 9, 9))
NOW_S = 1_780_000_000


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.wall_ms, self.ok = 1000 * NOW_S, True

    def stamp(self) -> Stamp:
        return Stamp(self.wall_ms, self.ok, 0)

    now = stamp
    monotonic = staticmethod(time.monotonic)


class Store:
    """A history, written as a kiosk would."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.least = folder, Clock(), 3
        self.history = History(folder, labels=("happy", "sad"), clock=self.clock, start=False)  # type: ignore[arg-type]

    def see(self, ago_s: float, *labels: str, first: int = 1) -> None:
        """So many people at once, so many seconds ago."""
        self.clock.wall_ms = round(1000 * (NOW_S - ago_s))
        self.history.write(FRAME, [replace(SEEN, track=n, label=label) for n, label in enumerate(labels, first)])

    def told(self) -> Mapping[int, Mapping[str, float]]:
        self.clock.wall_ms = 1000 * NOW_S
        assert self.history.commit()
        return Timeline(self.folder, lambda: self.least, lambda: NOW_S).columns()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_only_moments_with_enough_people_are_told(store: Store) -> None:
    store.see(700, "sad", "sad", "sad")
    store.see(58, "happy", "happy", "sad", "sad")
    store.see(56, "happy", "happy", "happy")
    store.see(33, "happy", "happy")
    for number in range(4):  # one person who comes back as somebody else
        store.see(20 - 2 * number, "sad", first=10 + number)
    store.see(2, "happy", "sad", "happy", first=30)
    assert store.told() == {
        11: {"happy": 0.75, "sad": 0.25},
        0: {"happy": pytest.approx(2 / 3), "sad": pytest.approx(1 / 3)},
    }
    store.least = 1
    assert set(store.told()) == {11, 6, 4, 3, 2, 0}


def test_cameras_are_not_added_up(store: Store) -> None:
    """A person before each of three cameras in one millisecond, with equal track numbers and with different ones."""
    store.clock.wall_ms = 1000 * NOW_S - 3000
    for number, camera in enumerate(("door", "hall", "stairs")):
        store.history.of(camera).write(FRAME, [SEEN, replace(SEEN, track=10 + number)])
    assert store.told() == {}
    store.clock.wall_ms = 1000 * NOW_S - 12000
    store.history.of("hall").write(FRAME, [replace(SEEN, track=n) for n in (1, 2, 3)])
    assert store.told() == {}
    timelines = [
        Timeline(store.folder, lambda: 3, lambda: NOW_S, name).columns() for name in ("door", "hall", "stairs")
    ]
    assert timelines == [{}, {2: {"happy": 1.0}}, {}]


def test_another_run_counts_its_people_anew(store: Store) -> None:
    store.see(12, "sad", "sad")
    assert store.history.commit()
    store.history._run = 0
    store.see(11.5, "happy", first=3)
    assert store.told() == {}


def test_what_was_written_before_the_clock_was_set_stands_nowhere(store: Store) -> None:
    store.clock.ok = False
    store.see(20, "sad", "sad", "sad")
    store.clock.ok = True
    store.see(10, "happy", "happy", "happy")
    assert store.told() == {2: {"happy": 1.0}}


def test_without_a_store_there_is_nothing(tmp_path: Path) -> None:
    assert Timeline(tmp_path, lambda: 1).columns() == {}


def test_ten_busy_minutes_are_read_once_a_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for tenth in range(6000):
        store.see(600 - tenth / 10, "happy", "sad", "sad")
    store.told()
    timeline = Timeline(store.folder, lambda: 3, lambda: NOW_S)
    columns = timeline.columns()
    assert len(columns) == 120
    monkeypatch.setattr("fer_edge.runtime.kiosk.timeline.reading", None)
    assert timeline.columns() is columns

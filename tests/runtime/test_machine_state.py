"""What is told of the machine, on trees of the test's own: exactly, or so coarsely that a single face does not show."""

from __future__ import annotations

import math
from pathlib import Path

from fer_edge.runtime.status.machine import HOUR_S, LOOK_S, MachineState, machine_metrics
from fer_edge.runtime.status.prometheus import metrics_text


class Sensor:
    """A thermal zone below a root of its own, and a clock."""

    def __init__(self, root: Path) -> None:
        self.root, self.now_s = root, 10 * HOUR_S
        self._zone = root / "sys/class/thermal/thermal_zone0"
        self._zone.mkdir(parents=True)
        (self._zone / "type").write_text("cpu-thermal\n")

    def say(self, degrees: float, after_s: float = LOOK_S) -> None:
        (self._zone / "temp").write_text(f"{round(degrees * 1000)}\n")
        self.now_s += after_s

    def state(self, coarse: bool) -> MachineState:
        return MachineState(
            "1.0", "default 2", "2026-11-29", self.root, lambda: coarse, self.root, clock=lambda: self.now_s
        )


def test_without_a_least_group_it_is_told_as_it_is(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path)
    state = sensor.state(False)
    for degrees in (51.2, 63.9, 48.0):
        sensor.say(degrees)
        assert state.told()["temperature_c"] == degrees
    told = state.told()
    assert (told["version"], told["model"], told["model_made"]) == ("1.0", "default 2", "2026-11-29")
    assert 0 < float(str(told["disk_used"])) < 1


def test_with_one_a_face_that_warms_it_for_minutes_changes_nothing(tmp_path: Path) -> None:
    """The day's highest stays, whatever the load does below it; after a day it is forgotten."""
    sensor = Sensor(tmp_path)
    state = sensor.state(True)
    sensor.say(68.0)
    assert state.told()["temperature_c"] == 65.0
    for degrees in (45.0, 52.0, 64.0, 69.9, 45.0):
        sensor.say(degrees, HOUR_S)
        assert state.told()["temperature_c"] == 65.0
    sensor.say(81.0)
    assert state.told()["temperature_c"] == 80.0
    for _ in range(24):
        sensor.say(45.0, HOUR_S)
        state.told()
    assert state.told()["temperature_c"] == 45.0
    used = float(str(state.told()["disk_used"]))
    assert math.isclose(used * 20, round(used * 20), abs_tol=1e-6)


def test_sensors_are_not_asked_in_every_snapshot(tmp_path: Path) -> None:
    sensor = Sensor(tmp_path)
    state = sensor.state(False)
    sensor.say(50.0)
    state.told()
    sensor.say(60.0, LOOK_S / 2)
    assert state.told()["temperature_c"] == 50.0


def test_what_is_not_known_is_absent_and_not_zero(tmp_path: Path) -> None:
    state = MachineState("1.0", "mine", "some day", tmp_path / "no" / "store", lambda: True, tmp_path)
    told = state.told()
    assert told["temperature_c"] is None
    text = metrics_text([], machine_metrics(told))
    assert 'fer_edge_kiosk_info{version="1.0",model="mine"} 1.0' in text
    assert "temperature" not in text
    assert "model_made" not in text
    assert "disk_used_ratio" in text  # of the nearest folder that is there

"""A snapshot, and as many different ones as a test asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fer_edge.runtime.mqtt.publisher import MqttPublisher
from fer_edge.runtime.status.health import Condition, Health
from fer_edge.runtime.status.snapshot import Snapshot

SEEN = Snapshot(
    wall_s=1_780_000_000.5,
    clock_ok=True,
    health=Health(Condition.OK),
    faces=3,
    shares={"happy": 2 / 3, "uncertain": 1 / 3},
    window={"happy": 0.75, "sad": 0.25},
    frames=100,
    dropped=7,
    fps=9.9,
    stages_ms={"detect": 5.25, "infer": 20.5},
    latency_ms=31.5,
    device={"device": "CPU", "backend": "onnxruntime", "precision": "int8", "threads": 2},
)


def moment(number: int) -> Snapshot:
    return replace(SEEN, frames=number)


def publish(kiosk: MqttPublisher, numbers: Iterable[int]) -> None:
    for number in numbers:
        kiosk.publish(moment(number))

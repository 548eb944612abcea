"""Metrics of `/metrics` beside the snapshot's: of history, broker, sources, device and processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .prometheus import Metric, of_camera, single

if TYPE_CHECKING:
    from ..inference.classifier import Classifier
    from ..kiosk.rate_limit import RateLimit
    from ..mqtt.publisher import LinkState, MqttPublisher
    from ..sources.capture import Capture
    from ..storage.history import History


def history_metrics(history: History) -> list[Metric]:
    """Of the kiosk's history: each observation is a face, so that nothing of it is told with a least group."""
    state = history.state()
    return [
        single("store_observations_total", "Observations on disk, of this run.", state.acknowledged, counter=True),
        single("store_waiting", "Observations in memory that are not on disk yet.", state.waiting),
        single("store_dropped_total", "Observations lost because disk and memory had no room.", state.dropped, True),
    ]


def broker_metrics(brokers: Mapping[str, MqttPublisher]) -> list[Metric]:
    """Of the broker, by camera; nothing without one."""
    states = {camera: broker.state() for camera, broker in brokers.items()}
    about: list[tuple[str, str, Callable[[LinkState], float], bool]] = [
        ("broker_connected", "1 while the broker has accepted us.", lambda s: float(s.connected), False),
        ("broker_queued", "Snapshots that the broker has not acknowledged.", lambda s: s.queued, False),
        ("broker_delivered_total", "Snapshots that it has acknowledged.", lambda s: s.delivered, True),
        ("broker_dropped_total", "Snapshots dropped because the queue was full.", lambda s: s.dropped, True),
    ]
    return [
        Metric(name, words, [(of_camera(camera), value(state)) for camera, state in states.items()], counter)
        for name, words, value, counter in about
    ]


def source_metrics(captures: Mapping[str, Capture]) -> list[Metric]:
    """Of the sources, by camera."""
    reopened = [(of_camera(camera), capture.reopened) for camera, capture in captures.items()]
    return [Metric("source_reopened_total", "How often the source was opened again.", reopened, counter=True)]


def device_metrics(classifier: Classifier) -> list[Metric]:
    """Of the device."""
    about = classifier.describe()
    return [
        single("device_restarts_total", "How often the device was opened again.", about.get("restarts", 0), True),
        single(
            "device_degraded", "1 while the processor stands in for the device.", float(bool(about.get("degraded")))
        ),
    ]


def load_metrics(rate_limit: RateLimit) -> list[Metric]:
    """Of this process, which has more to do when a face is there."""
    return [
        single("cpu_cores", "Processor time used, in cores, over the last seconds.", rate_limit.share),
        single("memory_bytes", "Resident memory of the daemon.", resident_bytes()),
    ]


def resident_bytes() -> float | None:
    """Of this process, from /proc; None where there is none."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return float(pages * 4096)

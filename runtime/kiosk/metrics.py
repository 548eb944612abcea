"""Metrics of `/metrics` beside the snapshot's: of the history, the broker, the source and the processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..status.prometheus import Metric, single

if TYPE_CHECKING:
    from ..inference.classifier import Classifier
    from ..mqtt.publisher import MqttPublisher
    from ..sources.capture import Capture
    from ..storage.history import History
    from .rate_limit import RateLimit


def history_metrics(history: History) -> list[Metric]:
    """Of the kiosk's history: each observation is a face, so that nothing of it is told with a least group."""
    state = history.state()
    return [
        single("store_observations_total", "Observations on disk, of this run.", state.acknowledged, counter=True),
        single("store_waiting", "Observations in memory that are not on disk yet.", state.waiting),
        single("store_dropped_total", "Observations lost because disk and memory had no room.", state.dropped, True),
    ]


def broker_metrics(broker: MqttPublisher | None) -> list[Metric]:
    """Of the broker; nothing without one."""
    if broker is None:
        return []
    state = broker.state()
    return [
        single("broker_connected", "1 while the broker has accepted us.", float(state.connected)),
        single("broker_queued", "Snapshots that the broker has not acknowledged.", state.queued),
        single("broker_delivered_total", "Snapshots that it has acknowledged.", state.delivered, counter=True),
        single("broker_dropped_total", "Snapshots dropped because the queue was full.", state.dropped, counter=True),
    ]


def machine_metrics(capture: Capture, classifier: Classifier) -> list[Metric]:
    """Of the source and the device."""
    about = classifier.describe()
    return [
        single("source_reopened_total", "How often the source was opened again.", capture.reopened, counter=True),
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

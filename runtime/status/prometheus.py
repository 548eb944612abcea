"""A snapshot in Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).

Formatted here and not by prometheus_client: its registry can be made per call, but importing it puts collectors into a
global one, and what we need of it are the few lines below. The tests hold them against its parser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .health import Condition
from .snapshot import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_PREFIX = "fer_edge_"


@dataclass(frozen=True)
class Metric:
    """One family.

    Attributes:
        name: without our prefix; that of a counter ends in `_total`.
        samples: (labels, value); a family without samples is left out.
        counter: only grows while the process lives; otherwise it is a gauge.
    """

    name: str
    help: str
    samples: Iterable[tuple[Mapping[str, object], float | None]] = field(default_factory=tuple)
    counter: bool = False


def single(name: str, help: str, value: float | None, counter: bool = False) -> Metric:
    """A family with one sample, or with none when the value is not known."""
    return Metric(name, help, [({}, value)], counter)


def of_camera(name: str) -> Mapping[str, object]:
    """The label that tells cameras apart; none where there is no other."""
    return {"camera": name} if name else {}


def metrics_text(snapshots: Sequence[Snapshot], more: Iterable[Metric] = (), labels: Sequence[str] = ()) -> str:
    """The exposition of each camera's snapshot, and of further families, such as those of the store and the broker.

    Args:
        labels: all that there may be. A family by label has a sample of each, or none at all: where a label that nobody
            shows was absent, its average over time would be one of the moments when somebody did.
    """
    families = (_joined(family) for family in zip(*(_metrics(s, labels) for s in snapshots), strict=True))
    return "".join(_family(metric) for metric in (*families, *more))


def _joined(family: Sequence[Metric]) -> Metric:
    """One family of the same family of each camera."""
    return replace(family[0], samples=[sample for metric in family for sample in metric.samples])


def _metrics(s: Snapshot, labels: Sequence[str]) -> list[Metric]:
    camera = of_camera(s.camera)
    return [
        replace(metric, samples=[({**camera, **own}, value) for own, value in metric.samples])
        for metric in _of_one(s, labels)
    ]


def _of_one(s: Snapshot, labels: Sequence[str]) -> list[Metric]:
    condition = [({"condition": c.value}, float(c is s.health.condition)) for c in Condition]
    latency = None if s.latency_ms is None else s.latency_ms / 1000
    stages = {name: value / 1000 for name, value in s.stages_ms.items()}
    device = {k: v for k, v in s.device.items() if isinstance(v, (str, int, float))}
    return [
        Metric("health", "1 for the condition that the kiosk is in.", condition),
        single("faces", "Faces in view; absent while paused, and when too few to be told of.", s.faces),
        Metric(
            "expression_share", "Share of the faces in view that show an expression.", _every(labels, s.shares or None)
        ),
        Metric("expression_share_minute", "The same over the last minute.", _every(labels, s.window or None)),
        Metric("expressions_total", "Observations that were told, by expression.", _every(labels, s.told), True),
        single("frames_total", "Frames looked at.", s.frames, counter=True),
        single("frames_dropped_total", "Frames replaced by newer ones.", s.dropped, counter=True),
        single("frames_per_second", "Frames looked at, over the last seconds.", s.fps),
        Metric("stage_seconds", "Mean time of a stage, over the last seconds.", _by("stage", stages)),
        single("latency_seconds", "From capture to publishing.", latency),
        single("time_seconds", "When this was so, by the kiosk's clock, in seconds since 1970.", s.wall_s),
        single("clock_synchronised", "1 when the wall clock is.", float(s.clock_ok)),
        single("paused", "1 while no picture is looked at, on request.", float(s.paused)),
        single("recording", "1 while a session is recorded, on request.", float(s.recording)),
        Metric("device_info", "What finds and classifies faces.", [(device, 1.0)]),
    ]


def _family(metric: Metric) -> str:
    lines = [f"{_sample(metric.name, labels)} {value!r}\n" for labels, value in metric.samples if value is not None]
    if not lines:
        return ""
    name, kind = _PREFIX + metric.name, "counter" if metric.counter else "gauge"
    return f"# HELP {name} {metric.help}\n# TYPE {name} {kind}\n" + "".join(lines)


def _sample(name: str, labels: Mapping[str, object]) -> str:
    told = ",".join(f'{key}="{str(value).translate(_ESCAPES)}"' for key, value in labels.items())
    return f"{_PREFIX}{name}" + (f"{{{told}}}" if told else "")


def _every(labels: Sequence[str], values: Mapping[str, float] | None) -> list[tuple[Mapping[str, object], float]]:
    """A sample of every label, or none where nothing is told."""
    return [] if values is None else _by("label", {**dict.fromkeys(labels, 0), **values})


def _by(key: str, values: Mapping[str, float]) -> list[tuple[Mapping[str, object], float]]:
    return [({key: name}, value) for name, value in values.items()]

"""A session as CSV and JSON lines, and how long what was shown in it."""

from __future__ import annotations

import csv
import json
import math
from bisect import bisect_right
from collections import defaultdict
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from statistics import median

from ...bundle import writing
from ..shares import Shares, ShareTally
from ..types import Observation
from .session import Session

COLUMNS = ["frame", "time_s", "track", "label", "confidence", "raw_label"]
HELD = 2.0
"""A sample holds for so many times the usual time between two; later, the signal was lost."""
BOX = ["left", "top", "width", "height"]


def write_csv(session: Session, path: Path) -> None:
    """One row an observation: what was shown, the box, one `p_<label>` column a label, and the picture's file.

    Pictures have no time: the column is empty. Raises OutputError.
    """
    names = _names(session)
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*COLUMNS, *BOX, *(f"p_{label}" for label in session.labels), "picture", "reason", "subject"])
        for o in session.observations():
            name = names.get(o.frame, "")
            shown = [o.frame, "" if name else f"{o.time_s:.3f}", o.track, o.label, f"{o.confidence:.4f}", o.raw_label]
            told = [f"{p:.4f}" for p in o.probabilities] or [""] * len(session.labels)
            table.writerow([*shown, *(f"{v:.1f}" for v in o.box), *told, name, o.reason, o.subject])


def write_jsonl(session: Session, path: Path) -> None:
    """One JSON object an observation, probabilities by label. Raises OutputError."""
    names = _names(session)
    with writing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for o in session.observations():
            row = asdict(o)
            row["probabilities"] = dict(zip(session.labels, o.probabilities, strict=bool(o.probabilities)))
            if name := names.get(o.frame):
                row.update(picture=name, time_s=None)
            row["box"] = dict(zip(BOX, o.box, strict=True))
            file.write(json.dumps(row) + "\n")


def write_windows(session: Session, path: Path) -> None:
    """The published log: one row a second and face, its winner and the share of frames. Raises OutputError."""
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["start_s", "track", "label", "share"])
        for w in session.windows():
            table.writerow([f"{w.start_s:.3f}", w.track, w.label, f"{w.share:.4f}"])


def write_pictures(session: Session, path: Path) -> None:
    """One row a picture, with a face or without: its file, how many faces, what they show. Raises OutputError."""
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["picture", "faces", "labels", "confidences"])
        for name, seen in pictures(session):
            labels, sure = ";".join(o.label for o in seen), ";".join(f"{o.confidence:.4f}" for o in seen)
            table.writerow([name, len(seen), labels, sure])


def write_markers(session: Session, path: Path) -> None:
    """One row a marker: when, what, who told, and the newest frame then. Raises OutputError."""
    times, numbers = _times(session)
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["time_s", "name", "source", "frame"])
        for m in session.markers():
            at = bisect_right(times, m.time_s)
            table.writerow([f"{m.time_s:.3f}", m.name, m.source, numbers[at - 1] if at else ""])


def write_signals(session: Session, path: Path) -> None:
    """One row a frame, a column a signal: its newest sample then, empty where that is older than HELD samples last."""
    signals = session.signals()
    longest = {name: HELD * _spacing([t for t, _ in samples]) for name, samples in signals.items()}
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["frame", "time_s", *signals])
        for time_s, number in zip(*_times(session), strict=True):
            held = (_held(samples, time_s, longest[name]) for name, samples in signals.items())
            table.writerow([number, f"{time_s:.3f}", *held])


def _held(samples: list[tuple[float, float]], time_s: float, longest_s: float) -> str:
    at = bisect_right(samples, (time_s, math.inf))
    return repr(samples[at - 1][1]) if at and time_s - samples[at - 1][0] <= longest_s else ""


def _spacing(times: list[float]) -> float:
    """The median between two samples; of one sample alone, the rest of the session is its."""
    return median(b - a for a, b in pairwise(times)) if len(times) > 1 else math.inf


def _times(session: Session) -> tuple[list[float], list[int]]:
    """Seconds and number of every frame."""
    frames = list(session.frames())
    return [time_s for _, time_s, _ in frames], [number for number, _, _ in frames]


def pictures(session: Session) -> list[tuple[str, list[Observation]]]:
    """Every picture's file with what was seen in it; none of a video."""
    seen = _by_frame(session)
    return [(name, seen[frame]) for frame, _, name in session.frames() if name]


def session_shares(session: Session) -> Shares:
    """How long what was shown, by each face and together, and how long there was none."""
    hold_s, seen = float(session.facts.get("infer_every_s", 0.0)), _by_frame(session)
    tally = ShareTally(lambda: hold_s)
    for frame, time_s, name in session.frames():
        tally.add(time_s, [(o.track, o.label) for o in seen[frame]], still=bool(name))
    return tally.shares()


def _names(session: Session) -> dict[int, str]:
    return {frame: name for frame, _, name in session.frames() if name}


def _by_frame(session: Session) -> defaultdict[int, list[Observation]]:
    found: defaultdict[int, list[Observation]] = defaultdict(list)
    for o in session.observations():
        found[o.frame].append(o)
    return found

"""The session over time as HTML and SVG that stand by themselves: a lane a face, markers, curves, and their numbers.

What is drawn needs no script: it prints. Words are HTML beside stretched SVG, so that they stay readable on a phone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ...language import tr
from ..html import Markup, as_script, escaped
from ..storage.session import Marker, Session
from ..types import Observation
from ..vision.quality_gate import UNSUITABLE
from ..vision.smoothing import UNCERTAIN
from .colors import color_of, hex_of
from .plots import curves, longest_gap, segments

MAX_LANES = 20
"""Faces, the longest in view; the page says how many are not drawn."""
MAX_NAMED = 30
"""Markers with a number above their line; of more the lines alone are drawn, and the table names them."""
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
WORD_SHARE = 6.0
"""Hundredths of the width from which on a stretch has its word in it."""

Part = tuple[float, float, str]
"""Start and length in seconds, label."""


@dataclass(frozen=True)
class FaceLane:
    """One face: its number as in the video, whose it is in a study, and what it showed."""

    track: int
    subject: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Timeline:
    """What is drawn over one time axis, from `start_s` on for `seconds`; `left`: faces that are not drawn."""

    start_s: float
    seconds: float
    lanes: Sequence[FaceLane]
    left: int
    labels: Sequence[str]
    times: Sequence[float]
    means: Sequence[Sequence[float]]
    markers: Sequence[Marker]

    def at(self, time_s: float) -> float:
        """Hundredths of the width."""
        return round(100 * (time_s - self.start_s) / self.seconds, 3)


def timeline_of(session: Session) -> Timeline | None:
    """Of a film or stream; None where it has no frame."""
    frames = [time_s for _, time_s, _ in session.frames()]
    if not frames:
        return None
    seen = list(session.observations())
    gap_s = longest_gap(frames)
    by_track: defaultdict[int, list[Observation]] = defaultdict(list)
    for o in seen:
        by_track[o.track].append(o)
    longest = sorted(by_track, key=lambda n: -len(by_track[n]))[:MAX_LANES]
    step_s = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    shown = {n: _standing(segments(by_track[n], gap_s), step_s) for n in longest}
    lanes = [FaceLane(n, by_track[n][0].subject, shown[n]) for n in sorted(longest)]
    read = [o for o in seen if not o.reason]
    times, means = curves(read, gap_s) if read else (np.zeros(0), np.zeros((0, len(session.labels))))
    last = frames[-1] - frames[-2] if len(frames) > 1 else 1.0
    seconds = max(frames[-1] - frames[0] + last, 1e-3)
    more = len(by_track) - len(lanes)
    return Timeline(frames[0], seconds, lanes, more, session.labels, times.tolist(), means.tolist(), session.markers())


def _standing(parts: Sequence[Part], step_s: float) -> list[Part]:
    """The last frame before a break stands as long as the others."""
    ends = [*(start for start, _, _ in parts[1:]), float("inf")]
    return [
        (start, length + step_s if following - (start + length) > step_s / 2 else length, label)
        for (start, length, label), following in zip(parts, ends, strict=True)
    ]


def draw_lanes(t: Timeline) -> Markup:
    """A row a face."""
    nobody = f'<div class="lane"><span class="who">{escaped(tr("no face"))}</span></div>'
    return Markup("".join(_lane(t, lane) for lane in t.lanes) or nobody)


def _lane(t: Timeline, lane: FaceLane) -> str:
    bars = "".join(
        f'<rect x="{t.at(start) * 10:.1f}" width="{max(1.0, 1000 * length / t.seconds):.1f}" height="10" '
        f'fill="{hex_of(label)}"/>'
        for start, length, label in lane.parts
    )
    words = "".join(_word(t, part) for part in lane.parts if 100 * part[1] / t.seconds >= WORD_SHARE)
    whose = f" {escaped(lane.subject)}" if lane.subject else ""
    face = escaped(tr("face {number}", number=lane.track))
    return (
        f'<div class="lane"><span class="who">{face}{whose}</span>'
        f'<div class="track" role="img" aria-label="{escaped(_spoken(lane))}">'
        f'<svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">{bars}</svg>{words}</div></div>'
    )


def _word(t: Timeline, part: Part) -> str:
    start, length, label = part
    r, g, b = color_of(label)
    ink = "#000" if 0.299 * r + 0.587 * g + 0.114 * b > 130 else "#fff"
    place = f"left:{t.at(start)}%;width:{100 * length / t.seconds:.2f}%;color:{ink}"
    return f'<i aria-hidden="true" style="{place}">{escaped(tr(label))}</i>'


def _spoken(lane: FaceLane) -> str:
    seconds: defaultdict[str, float] = defaultdict(float)
    for _, length, label in lane.parts:
        seconds[label] += length
    ranked = sorted(seconds.items(), key=lambda kv: -kv[1])
    told = ", ".join(tr("{label} {seconds} seconds", label=tr(label), seconds=f"{s:.1f}") for label, s in ranked)
    return f"{tr('face {number}', number=lane.track)}: {told}"


def draw_axis(t: Timeline) -> Markup:
    """Ticks with their times, for a row below the lanes or curves."""
    step = next((s for s in TICKS if t.seconds / s <= 8), TICKS[-1])
    ticks = np.arange(np.ceil(t.start_s / step) * step, t.start_s + t.seconds, step)
    return Markup("".join(f'<b style="left:{t.at(float(s))}%">{clock(float(s))}</b>' for s in ticks))


def clock(seconds: float) -> str:
    """As `12 s`, or `2:05` from two minutes on."""
    return f"{seconds:g} s" if seconds < 120 else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def draw_markers(t: Timeline) -> Markup:
    """A line each, with its number where they are few."""
    named = len(t.markers) <= MAX_NAMED
    return Markup(
        "".join(
            f'<u style="left:{t.at(m.time_s)}%" title="{escaped(m.name)}">{i if named else ""}</u>'
            for i, m in enumerate(t.markers, 1)
        )
    )


def draw_curves(t: Timeline) -> Markup:
    """A line a label: mean probability of all faces."""
    return Markup("".join(_curve(t, i, label) for i, label in enumerate(t.labels)))


def _curve(t: Timeline, index: int, label: str) -> str:
    points = [(t.at(s) * 10, 100 - 100 * row[index]) for s, row in zip(t.times, t.means, strict=True)]
    runs = [list(run) for known, run in groupby(points, key=lambda p: p[1] == p[1]) if known]  # NaN breaks the line
    path = " ".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (run if len(run) > 1 else run * 2)) for run in runs)
    return f'<path data-label="{escaped(label)}" d="{path}" stroke="{hex_of(label)}"/>'


def legend(t: Timeline) -> Markup:
    """A button a label, which shows and hides its curve, and what is no label of the model."""
    shown = {label for lane in t.lanes for _, _, label in lane.parts}
    buttons = "".join(
        f'<button type="button" aria-pressed="true" data-label="{escaped(x)}">{_dot(x)}{escaped(tr(x))}</button>'
        for x in t.labels
    )
    others = "".join(
        f"<span>{_dot(label)}{escaped(tr(label))}</span>" for label in (UNCERTAIN, UNSUITABLE) if label in shown
    )
    return Markup(buttons + others)


def _dot(label: str) -> str:
    return f'<span class="dot" style="background:{hex_of(label)}"></span>'


def marker_rows(t: Timeline) -> Markup:
    """The markers as a table's rows."""
    cells = ((str(i), clock(round(m.time_s, 1)), m.name, m.source) for i, m in enumerate(t.markers, 1))
    return Markup("".join(_row(row) for row in cells))


def part_rows(t: Timeline) -> Markup:
    """Every stretch of every face as a table's rows: what the lanes show, in words."""
    cells = (
        (f"{lane.track}", lane.subject, tr(label), f"{start:.1f}", f"{length:.1f}")
        for lane in t.lanes
        for start, length, label in lane.parts
    )
    return Markup("".join(_row(row) for row in cells))


def _row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in cells) + "</tr>"


def data_of(t: Timeline) -> Markup:
    """What the page's script reads, safe inside of a <script> element."""
    shown = [*t.labels, UNCERTAIN, UNSUITABLE]
    told: Mapping[str, object] = {
        "start": t.start_s,
        "seconds": t.seconds,
        "labels": list(t.labels),
        "lanes": [
            {
                "name": tr("face {number}", number=lane.track),
                "parts": [[round(s, 3), round(n, 3), label] for s, n, label in lane.parts],
            }
            for lane in t.lanes
        ],
        "times": [round(s, 3) for s in t.times],
        "means": [[round(p, 3) if p == p else None for p in row] for row in t.means],
        "markers": [[round(m.time_s, 3), m.name] for m in t.markers],
        "names": {label: tr(label) for label in shown},
    }
    return as_script(told)

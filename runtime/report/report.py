"""The report: one HTML file with the figures, what was shown over time, and the video; it needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import write_text
from ...words import counted
from ..figures.record import USUAL, FigureOptions, PersonRecord, session_figures, write_figures
from ..html import Markup, Template, data_uri, escaped
from ..shares import FaceTime, Shares
from ..storage.session import Session
from ..storage.session_tables import (
    pictures,
    session_shares,
    write_csv,
    write_jsonl,
    write_markers,
    write_pictures,
    write_signals,
    write_windows,
)
from .colors import hex_of
from .glance import MAX_PEOPLE, effect_cells, head_cells, meanings, people_rows, resting_rows, weak_lines
from .lanes import (
    Timeline,
    data_of,
    draw_axis,
    draw_curves,
    draw_lanes,
    draw_markers,
    legend,
    marker_rows,
    part_rows,
    timeline_of,
)
from .pictures import FOLDER, picture_path
from .plots import figure_class, plot_distribution, plot_timeline
from .video import find_video

MAX_VIDEO_BYTES = 64 << 20
"""Bytes of video put into the page; a longer one is linked and must lie beside it."""
PARTS: dict[str, tuple[str, Callable[[Session, Path], None]]] = {
    "csv": ("observations.csv", write_csv),
    "windows": ("windows.csv", write_windows),
    "pictures": ("pictures.csv", write_pictures),
    "jsonl": ("observations.jsonl", write_jsonl),
    "markers": ("markers.csv", write_markers),
    "signals": ("signals.csv", write_signals),
    "timeline": ("timeline.png", plot_timeline),
    "distribution": ("distribution.png", plot_distribution),
}
"""What a report is made of beside `html`, which needs the plots, and `figures`: name -> file and what writes it. Only
pictures have a table of pictures, only what has time has windows, a timeline and figures, only what was marked or
joined has those."""
MAX_SHOWN = 100
"""Annotated pictures put into the page."""
SHOWN_SIDE = 480
"""Pixels of their longer side there."""


def write_report(
    session: Session,
    parts: tuple[str, ...] = ("csv", "windows", "pictures", "jsonl", "markers", "signals", "figures", "html"),
    figures: FigureOptions = USUAL,
) -> list[Path]:
    """Write the asked parts into the session's folder and return their paths.

    Args:
        figures: what the figures are made of.

    Raises:
        MissingExtra: a plot was asked for and matplotlib is absent; OutputError: the folder cannot be written.
        InputError: times run backwards.
    """
    wanted = dict.fromkeys(parts)
    if "html" in wanted:
        figure_class()  # before anything is written
        wanted = dict.fromkeys([*(p for p in parts if p != "html"), "timeline", "distribution"])
    timeless = ("windows", "timeline", *(["figures"] if len(wanted) > 1 else []))
    for part in timeless if session.still else ("pictures",):
        wanted.pop(part, None)
    for part, there in (("markers", session.markers()), ("signals", session.signals())):
        if not there:
            wanted.pop(part, None)
    needed = not session.still and ("figures" in wanted or "html" in parts)
    records = session_figures(session, figures) if needed or "figures" in wanted else []
    made = write_figures(session, records, figures) if "figures" in wanted else []
    for part in (part for part in wanted if part != "figures"):
        name, write = PARTS[part]
        write(session, session.folder / name)
        made.append(session.folder / name)
    if "html" in parts:
        page = session.folder / "report.html"
        write_text(page, render(session, records))
        made.append(page)
    return made


def render(session: Session, records: Sequence[PersonRecord] = ()) -> str:
    """The page as text; `records` are everybody's figures. Reads video and pictures from the session's folder."""
    facts = session.facts
    shares, still = session_shares(session), session.still
    timeline = None if still else timeline_of(session)
    weak = weak_lines(facts.get("measured"))
    values: dict[str, str] = {
        "title": str(facts.get("source", "session")),
        "facts": Markup(_facts(session, shares)),
        "weak": weak,
        **_people(records, facts),
        **(_timed(timeline) if timeline else {}),
        "of": "of the faces" if still else "of the time that a face was in view",
        "without": f"{shares.without_face:.1%} of the {'pictures' if still else 'time'}",
        "faces": Markup("".join(_face(face) for face in shares.faces)),
        "pictures": Markup(_pictures(session)) if still else "",
        "skipped": Markup("".join(f"<li>{escaped(line)}</li>" for line in facts.get("skipped", []))),
        "bars": Markup(_bars(shares.expressions) or "<span>no face was seen</span>"),
        "details": Markup(_rows(_about(facts))),
        "video": _video(find_video(session.folder)),
    }
    there = {
        "still": still,
        "time": timeline is not None,
        "skipped": bool(values["skipped"]),
        "people": bool(records),
        "resting": bool(values["resting"]),
        "norest": bool(values["norest"]),
        "weak": bool(weak),
        "markers": bool(values.get("markers")),
    }
    return Template.read(__package__, "report.html").fill(values, [part for part, shown in there.items() if shown])


def _facts(session: Session, shares: Shares) -> str:
    """Who, when, how long, how much of it could be used."""
    facts, still = session.facts, session.still
    people = f"{shares.people}, at most {shares.at_once} at once"
    told = {
        "Who": ", ".join(map(str, facts.get("subjects", []))),
        "Condition": facts.get("condition", ""),
        "When": _moment(str(facts.get("started", ""))),
        **(_pictured(facts) if still else {"Length": f"{shares.seconds:.1f} s", "People in view": people}),
        "Note": facts.get("note", ""),
    }
    return "".join(f"<dt>{escaped(k)}</dt><dd>{escaped(str(v))}</dd>" for k, v in told.items() if v)


def _people(records: Sequence[PersonRecord], facts: Mapping[str, Any]) -> dict[str, str]:
    """The first sheet's tables."""
    effects = [r.resting for r in records if r.resting]
    from_s = max((e.from_s for e in effects), default=0.0)
    resting = facts.get("resting")
    left = len(records) - MAX_PEOPLE
    return {
        "people": people_rows(records),
        "five": head_cells(),
        "effects": effect_cells(),
        "meanings": meanings(),
        "unshown": f"{left} more are in figures.json." if left > 0 else "",
        "resting": resting_rows(records),
        "from": f", after the {from_s:g} s in which it was learnt" if from_s else "",
        "norest": "" if effects else _no_effect(resting),
    }


def _no_effect(resting: Mapping[str, Any] | None) -> str:
    """Why the resting face's effect is not told."""
    if not resting:
        return "No resting face was taken off: a face that looks sad or angry at rest is read so."
    without = "what the face would have been read as without is not known."
    return f"The resting face ({resting['from']}) was taken off; {without}"


def _timed(t: Timeline) -> dict[str, str]:
    """What stands over time."""
    means = np.nanmean(np.array(t.means, float), axis=0) if t.times else np.zeros(len(t.labels))
    told = ", ".join(f"{label} {mean:.2f}" for label, mean in zip(t.labels, means, strict=True))
    return {
        "lanes": draw_lanes(t),
        "more": f"{counted(t.left, 'face')} that were shorter in view are not drawn." if t.left else "",
        "lines": draw_markers(t),
        "axis": draw_axis(t),
        "curves": draw_curves(t),
        "spoken": f"Means over the session: {told}",
        "legend": legend(t),
        "markers": marker_rows(t),
        "parts": part_rows(t),
        "data": data_of(t),
    }


def _about(facts: Mapping[str, Any]) -> dict[str, object]:
    """How it was made."""
    return {
        "Source": facts.get("source", ""),
        "Started": facts.get("started", ""),
        "Ended": facts.get("ended", "not finished"),
        "Frames": facts.get("frames", "not finished"),
        "Model": f"{facts.get('bundle', '')}, {facts.get('artifact', '')}",
        "Device": facts.get("device", ""),
        "Detector": facts.get("detector", ""),
        "Smoothing": facts.get("smoother", ""),
        **({"Resting face": f"{resting['from']}, taken off"} if (resting := facts.get("resting")) else {}),
    }


def _rows(about: Mapping[str, object]) -> str:
    return "".join(f"<tr><th>{escaped(k)}</th><td>{escaped(str(v))}</td></tr>" for k, v in about.items())


def _pictured(facts: Mapping[str, Any]) -> dict[str, object]:
    return {"Pictures": facts.get("frames", "not finished"), "Faces": facts.get("faces", "not finished")}


def _moment(started: str) -> str:
    """As people read it; as it stands where it is no time."""
    try:
        return f"{datetime.fromisoformat(started):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return started


def _bars(expressions: Mapping[str, float]) -> str:
    return "".join(
        f'<span>{escaped(label)}</span><div aria-hidden="true"><i style="width:{share:.1%};background:{hex_of(label)}">'
        f"</i></div><span>{share:.1%}</span>"
        for label, share in expressions.items()
    )


def _face(face: FaceTime) -> str:
    shown = ", ".join(f"{escaped(label)} {share:.0%}" for label, share in face.expressions.items())
    return f"<tr><th>face {face.track}</th><td>{face.seconds:.1f} s</td><td>{shown}</td></tr>"


def _pictures(session: Session) -> str:
    """A row a picture, with the annotated picture where there is one."""
    rows, left = [], MAX_SHOWN
    for name, seen in pictures(session):
        file = picture_path(session.folder / FOLDER, name)
        image = _small(file) if left and file.is_file() else ""
        left -= bool(image)
        shown = ", ".join(f"{o.track} {o.label} {o.confidence:.0%}" for o in seen) or "no face"
        rows.append(f"<tr><td>{image}</td><th>{escaped(name)}</th><td>{escaped(shown)}</td></tr>")
    return "".join(rows)


def _small(file: Path) -> str:
    import cv2

    image = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return ""
    scale = min(1.0, SHOWN_SIDE / max(image.shape[:2]))
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = base64.b64encode(cv2.imencode(".jpg", image)[1].tobytes()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="">'


def _video(path: Path | None) -> Markup:
    if path is None:
        return Markup("<p>No video was recorded; <code>fer-edge run --video</code> records one.</p>")
    small = path.stat().st_size <= MAX_VIDEO_BYTES
    source = data_uri(path, f"video/{path.suffix[1:]}") if small else escaped(path.name)
    note = "" if small else f"<p>The video is large and stays beside this page as {escaped(path.name)}.</p>"
    return Markup(f'<video controls preload="metadata" src="{source}"></video>{note}')

"""The report: one HTML file with the figures, what was shown over time, and the video; it needs nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import write_text
from ...language import tr, trn
from ..figures.record import USUAL, FigureOptions, PersonRecord, session_figures, write_figures
from ..html import Markup, Template, escaped
from ..shares import FaceTime, Shares
from ..storage.session import Session
from ..storage.session_tables import (
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
from .plots import figure_class, plot_distribution, plot_timeline
from .thumbnails import peak_figures, picture_rows, video_player
from .video import find_video

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
    timeline, video = None if still else timeline_of(session), find_video(session.folder)
    weak = weak_lines(facts.get("measured"))
    values: dict[str, str] = {
        "title": str(facts.get("source", "session")),
        "facts": Markup(_facts(session, shares)),
        "weak": weak,
        **_people(records, facts),
        **(_timed(timeline) if timeline else {}),
        "of": tr("Shares of the faces.") if still else tr("Shares of the time that a face was in view."),
        "without": _without(f"{shares.without_face:.1%}", still),
        "faces": Markup("".join(_face(face) for face in shares.faces)),
        "pictures": picture_rows(session) if still else "",
        "skipped": Markup("".join(f"<li>{escaped(line)}</li>" for line in facts.get("skipped", []))),
        "bars": Markup(_bars(shares.expressions) or f"<span>{escaped(tr('no face was seen'))}</span>"),
        "details": Markup(_rows(_about(facts))),
        "video": video_player(video),
        "peaks": peak_figures(records, video, timeline.start_s) if timeline else "",
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
        "peaks": bool(values["peaks"]),
    }
    return Template.read(__package__, "report.html").fill(values, [part for part, shown in there.items() if shown])


def _without(share: str, still: bool) -> str:
    told = tr("Without a face: {share} of the pictures.") if still else tr("Without a face: {share} of the time.")
    return told.format(share=share)


def _facts(session: Session, shares: Shares) -> str:
    """Who, when, how long, how much of it could be used."""
    facts, still = session.facts, session.still
    people = tr("{people}, at most {most} at once", people=shares.people, most=shares.at_once)
    told = {
        tr("Who"): ", ".join(map(str, facts.get("subjects", []))),
        tr("Condition"): facts.get("condition", ""),
        tr("When"): _moment(str(facts.get("started", ""))),
        **(_pictured(facts) if still else {tr("Length"): f"{shares.seconds:.1f} s", tr("People in view"): people}),
        tr("Note"): facts.get("note", ""),
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
        "unshown": tr("{left} more are in figures.json.", left=left) if left > 0 else "",
        "resting": resting_rows(records),
        "changed": tr(
            "What taking the resting face off changed, after the {seconds} s of learning it.", seconds=f"{from_s:g}"
        )
        if from_s
        else tr("What taking the resting face off changed."),
        "norest": "" if effects else _no_effect(resting),
    }


def _no_effect(resting: Mapping[str, Any] | None) -> str:
    """Why the resting face's effect is not told."""
    if not resting:
        return tr("No resting face was taken off: a face that looks sad or angry at rest is read so.")
    return tr(
        "The resting face ({name}) was taken off; what the face would have been read as without is not known.",
        name=resting["from"],
    )


def _timed(t: Timeline) -> dict[str, str]:
    """What stands over time."""
    means = np.nanmean(np.array(t.means, float), axis=0) if t.times else np.zeros(len(t.labels))
    told = ", ".join(f"{tr(label)} {mean:.2f}" for label, mean in zip(t.labels, means, strict=True))
    return {
        "lanes": draw_lanes(t),
        "more": tr("{faces} that were shorter in view are not drawn.", faces=trn(t.left, "face")) if t.left else "",
        "lines": draw_markers(t),
        "axis": draw_axis(t),
        "curves": draw_curves(t),
        "spoken": tr("Means over the session: {means}", means=told),
        "legend": legend(t),
        "markers": marker_rows(t),
        "parts": part_rows(t),
        "data": data_of(t),
    }


def _about(facts: Mapping[str, Any]) -> dict[str, object]:
    """How it was made."""
    resting = facts.get("resting")
    return {
        tr("Source"): facts.get("source", ""),
        tr("Started"): facts.get("started", ""),
        tr("Ended"): tr(str(facts.get("ended", "not finished"))),
        tr("Frames"): facts.get("frames", tr("not finished")),
        tr("Model"): f"{facts.get('bundle', '')}, {facts.get('artifact', '')}",
        tr("Device"): facts.get("device", ""),
        tr("Detector"): facts.get("detector", ""),
        tr("Smoothing"): facts.get("smoother", ""),
        **({tr("Resting face"): tr("{name}, taken off", name=resting["from"])} if resting else {}),
    }


def _rows(about: Mapping[str, object]) -> str:
    return "".join(f"<tr><th>{escaped(k)}</th><td>{escaped(str(v))}</td></tr>" for k, v in about.items())


def _pictured(facts: Mapping[str, Any]) -> dict[str, object]:
    unknown = tr("not finished")
    return {tr("Pictures"): facts.get("frames", unknown), tr("Faces"): facts.get("faces", unknown)}


def _moment(started: str) -> str:
    """As people read it; as it stands where it is no time."""
    try:
        return f"{datetime.fromisoformat(started):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return started


def _bars(expressions: Mapping[str, float]) -> str:
    return "".join(
        f'<span>{escaped(tr(label))}</span><div aria-hidden="true">'
        f'<i style="width:{share:.1%};background:{hex_of(label)}"></i></div><span>{share:.1%}</span>'
        for label, share in expressions.items()
    )


def _face(face: FaceTime) -> str:
    shown = ", ".join(f"{escaped(tr(label))} {share:.0%}" for label, share in face.expressions.items())
    name = escaped(tr("face {number}", number=face.track))
    return f"<tr><th>{name}</th><td>{face.seconds:.1f} s</td><td>{shown}</td></tr>"

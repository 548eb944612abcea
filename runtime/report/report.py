"""The report: one HTML file with the plots, the video and the figures, which needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import write_text
from ..figures.record import USUAL, FigureOptions, write_figures
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
    made = write_figures(session, figures) if "figures" in wanted else []
    for part in (part for part in wanted if part != "figures"):
        name, write = PARTS[part]
        write(session, session.folder / name)
        made.append(session.folder / name)
    if "html" in parts:
        page = session.folder / "report.html"
        write_text(page, render(session))
        made.append(page)
    return made


def render(session: Session) -> str:
    """The page as text; reads the two plots and the video from the session's folder."""
    facts = session.facts
    shares, still = session_shares(session), session.still
    about = {
        "Source": facts.get("source", ""),
        "Started": facts.get("started", ""),
        **_amount(shares, still, facts),
        "Ended": facts.get("ended", "not finished"),
        "Model": f"{facts.get('bundle', '')}, {facts.get('artifact', '')}",
        "Device": facts.get("device", ""),
        "Detector": facts.get("detector", ""),
        "Smoothing": facts.get("smoother", ""),
        **({"Resting face": f"{resting['from']}, taken off"} if (resting := facts.get("resting")) else {}),
    }
    details = "".join(f"<tr><th>{escaped(k)}</th><td>{escaped(str(v))}</td></tr>" for k, v in about.items())
    values = {
        "title": str(facts.get("source", "session")),
        "timeline": Markup("") if still else data_uri(session.folder / "timeline.png", "image/png"),
        "of": "of the faces" if still else "of the time that a face was in view",
        "without": f"{shares.without_face:.1%} of the {'pictures' if still else 'time'}",
        "faces": Markup("".join(_face(face) for face in shares.faces)),
        "pictures": Markup(_pictures(session)) if still else "",
        "skipped": Markup("".join(f"<li>{escaped(line)}</li>" for line in facts.get("skipped", []))),
        "pie": data_uri(session.folder / "distribution.png", "image/png"),
        "rows": Markup(_rows(shares.expressions) or "<tr><td>no face was seen</td><td></td></tr>"),
        "details": Markup(details),
        "video": _video(find_video(session.folder)),
    }
    return Template.read(__package__, "report.html").fill(
        values,
        [part for part, shown in (("still", still), ("time", not still), ("skipped", values["skipped"])) if shown],
    )


def _amount(shares: Shares, still: bool, facts: Mapping[str, Any]) -> dict[str, object]:
    """How much was seen: pictures and faces, or frames and people."""
    frames = facts.get("frames", "not finished")
    if still:
        return {"Pictures": frames, "Faces": facts.get("faces", "not finished")}
    people = f"{shares.people}, at most {shares.at_once} at once"
    return {"Frames": frames, "Length": f"{shares.seconds:.1f} s", "People in view": people}


def _rows(expressions: Mapping[str, float]) -> str:
    return "".join(
        f'<tr><td><span class="dot" style="background:{hex_of(label)}"></span>{escaped(label)}</td>'
        f"<td>{share:.1%}</td></tr>"
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

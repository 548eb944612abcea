"""The report: one HTML file with the plots, the video and the figures, which needs nothing beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...bundle import write_text
from ..html import Markup, Template, data_uri, escaped
from ..storage.session import Session
from ..storage.session_tables import distribution, write_csv, write_jsonl
from .colors import hex_of
from .plots import figure_class, plot_distribution, plot_timeline
from .video import find_video

MAX_VIDEO_BYTES = 64 << 20
"""Bytes of video put into the page; a longer one is linked and must lie beside it."""
PARTS: dict[str, tuple[str, Callable[[Session, Path], None]]] = {
    "csv": ("observations.csv", write_csv),
    "jsonl": ("observations.jsonl", write_jsonl),
    "timeline": ("timeline.png", plot_timeline),
    "distribution": ("distribution.png", plot_distribution),
}
"""What a report is made of: name -> file and what writes it. `html` needs the two plots."""


def write_report(session: Session, parts: tuple[str, ...] = ("csv", "jsonl", "html")) -> list[Path]:
    """Write the asked parts into the session's folder and return their paths.

    Raises MissingExtra: a plot was asked for and matplotlib is absent; OutputError: the folder cannot be written.
    """
    wanted = dict.fromkeys(parts)
    if "html" in wanted:
        figure_class()  # before anything is written
        wanted = dict.fromkeys([*(p for p in parts if p != "html"), "timeline", "distribution"])
    made = []
    for part in wanted:
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
    rows = "".join(
        f'<tr><td><span class="dot" style="background:{hex_of(label)}"></span>{escaped(label)}</td>'
        f"<td>{share:.1%}</td></tr>"
        for label, share in distribution(session).items()
    )
    about = {
        "Source": facts.get("source", ""),
        "Started": facts.get("started", ""),
        "Frames": facts.get("frames", "not finished"),
        "Faces seen": facts.get("faces", "not finished"),
        "Ended": facts.get("ended", "not finished"),
        "Model": f"{facts.get('bundle', '')}, {facts.get('artifact', '')}",
        "Device": facts.get("device", ""),
        "Detector": facts.get("detector", ""),
        "Smoothing": facts.get("smoother", ""),
    }
    details = "".join(f"<tr><th>{escaped(k)}</th><td>{escaped(str(v))}</td></tr>" for k, v in about.items())
    values = {
        "title": str(facts.get("source", "session")),
        "timeline": data_uri(session.folder / "timeline.png", "image/png"),
        "pie": data_uri(session.folder / "distribution.png", "image/png"),
        "rows": Markup(rows or "<tr><td>no face was seen</td><td></td></tr>"),
        "details": Markup(details),
        "video": _video(find_video(session.folder)),
    }
    return Template.read(__package__, "report.html").fill(values)


def _video(path: Path | None) -> Markup:
    if path is None:
        return Markup("<p>No video was recorded; <code>fer-edge run --video</code> records one.</p>")
    small = path.stat().st_size <= MAX_VIDEO_BYTES
    source = data_uri(path, f"video/{path.suffix[1:]}") if small else escaped(path.name)
    note = "" if small else f"<p>The video is large and stays beside this page as {escaped(path.name)}.</p>"
    return Markup(f'<video controls preload="metadata" src="{source}"></video>{note}')

"""The report: one HTML file with the plots, the video and the figures, which needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from pathlib import Path

from ...bundle import write_text
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

    Raises:
        MissingExtra: a plot was asked for and matplotlib is absent; OutputError: the folder cannot be written.
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
        f'<tr><td><span class="dot" style="background:{hex_of(label)}"></span>{escape(label)}</td>'
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
    details = "".join(f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in about.items())
    return _PAGE.format(
        title=escape(str(facts.get("source", "session"))),
        timeline=data_uri(session.folder / "timeline.png", "image/png"),
        pie=data_uri(session.folder / "distribution.png", "image/png"),
        rows=rows or "<tr><td>no face was seen</td><td></td></tr>",
        details=details,
        video=_video(find_video(session.folder)),
    )


def data_uri(path: Path, kind: str) -> str:
    """A file's bytes as a URI that needs no file; `kind` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _video(path: Path | None) -> str:
    if path is None:
        return "<p>No video was recorded; <code>fer-edge run --video</code> records one.</p>"
    small = path.stat().st_size <= MAX_VIDEO_BYTES
    source = data_uri(path, f"video/{path.suffix[1:]}") if small else escape(path.name)
    note = "" if small else f"<p>The video is large and stays beside this page as {escape(path.name)}.</p>"
    return f'<video controls preload="metadata" src="{source}"></video>{note}'


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>fer-edge report: {title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
img, video {{ max-width: 100%; height: auto; }}
video {{ width: 100%; background: #000; }}
.pair {{ display: grid; grid-template-columns: 3fr 2fr; gap: 1rem; align-items: center; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }}
.dot {{ display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .5em; }}
.note {{ border-left: 4px solid #bbb; padding-left: 1rem; color: #444; }}
@media (max-width: 40rem) {{ .pair {{ grid-template-columns: 1fr; }} }}
</style></head><body>
<h1>Expressions seen in {title}</h1>
<p class="note">This page shows which facial expressions a program recognised. An expression is what a face does, not
what a person feels, and the program is often wrong; see the model card for how often. Do not base a decision about a
person on it.</p>
<h2>Over time</h2><img src="{timeline}" alt="Expressions of each face over time, and mean probabilities">
<h2>Distribution</h2>
<div class="pair"><img src="{pie}" alt="Pie chart of the share of each expression"><table>{rows}</table></div>
<h2>Annotated video</h2>{video}
<h2>About this session</h2><table>{details}</table>
</body></html>
"""

"""Pictures in the page: what was recorded on request, small, in the page itself; nothing where nothing was recorded."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...bundle import Image
from ...language import tr
from ..figures.episodes import Episode
from ..figures.record import PersonRecord
from ..html import Markup, data_uri, escaped
from ..storage.session import Session
from ..storage.session_tables import pictures
from .glance import MAX_PEOPLE, named
from .pictures import FOLDER, picture_path

MAX_VIDEO_BYTES = 64 << 20
"""Bytes of video put into the page; a longer one is linked and must lie beside it."""
MAX_SHOWN, MAX_PEAKS = 100, 12
"""Annotated pictures put into the page, and moments of a video."""
SHOWN_SIDE, PEAK_SIDE = 480, 240
"""Pixels of their longer side there."""


def peak_figures(records: Sequence[PersonRecord], video: Path | None, start_s: float) -> Markup:
    """Where a video was recorded: its picture at the strongest moment of each person's every expression.

    Args:
        records: everybody's figures; of many people the first are shown, of many moments the strongest.
        start_s: when the video begins, in the session's seconds.
    """
    if video is None:
        return Markup("")
    chosen = sorted(_strongest(records), key=lambda one: -(one[1].peak or 0.0))[:MAX_PEAKS]
    shown = sorted(chosen, key=lambda one: one[1].peak_s or 0.0)
    times = [(episode.peak_s or 0.0) - start_s for _, episode in shown]
    told = zip(shown, _frames_at(video, times), strict=True)
    return Markup("".join(_figure(who, episode, image) for (who, episode), image in told if image is not None))


def _strongest(records: Sequence[PersonRecord]) -> Iterator[tuple[str, Episode]]:
    """Each person's episode with the highest peak, of each label; `uncertain` has none."""
    for record in records[:MAX_PEOPLE]:
        best: dict[str, Episode] = {}
        for episode in record.episodes:
            before = best.get(episode.label)
            if episode.peak is not None and (before is None or episode.peak > (before.peak or 0.0)):
                best[episode.label] = episode
        yield from ((record.lane.who, episode) for episode in best.values())


def _frames_at(video: Path, times: Sequence[float]) -> list[Image | None]:
    """The video's pictures at these seconds; None of one that cannot be read."""
    from ...opencv import cv2

    film = cv2.VideoCapture(str(video))
    found: list[Image | None] = []
    seconds = film.get(cv2.CAP_PROP_FRAME_COUNT) / max(film.get(cv2.CAP_PROP_FPS), 1e-6)
    try:
        for time_s in times:
            if time_s >= seconds:  # it was broken off, and would give its last picture
                found.append(None)
                continue
            film.set(cv2.CAP_PROP_POS_MSEC, 1000 * max(time_s, 0.0))
            good, image = film.read()
            found.append(np.asarray(image, np.uint8) if good else None)
    finally:
        film.release()
    return found


def _figure(who: str, episode: Episode, image: Image) -> str:
    words = tr(
        "{who}: {label} {share} at {seconds} s",
        who=named(who),
        label=tr(episode.label),
        share=f"{episode.peak or 0.0:.0%}",
        seconds=f"{episode.peak_s or 0.0:.1f}",
    )
    return f"<figure>{_small(image, PEAK_SIDE, words)}<figcaption>{escaped(words)}</figcaption></figure>"


def picture_rows(session: Session) -> Markup:
    """A row a picture, with the annotated picture where there is one."""
    rows, left = [], MAX_SHOWN
    for name, seen in pictures(session):
        shown = ", ".join(f"{o.track} {tr(o.label)} {o.confidence:.0%}" for o in seen) or tr("no face")
        file = picture_path(session.folder / FOLDER, name)
        image = _of_file(file, f"{name}: {shown}") if left and file.is_file() else ""
        left -= bool(image)
        rows.append(f"<tr><td>{image}</td><th>{escaped(name)}</th><td>{escaped(shown)}</td></tr>")
    return Markup("".join(rows))


def _of_file(file: Path, words: str) -> str:
    from ...opencv import cv2

    image = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return "" if image is None else _small(np.asarray(image, np.uint8), SHOWN_SIDE, words)


def _small(image: Image, side: int, words: str) -> str:
    """An <img> of at most `side` pixels that needs no file; `words` say what is on it."""
    from ...opencv import cv2

    scale = min(1.0, side / max(image.shape[:2]))
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = base64.b64encode(cv2.imencode(".jpg", image)[1].tobytes()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{escaped(words)}">'


def video_player(path: Path | None) -> Markup:
    """The whole video in the page, or a link where it is large; what to do where there is none."""
    if path is None:
        told = escaped(tr("No video was recorded; {command} records one."))
        return Markup(f"<p>{told.format(command='<code>fer-edge run --video</code>')}</p>")
    small = path.stat().st_size <= MAX_VIDEO_BYTES
    source = data_uri(path, f"video/{path.suffix[1:]}") if small else escaped(path.name)
    beside = tr("The video is large and stays beside this page as {name}.", name=path.name)
    note = "" if small else f"<p>{escaped(beside)}</p>"
    return Markup(f'<video controls preload="metadata" src="{source}"></video>{note}')

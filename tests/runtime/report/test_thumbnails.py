"""Small pictures in report.html: of a recorded video the moment they tell of, and none that nobody asked for."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.runtime.figures.record import session_figures
from fer_edge.runtime.report import video
from fer_edge.runtime.report.encoders import Encoder, OpenCvEncoder, PyAvEncoder
from fer_edge.runtime.report.pictures import PictureSink
from fer_edge.runtime.report.report import render
from fer_edge.runtime.report.thumbnails import MAX_PEAKS, PEAK_SIDE
from fer_edge.runtime.report.video import VideoSink
from fer_edge.runtime.storage.session import StoreSink, open_session
from fer_edge.runtime.types import Frame, Observation
from support.front_door import run_verb
from support.planted import FPS, observation, row

pytest.importorskip("matplotlib", reason="needs the report extra")

SHOWN = ("neutral", "happy", "sad", "happy")
"""For two seconds each."""
STRONGEST = {"neutral": 1.0, "happy": 2.5, "sad": 5.5}
"""When the probability of each is highest, in seconds: of the happy ones in the first stretch."""
SIZE = (320, 480)
FIGURE = re.compile(r'<figure><img src="data:image/jpeg;base64,([^"]*)" alt="([^"]*)"><figcaption>([^<]*)<')


def grey_at(time_s: float) -> int:
    """Each half second has its own grey."""
    return 20 + 13 * int(2 * time_s)


def seen_at(index: int) -> Observation:
    """A face whose probabilities lead with what is shown, most of all at the strongest moments."""
    time_s = index / FPS
    label = SHOWN[int(time_s / 2)]
    one = observation(index, time_s, label)
    if STRONGEST[label] != time_s:
        return one
    rest = tuple(0.95 if name == label else (1 - 0.95) / 6 for name in LABELS)
    return replace(one, probabilities=rest)


def record(folder: Path, encoder: type[Encoder] | None, monkeypatch: pytest.MonkeyPatch, until_s: float = 8.0) -> Path:
    """Eight seconds, with a video of the first of them where there is an encoder."""
    sink = StoreSink(folder, {"labels": list(LABELS), "source": "planted", "resting": None})
    film = None
    if encoder:
        monkeypatch.setattr(video, "choose_encoder", lambda: encoder)
        film = VideoSink(folder, FPS)
    for i in range(8 * FPS):
        frame = Frame(i, i / FPS, np.full((*SIZE, 3), grey_at(i / FPS), np.uint8))
        sink.write(frame, [seen_at(i)])
        if film and i / FPS < until_s:
            film.write(frame, [])
    sink.note({"frames": 8 * FPS, "ended": "source ended"})
    sink.close()
    if film:
        film.close()
    return folder


@pytest.mark.parametrize("encoder", [PyAvEncoder, OpenCvEncoder])
def test_a_recorded_video_shows_its_strongest_moments(
    encoder: type[Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if encoder is PyAvEncoder:
        pytest.importorskip("av", reason="needs the video extra")
    folder = record(tmp_path / "s", encoder, monkeypatch)
    assert run_verb(capsys, "report", folder)[0] == 0
    page = (folder / "report.html").read_text()
    shown = FIGURE.findall(page)
    assert [alt for _, alt, _ in shown] == [f"face 1: {label} 95% at {s:.1f} s" for label, s in STRONGEST.items()]
    assert all(alt == caption for _, alt, caption in shown)
    for (data, _, _), time_s in zip(shown, STRONGEST.values(), strict=True):
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert max(image.shape[:2]) == PEAK_SIDE
        assert abs(float(image.mean()) - grey_at(time_s)) < 6, "another moment's picture"
    assert "Strongest moments" in page
    assert len(page.encode()) - len(base64.b64encode((folder / f"annotated{encoder.suffix}").read_bytes())) < 100_000


def test_without_a_video_there_is_no_picture_in_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(tmp_path / "s", None, monkeypatch)
    assert run_verb(capsys, "report", folder)[0] == 0
    page = (folder / "report.html").read_text()
    for never in ("Strongest moments", "<img", "data:image", "<figure>"):
        assert never not in page


def test_a_video_that_cannot_be_read_leaves_its_pictures_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(tmp_path / "s", None, monkeypatch)
    (folder / "annotated.mp4").write_bytes(b"no video")
    code, said = run_verb(capsys, "report", folder)
    assert code == 0, said
    assert "<figure>" not in (folder / "report.html").read_text()


@pytest.mark.parametrize("encoder", [PyAvEncoder, OpenCvEncoder])
def test_what_a_video_does_not_have_is_not_shown(
    encoder: type[Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if encoder is PyAvEncoder:
        pytest.importorskip("av", reason="needs the video extra")
    session = open_session(record(tmp_path / "s", encoder, monkeypatch, until_s=4.0))
    shown = FIGURE.findall(render(session, session_figures(session)))
    assert [alt.split()[2] for _, alt, _ in shown] == ["neutral", "happy"]


def test_of_a_crowd_few_pictures_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = StoreSink(tmp_path / "s", {"labels": list(LABELS), "source": "planted", "resting": None})
    monkeypatch.setattr(video, "choose_encoder", lambda: OpenCvEncoder)
    film = VideoSink(tmp_path / "s", FPS)
    for i in range(8 * FPS):
        frame = Frame(i, i / FPS, np.zeros((*SIZE, 3), np.uint8))
        sink.write(frame, [replace(seen_at(i), track=track) for track in range(1, 10)])
        film.write(frame, [])
    sink.close()
    film.close()
    assert run_verb(capsys, "report", tmp_path / "s")[0] == 0
    assert (tmp_path / "s" / "report.html").read_text().count("<figure>") == MAX_PEAKS


@pytest.mark.parametrize("asked", [True, False])
def test_pictures_are_there_where_they_were_asked_for(
    asked: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sink, drawn = StoreSink(tmp_path / "s", {"labels": list(LABELS), "source": "p"}), PictureSink(tmp_path / "s")
    for i, name in enumerate(("a.png", "b<.png")):
        frame = Frame(i, float(i), np.full((*SIZE, 3), 90, np.uint8), name)
        seen = [Observation(i, float(i), 1, "happy", 0.8, "happy", row("happy"), (9.0, 9.0, 99.0, 99.0))]
        sink.write(frame, seen if i == 0 else [])
        if asked:
            drawn.write(frame, seen if i == 0 else [])
    sink.close()
    assert run_verb(capsys, "report", tmp_path / "s")[0] == 0
    page = (tmp_path / "s" / "report.html").read_text()
    alts = re.findall(r'data:image/jpeg;base64,[^"]*" alt="([^"]*)"', page)
    assert alts == (["a.png: 1 happy 80%", "b&lt;.png: no face"] if asked else [])
    assert page.count("<img") == len(alts)

"""The kiosk's small parts: recordings, the pause's mark, the button, the log, what was asked for."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.errors import DeviceNotFound, MissingExtra
from fer_edge.language import speaking
from fer_edge.runtime.config.sections import KioskConfig, Record
from fer_edge.runtime.kiosk.commands import Requests
from fer_edge.runtime.kiosk.logs import start_log, stop_log
from fer_edge.runtime.kiosk.page import LatestFrame, live_picture
from fer_edge.runtime.kiosk.pause import PauseButton, PauseMark
from fer_edge.runtime.kiosk.recorder import Recorder
from fer_edge.runtime.report import encoders
from fer_edge.runtime.report.encoder_process import EncoderProcess
from fer_edge.runtime.report.video import VideoSink, find_video
from fer_edge.runtime.storage.session import open_session
from fer_edge.runtime.types import Frame, Observation
from fer_edge.runtime.web.settings import WebSettings
from support.children import FAKES
from support.waiting import until

FACTS = {"labels": list(LABELS)}
HAPPY = tuple(0.9 if label == "happy" else 0.1 / 6 for label in LABELS)


def observed(index: int) -> tuple[Frame, list[Observation]]:
    seen = Observation(index, index / 10, 1, "happy", 0.9, "happy", HAPPY, (0, 0, 4, 4))
    return Frame(index, index / 10, np.zeros((48, 64, 3), np.uint8)), [seen]


@pytest.fixture
def now() -> list[float]:
    """The recorder's clock, in the test's hand."""
    return [0.0]


@pytest.fixture
def recorder(tmp_path: Path, now: list[float]) -> Iterator[Recorder]:
    it = Recorder(Record(on=True, folder=tmp_path / "sessions", minutes=1), lambda: FACTS, 10, lambda: now[0])
    yield it
    it.close()


def test_a_recording_counts_from_its_beginning(recorder: Recorder) -> None:
    recorder.write(*observed(5))
    recorder.start()
    for index in range(10, 20):
        recorder.write(*observed(index))
    folder = recorder.folder
    recorder.start()
    assert recorder.folder == folder  # a second request is none
    recorder.stop()
    assert folder is not None
    seen = list(open_session(folder).observations())
    assert [o.frame for o in seen] == list(range(10))
    assert seen[0].time_s == 0
    assert not list(folder.glob("annotated*"))  # no picture without record.video


def test_boxes_stay_between_two_inferences_and_not_longer() -> None:
    """In the live picture and in a recorded film alike: with work.infer_fps a face is not observed in every frame."""
    latest = LatestFrame()
    frame, seen = observed(0)
    for time_s, observations, there in [(0.0, seen, True), (0.4, [], True), (0.6, [], False)]:
        latest.write(replace(frame, time_s=time_s), observations)
        picture = cv2.imdecode(np.frombuffer(latest.jpeg() or b"", np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert bool(picture.max() > 60) is there  # the frame itself is black


def test_the_labels_of_the_live_picture_speak_the_pages_language() -> None:
    latest = LatestFrame()
    latest.write(*observed(0))
    english = live_picture(KioskConfig, latest)
    spanish = live_picture(lambda: KioskConfig(web=WebSettings(lang="es")), latest)
    assert english == latest.jpeg()
    assert spanish != english
    with speaking("es"):
        assert spanish == latest.jpeg()


@pytest.mark.parametrize("encoder", ["PyAvEncoder", "OpenCvEncoder"])
def test_a_film_is_encoded_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str) -> None:
    if encoder == "PyAvEncoder":
        pytest.importorskip("av", reason="needs the video extra")
    monkeypatch.setattr(f"fer_edge.runtime.report.encoders.{encoder}.write", None)  # of this process
    monkeypatch.setattr("fer_edge.runtime.report.video.choose_encoder", lambda: getattr(encoders, encoder))
    recorder = Recorder(Record(on=True, folder=tmp_path, video=True), lambda: FACTS, 10)
    recorder.start()
    (video,) = (sink for sink in recorder._sinks if isinstance(sink, VideoSink))
    for number in range(14):
        recorder.write(*observed(number))
        until(lambda: isinstance(video._encoder, EncoderProcess) and video._encoder._waiting.empty())
    assert isinstance(video._encoder, EncoderProcess)
    os.kill(video._encoder.pid, signal.SIGSTOP)
    for number in range(14, 20):  # an encoder that is behind: the kiosk does not wait for it
        recorder.write(*observed(number))
    os.kill(video._encoder.pid, signal.SIGCONT)
    recorder.close()
    assert recorder.check() == ""
    assert recorder.folder is not None
    film = find_video(recorder.folder)
    assert film is not None
    capture, images = cv2.VideoCapture(str(film)), []
    while (got := capture.read())[0]:
        images.append(got[1])
    facts = open_session(recorder.folder).facts
    assert facts["frames"] == 20
    assert facts["frames_not_in_video"] in (1, 2)  # four wait, and one may be at work
    assert len(images) >= 20 - facts["frames_not_in_video"]  # OpenCV's, of a constant rate, may fill the gap
    assert images[5].max() > 60


def test_an_encoder_that_dies_ends_the_recording_and_not_the_kiosk(tmp_path: Path) -> None:
    recorder = Recorder(Record(on=True, folder=tmp_path, video=True), lambda: FACTS, 10)
    recorder.start()
    recorder.write(*observed(0))
    (video,) = (sink for sink in recorder._sinks if isinstance(sink, VideoSink))
    assert isinstance(video._encoder, EncoderProcess)
    os.kill(until(lambda: video._encoder.pid), signal.SIGKILL)
    until(lambda: video._encoder._trouble)
    recorder.write(*observed(1))
    assert not recorder.active
    assert "SIGKILL" in recorder.check()
    recorder.close()
    assert find_video(tmp_path) is None


def test_a_recording_ends_by_itself(recorder: Recorder, now: list[float]) -> None:
    recorder.start()
    recorder.write(*observed(1))
    now[0] = 61.0
    recorder.write(*observed(2))
    assert not recorder.active
    assert recorder.folder is not None
    assert open_session(recorder.folder).facts["ended"] == "the longest time was reached"


def test_a_recording_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recorder = Recorder(Record(on=True, folder=tmp_path / "file" / "sessions"), lambda: FACTS, 10)
    recorder.start()
    assert not recorder.active
    assert "no session is recorded" in recorder.check()
    recorder.write(*observed(1))  # and the kiosk goes on
    allowed = Recorder(Record(folder=tmp_path / "sessions"), lambda: FACTS, 10)
    allowed.start()
    assert "record.on" in allowed.check()


def test_a_recording_ends_on_a_full_disk(small_disk: Path) -> None:
    full = Recorder(Record(on=True, folder=small_disk), lambda: FACTS, 10)
    full.start()
    assert "are free" in full.check()


def test_the_mark_of_a_pause(tmp_path: Path) -> None:
    mark = PauseMark(tmp_path / "paused")
    assert not mark.is_set()
    mark.put(True)
    assert PauseMark(tmp_path / "paused").is_set()
    mark.put(False)
    assert not mark.is_set()
    lost = PauseMark(tmp_path / "nowhere" / "x" / "paused")
    (tmp_path / "nowhere").write_text("")
    lost.put(True)
    assert "forgotten at a restart" in lost.check()
    assert not lost.is_set()


def test_the_last_request_of_a_kind_counts() -> None:
    requests = Requests()
    requests.ask("pause", True)
    requests.ask("record")
    requests.ask("pause", False)
    assert requests.take() == {"pause": False, "record": True}
    assert requests.take() == {}


def test_a_press_of_the_button(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FAKES / "gpiod")
    monkeypatch.setenv("FAKE_GPIO", str(tmp_path))
    os.mkfifo(tmp_path / "gpiochip0-17")
    pressed: list[int] = []
    button = PauseButton("gpiochip0:17", lambda: pressed.append(1))
    with (tmp_path / "gpiochip0-17").open("wb", buffering=0) as line:
        line.write(b"1")
        until(lambda: len(pressed) == 1)
        line.write(b"1")
        until(lambda: len(pressed) == 2)
        assert button.check() == ""
        button.close()
        button.close()
    with pytest.raises(DeviceNotFound, match="gpiochip0:3") as refused:
        PauseButton("gpiochip0:3", lambda: None)
    assert refused.value.hint == "gpioinfo gpiochip0"
    for name in ("gpiod", "gpiod.line"):
        del sys.modules[name]


def test_a_button_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(MissingExtra, match="gpiod"):
        PauseButton("gpiochip0:17", lambda: None)


def test_the_journal_knows_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    handler = start_log("info", {"JOURNAL_STREAM": "8:1"})
    logging.getLogger("fer_edge.runtime.x").warning("one\ntwo")
    logging.getLogger("fer_edge.runtime.x").debug("not told")
    stop_log(handler)
    logging.getLogger("fer_edge.runtime.x").error("not ours any more")
    assert capsys.readouterr().err == "<4>one | two\n"


def test_a_session_is_whole_when_its_kiosk_dies(tmp_path: Path) -> None:
    """What was committed can be read although nobody finished it."""
    recorder = Recorder(Record(on=True, folder=tmp_path), lambda: FACTS, 10)
    recorder.start()
    recorder.write(*observed(1))
    assert recorder.folder is not None
    with closing(sqlite3.connect(recorder.folder / "observations.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    recorder.close()

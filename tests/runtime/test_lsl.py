"""Lab Streaming Layer: real streams on this machine go into a real run's session, and its own comes out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from fer_edge.runtime.sources.demo import DemoSource
from fer_edge.runtime.storage.session import open_session
from support.front_door import run_verb
from support.ip_cameras import IpCamera
from support.waiting import until

pytest.importorskip("pylsl", reason="needs the lsl extra")
from fer_edge.runtime.study.lsl import LslReader, library

WITHIN_S = 0.02
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def camera() -> Iterator[str]:
    shown = [cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in DemoSource(0.2)]
    made = IpCamera(lambda number: shown[number % len(shown)], 0.1)
    yield f"http://127.0.0.1:{made.server_port}/"
    made.switch_off()


def outlet(name: str, kind: str, form: str, rate: float = 0.0, channels: tuple[str, ...] = ("one",)) -> Any:
    lsl = library()
    info = lsl.StreamInfo(name, kind, len(channels), rate, form, f"test-{name}")
    info.set_channel_labels(list(channels))
    return lsl.StreamOutlet(info)


class Keeps:
    """What a reader hands on."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, str, float]] = []
        self.samples: list[tuple[str, float, float]] = []
        self.said: list[str] = []

    def mark(self, name: str, source: str, at_s: float) -> None:
        self.marks.append((name, source, at_s))

    def sample(self, name: str, value: float, at_s: float) -> None:
        self.samples.append((name, value, at_s))


class Run:
    """`fer-edge run` of a camera with these streams, and what it says line by line."""

    def __init__(self, camera: str, *words: str) -> None:
        command = [sys.executable, "-m", "fer_edge", "run", camera, "--out", "o", *words]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout
        for line in self.child.stdout:
            self.said += line

    def says(self, words: str) -> None:
        until(lambda: words in self.said or self.child.poll() is not None, words)
        assert words in self.said

    def end(self) -> None:
        self.child.send_signal(signal.SIGINT)
        assert self.child.wait(240) == 0, self.said

    def close(self) -> None:
        self.child.kill()
        self.child.wait()
        self._reader.join()
        assert self.child.stdout
        self.child.stdout.close()


def test_markers_and_signals_join_and_observations_go_out(
    camera: str, yunet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """All on one clock within 20 ms; a stream that stops is said, what it sent is kept, and it may come back."""
    monkeypatch.chdir(tmp_path)
    lsl = library()
    triggers = outlet("triggers", "Markers", "string")
    heart = outlet("heart", "ECG", "float32", 10.0)
    run = Run(camera, "--lsl-in", "triggers", "--lsl-in", "heart", "--lsl-out")
    try:
        ours = until(lambda: run.child.poll() is not None or lsl.resolve_byprop("name", "fer-edge", 1, 1.0))
        assert run.child.poll() is None, run.said
        inlet = lsl.StreamInlet(ours[0])
        labels = inlet.info(10.0).get_channel_labels()
        first, _ = inlet.pull_sample(60.0)
        assert first is not None, run.said
        pushed = []
        for number in range(5):
            pushed.append((f"stimulus {number}", time.monotonic(), 60.0 + number))
            triggers.push_sample([pushed[-1][0]])
            heart.push_sample([pushed[-1][2]])
            time.sleep(0.1)
        time.sleep(2.0)  # what a sender has not sent yet when it ends is lost in its own library
        del heart
        run.says("the LSL stream heart has stopped; what it sent is kept")
        heart = outlet("heart", "ECG", "float32", 10.0)
        run.says("the LSL stream heart is back")
        pushed.append(("after", time.monotonic(), 99.0))
        triggers.push_sample(["after"])
        heart.push_sample([99.0])
        time.sleep(0.5)
        sent, stamps = inlet.pull_chunk(0.0, 1000)
        run.end()
    finally:
        run.close()
    session = open_session(Path("o"))
    began_s = session.facts["started_monotonic_ms"] / 1000
    marks, beats = session.markers(), session.signals()["heart"]
    assert [(m.name, m.source) for m in marks] == [(name, "lsl:triggers") for name, _, _ in pushed]
    assert [value for _, value in beats] == [value for _, _, value in pushed]
    for marker, (time_s, _), (_, at_s, _) in zip(marks, beats, pushed, strict=True):
        assert abs(marker.time_s + began_s - at_s) <= WITHIN_S
        assert abs(time_s + began_s - at_s) <= WITHIN_S
    assert {stream["name"] for stream in session.facts["lsl"]} == {"triggers", "heart"}
    for name in ("triggers", "heart"):
        offsets = session.signals()[f"clock_offset.{name}"]
        assert len(offsets) >= 1 + (name == "heart")
        assert all(abs(offset) <= WITHIN_S for _, offset in offsets), "of one machine to itself"
    assert labels == ["face", "shown", "confidence", *session.labels]
    frames = [time_s + began_s for _, time_s, _ in session.frames()]
    assert len(sent) > 3
    for stamp in stamps:
        assert min(abs(stamp - at_s) for at_s in frames) <= WITHIN_S
    assert all(abs(sum(sample[3:]) - 1) < 1e-3 for sample in sent)
    code, said = run_verb(capsys, "report", "o", "--only", "markers,signals")
    assert (code, Path("o/markers.csv").is_file(), Path("o/signals.csv").is_file()) == (0, True, True), said


def test_what_cannot_be_is_refused(
    camera: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fer_edge.runtime.study.lsl.FIND_S", 1.0)
    kept = outlet("brain", "EEG", "float32", 1000.0, ("a", "b", "c"))
    for words, says in (
        (("demo:1", "--out", "o", "--lsl-in", "x"), "is no camera or stream"),
        (("demo:1", "--lsl-out"), "is no camera or stream"),
        ((camera, "--lsl-in", "x"), "needs a session to write to"),
        ((camera, "--out", "o", "--lsl-in", "brain"), "3000 numbers a second, more than 2000"),
        ((camera, "--out", "o", "--lsl-in", 'it\'s "x"'), "there is no LSL stream named"),
    ):
        code, said = run_verb(capsys, "run", *words)
        assert code != 0
        assert says in said
        assert "Traceback" not in said
        assert not Path("o").exists()
    del kept


@pytest.mark.parametrize("clock", ["wall", "zero"])
def test_stamps_of_another_clock_are_said_and_the_arrival_counts(clock: str) -> None:
    keeps, sender = Keeps(), outlet(f"odd-{clock}", "Markers", "string")
    reader = LslReader(f"odd-{clock}", keeps, keeps.said.append)
    reader.start()
    began = time.monotonic()
    sender.push_sample(["one"], time.time() if clock == "wall" else 1.0)
    sender.push_sample([" \u2028\n"])
    sender.push_sample(["x" * 500])
    until(lambda: len(keeps.marks) == 2)
    reader.close()
    (name, source, at_s), (long, _, _) = keeps.marks
    assert (name, source, len(long)) == ("one", f"lsl:odd-{clock}", 60)
    assert began <= at_s <= time.monotonic()
    assert any("stamped by another clock" in line for line in keeps.said)


def test_numbers_that_are_none_are_left_out_and_said() -> None:
    keeps, sender = Keeps(), outlet("skin", "GSR", "float32", 0.0, ("left", "right"))
    reader = LslReader("skin", keeps, keeps.said.append)
    reader.start()
    sender.push_sample([float("nan"), 1.0])
    sender.push_sample([2.0, float("inf")])
    until(lambda: len(keeps.samples) >= 3)
    reader.close()
    assert [(n, v) for n, v, _ in keeps.samples if "offset" not in n] == [("skin.right", 1.0), ("skin.left", 2.0)]
    assert [line for line in keeps.said if "no finite numbers" in line] == keeps.said
    assert json.dumps(reader.about)

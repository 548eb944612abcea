"""The capture thread: it delivers the newest frame, says why there is none, comes back, and always ends."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.runtime.backoff import Backoff
from fer_edge.runtime.kiosk.camera import Frames
from fer_edge.runtime.sources import capture as thread
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.sources.camera_process import QUIET, CameraProcess
from fer_edge.runtime.sources.capture import JOIN_S, KILLED_S, Capture
from fer_edge.runtime.sources.open import reader_for
from fer_edge.runtime.sources.source import Phase, Reader, State
from fer_edge.runtime.sources.source_reader import SourceReader
from fer_edge.runtime.types import Frame, Stamped
from fer_edge.runtime.vision.picture_check import PictureCheck, PictureLimits
from support.children import FAULTY_CAMERA, descriptors, gone
from support.ip_cameras import IpCamera
from support.waiting import until

Start = Callable[..., Capture]


class Pids(list[int]):
    """Makes faulty readers and knows the children they had."""

    def faulty(self, what: str, **options: object) -> Reader:
        pids = self

        class Known(CameraProcess):
            def open(self, limit_s: float) -> None:
                try:
                    super().open(limit_s)
                finally:
                    if self.pid:
                        pids.append(self.pid)

        return Known(FAULTY_CAMERA, what, options, name="fake:0")


@pytest.fixture
def pids() -> Pids:
    return Pids()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts captures that try again at once, and closes them."""
    held: list[Capture] = []

    def begin(make: Callable[[], Reader], **options: object) -> Capture:
        options.setdefault("backoff", Backoff(0.02, 0.1))
        held.append(Capture(make, **options))  # type: ignore[arg-type]
        return held[-1]

    yield begin
    for capture in held:
        capture.close()
        assert not capture._thread.is_alive()


def take(capture: Frames) -> Stamped:
    stamped = capture.take(20)
    assert stamped is not None
    return stamped


def test_it_delivers_the_newest_frame(start: Start, pids: Pids) -> None:
    states: list[State] = []
    capture = start(partial(pids.faulty, "small"), on_state=states.append)
    frames = [take(capture) for _ in range(3)]
    until(lambda: capture.dropped > 5)
    frames += [take(capture) for _ in range(3)]
    assert frames[3].frame.index > frames[2].frame.index + 5
    assert all(a.frame.index < b.frame.index for a, b in pairwise(frames))
    assert all(a.frame.time_s < b.frame.time_s and a.at_s < b.at_s for a, b in pairwise(frames))
    assert frames[0].at_s <= frames[-1].at_s <= time.monotonic()
    assert capture.state == State(Phase.DELIVERING, "", states[0].since_s)
    assert capture.check() == ""
    assert not capture.ended()


def test_a_source_that_is_opening_says_so(start: Start, pids: Pids) -> None:
    capture = start(partial(pids.faulty, "deaf"))
    assert capture.state.phase is Phase.OPENING
    assert capture.take(0) is None


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("small,small,hang", "fake:0 gave no picture for 0.3 s"),
        ("small,small,crash", "ended by SIGSEGV (libcam: about to fall over)"),
        ("small,small,raise", "fake:0 failed: the sensor said no"),
        ("small,small,end", "fake:0 gives no more pictures"),
    ],
)
def test_a_fault_is_a_reason_and_the_source_comes_back(start: Start, pids: Pids, what: str, reason: str) -> None:
    states: list[State] = []
    capture = start(partial(pids.faulty, what), deadline_s=0.3, on_state=states.append)
    until(lambda: len(states) >= 4)
    assert [state.phase for state in states[:4]] == [Phase.DELIVERING, Phase.LOST] * 2
    assert reason in states[1].reason
    assert states[0].since_s <= states[1].since_s <= states[2].since_s
    assert capture.reopened >= 1
    capture.close()
    assert all(gone(pid) for pid in pids)


def test_stopped_and_killed_from_outside(start: Start, pids: Pids) -> None:
    states: list[State] = []
    start(partial(pids.faulty, "small"), deadline_s=0.3, on_state=states.append)
    for how, reason in ((signal.SIGSTOP, "gave no picture"), (signal.SIGKILL, "SIGKILL")):
        until(lambda: [state.phase for state in states] == [Phase.DELIVERING])
        os.kill(pids[-1], how)
        until(lambda: len(states) == 3)
        assert reason in states[1].reason
        del states[:2]
    assert gone(pids[0])
    assert gone(pids[1])


def test_gone_for_a_while_and_back(start: Start, pids: Pids, tmp_path: Path) -> None:
    """Attempts in vain do not begin the loss anew, and frames go on counting when it is over."""
    plugged = tmp_path / "plugged"
    plugged.touch()
    capture = start(partial(pids.faulty, "small", flag=str(plugged)))
    before = take(capture)
    plugged.unlink()
    until(lambda: capture.state.phase is Phase.LOST)
    since = capture.state.since_s
    begun = capture.reopened
    until(lambda: capture.reopened >= begun + 3)
    assert capture.state.phase is Phase.LOST
    assert capture.state.since_s == since
    assert "fake:0 cannot be opened: no camera is there" in capture.check()
    capture.take(0)
    plugged.touch()
    until(lambda: capture.state.phase is Phase.DELIVERING)
    after = take(capture)
    assert after.frame.index > before.frame.index
    assert after.frame.time_s > before.frame.time_s
    assert capture.check() == ""


def test_the_resolution_may_change_on_the_way(start: Start, pids: Pids) -> None:
    capture = start(partial(pids.faulty, "small,small,odd,grey,big,dot,bgra,small"), every=True)
    shapes = [take(capture).frame.image.shape for _ in range(9)]
    small = (48, 64, 3)
    assert shapes == [small, small, (479, 641, 3), small, (1080, 1920, 3), (1, 1, 3), small, small, small]
    assert capture.dropped == 0


@pytest.mark.parametrize(("what", "count"), [("small,end", 50), ("exit", 25), ("crash", 25)])
def test_a_hundred_openings_leave_nothing_behind(start: Start, pids: Pids, what: str, count: int) -> None:
    before = descriptors()
    capture = start(partial(pids.faulty, what), backoff=Backoff(0.0, 0.0))
    until(lambda: len(pids) >= count)
    capture.close()
    assert descriptors() <= before  # fewer, where what an earlier test left was collected meanwhile
    assert all(gone(pid) for pid in pids)


def test_only_a_steady_source_is_tried_again_soon(start: Start, pids: Pids, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(Backoff):
        resets = 0

        def reset(self) -> None:
            self.resets += 1
            super().reset()

    nervous, steady = Counting(0.0, 0.0), Counting(0.0, 0.0)
    first = start(partial(pids.faulty, "small,end"), backoff=nervous)
    until(lambda: first.reopened >= 2)
    first.close()
    assert nervous.resets == 0
    monkeypatch.setattr(thread, "STEADY_S", 0.0)
    second = start(partial(pids.faulty, "small,small,end"), backoff=steady)
    until(lambda: second.reopened >= 2)
    second.close()
    assert second.reopened <= steady.resets <= second.reopened + 1


@pytest.mark.parametrize("what", ["deaf", "hang", "small", "small,stuck", "end", "absent"])
def test_it_always_ends(what: str, pids: Pids) -> None:
    """In the middle of opening, reading, letting go or waiting."""
    before = descriptors()
    options = {"flag": "/nowhere"} if what == "absent" else {}
    capture = Capture(partial(pids.faulty, what, **options), backoff=Backoff(30, 30))
    arrived: dict[str, Callable[[], object]] = {
        "deaf": lambda: capture._reader is not None and capture._reader.pid,  # type: ignore[attr-defined]
        "hang": lambda: capture._asked_s,
        "end": lambda: capture.state.phase is Phase.LOST,
        "absent": lambda: capture.state.phase is Phase.LOST,
    }
    until(arrived.get(what, lambda: capture.state.phase is Phase.DELIVERING))
    if what == "small":
        os.kill(pids[-1], signal.SIGSTOP)
    capture.close()
    capture.close()
    assert not capture._thread.is_alive()
    assert capture.ended() or capture.take(0) is not None
    assert capture.ended()
    assert all(gone(pid) for pid in pids)
    assert descriptors() == before
    assert JOIN_S + KILLED_S < 2


def test_what_nobody_foresaw_is_a_reason(start: Start) -> None:
    def make() -> Reader:
        raise ZeroDivisionError("of all things")

    capture = start(make)
    until(lambda: capture.state.phase is Phase.LOST)
    assert capture.check() == "the reader failed: ZeroDivisionError: of all things"
    until(lambda: capture.reopened > 2)


def test_a_dark_or_frozen_picture_is_said(start: Start, pids: Pids) -> None:
    limits = PictureLimits(dark_s=0.1, frozen_s=0.1, clear_s=0.1)
    dark = start(partial(pids.faulty, "black"), picture_check=PictureCheck(limits))
    frozen = start(partial(pids.faulty, "same"), picture_check=PictureCheck(limits))
    fine = start(partial(pids.faulty, "small"), picture_check=PictureCheck(limits))
    until(lambda: "dark" in dark.check())
    until(lambda: "not changed" in frozen.check())
    assert frozen.state.phase is Phase.DELIVERING
    assert fine.check() == ""


def test_a_real_clip_to_its_end(start: Start, clip: Path) -> None:
    capture = start(partial(reader_for, str(clip)), every=True)
    stamped = []
    while not capture.ended():
        one = capture.take(20)
        stamped += [one] if one else []
    frames = list(open_source(str(clip)))
    assert [s.frame.time_s for s in stamped] == [f.time_s for f in frames]
    assert all(np.array_equal(s.frame.image, f.image) for s, f in zip(stamped, frames, strict=True))
    assert (capture.state.phase, capture.check(), capture.dropped) == (Phase.ENDED, "", 0)


def test_a_clip_that_begins_anew(start: Start, clip: Path) -> None:
    capture = start(partial(reader_for, str(clip), loop=True), every=True)
    stamped = [take(capture) for _ in range(150)]
    assert [s.frame.index for s in stamped] == list(range(150))
    apart = [b.frame.time_s - a.frame.time_s for a, b in pairwise(stamped)]
    assert min(apart) > 0.01
    assert max(apart) < 0.2
    assert np.array_equal(stamped[0].frame.image, stamped[62].frame.image)


def test_a_damaged_file_ends_with_a_reason(start: Start, clips: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copy(clips / "walk.mkv", tmp_path / "cut.mkv"))
    os.truncate(broken, broken.stat().st_size // 2)
    capture = start(partial(reader_for, str(broken)), every=True)
    while not capture.ended():
        capture.take(20)
    assert capture.state.phase is Phase.ENDED
    assert "cut.mkv ends after" in capture.check()


def test_a_file_that_is_not_there_yet(start: Start, clip: Path, tmp_path: Path) -> None:
    place = tmp_path / "late.gif"
    capture = start(partial(reader_for, str(place)), every=True)
    until(lambda: capture.state.phase is Phase.LOST)
    assert "there is no file" in capture.check()
    shutil.copy(clip, place)
    assert take(capture).frame.image.shape == (270, 480, 3)


class Odd:
    """A source in this process that gives what a test wants, or blocks."""

    name, fps, frames, live, still = "odd", 0.0, None, True, False

    def __init__(self, pictures: list[np.ndarray], go_on: threading.Event | None = None) -> None:
        self._pictures, self._go_on = pictures, go_on

    def __iter__(self) -> Iterator[Frame]:
        for i, picture in enumerate(self._pictures):
            yield Frame(i, float(i), picture)
        if self._go_on:
            self._go_on.wait()

    def close(self) -> None:
        pass


def test_grey_and_four_channels_of_a_source(start: Start) -> None:
    pictures = [np.full(shape, 9, np.uint8) for shape in ((4, 5), (4, 5, 1), (4, 5, 4), (1, 1, 3))]
    capture = start(lambda: SourceReader(lambda: Odd(pictures), "odd"), every=True)
    shapes = [take(capture).frame.image.shape for _ in pictures]
    assert shapes == [(4, 5, 3)] * 3 + [(1, 1, 3)]


def test_a_source_that_cannot_be_let_go_of_is_opened_again(start: Start) -> None:
    class Clinging(Odd):
        def __iter__(self) -> Iterator[Frame]:
            yield from super().__iter__()
            raise OSError("the wire was cut")

        def close(self) -> None:
            raise OSError("busy")

    picture = np.zeros((4, 4, 3), np.uint8)
    capture = start(lambda: SourceReader(lambda: Clinging([picture]), "odd"), every=True)
    assert [take(capture).frame.index for _ in range(3)] == [0, 1, 2]
    assert capture.reopened == 2


def test_a_read_that_nothing_can_interrupt_is_told(start: Start) -> None:
    go_on = threading.Event()
    picture = np.zeros((4, 4, 3), np.uint8)
    capture = start(lambda: SourceReader(lambda: Odd([picture], go_on), "odd"), deadline_s=0.1)
    take(capture)
    until(lambda: capture.state.phase is Phase.LOST)
    assert capture.check() == "no picture came within 0.1 s"
    go_on.set()
    until(capture.ended)


def noise(number: int) -> bytes:
    """A picture of an IP camera that changes its resolution on the way."""
    size = (240, 320, 3) if number < 20 else (479, 641, 3)
    return cv2.imencode(".jpg", np.random.default_rng(number).integers(0, 256, size, np.uint8))[1].tobytes()


def ip_camera(port: int = 0) -> IpCamera:
    return IpCamera(noise, 0.01, "eye:s3cret", port)


@pytest.mark.parametrize("level", ["", "-8"])  # as the command line sets it, so that FFmpeg is quiet
def test_an_ip_camera_that_is_switched_off_and_on(start: Start, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(QUIET, level) if level else monkeypatch.delenv(QUIET, raising=False)
    server = ip_camera()
    port = server.server_port
    url = f"http://eye:s3cret@127.0.0.1:{port}/cam?key=t0ken"
    states: list[State] = []
    capture = start(partial(reader_for, url), on_state=states.append)
    try:
        first = take(capture)
        until(lambda: take(capture).frame.index > 40)
        reader = capture._reader
        assert isinstance(reader, CameraProcess)
        command = Path(f"/proc/{reader.pid}/cmdline").read_bytes()
        assert not [secret for secret in (b"s3cret", b"t0ken") if secret in command]
        server.switch_off()
        until(lambda: capture.state.phase is Phase.LOST)
        until(lambda: "Connection refused" in capture.check())
        reason = capture.check()
        capture.take(0)
        server = ip_camera(port)
        last = take(capture)
    finally:
        server.switch_off()
    assert first.frame.image.shape == (240, 320, 3)
    assert last.frame.time_s > first.frame.time_s
    assert [state.phase for state in states[:3]] == [Phase.DELIVERING, Phase.LOST, Phase.DELIVERING]
    for words in (reason, reader.name, *(state.reason for state in states)):
        assert not [secret for secret in ("s3cret", "t0ken", "eye:") if secret in words]


def test_a_wrong_password_is_a_reason_without_it(start: Start) -> None:
    server = ip_camera()
    capture = start(partial(reader_for, f"http://eye:wr0ng@127.0.0.1:{server.server_port}/cam"))
    try:
        until(lambda: capture.state.phase is Phase.LOST)
    finally:
        server.switch_off()
    assert "the user name or password is wrong (401)" in capture.check()
    assert "wr0ng" not in capture.check()

"""Network streams: a real camera's protocol on loopback, read as `fer-edge run` and the kiosk read it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.errors import SourceError
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.sources.camera_clock import JUMP_S, CameraClock
from fer_edge.runtime.types import Frame
from support.films import film
from support.ip_cameras import IpCamera
from support.rtsp import FPS, RtspCamera, number_in

pytest.importorskip("av", reason="needs the video extra")
Command = Callable[..., subprocess.CompletedProcess[str]]
PASSWORDS = ["p[w]", "pa/ss", "pa#ss", "pa?ss", "p@ss", "p%ss", "p%41ss", "p:s s", "pâss"]


def watch(url: str, apart_s: float = 0.0) -> tuple[list[Frame], SourceError, int]:
    """Frames, why there were no more, and how many were dropped."""
    source, frames = open_source(url), []
    try:
        for frame in source:
            frames.append(frame)
            time.sleep(apart_s)
    except SourceError as error:
        return frames, error, source.dropped  # type: ignore[attr-defined]
    finally:
        source.close()
    raise AssertionError("a live stream ended and nothing was said")


def test_a_slow_watcher_sees_the_newest_by_the_cameras_time() -> None:
    with RtspCamera(150) as camera:
        frames, error, dropped = watch(f"rtsp://{camera.place}/x", 0.2)
    numbers = [number_in(frame.image) for frame in frames]
    assert camera.asked == ["tcp"]
    assert "gives no more pictures" in error.message
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert max(b - a for a, b in pairwise(numbers)) > 3
    assert dropped > 30
    assert len(frames) + dropped <= numbers[-1] - numbers[0] + 1
    for frame, number in zip(frames, numbers, strict=True):
        assert frame.time_s == pytest.approx((number - numbers[0]) / FPS, abs=0.15)


def test_the_first_picture_is_a_fresh_one() -> None:
    """What was sent while FFmpeg found out what the stream is would come first, a second late."""
    with RtspCamera(240) as camera:
        source = open_source(f"rtsp://{camera.place}/x")
        number, sent = number_in(next(iter(source)).image), camera.sent
        source.close()
    assert number > 0
    assert sent - number < FPS


def test_udp_where_the_camera_knows_no_tcp() -> None:
    with RtspCamera(90, ways=("udp",)) as camera:
        frames, _, _ = watch(f"rtsp://{camera.place}/x")
    assert camera.asked == ["tcp", "udp"]
    assert len(frames) > 20


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords_reach_the_camera_as_they_are(password: str) -> None:
    expected = "pAss" if password == "p%41ss" else password  # who wrote a URL by the book is understood too
    with RtspCamera(45, login=f"admin:{expected}") as camera:
        source = open_source(f"rtsp://admin:{password}@{camera.place}/x")
        assert source.name == "rtsp://127.0.0.1"
        assert next(iter(source)).image.shape == (240, 320, 3)
        source.close()


@pytest.mark.parametrize("password", [*PASSWORDS, "p@ss/w@rd"])
def test_a_refused_password_is_told_at_once_and_not_shown(password: str) -> None:
    with RtspCamera(45, login="admin:other") as camera:
        begun = time.monotonic()
        with pytest.raises(SourceError) as caught:
            open_source(f"rtsp://admin:{password}@{camera.place}/x")
        took_s = time.monotonic() - begun
        assert camera.asked == []
    if password != "p@ss/w@rd":  # there is no telling where such a password ends; write / as %2F
        assert "the user name or password is wrong (401)" in caught.value.message
        assert took_s < 10
    assert not [part for part in (password, "w@rd", "//ss", "admin") if part in str(caught.value)]


class Film(BaseHTTPRequestHandler):
    """Serves the first part of a file, and says that it is the whole, or not how long it is."""

    data, part, says_length = b"", 1.0, True

    def do_GET(self) -> None:
        self.send_response(200)
        if self.says_length:
            self.send_header("Content-Length", str(len(self.data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.data[: int(len(self.data) * self.part)])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[type[Film], str]]:
    film(tmp_path / "a.mkv", 60, noise=True, options={"g": "1"})
    kind = type("Served", (Film,), {"data": (tmp_path / "a.mkv").read_bytes()})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield kind, f"http://127.0.0.1:{server.server_port}/a.mkv"
        server.shutdown()


@pytest.mark.parametrize("says_length", [True, False])
def test_a_film_over_http_is_seen_whole(says_length: bool, served: tuple[type[Film], str]) -> None:
    served[0].says_length = says_length
    source = open_source(served[1])
    assert len(list(source)) == 60
    assert source.dropped == 0  # type: ignore[attr-defined]
    source.close()


@pytest.mark.parametrize("says_length", [True, False])
def test_a_transfer_that_breaks_off_is_told(says_length: bool, served: tuple[type[Film], str]) -> None:
    served[0].part, served[0].says_length = 0.5, says_length
    frames, error, _ = watch(served[1])
    assert frames
    assert "broke off" in error.message


def test_the_command_says_what_it_dropped_and_that_the_stream_broke_off(command: Command) -> None:
    with RtspCamera(300) as camera:
        done = command("run", "--source", f"rtsp://{camera.place}/x", "--json")
    assert done.returncode == 2
    summary = json.loads(done.stdout)
    assert summary["frames"] > 0
    assert summary["frames"] + summary["dropped"] <= 300
    assert "gives no more pictures" in summary["ended"]
    assert "gives no more pictures" in done.stderr


def test_a_camera_that_sends_jpegs_tells_no_time() -> None:
    """FFmpeg counts them at 25 a second, whatever comes: a time by that ran at 40 % here."""
    picture = bytes(cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes())
    camera = IpCamera(lambda number: picture, 0.1)
    source = open_source(f"http://127.0.0.1:{camera.server_port}/")
    try:
        seen = [(frame.time_s, time.monotonic()) for frame, _ in zip(source, range(20), strict=False)]
    finally:
        source.close()
        camera.switch_off()
    by_frames, by_clock = (seen[-1][n] - seen[0][n] for n in (0, 1))
    assert by_frames > 0.8 * by_clock


def test_a_stream_whose_clock_runs_slow_does_not_stay_behind() -> None:
    clock = CameraClock()
    late = [100 + n * 0.1 - clock.taken_s(n * 0.04, 100 + n * 0.1) for n in range(1000)]
    assert max(late) < JUMP_S + 0.1
    assert late[-1] < JUMP_S


def test_a_cameras_clock() -> None:
    clock = CameraClock()
    late = [0.3, 0.1, 0.2, 0.4, 0.1]
    taken = [clock.taken_s(n * 0.04, 100 + n * 0.04 + delay) for n, delay in enumerate(late)]
    assert taken == pytest.approx([100.3, 100.14, 100.18, 100.22, 100.26], abs=1e-3)
    assert clock.taken_s(0.0, 101.0) == 101.0  # the camera began anew
    assert clock.taken_s(float("nan"), 102.0) == 102.0

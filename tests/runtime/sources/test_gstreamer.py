"""A camera by somebody else's RTSP server: a password by digest, another resolution on the way, a lost connection."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

import pytest
from fer_edge.runtime.backoff import Backoff
from fer_edge.runtime.sources.camera_process import CameraRefused
from fer_edge.runtime.sources.capture import Capture
from fer_edge.runtime.sources.open import open_source, reader_for
from fer_edge.runtime.sources.source import Phase, State
from support.waiting import until

pytest.importorskip("av", reason="needs the video extra")
CHILD = Path(__file__).parents[2] / "support" / "gstreamer_child.py"
PYTHON = "/usr/bin/python3"
ELEMENTS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; Gst.init(None); " + (
    "assert all(map(Gst.ElementFactory.find, ('x264enc', 'h264parse', 'rtph264pay')))"
)


class GstCamera:
    """The camera's process; `tell` it what to do."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([PYTHON, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(_pipe(self.process.stdout).readline())

    def url(self, password: str) -> str:
        return f"rtsp://admin:{password}@127.0.0.1:{self.port}/cam"

    def tell(self, line: str) -> None:
        _pipe(self.process.stdin).write(f"{line}\n")
        _pipe(self.process.stdin).flush()

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


@pytest.fixture(scope="module")
def camera() -> Iterator[GstCamera]:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", ELEMENTS], capture_output=True).returncode:
        pytest.skip("needs gir1.2-gst-rtsp-server-1.0, python3-gi and gstreamer1.0-plugins-ugly")
    made = GstCamera()
    yield made
    made.close()


def test_a_wrong_password_is_refused(camera: GstCamera) -> None:
    with pytest.raises(CameraRefused, match=r"\(401\)"):
        open_source(camera.url("wr0ng"))


def test_it_is_read_through_a_change_of_resolution_and_a_lost_connection(camera: GstCamera) -> None:
    states: list[State] = []
    capture = Capture(partial(reader_for, camera.url("s3cret")), backoff=Backoff(0.1, 0.5), on_state=states.append)

    def sized(*shape: int) -> float:
        return float(until(lambda: (s := capture.take(0.1)) and s.frame.image.shape == shape and s.frame.time_s))

    try:
        sized(240, 320, 3)
        camera.tell("size 640 360")
        before = sized(360, 640, 3)
        assert [state.phase for state in states] == [Phase.DELIVERING]
        camera.tell("drop")
        until(lambda: Phase.LOST in [state.phase for state in states])
        until(lambda: states[-1].phase is Phase.DELIVERING)
        assert until(lambda: capture.take(0.1)).frame.time_s > before
        assert capture.reopened >= 1
    finally:
        capture.close()

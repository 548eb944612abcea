"""What the name of a source means, for whoever reads frame by frame (`open_source`) and for a capture thread
(`reader_for`). Cameras and streams are read in a process of their own, with a deadline, for both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ...errors import SourceError, UsageError
from ..masking import shown_name
from ..types import Frame
from .camera_process import DEADLINE_S, OPEN_S, CameraProcess, NoMorePictures
from .demo import DemoSource
from .images import PICTURES, StillSource, matching
from .source import Reader, Source
from .source_reader import SourceReader
from .video import ASSUMED_FPS, VideoSource

STREAMS = ("rtsp://", "rtsps://", "http://", "https://", "udp://", "tcp://")
SYSTEM_PYTHON = "/usr/bin/python3"
"""Where picamera2 is: the distribution's package belongs to the distribution's Python."""
OPENCV = Path(__file__).with_name("drivers") / "opencv.py"
PICAMERA = Path(__file__).with_name("drivers") / "picamera.py"


def open_source(text: str) -> Source:
    """Open what `--source` names: a file, a folder, `camera:0` or `0`, `picamera:0`, a stream's URL, or `demo`.

    Raises:
        SourceError: it is not there or holds no picture; DeviceNotFound: there is no such camera;
        MissingExtra: the demo's portrait is not installed; UsageError: the name of a camera without its number.
    """
    live = live_reader(text)
    return LiveSource(live) if live else _open_file(text)


def reader_for(text: str, *, width: int = 0, height: int = 0, fps: float = 0.0, loop: bool = False) -> Reader:
    """What reads the source of that name, not yet opened; raises UsageError for a camera without its number.

    Args:
        text: as for `open_source`.
        width, height, fps: asked of a camera, in pixels and frames a second; 0: its own.
        loop: a file begins anew at its end.
    """
    live = live_reader(text, width, height, fps)
    return live or SourceReader(partial(_open_file, text), Path(text).name, loop)


def live_reader(text: str, width: int = 0, height: int = 0, fps: float = 0.0) -> CameraProcess | None:
    """What reads a camera or stream, not opened; None for what is neither. Arguments and errors as `reader_for`."""
    options = {"width": width, "height": height, "fps": fps}
    if text.lower().startswith(STREAMS):
        return CameraProcess(OPENCV, text, {}, name=shown_name(text), secret=text)
    if text.startswith("picamera:"):
        number = camera_number(text, "picamera:")
        return CameraProcess(PICAMERA, number, options, name=text, python=SYSTEM_PYTHON)
    if text.isdigit() or text.startswith("camera:"):
        number = camera_number(text, "camera:")
        return CameraProcess(OPENCV, number, options, name=f"camera:{number}")
    return None


def camera_number(text: str, prefix: str) -> str:
    """N of `camera:N` or `N`; raises UsageError for anything else."""
    number = text.removeprefix(prefix)
    if not number.isdigit():
        raise UsageError(f"{text!r} is not a camera", cause="a camera is named by its number", hint=f"{prefix}0")
    return number


def _open_file(text: str) -> Source:
    """Open what is read in this process: the demo, a video, a picture or a folder of pictures."""
    if text == "demo" or text.startswith("demo:"):
        return DemoSource.parse(text)
    path = Path(text)
    if not path.exists() and (found := matching(text)):
        return found
    if not path.exists():
        raise SourceError(
            f"there is no file or folder {text}",
            cause="the path is wrong, or the file was moved",
            hint=f"ls -l {path.parent}",
        )
    return StillSource(path) if path.is_dir() or path.suffix.lower() in PICTURES else VideoSource(path)


class LiveSource:
    """A camera or stream for whoever reads frame by frame, without a capture thread; see source.Source."""

    live = True
    still = False
    frames: int | None = None

    def __init__(self, reader: CameraProcess) -> None:
        """Open it; raises DeviceNotFound or SourceError."""
        self._reader = reader
        self.name = reader.name
        try:
            reader.open(OPEN_S)
        except BaseException:
            reader.close()
            raise
        stated = float(reader.about.get("fps", 0.0))
        self.fps = stated if 0 < stated < 1000 else ASSUMED_FPS

    def __iter__(self) -> Iterator[Frame]:
        """Frames until it ends, timed by the monotonic clock; raises SourceError when it hangs or gives none."""
        index, start = 0, 0.0
        while True:
            try:
                picture = self._reader.read(DEADLINE_S)
            except NoMorePictures as error:
                if index:
                    return
                cause = "another program uses it, or its format is not supported"
                raise SourceError(f"{self.name} opened but gave no picture", cause=cause) from error
            start = picture.at_s if index == 0 else start
            yield Frame(index, picture.at_s - start, picture.image)
            index += 1

    def close(self) -> None:
        """See Source."""
        self._reader.close()

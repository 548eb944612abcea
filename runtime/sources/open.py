"""What the name of a source means, for whoever reads frame by frame (`open_source`) and for a capture thread
(`reader_for`). Cameras and streams are read in a process of their own, with a deadline, for both."""

from __future__ import annotations

import os
import stat
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ...errors import SourceError, UsageError
from ..masking import CameraUrl, shown_name
from .demo import DemoSource, demo_seconds, is_demo
from .images import PICTURES, AnimatedWebp, StillSource, is_animated_png, is_animated_webp, matching
from .opencv_video import OpenCvVideo
from .source import Reader, Source, shown
from .video import VideoSource

if TYPE_CHECKING:
    from .camera_process import CameraProcess

STREAMS = ("rtsp://", "rtsps://", "http://", "https://", "udp://", "tcp://", "rtp://", "srt://", "rtmp://")
SYSTEM_PYTHON = "/usr/bin/python3"
"""Where picamera2 is: the distribution's package belongs to the distribution's Python."""
OPENCV = Path(__file__).with_name("drivers") / "opencv.py"
PYAV = Path(__file__).with_name("drivers") / "pyav.py"
FILES_SINCE, STREAMS_SINCE = (16, 1), (14, 2)
"""An older PyAV is taken for none: 16.0 cannot read every file; 14.2 is the newest for a Jetson's C library; Debian's
own, which picamera2 brings along, is version 10."""
PICAMERA = Path(__file__).with_name("drivers") / "picamera.py"


def open_source(text: str, threads: int = 0) -> Source:
    """Open what `--source` names: a file or its `file:///` URL, a folder, `camera:0`, `0` or `/dev/video0`,
    `picamera:0`, a URL of a stream, or `demo`.

    What exists as a file or folder is that, whatever else its name could mean, but for `demo`.

    Args:
        threads: of a video file's decoder; 0: one a processor.

    Raises:
        SourceError: it is not there or holds no picture; DeviceNotFound: there is no such camera;
        UsageError: the name of a camera without its number.
    """
    live = live_reader(text)
    if live is None:
        return open_file(text, threads)
    from .live import LiveSource

    return LiveSource(live)


def reader_for(text: str, *, width: int = 0, height: int = 0, fps: float = 0.0, loop: bool = False) -> Reader:
    """What reads the source of that name, not yet opened; raises UsageError for what can be none, such as `camera:x`.

    Args:
        text: as for `open_source`.
        width, height, fps: asked of a camera, in pixels and frames a second; 0: its own.
        loop: a file begins anew at its end.
    """
    live = live_reader(text, width, height, fps)
    from .source_reader import SourceReader

    if is_demo(text):
        demo_seconds(text)
    return live or SourceReader(partial(open_file, text), shown(Path(text).name), loop)


def live_reader(text: str, width: int = 0, height: int = 0, fps: float = 0.0) -> CameraProcess | None:
    """What reads a camera or stream, not opened; None for what is neither. Arguments and errors as `reader_for`."""
    if not is_device(text) and os.path.exists(text):
        return None
    from .camera_process import CameraProcess  # not loaded for a file: so is the first result there sooner

    options = {"width": width, "height": height, "fps": fps}
    if is_device(text):
        return CameraProcess(OPENCV, os.path.abspath(text), options, name=shown(Path(text).name))
    if text.lower().startswith(STREAMS):
        driver = PYAV if _streams_by_pyav() else OPENCV
        return CameraProcess(driver, CameraUrl.parse(text).quoted, {}, name=shown_name(text), secret=text)
    if text.startswith("picamera:"):
        number = camera_number(text, "picamera:")
        return CameraProcess(PICAMERA, number, options, name=text, python=SYSTEM_PYTHON)
    if is_camera(text):
        number = camera_number(text, "camera:")
        return CameraProcess(OPENCV, number, options, name=f"camera:{number}")
    return None


def is_camera(text: str) -> bool:
    """Whether a source is a local camera: `0`, `camera:0`, `/dev/video0` or a link to it."""
    return is_device(text) or (not os.path.exists(text) and (text.isdigit() or text.startswith("camera:")))


def is_device(text: str) -> bool:
    """Whether it is a character device, or a path of /dev where nothing is: a camera that is unplugged."""
    try:
        return stat.S_ISCHR(os.stat(text).st_mode)
    except (OSError, ValueError):
        return text.startswith("/dev/")


def camera_number(text: str, prefix: str) -> str:
    """N of `camera:N` or `N`; raises UsageError for anything else."""
    number = text.removeprefix(prefix)
    if not number.isdigit():
        raise UsageError(f"{text!r} is not a camera", cause="a camera is named by its number", hint=f"{prefix}0")
    return number


def open_file(text: str, threads: int = 0) -> Source:
    """Open what is read in this process: the demo, a video, a picture or a folder of pictures.

    Raises SourceError: it is not there or holds no picture; UsageError: a demo of no length.
    """
    if is_demo(text):
        return DemoSource.parse(text)
    path = Path(unquote(urlsplit(text).path, errors="surrogateescape")) if text.startswith("file:///") else Path(text)
    if not path.exists() and (found := matching(text)):
        return found
    if not path.exists():
        raise SourceError(
            f"there is no file or folder {text}",
            cause="the path is wrong, or the file was moved",
            hint=f"ls -l {path.parent}",
        )
    if path.is_dir():
        return StillSource(path)
    if not path.is_file():
        raise SourceError(f"{path} is no file", cause="it is a pipe or a socket", hint=f"ls -l {path}")
    if is_animated_webp(path):
        return AnimatedWebp(path)
    if path.suffix.lower() in PICTURES and not is_animated_png(path):
        return StillSource(path)
    if path.stat().st_size == 0:
        cause = "the recording or copy did not finish"
        raise SourceError(f"{path} is empty (0 bytes)", cause=cause, hint=f"ls -l {path}")
    return VideoSource(path, threads) if _files_by_pyav() else OpenCvVideo(path)


def _streams_by_pyav() -> bool:
    """Whether PyAV is there and new enough for streams; not loaded, for their child loads it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return bool(find_spec("av")) and _at_least(version("av"), STREAMS_SINCE)
    except PackageNotFoundError:
        return False


def _files_by_pyav() -> bool:
    """Whether PyAV is there and new enough for files. It is loaded: asking the package's metadata takes 10 ms more."""
    if not find_spec("av"):
        return False
    import av

    return _at_least(av.__version__, FILES_SINCE)


def _at_least(version: str, since: tuple[int, int]) -> bool:
    return tuple(int(part) for part in version.split(".")[:2]) >= since

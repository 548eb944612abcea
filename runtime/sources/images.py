"""Pictures: a file, a folder with its sub-folders, or a pattern such as `photos/*.jpg`; and animated WebP."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import Image
from ...errors import SourceError
from ...words import counted
from ..types import Frame
from .source import shown
from .video import ASSUMED_FPS, no_video

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".ppm", ".pgm")
"""Suffixes taken as still pictures, whether this OpenCV can read them or not. A .gif is a video."""
SECONDS_APART = 10.0
"""Pictures of a folder do not follow each other in time: set apart so far, no smoother or tracker joins them."""
MIN_SIDE = 16
"""Pixels; no detector finds a face in less."""


class StillSource:
    """A picture, or several."""

    live = False
    still = True
    fps = 0.0

    def __init__(self, path: Path, files: Sequence[Path] | None = None) -> None:
        """List the pictures; raises SourceError when there is none, or the only one cannot be used.

        Args:
            path: a picture, a folder, or the folder that `files` lie in.
            files: these, and not all.
        """
        folder = path.is_dir()
        found = files or (_inside(path) if folder else [path])
        self._root = path if folder else path.parent
        self._files = [p for p in found if p.suffix.lower() in PICTURES] if folder else [path]
        self.name = shown(path.name or path.resolve().name)
        self.frames: int | None = len(self._files)
        self.skipped: list[str] = []
        if not self._files:
            raise SourceError(
                f"the folder {path} holds no picture",
                cause=f"a picture's name ends in {', '.join(PICTURES)}; for a video, name the file itself",
                hint=f"ls {path}",
            )
        if others := sorted({p.suffix.lower() or p.name for p in found} - set(PICTURES)):
            count = len(found) - len(self._files)
            self.skipped.append(
                f"{counted(count, 'other file')}, not pictures by their names: {', '.join(map(shown, others))}"
            )
        if not folder:
            self._read(path)

    def __iter__(self) -> Iterator[Frame]:
        """One frame a picture; unusable ones of several are left out and named in `skipped`."""
        index, before = 0, len(self.skipped)
        for file in self._files:
            try:
                image = self._read(file)
            except SourceError as error:
                why = f" ({error.cause})" if error.cause else ""
                self.skipped.append(error.message + why)
                continue
            yield Frame(index, index * SECONDS_APART, image, shown(str(file.relative_to(self._root))))
            index += 1
        if index == 0:
            cause = self.skipped[before]
            raise SourceError(
                f"{self.name} has {counted(len(self._files), 'picture')}, and none can be used", cause=cause
            )

    def close(self) -> None:
        """See Source."""

    @staticmethod
    def _read(file: Path) -> Image:
        try:
            data = np.fromfile(file, np.uint8)
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {error.strerror}", hint=f"ls -l {file}") from None
        image = decode(data)
        if image is None and file.suffix.lower() in (".heic", ".heif", ".avif"):
            cause = f"OpenCV here has no decoder for {file.suffix.lower()}"
            raise SourceError(
                f"{file} is not read", cause=cause, hint=f"heif-convert {file} {file.with_suffix('.jpg')}"
            )
        if image is None:
            raise SourceError(
                f"{file} is not a picture that can be read",
                cause="it is empty, cut short, or of another kind than its name says",
                hint=f"file {file}",
            )
        if min(image.shape[:2]) < MIN_SIDE:
            raise SourceError(
                f"{file} is {image.shape[1]}x{image.shape[0]} pixels, too small to hold a face",
                cause=f"at least {MIN_SIDE} pixels are needed each way",
            )
        return image


def matching(pattern: str) -> StillSource | None:
    """What a pattern names (`photos/**/*.jpg`), or None where it names nothing; raises SourceError as StillSource."""
    files = sorted(p for p in map(Path, glob.glob(pattern, recursive=True)) if p.is_file())
    return StillSource(Path(os.path.commonpath([p.parent for p in files])), files) if files else None


def decode(data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Image | None:
    """A file's bytes as uint8 BGR, upright as its EXIF data or its container says; None for what is no picture."""
    from ...opencv import cv2

    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        return None
    if bytes(data[4:12]) in (b"ftypavif", b"ftypavis"):  # OpenCV turns by EXIF alone, which AVIF does not use
        image = _turned(image, bytes(data[:65536]))
    return np.asarray(image, np.uint8)


def _turned(image: Image, head: bytes) -> Image:
    """An AVIF picture turned by its property irot (quarters, anticlockwise) and mirrored by imir (0: upside down)."""
    quarters, axis = (head.partition(b"\x00\x00\x00\x09" + name)[2][:1] for name in (b"irot", b"imir"))
    if quarters:
        image = np.rot90(image, quarters[0] & 3)
    if axis:
        image = image[:, ::-1] if axis[0] & 1 else image[::-1]
    return np.ascontiguousarray(image)


def _inside(folder: Path) -> list[Path]:
    """Every file below a folder by its path, but what is hidden."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root) / name for name in files if not name.startswith(".")]
    return sorted(found)


def is_animated_webp(path: Path) -> bool:
    """Whether a file is a WebP that moves: RIFF, the extended format, and its bit for an animation."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 21 and bool(head[20] & 2)


def is_animated_png(path: Path) -> bool:
    """Whether a file is a PNG that moves, which FFmpeg decodes: its chunk acTL comes before the first picture's."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    return head.startswith(b"\x89PNG") and b"acTL" in head.partition(b"IDAT")[0]


class AnimatedWebp:
    """An animated WebP, frame by frame; see source.Source."""

    live = False
    still = False

    def __init__(self, path: Path) -> None:
        """Decode it whole, as OpenCV does; raises SourceError."""
        from ...opencv import cv2

        self.name = shown(path.name)
        if not hasattr(cv2, "imdecodeanimation"):
            raise SourceError(
                f"{path} is an animated WebP, which OpenCV {cv2.__version__} cannot decode",
                cause="OpenCV 4.11 and newer can",
                hint="pip install --upgrade opencv-python-headless",
            )
        animation: Any
        try:
            good, animation = cv2.imdecodeanimation(np.fromfile(path, np.uint8).reshape(1, -1))
        except cv2.error:
            good, animation = False, None
        if not good or not len(animation.frames):
            raise no_video(path)
        self._pictures = [frame[:, :, :3] for frame in animation.frames]
        self._durations_s = [int(ms) / 1000 or 1 / ASSUMED_FPS for ms in animation.durations]
        self.frames: int | None = len(self._pictures)
        self.fps = len(self._durations_s) / sum(self._durations_s)

    def __iter__(self) -> Iterator[Frame]:
        """Frames at the times that their durations make."""
        begin_s = 0.0
        for index, (picture, duration_s) in enumerate(zip(self._pictures, self._durations_s, strict=True)):
            yield Frame(index, begin_s, np.ascontiguousarray(picture))
            begin_s += duration_s

    def close(self) -> None:
        """See Source."""
        self._pictures = []

"""The demo source: a real face that may be used freely, shown as a moving camera would see it.

The portrait is NASA's of astronaut Eileen Collins, in the public domain, and comes with scikit-image. There is one
expression in it; the demo shows that the line works from picture to report, not how accurate the model is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ...errors import MissingExtra, UsageError
from ..types import Frame

WIDTH, HEIGHT, FPS = 640, 480, 30
DEFAULT_SECONDS = 12.0
GRAIN = 128
"""Pixels by which the field of noise is larger than a frame, each way."""
FACE = (224.0, 118.0)
"""Centre of the face in the 512 x 512 portrait, in pixels."""


class DemoSource:
    """`demo` or `demo:SECONDS`: the same frames in every run."""

    live = False
    still = False
    fps = float(FPS)

    def __init__(self, seconds: float = DEFAULT_SECONDS) -> None:
        """Load the portrait; raises MissingExtra."""
        import cv2

        try:
            file = resources.files("skimage") / "data" / "astronaut.png"
        except ImportError:
            raise MissingExtra("scikit-image", "demo") from None
        portrait = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        self._portrait: Image = np.asarray(portrait, np.uint8)
        self._grain = sensor_grain()
        self.name = "demo"
        self.frames: int | None = max(1, round(seconds * FPS))

    @classmethod
    def parse(cls, text: str) -> DemoSource:
        """Open `demo` or `demo:SECONDS`; raises UsageError."""
        _, _, seconds = text.partition(":")
        try:
            value = float(seconds) if seconds else DEFAULT_SECONDS
        except ValueError:
            value = -1.0
        if not 0 < value <= 3600:
            raise UsageError(
                f"{text!r} is not a demo length",
                cause="seconds, up to 3600",
                hint="the same command with --source demo:12",
            )
        return cls(value)

    def __iter__(self) -> Iterator[Frame]:
        """Frames at 30 a second."""
        for index in range(self.frames or 0):
            yield Frame(index, index / FPS, camera_view(self._portrait, self._grain, index))

    def close(self) -> None:
        """See Source."""


def sensor_grain() -> NDArray[np.int8]:
    """A field of Gaussian noise, deviation 4 grey levels, larger than a frame: each frame shows another part of it."""
    return np.random.default_rng(0).normal(0, 4, (HEIGHT + GRAIN, WIDTH + GRAIN)).astype(np.int8)


def camera_view(portrait: Image, grain: NDArray[np.int8], index: int) -> Image:
    """Frame `index` of a hand-held camera before the portrait: it sways, nears, dims, loses focus and has noise.

    Args:
        portrait: uint8 BGR.
        grain: of sensor_grain.

    Returns:
        uint8 HEIGHT x WIDTH x 3 BGR; the same for the same index.
    """
    import cv2

    t = index / FPS
    zoom = 1.25 + 0.45 * math.sin(2 * math.pi * t / 9)
    angle = 9 * math.sin(2 * math.pi * t / 5.3)
    move = cv2.getRotationMatrix2D(FACE, angle, zoom)
    move[0, 2] += WIDTH / 2 - FACE[0] + 90 * math.sin(2 * math.pi * t / 7)
    move[1, 2] += HEIGHT / 2 - FACE[1] + 35 * math.sin(2 * math.pi * t / 4.1)
    view = cv2.warpAffine(portrait, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    focus = 1.6 * max(0.0, math.sin(2 * math.pi * t / 6)) ** 2
    if focus > 0.3:
        view = cv2.GaussianBlur(view, (0, 0), focus)
    light = 0.85 + 0.3 * math.sin(2 * math.pi * t / 8 + 1)
    x, y = index * 37 % GRAIN, index * 59 % GRAIN
    noise = cv2.merge([grain[y : y + HEIGHT, x : x + WIDTH]] * 3)
    return np.asarray(cv2.add(cv2.convertScaleAbs(view, alpha=light), noise, dtype=cv2.CV_8U), np.uint8)

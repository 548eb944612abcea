"""The demo source: two portraits on a wall, as a camera in somebody's hand would see them.

Both are in the public domain: NASA's of Eileen Collins, who smiles, and the US Navy's of Grace Hopper, whose brows and
corners of the mouth are moved by a few pixels in two of her seconds. The demo shows that the line works from picture to
report, not how accurate the model is. tests/support/demo_wall.py draws demo.jpg again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ...errors import UsageError
from ..types import Frame

WIDTH, HEIGHT, FPS = 640, 480, 30
DEFAULT_SECONDS = 12.0
GRAIN = 128
"""Pixels by which the field of noise is larger than a frame, each way."""
WALL = Path(__file__).with_name("demo.jpg")
PLACES = ((160, 120), (680, 120))
"""Left and top of Collins' and of Hopper's portrait on the wall, in pixels."""
WIDE, HIGH = 266, 312
FACE = (134.0, 116.0)
"""Centre of the face in both portraits, in pixels."""
ROUND_S = 13.5
"""Seconds until the camera is back at the first portrait."""
MOUTH = ((119, 147, 0, 6, 6), (162, 146, 0, 6, 6))
SAD = (*MOUTH, (126, 86, -1, -6, 7), (152, 84, 1, -6, 7))
ANGRY = (*MOUTH, (126, 86, 4, 7, 8), (152, 84, -4, 7, 8))
"""What moves in Hopper's portrait: x and y of its middle, how far to the right and down, how wide, in pixels."""


class DemoSource:
    """`demo` or `demo:SECONDS`: the same frames in every run."""

    live = False
    still = False
    fps = float(FPS)

    def __init__(self, seconds: float = DEFAULT_SECONDS) -> None:
        """Load the wall."""
        from ...opencv import cv2

        self._wall: Image = np.asarray(cv2.imdecode(np.fromfile(WALL, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        self._moves = [displacement(SAD), displacement(ANGRY)]
        self._grain = sensor_grain()
        self.name = "demo"
        self.frames: int | None = max(1, round(seconds * FPS))

    @classmethod
    def parse(cls, text: str) -> DemoSource:
        """Open `demo` or `demo:SECONDS`; raises UsageError."""
        return cls(demo_seconds(text))

    def __iter__(self) -> Iterator[Frame]:
        """Frames at 30 a second."""
        for index in range(self.frames or 0):
            yield Frame(index, index / FPS, self.picture(index))

    def picture(self, index: int) -> Image:
        """Frame `index`, uint8 HEIGHT x WIDTH x 3 BGR."""
        return camera_view(make_faces(self._wall, self._moves, index / FPS), self._grain, index)

    def close(self) -> None:
        """See Source."""


def sensor_grain() -> NDArray[np.int8]:
    """A field of Gaussian noise, deviation 4 grey levels, larger than a frame: each frame shows another part of it."""
    random = np.random.default_rng(0)  # row by row: of float64, the field would be 4 MB
    return np.stack([random.normal(0, 4, WIDTH + GRAIN).astype(np.int8) for _ in range(HEIGHT + GRAIN)])


def displacement(moves: tuple[tuple[int, int, int, int, int], ...]) -> NDArray[np.float32]:
    """How far each pixel of a portrait comes from the left and from above, float32 (2, HIGH, WIDE)."""
    far = np.zeros((2, HIGH, WIDE), np.float32)
    for x, y, right, down, wide in moves:
        bump = np.outer(_bell(HIGH, y, wide), _bell(WIDE, x, wide))
        far[0] += right * bump
        far[1] += down * bump
    return far


def _bell(length: int, middle: int, wide: int) -> NDArray[np.float32]:
    """A normal curve with 1 at its middle, float32 (length,)."""
    return np.exp(-((np.arange(length) - middle) ** 2) / (2 * wide**2)).astype(np.float32)


def is_demo(text: str) -> bool:
    """Whether a source's name asks for the demo."""
    return text == "demo" or text.startswith("demo:")


def demo_seconds(text: str) -> float:
    """The length that `demo` or `demo:SECONDS` asks for; raises UsageError for one that is none."""
    _, _, seconds = text.partition(":")
    try:
        value = float(seconds) if seconds else DEFAULT_SECONDS
    except ValueError:
        value = -1.0
    if not 0 < value <= 3600:
        raise UsageError(
            f"{text!r} is not a demo length", cause="seconds, up to 3600", hint="the same command with --source demo:12"
        )
    return value


def make_faces(wall: Image, moves: list[NDArray[np.float32]], time_s: float) -> Image:
    """The wall at a time: Hopper looks sad from the seventh second to the ninth, angry from the tenth on."""
    from ...opencv import cv2

    t = time_s % ROUND_S
    sad, angry = (between(t, *span, 0.4) for span in ((6.8, 8.8), (9.8, 12.4)))
    if not sad + angry:
        return wall
    y, x = np.mgrid[0:HIGH, 0:WIDE].astype(np.float32)
    right, down = sad * moves[0] + angry * moves[1]
    left, top = PLACES[1]
    changed = wall.copy()
    there = changed[top : top + HIGH, left : left + WIDE]
    there[:] = cv2.remap(there, x - right, y - down, cv2.INTER_LINEAR)
    return changed


def between(t: float, start: float, end: float, ramp: float) -> float:
    """1 between two times and 0 elsewhere, with a soft step of `ramp` seconds after the one and before the other."""
    part = min(max(min(t - start, end - t) / ramp, 0.0), 1.0)
    return part * part * (3 - 2 * part)


def camera_view(wall: Image, grain: NDArray[np.int8], index: int) -> Image:
    """Frame `index` of a hand-held camera that goes from one portrait to the other: it sways, nears, dims, has noise.

    Args:
        wall: uint8 BGR.
        grain: of sensor_grain.

    Returns:
        uint8 HEIGHT x WIDTH x 3 BGR; the same for the same index.
    """
    from ...opencv import cv2

    t = index / FPS
    there = between(t % ROUND_S, 4.0, ROUND_S, 1.3)
    (x, y), (beside, _) = PLACES
    at = (x + FACE[0] + there * (beside - x), y + FACE[1])
    zoom = 0.95 + (0.5 + 0.15 * math.sin(2 * math.pi * t / 9)) * abs(2 * there - 1)
    move = cv2.getRotationMatrix2D(at, 7 * math.sin(2 * math.pi * t / 5.3), zoom)
    move[0, 2] += WIDTH / 2 - at[0] + 60 * math.sin(2 * math.pi * t / 7)
    move[1, 2] += HEIGHT / 2 - at[1] + 30 * math.sin(2 * math.pi * t / 4.1) - 20
    view = cv2.warpAffine(wall, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    focus = 1.6 * max(0.0, math.sin(2 * math.pi * t / 6)) ** 2
    if focus > 0.3:
        view = cv2.GaussianBlur(view, (0, 0), focus, dst=view)
    light = 0.85 + 0.3 * math.sin(2 * math.pi * t / 8 + 1)
    left, top = index * 37 % GRAIN, index * 59 % GRAIN
    noise = cv2.merge([grain[top : top + HEIGHT, left : left + WIDTH]] * 3)
    view = cv2.convertScaleAbs(view, dst=view, alpha=light)
    return np.asarray(cv2.add(view, noise, dst=view, dtype=cv2.CV_8U), np.uint8)

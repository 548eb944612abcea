"""Boxes and labels drawn into a picture: readable at every size, and none on top of another."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from ...bundle import Image
from ...language import tr
from ..types import Observation
from ..vision.smoothing import UNCERTAIN
from .colors import color_of

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


def annotate(image: Image, observations: Sequence[Observation]) -> Image:
    """A copy of a BGR picture with a box for each observation, its face's number, label and confidence."""
    from ...opencv import cv2

    drawn = image.copy()
    scale = max(0.4, min(image.shape[:2]) / 800)
    line = max(1, round(1.6 * scale))
    taken: list[Rect] = []
    for o in observations:
        left, top, width, height = (round(v) for v in o.box)
        cv2.rectangle(drawn, (left, top), (left + width, top + height), _bgr(o.label), max(1, round(2 * scale)))
    for o in observations:
        text = f"{o.track} {_plain(told(o))}"
        (wide, high), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
        x, y, right, bottom = place = free_place(o.box, (wide, high + 2 * base), image.shape[:2], taken)
        taken.append(place)
        cv2.rectangle(drawn, (x, y), (right, bottom), _bgr(o.label), cv2.FILLED)
        red, green, blue = color_of(o.label)
        ink = (0, 0, 0) if red * 0.3 + green * 0.59 + blue * 0.11 > 110 else (255, 255, 255)
        cv2.putText(drawn, text, (x, bottom - base), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, line, cv2.LINE_AA)
    return drawn


def told(o: Observation) -> str:
    """What a face shows and how sure that is, or why it was not read."""
    if o.reason:
        return f"{tr(o.label)}: {tr(o.reason)}"
    return tr(o.label) if o.label == UNCERTAIN else f"{tr(o.label)} {o.confidence:.0%}"


def _plain(text: str) -> str:
    """Without accents: OpenCV's letters are ASCII's."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def free_place(
    box: tuple[float, float, float, float], size: tuple[int, int], picture: tuple[int, ...], taken: Sequence[Rect]
) -> Rect:
    """Where a label of `size` (width, height) goes in a picture (height, width): above its box, where that is taken
    or outside below it, else the nearest free row; over another only where the whole column is full."""
    wide, high = size
    left, top, _, height = (round(v) for v in box)
    x = max(0, min(left, picture[1] - wide))
    lowest = max(0, picture[0] - high)
    below = top + height
    rows = [top - high, below, *sorted(range(0, lowest + 1, max(1, high // 4)), key=lambda y: abs(y - (top - high)))]
    places = [(x, y, x + wide, y + high) for y in rows if 0 <= y <= lowest]
    return next(
        (p for p in places if not any(_overlap(p, other) for other in taken)),
        places[0] if places else (x, 0, x + wide, high),
    )


def _overlap(one: Rect, other: Rect) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _bgr(label: str) -> tuple[int, int, int]:
    red, green, blue = color_of(label)
    return blue, green, red

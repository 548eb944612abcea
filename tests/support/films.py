"""Video files of the kinds that recorders, phones and browsers write, made by PyAV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLOCK = 90_000
CORNERS = ((40, 40, 200), (40, 200, 40), (200, 40, 40), (200, 200, 200))
"""Upper left, upper right, lower left and lower right of `card`, BGR."""
FIELDS = {"flags": "+ildct+ilme", "x264-params": "tff=1", "field_order": "tt"}
"""Options of an encoder that writes interlaced pictures."""


def card(width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """A picture whose corners are told apart."""
    image = np.empty((height, width, 3), np.uint8)
    half = slice(0, height // 2), slice(height // 2, None)
    image[half[0], : width // 2], image[half[0], width // 2 :], image[half[1], : width // 2] = CORNERS[:3]
    image[half[1], width // 2 :] = CORNERS[3]
    return image


def corners(image: NDArray[np.uint8]) -> list[int]:
    """Which of CORNERS are in the upper left, upper right, lower left and lower right of a picture."""
    height, width = image.shape[:2]
    spots = [image[y, x].astype(int) for y in (height // 4, -height // 4) for x in (width // 4, -width // 4)]
    return [min(range(4), key=lambda n: int(np.abs(spot - CORNERS[n]).sum())) for spot in spots]


def film(
    path: Path,
    count: int = 30,
    codec: str = "libx264",
    size: tuple[int, int] = (320, 240),
    *,
    times_s: Sequence[float] = (),
    options: Mapping[str, str] = {},
    pixels: str = "yuv420p",
    aspect: Fraction | None = None,
    turned: int = 0,
    last_s: float = 1 / 30,
    noise: bool = False,
) -> Path:
    """Write `count` pictures, 30 a second or at these times.

    Args:
        options: of the encoder.
        aspect: of a pixel, width to height.
        turned: degrees, counter-clockwise, by which players are told to turn the picture.
        last_s: how long the last picture is shown.
        noise: instead of the card, noise that moves.
    """
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=30, options=dict(options))
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turned:
            stream.set_display_rotation(turned)
        picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8) if noise else card(*size)
        for index, time_s in enumerate(times_s or [n / 30 for n in range(count)]):
            shift = index * 4 if noise else 0
            frame = av.VideoFrame.from_ndarray(np.roll(picture, shift, axis=1), format="bgr24")
            if not options and times_s:
                stream.codec_context.time_base = Fraction(1, 1000)
            base = stream.codec_context.time_base or Fraction(1, 30)
            frame.pts, frame.time_base = round(time_s / base), base
            file.mux(stream.encode(frame))
        packets = list(stream.encode(None))
        if packets and last_s > 0.1:
            packets[-1].duration = round(last_s / packets[-1].time_base)
        file.mux(packets)
    return path

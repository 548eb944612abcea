"""Faces for the guest: frames of our demo source, which the virtual camera shows, and crops of one to classify."""

from __future__ import annotations

from itertools import islice

import numpy as np
from fer_edge.bundle import default_bundle, face_crop, open_bundle
from fer_edge.runtime.sources.demo import DemoSource
from numpy.typing import NDArray

FRAMES = 8
"""Of 0.9 MB each in the guest's memory; shown in turns."""
FACE = ((230, 150, 200), (250, 140, 180))
"""Left, top and side of squares around the face in the demo's first frame, in pixels; any square would do."""


def frames(count: int) -> NDArray[np.uint8]:
    """Frames of the demo source: uint8, count x 480 x 640 x 3, BGR."""
    return np.stack([frame.image for frame in islice(DemoSource(), count)])


def crops() -> NDArray[np.uint8]:
    """Two crops around a face and one of noise: uint8 NHWC, RGB, as the default model takes them."""
    side = open_bundle(default_bundle()).manifest.input.size
    picture = frames(1)[0]
    noise = np.random.default_rng(8).integers(0, 256, (side, side, 3), dtype=np.uint8)
    cut = [face_crop(picture, (x, y, size, size), side) for x, y, size in FACE]
    return np.stack([*cut, noise])

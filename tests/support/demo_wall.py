"""The wall of the demo source, drawn from two portraits in the public domain.

Eileen Collins' comes with scikit-image (NASA), Grace Hopper's with matplotlib (US Navy).
`cd tests && python -m support.demo_wall` writes runtime/sources/demo.jpg anew.
"""

from __future__ import annotations

from importlib import resources

import cv2
import numpy as np
from fer_edge.bundle import Image
from fer_edge.files import writing
from fer_edge.runtime.sources.demo import HIGH, PLACES, WALL, WIDE

PORTRAITS = (("skimage", "data/astronaut.png"), ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"))
FRAME = ((14, (42, 58, 78)), (10, (62, 88, 116)), (3, (226, 232, 236)))
"""From the outside in: how far it reaches, in pixels, and its colour, BGR."""


def draw() -> Image:
    """The wall, uint8 BGR: both portraits framed, with their shadows."""
    wall = np.empty((HIGH + 240, PLACES[1][0] + WIDE + 160, 3), np.float32)
    wall[:] = np.linspace(1.06, 0.9, len(wall))[:, None, None] * (148, 160, 166)
    shade = np.zeros(wall.shape[:2], np.float32)
    for left, top in PLACES:
        shade[top - 2 : top + HIGH + 24, left - 8 : left + WIDE + 20] = 0.45
    wall *= 1 - cv2.GaussianBlur(shade, (0, 0), 9)[:, :, None]
    collins, hopper = (cv2.imread(str(resources.files(package) / file)) for package, file in PORTRAITS)
    shown = (collins[2 : 2 + HIGH, 90 : 90 + WIDE], cv2.resize(hopper, (WIDE, HIGH), interpolation=cv2.INTER_AREA))
    for (left, top), picture in zip(PLACES, shown, strict=True):
        for margin, colour in FRAME:
            wall[top - margin : top + HIGH + margin, left - margin : left + WIDE + margin] = colour
        wall[top : top + HIGH, left : left + WIDE] = picture
    return np.asarray(wall.clip(0, 255), np.uint8)


if __name__ == "__main__":
    with writing(WALL) as place:
        place.write_bytes(cv2.imencode(".jpg", draw(), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())

"""The published detector: OpenCV's frontal-face Haar cascade."""

from __future__ import annotations

import sys

from ....bundle import Image
from ....errors import DeviceNotFound
from ...types import Face
from .detector import shrink

MIN_SIZE = 20
"""Pixels in the scaled picture; the cascade's own window is 24."""


class HaarDetector:
    """Viola-Jones with OpenCV's default parameters (scale step 1.1, five neighbours)."""

    name = "haar"

    def __init__(self, width: int = 320) -> None:
        """Load the cascade that OpenCV carries; raises DeviceNotFound when this OpenCV has none."""
        import cv2

        self.width = width
        if not hasattr(cv2, "CascadeClassifier"):
            raise DeviceNotFound(
                f"OpenCV {cv2.__version__} has no Haar cascades",
                cause="OpenCV 5 left them out",
                hint=f"{sys.executable} -m pip install 'opencv-python-headless>=4.8,<5'",
            )
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def detect(self, image: Image) -> list[Face]:
        """Faces in a BGR uint8 picture, largest first; the cascade gives no score, so each has 1."""
        import cv2

        small, scale = shrink(image, self.width)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        boxes = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(MIN_SIZE, MIN_SIZE))
        # FER2013 was framed by this very detector: measured on 476 of its pictures, box and picture agree within 2 %.
        faces = [Face((x / scale, y / scale, w / scale, h / scale), 1.0) for x, y, w, h in boxes]
        return sorted(faces, key=lambda f: (-f.box[2], f.box))

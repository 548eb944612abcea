"""Annotated pictures: each picture of a folder with boxes and labels, beside its session.

Written only when the user asks for it, as the annotated video is.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ...bundle import writing
from ...errors import OutputError
from ...files import cannot_write
from ..types import Frame, Observation
from .annotate import annotate

FOLDER = "annotated"
QUALITY = 90
"""Of JPEG."""


class PictureSink:
    """Writes `annotated/NAME.jpg` for every picture, at its own size and in its own sub-folder."""

    notice = ""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before the first picture."""
        self.path = folder / FOLDER

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """Draw and write a picture; raises OutputError."""
        from ...opencv import cv2

        place = picture_path(self.path, frame.name)
        image = annotate(frame.image, observations)
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with writing(place) as part:
                part.write_bytes(data.tobytes())
        except OSError as error:
            raise error if isinstance(error, OutputError) else cannot_write(place, error) from error

    def close(self) -> None:
        """Every picture is finished already."""

    def abandon(self) -> None:
        """Remove what was written, after a failure."""
        with suppress(OSError):
            shutil.rmtree(self.path)


def picture_path(annotated: Path, name: str) -> Path:
    """Where a picture's annotated copy is: its own name, whole, because a.png and a.jpg may lie side by side."""
    return annotated / f"{name}.jpg"

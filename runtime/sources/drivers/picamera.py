"""A ribbon camera of a Raspberry Pi through picamera2, as camera_child.py reads it. Self-contained: Python 3.9, numpy.

picamera2 comes with the system (`apt install python3-picamera2`) and works under the system's Python alone; a virtual
environment does not have it. So this file runs in a child under that Python, wherever fer-edge itself lives. The calls
are those of the Picamera2 Manual. Its format RGB888 names the bytes from the last to the first: an array in that format
is BGR, as OpenCV and we want it.
"""

from __future__ import annotations

import importlib
from typing import Any

FORMAT = "RGB888"
OWN_FPS = 30.0
"""Of a video configuration that is not told otherwise: FrameDurationLimits of 33333 microseconds."""


class Camera:
    """A started camera."""

    def __init__(self, what: str, options: dict[str, Any]) -> None:
        """Open and start camera number `what`.

        Args:
            options: `width` and `height` in pixels, made even, and `fps`; 0 or absent: what picamera2 chooses.

        Raises:
            ImportError: no picamera2 under this interpreter; LookupError: there is no such camera;
            RuntimeError: another program uses it, or it refuses.
        """
        library = importlib.import_module("picamera2")
        self._camera = library.Picamera2(int(what))
        try:
            self._about = self._start(options)
        except BaseException:
            self._camera.close()
            raise

    def read(self) -> Any:
        """The next picture, uint8 (H, W, 3), BGR."""
        return self._camera.capture_array("main")

    def describe(self) -> dict[str, Any]:
        """What the camera was set to."""
        return self._about

    def close(self) -> None:
        """Stop the camera and let go of it."""
        self._camera.stop()
        self._camera.close()

    def _start(self, options: dict[str, Any]) -> dict[str, Any]:
        main: dict[str, Any] = {"format": FORMAT}
        width, height, fps = (options.get(name) or 0 for name in ("width", "height", "fps"))
        if width and height:
            main["size"] = (width - width % 2, height - height % 2)  # the manual: both must be even
        controls = {"FrameDurationLimits": (round(1e6 / fps),) * 2} if fps else {}  # microseconds, shortest and longest
        settings = self._camera.create_video_configuration(main=main, controls=controls)
        self._camera.configure(settings)
        self._camera.start()
        size = self._camera.camera_configuration()["main"]["size"]
        return {"backend": "picamera2", "width": int(size[0]), "height": int(size[1]), "fps": float(fps or OWN_FPS)}


def open(what: str, options: dict[str, Any]) -> Camera:
    """Open camera `0`; see Camera."""
    return Camera(what, options)

"""OpenCV, loaded by one thread while any other that wants it waits: `from ..opencv import cv2`, inside the function.

OpenCV's own `__init__` takes itself out of `sys.modules` while it loads, so a second thread that imports `cv2` then is
given a module with half of its names (4.14 was tried). Python's lock on the import of this module prevents that.
"""

from __future__ import annotations

import cv2

__all__ = ["cv2"]

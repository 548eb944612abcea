"""The picture behind golden/face_crop.npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "face_crop.npz"


def picture(height: int = 90, width: int = 120) -> np.ndarray:
    """A picture with edges and slopes in every channel, the same on every machine."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [(x * 7 + y * 3) % 256, (x * y) % 251, ((x // 9 + y // 7) % 2) * 200 + 20]
    return np.stack(channels, axis=-1).astype(np.uint8)

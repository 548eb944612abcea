"""Labelled pictures that a test makes itself; nobody's face is in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from fer_edge.bundle import LABELS


def class_folders(
    root: Path,
    labels: Sequence[str] = LABELS,
    each: int = 5,
    suffixes: Sequence[str] = (".jpg", ".jpeg", ".png"),
    blur: float = 0.0,
) -> Path:
    """Class folders of random pictures, in the three published suffixes; blurred, they pass for pictures."""
    rng = np.random.default_rng(0)
    for label in labels:
        (root / label).mkdir(parents=True)
        for i in range(each):
            picture = rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)
            if blur:
                picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.uint8)
            cv2.imwrite(str(root / label / f"{i}{suffixes[i % len(suffixes)]}"), picture)
    return root

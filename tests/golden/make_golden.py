"""Writes golden/face_crop.npz. Run it only when the preprocessing is meant to change: trained models depend on it."""

import numpy as np
from fer_edge.bundle import face_crop
from support.golden_picture import GOLDEN, picture

BOXES = {
    "inside": (20.3, 11.7, 64.2, 61.9),
    "outside": (-15, -8.5, 80, 80),
    "enlarged": (40, 40, 13.5, 12.25),
    "whole": (0, 0, 120, 90),
    "leaning": (20.3, 11.7, 64.2, 61.9),
}
ROLLS = {"leaning": -17}
"""Degrees; the others stand upright."""

if __name__ == "__main__":
    tensors = {}
    for name, box in BOXES.items():
        tensors[name] = face_crop(picture(), box, 32, ROLLS.get(name, 0))
        tensors[f"{name}_box"] = np.array(box)
        tensors[f"{name}_roll"] = np.array(ROLLS.get(name, 0))
    np.savez_compressed(GOLDEN, **tensors)

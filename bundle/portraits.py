"""32 crops that every export without faces of its own is held against, all of one portrait that may be shipped.

The portrait is NASA's of astronaut Eileen Collins, in the public domain, which comes with scikit-image: turned, lit,
blurred, and with the mouth covered, without which it is not always a smile to the shipped models. The seed was chosen:
no crop lies on the border between two labels for them, where any rounding would decide.
`python -m fer_edge.bundle.portraits` draws them again.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

from ..files import writing
from ..opencv import cv2
from .preprocess import Image, whole_image

FILE = Path(__file__).with_name("portraits.png")
COUNT, COLUMNS, SIDE = 32, 8, 112
SMILES = (13, 14, 16, 17, 19, 24, 28)
"""Which of them have the mouth in sight: a broad smile that the shipped models are at least 98 % sure of."""
FACE = ((224.0, 114.0), 118.0)
"""Centre and height of the face in the portrait, in pixels."""
MOUTH = ((134, 150), (172, 186), (176, 196), (252, 272))
"""Ranges of the top, bottom, left and right of what covers it, in pixels of the portrait."""
CHEEK = ((118, 132), (195, 250))
"""Rows and columns where the colour of the skin is taken from."""


def portraits(size: int) -> list[Image]:
    """The crops, uint8 (size, size, 3) RGB."""
    sheet = cv2.cvtColor(cv2.imread(str(FILE)), cv2.COLOR_BGR2RGB)
    tiles = sheet.reshape(COUNT // COLUMNS, SIDE, COLUMNS, SIDE, 3).swapaxes(1, 2).reshape(COUNT, SIDE, SIDE, 3)
    return [whole_image(np.ascontiguousarray(tile), size) for tile in tiles]


def smiles(size: int) -> list[Image]:
    """Those among them that smile."""
    crops = portraits(size)
    return [crops[i] for i in SMILES]


def draw(portrait: Image, seed: int = 27) -> Image:
    """The sheet, uint8 BGR, of a portrait in BGR."""
    rng = np.random.default_rng(seed)
    rows = [[_crop(portrait, rng) for _ in range(COLUMNS)] for _ in range(COUNT // COLUMNS)]
    return np.vstack([np.hstack(row) for row in rows])


def _crop(portrait: Image, rng: np.random.Generator) -> Image:
    """One: covered, turned, seen from nearer or farther, mirrored, lit and blurred by chance."""
    (x, y), height = FACE
    seen = _covered(portrait, rng) if rng.random() < 0.75 else portrait
    scale = SIDE / (height * rng.uniform(0.95, 1.35))
    turn = cv2.getRotationMatrix2D((x, y), rng.uniform(-18, 18), scale)
    turn[:, 2] += SIDE / 2 - np.array([x, y]) + rng.uniform(-6, 6, 2)
    crop = cv2.warpAffine(seen, turn, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
    crop = crop[:, ::-1] if rng.random() < 0.5 else crop
    crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.2, 1.2))
    light = 255 * (crop / 255.0) ** rng.uniform(0.6, 1.6) * rng.uniform(0.7, 1.1) + rng.normal(0, 3, crop.shape)
    return np.asarray(light.clip(0, 255), np.uint8)


def _covered(portrait: Image, rng: np.random.Generator) -> Image:
    """The mouth behind a piece of the skin's colour, or of any."""
    top, bottom, left, right = (int(rng.integers(*span)) for span in MOUTH)
    row, column = (int(rng.integers(*span)) for span in CHEEK)
    covered = portrait.copy()
    covered[top:bottom, left:right] = portrait[row, column] if rng.random() < 0.7 else rng.integers(60, 220, 3)
    return covered


def main() -> None:
    """Write the sheet anew."""
    portrait = cv2.imread(str(resources.files("skimage") / "data" / "astronaut.png"))
    sheet = draw(np.asarray(portrait, np.uint8))
    with writing(FILE) as place:
        place.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())


if __name__ == "__main__":
    main()

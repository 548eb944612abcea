"""What cameras do to pictures, each a fixed function: accuracy under them tells how a model fares off its test set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...bundle import Image, whole_image

Corruption = Callable[[Image, int], Image]
"""(uint8 RGB H x W x 3, seed of the picture) -> the same shape and dtype; the same for the same seed."""
SKIN_SPREAD = 8.0
"""Of the colours of one skin around their median, in CIELAB's a and b."""


def low_resolution(image: Image, side: int) -> Image:
    """Scaled down to `side` pixels and back up."""
    from ...opencv import cv2

    small = whole_image(image, side)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def blur(image: Image, share: float) -> Image:
    """Gaussian blur, sigma as a share of the width."""
    from ...opencv import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), share * image.shape[1]), np.uint8)


def noise(image: Image, seed: int, deviation: float) -> Image:
    """Gaussian noise, deviation in grey levels, alike in all channels."""
    grain = np.random.default_rng(seed).normal(0, deviation, image.shape[:2])[:, :, None]
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def light(image: Image, gain: float, gamma: float = 1.0) -> Image:
    """Brightness multiplied by `gain` after the curve x ** gamma (x in 0..1)."""
    return np.clip(255 * gain * (image / 255.0) ** gamma, 0, 255).astype(np.uint8)


def warmth(image: Image, red: float, blue: float) -> Image:
    """Light of another colour: red and blue multiplied, as a white balance that is off does."""
    return np.asarray(np.clip(image * np.array([red, 1.0, blue]), 0, 255), np.uint8)


def skin_tone(image: Image, lightness: float) -> Image:
    """Skin darker or lighter: CIELAB lightness multiplied where the colour is the skin's; eyes and teeth are left.

    The skin's colour is the median of the middle third, whatever it is; a grey picture is changed as a whole. It moves
    lightness alone: a face of another skin also differs in shape and contrast, of which this says nothing.
    """
    from ...opencv import cv2

    lab = cv2.cvtColor(np.asarray(image, np.float32) / 255, cv2.COLOR_RGB2LAB)
    height, width = image.shape[:2]
    middle = lab[height // 3 : -(-2 * height // 3), width // 3 : -(-2 * width // 3), 1:]
    off = ((lab[..., 1:] - np.median(middle, axis=(0, 1))) ** 2).sum(axis=2)
    skin = np.exp(-off / (2 * SKIN_SPREAD**2))
    lab[..., 0] = np.clip(lab[..., 0] * (1 + skin * (lightness - 1)), 0, 100)
    return np.asarray(np.clip(255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 255), np.uint8)


def side_light(image: Image, seed: int) -> Image:
    """One side of the face in shadow: brightness from 35 % to 120 % across, the side by the seed."""
    ramp = np.linspace(0.35, 1.2, image.shape[1])[:: 1 if seed % 2 else -1]
    return np.clip(image * ramp[None, :, None], 0, 255).astype(np.uint8)


def jpeg(image: Image, quality: int) -> Image:
    """Compressed and decompressed."""
    from ...opencv import cv2

    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def framing(image: Image, seed: int, scale: float, angle: float) -> Image:
    """Nearer or farther by `scale`, turned by `angle` degrees, to a side that the seed decides."""
    from ...opencv import cv2

    height, width = image.shape[:2]
    move = cv2.getRotationMatrix2D((width / 2, height / 2), angle * (1 if seed % 2 else -1), scale)
    return np.asarray(cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def hand(image: Image, seed: int) -> Image:
    """A flat patch of a quarter of the width and height over a place that the seed decides."""
    height, width = image.shape[:2]
    rng = np.random.default_rng(seed)
    top, left = rng.integers(0, height * 3 // 4), rng.integers(0, width * 3 // 4)
    covered = image.copy()
    covered[top : top + height // 4, left : left + width // 4] = image.mean(axis=(0, 1)).astype(np.uint8)
    return covered


CORRUPTIONS: dict[str, Corruption] = {
    "24 pixels": lambda image, seed: low_resolution(image, 24),
    "16 pixels": lambda image, seed: low_resolution(image, 16),
    "blur": lambda image, seed: blur(image, 0.03),
    "noise": lambda image, seed: noise(image, seed, 20),
    "JPEG 15": lambda image, seed: jpeg(image, 15),
    "dark": lambda image, seed: light(image, 0.35, 1.3),
    "glare": lambda image, seed: light(image, 1.5),
    "side light": side_light,
    "near, tilted": lambda image, seed: framing(image, seed, 1.2, 12),
    "far, tilted": lambda image, seed: framing(image, seed, 0.8, 12),
    "hand": hand,
}
"""Name -> corruption; strengths chosen so that a person still sees the expression."""
SHIFTS: dict[str, Corruption] = {
    **{name: CORRUPTIONS[name] for name in ("dark", "glare", "side light")},
    "warm light": lambda image, seed: warmth(image, 1.2, 0.7),
    "cold light": lambda image, seed: warmth(image, 0.8, 1.2),
    "darker skin": lambda image, seed: skin_tone(image, 0.7),
    "lighter skin": lambda image, seed: skin_tone(image, 1.3),
}
"""What may strike one group more than another: light, and the lightness of skin."""

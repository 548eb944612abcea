"""Augmentation: the two published sets and two of our own, built with albumentations.

Every picture gets a random stream of its own from (seed, epoch, index): a resumed run sees what an unbroken one would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...bundle import Image
from ...bundle.extras import load

Augment = Callable[[Image, int], Image]
"""(uint8 RGB S x S x 3, random seed) -> the same shape."""


def build_augment(name: str, color_jitter: float = 0.0) -> Augment | None:
    """The augmentation of a recipe, or None for `none` without colour jitter; raises MissingExtra.

    Args:
        color_jitter: the share by which brightness, contrast and saturation change at most; the hue by a tenth of it.
    """
    if name == "none" and not color_jitter:
        return None
    import os

    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer version
    A = load("albumentations", "train")
    steps = {"none": _nothing, "v1": _published_v1, "v2": _published_v2, "wild": _wild, "harsh": _harsh}[name](A)
    if color_jitter:
        near = (1 - color_jitter, 1 + color_jitter)
        hue = color_jitter / 10
        jitter = A.ColorJitter(brightness=near, contrast=near, saturation=near, hue=(-hue, hue), p=0.8)
        steps.insert(0, jitter)  # light has its colour before a camera adds its faults
    compose = A.Compose(steps)

    def augment(image: Image, seed: int) -> Image:
        compose.set_random_seed(seed)
        return np.asarray(compose(image=image)["image"], np.uint8)

    return augment


def _nothing(A: Any) -> list[Any]:
    return []


def _published_v1(A: Any) -> list[Any]:
    """The thesis's first 75 runs (resizing happens before, in face_crop)."""
    return [A.Rotate(limit=45, p=0.6), A.HorizontalFlip(p=0.6), A.CoarseDropout(p=0.3), A.RandomBrightnessContrast()]


def _published_v2(A: Any) -> list[Any]:
    """The thesis's last 14 runs."""
    return [
        A.Rotate(limit=20, p=0.5),
        A.HorizontalFlip(p=0.5),
        A.Affine(scale=(0.95, 1.05), translate_percent=(-0.05, 0.05), rotate=(-10, 10), p=0.3),
        A.ColorJitter(brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.1, 0.1), p=0.3),
        A.CoarseDropout(p=0.2),
        A.RandomBrightnessContrast(p=0.3),
        A.GaussianBlur(blur_limit=(3, 7), p=0.1),
    ]


def _wild(A: Any) -> list[Any]:
    """What cheap cameras do to a face: framing, light, focus, resolution, noise, compression, a hand before it."""
    return [
        *_framing_and_light(A),
        A.OneOf(
            [
                A.Downscale(scale_range=(0.25, 0.6)),
                A.GaussianBlur(blur_limit=(3, 7)),
                A.MotionBlur(blur_limit=(3, 7)),
                A.Sharpen(alpha=(0.2, 0.7)),
                A.UnsharpMask(blur_limit=(3, 7)),
            ],
            p=0.4,
        ),
        A.OneOf([A.GaussNoise(std_range=(0.02, 0.1)), A.ImageCompression(quality_range=(25, 80))], p=0.3),
        _hand(A),
    ]


def _harsh(A: Any) -> list[Any]:
    """As `wild`, with what spoils a far face on a cheap stream: each fault may join the others, in a camera's order.

    The ends lie beyond what corruptions.py measures: focus sigma 0.03 of the width, faces of 24 and 16 pixels of 112,
    noise of 20 grey levels, JPEG 15. A third of the pictures stays clean, so that sharp faces are not unlearnt.
    """
    from ...opencv import cv2

    blur = A.OneOf([A.GaussianBlur(blur_limit=0, sigma_limit=(0.5, 4.0)), A.MotionBlur(blur_limit=(3, 11))], p=0.35)
    coarse = A.Downscale(
        scale_range=(0.14, 0.5),
        interpolation_pair={"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR},
        p=0.35,
    )
    noise = A.GaussNoise(std_range=(0.02, 0.12), per_channel=False, p=0.35)
    return [
        *_framing_and_light(A),
        A.OneOf([A.Sharpen(alpha=(0.2, 0.7)), A.UnsharpMask(blur_limit=(3, 7))], p=0.1),
        A.Sequential([blur, coarse, noise, A.ImageCompression(quality_range=(8, 70), p=0.4)], p=0.8),
        _hand(A),
    ]


def _framing_and_light(A: Any) -> list[Any]:
    from ...opencv import cv2

    return [
        A.HorizontalFlip(p=0.5),
        A.Affine(
            scale=(0.85, 1.18),
            translate_percent=(-0.07, 0.07),
            rotate=(-15, 15),
            shear=(-4, 4),
            border_mode=cv2.BORDER_REPLICATE,
            p=0.9,
        ),
        A.RandomBrightnessContrast(brightness_limit=0.3, contrast_limit=0.3, p=0.5),
        A.RandomGamma(gamma_limit=(60, 160), p=0.2),
        A.Illumination(intensity_range=(0.05, 0.2), p=0.2),
    ]


def _hand(A: Any) -> Any:
    return A.CoarseDropout(num_holes_range=(1, 2), hole_height_range=(0.1, 0.3), hole_width_range=(0.1, 0.3), p=0.25)

"""From samples to batches: which pictures an epoch sees, how they are altered, and in what order they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image, whole_image
from ...bundle.dataset import Sample, read_face
from ..progress.interruption import leave_signals_to_the_parent
from ..recipe import Recipe
from ..torch_import import import_torch
from .augment import Augment, build_augment

WORKERS_FROM = 20
"""Batches from which on worker processes earn their start."""


def draw_order(count: int, weights: NDArray[np.float64] | None, seed: int, epoch: int) -> list[int]:
    """Which samples an epoch sees: a permutation, or as many draws by weight; the same for the same seed and epoch."""
    rng = np.random.default_rng([seed, epoch])
    if weights is None:
        return [int(i) for i in rng.permutation(count)]
    return [int(i) for i in rng.choice(count, size=count, p=weights)]


def coarsen(picture: Image, recipe: Recipe, seed: tuple[int, ...]) -> Image:
    """With probability `coarse_share`, scale a picture down to one of `coarse_sizes` and back up."""
    if not recipe.coarse_sizes:
        return picture
    rng = np.random.default_rng(seed)
    if rng.random() >= recipe.coarse_share:
        return picture
    return whole_image(whole_image(picture, int(rng.choice(recipe.coarse_sizes))), picture.shape[0])


class EpochLoader:
    """Makes the batches of one epoch after the other."""

    def __init__(self, samples: Sequence[Sample], targets: NDArray[np.float32], recipe: Recipe) -> None:
        """Args: samples and targets (N, classes) that belong together."""
        self.samples, self.targets, self.recipe = samples, targets, recipe
        self.augment = build_augment(recipe.augment, recipe.color_jitter)

    def batches(self, order: list[int], epoch: int, skip: int = 0) -> Any:
        """A torch DataLoader of (uint8 (N, S, S, 3), targets (N, classes)), from position `skip` of `order` on."""
        torch = import_torch()
        batch = self.recipe.batch
        usable = len(order) if len(order) < batch else len(order) // batch * batch
        pictures = _pictures(torch, self, order, epoch)
        rest = torch.utils.data.Subset(pictures, range(skip, usable))
        workers = 2 if self.augment is not None and len(rest) > WORKERS_FROM * batch else 0
        own = torch.Generator().manual_seed(epoch)  # a loader would otherwise draw from the stream that dropout uses
        return torch.utils.data.DataLoader(
            rest, batch_size=batch, num_workers=workers, generator=own, worker_init_fn=leave_signals_to_the_parent
        )

    def some(self, size: int, count: int = 256) -> NDArray[np.uint8]:
        """At most `count` of the pictures, spread over all of them and not altered, uint8 (N, size, size, 3)."""
        chosen = self.samples[:: max(1, len(self.samples) // count)][:count]
        return np.stack([whole_image(read_face(one), size) for one in chosen])

    def picture(self, index: int, epoch: int, position: int) -> Image:
        """One training picture, altered; the same for the same epoch and position."""
        recipe = self.recipe
        picture = whole_image(read_face(self.samples[index]), recipe.size_at(epoch))
        picture = coarsen(picture, recipe, (recipe.seed, epoch, position))
        augment: Augment | None = self.augment
        return picture if augment is None else augment(picture, hash((recipe.seed, epoch, position)) % 2**31)


def _pictures(torch: Any, loader: EpochLoader, order: list[int], epoch: int) -> Any:
    class Faces(torch.utils.data.Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(order)

        def __getitem__(self, position: int) -> tuple[Any, Any]:
            picture = loader.picture(order[position], epoch, position)
            return torch.from_numpy(picture), torch.from_numpy(loader.targets[order[position]])

    return Faces()

"""Losses over soft targets: cross-entropy, focal, and weights for rare labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recipe import Recipe
from .torch_import import import_torch

Loss = Callable[[Any, Any], Any]
"""(logits (N, classes) float32, targets (N, classes) summing to 1) -> scalar."""


def make_loss(recipe: Recipe, share: NDArray[np.float64], device: Any = "cpu") -> Loss:
    """The loss a recipe asks for.

    Args:
        recipe: its `class_weight` and `focal` are used; both 0 give plain cross-entropy.
        share: of each label in what is seen (classes,), summing to 1.
        device: where the logits will be.
    """
    torch = import_torch()
    if not recipe.class_weight and not recipe.focal:
        return torch.nn.functional.cross_entropy  # type: ignore[no-any-return]
    weights = torch.tensor(class_weights(share, recipe.class_weight), dtype=torch.float32, device=device)

    def loss(logits: Any, targets: Any) -> Any:
        logs = torch.log_softmax(logits, dim=1)
        if recipe.focal:  # Lin et al. 2017, over soft targets: well-known labels count less
            return -(weights * targets * (1 - logs.exp()) ** recipe.focal * logs).sum(dim=1).mean()
        return -(weights * targets * logs).sum(dim=1).mean()

    return loss


def class_weights(share: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """share**-power, scaled so that the average picture has weight 1; labels that do not occur weigh 0."""
    raw = np.where(share > 0, np.maximum(share, 1e-9) ** -power, 0.0)
    return np.asarray(raw / (raw * share).sum())


def mix(pictures: Any, targets: Any, alpha: float, seed: tuple[int, ...]) -> tuple[Any, Any]:
    """Mixup (Zhang et al. 2018): each picture and target blended with another of the batch.

    Args:
        pictures: uint8 (N, S, S, 3); targets: float32 (N, classes).
        alpha: of the Beta distribution the share is drawn from; 0 returns the batch as it is.
        seed: the same seed mixes the same way.

    Returns:
        float32 pictures 0..255 and targets, of the same shapes.
    """
    if not alpha:
        return pictures, targets
    torch = import_torch()
    rng = np.random.default_rng(seed)
    keep = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(pictures))).to(pictures.device)
    values = pictures.float()
    return keep * values + (1 - keep) * values[other], keep * targets + (1 - keep) * targets[other]


def imitation(logits: Any, wanted: Any, temperature: float) -> Any:
    """Distance of a student's logits to its teacher's, both (N, classes): KL divergence at a temperature, times T².

    Hinton, Vinyals and Dean 2015; T² keeps the size of the gradients the same at every temperature.
    """
    f = import_torch().nn.functional
    logs, target = f.log_softmax(logits / temperature, dim=1), f.log_softmax(wanted / temperature, dim=1)
    return f.kl_div(logs, target, reduction="batchmean", log_target=True) * temperature**2

"""One step of a training: the network with its optimizer, what a batch teaches it, and the average that is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.extras import load
from ..errors import UsageError
from .first_weights.unfold import bundle_named, take_up
from .losses import imitation, make_loss
from .network import build_network
from .recipe import Recipe
from .teachers.ensemble import Teacher
from .torch_import import import_torch


class Learner:
    """A network that learns from batches.

    Attributes:
        torch: the module.
        crew: Hugging Face Accelerate's knowledge of other processes and of a GPU.
        plain: the network as it is saved; average: the running average of it, or None.
        optimizer, schedule: torch's.
    """

    def __init__(
        self,
        recipe: Recipe,
        share: NDArray[np.float64],
        steps: int,
        init: str | None = None,
        teacher: Teacher | None = None,
        faces: Callable[[int], NDArray[np.uint8]] | None = None,
    ) -> None:
        """Build the network, with random numbers by the recipe's seed.

        Args:
            share: of each label in what the network will see (classes,).
            steps: in all; the rate falls until then.
            init: where the backbone's weights come from; see build_network.
            teacher: whom to imitate, for a recipe with `distill`.
            faces: gives training crops of a size S, uint8 (N, S, S, 3), on which a bundle's weights settle.
        """
        torch = self.torch = import_torch()
        torch.manual_seed(recipe.seed)
        self.recipe, self._teacher, self.crew = recipe, teacher, _accelerator(recipe)
        bundle = bundle_named(init)
        network = build_network(recipe, None if bundle else init)
        if bundle and faces:
            take_up(network, recipe, bundle, faces(bundle.manifest.input.size))
        self.plain = network.to(self.crew.device, memory_format=torch.channels_last)
        self._frozen = _freeze(self.plain, recipe)
        self._network, self.optimizer = self.crew.prepare(self.plain, _optimizer(torch, self.plain, recipe))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: rate_at(step, steps, recipe))
        self.average = _average(torch, self.plain, recipe)
        self._loss_of = make_loss(recipe, share, self.crew.device)

    @property
    def kept(self) -> Any:
        """The network that is measured and saved as the result."""
        return self.plain if self.average is None else self.average.module

    def begin_epoch(self) -> None:
        """Put the network in training mode, its frozen parts in evaluation mode."""
        self._network.train()
        for part in self._frozen:
            part.eval()

    def step(self, pictures: Any, wanted: Any) -> tuple[float, float]:
        """Learn from a batch; its loss, and the share of its pictures whose likeliest label was right.

        A loss that is no finite number changes nothing.

        Args:
            pictures: uint8 (N, S, S, 3) RGB.
            wanted: (N, classes) summing to 1.
        """
        torch, device = self.torch, self.crew.device
        with torch.autocast(device.type, torch.bfloat16, enabled=_bfloat16(torch, self.recipe, device)):
            logits = self._network(pictures)
        loss = self._loss(logits, pictures, wanted)
        value = loss.item()
        if math.isfinite(value):
            self._update(loss)
        return value, (logits.argmax(1) == wanted.argmax(1)).float().mean().item()

    def _loss(self, logits: Any, pictures: Any, wanted: Any) -> Any:
        loss = self._loss_of(logits.float(), wanted)
        if self._teacher is None:
            return loss
        shown = self.torch.from_numpy(self._teacher(pictures.cpu().numpy())).to(self.crew.device)
        copying = imitation(logits.float(), shown, self.recipe.distill_temperature)
        return self.recipe.distill * copying + (1 - self.recipe.distill) * loss

    def _update(self, loss: Any) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.crew.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.plain)


def rate_at(step: int, total: int, recipe: Recipe) -> float:
    """Learning rate at a step, as a share of the recipe's: linear warm-up, then one cosine down to `min_rate`."""
    rise = int(total * recipe.warmup)
    if step < rise:
        return (step + 1) / rise
    floor = min(recipe.min_rate / recipe.learning_rate, 1.0)
    progress = min(1.0, (step - rise) / max(1, total - rise))
    return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2


def _accelerator(recipe: Recipe) -> Any:
    """Hugging Face Accelerate, which knows whether there are other processes or a GPU; raises MissingExtra."""
    accelerate = load("accelerate", "train")
    crew = accelerate.Accelerator(dataloader_config=accelerate.DataLoaderConfiguration(split_batches=True))
    if recipe.batch % crew.num_processes:
        raise UsageError(f"a batch of {recipe.batch} cannot be shared among {crew.num_processes} processes")
    return crew


def _freeze(network: Any, recipe: Recipe) -> list[Any]:
    """Stop the named parts from learning and return them; their batch norms must stay in evaluation mode."""
    parts = []
    for prefix in recipe.freeze:
        found = [m for n, m in network.body.named_children() if n.startswith(prefix)]
        if not found:
            names = ", ".join(n for n, _ in network.body.named_children())
            raise UsageError(f"{recipe.backbone} has no part {prefix!r} to freeze", cause=f"its parts are: {names}")
        parts += found
    for part in parts:
        part.requires_grad_(False)
    return parts


def _optimizer(torch: Any, network: Any, recipe: Recipe) -> Any:
    head = list(network.body.get_classifier().parameters())
    known = {id(p) for p in head}
    body = [p for p in network.parameters() if id(p) not in known]
    groups = [{"params": body}, {"params": head, "lr": recipe.learning_rate * recipe.head_rate}]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return kind(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def _average(torch: Any, network: Any, recipe: Recipe) -> Any:
    """A running average of weights and batch-norm statistics, or None."""
    if not recipe.ema:
        return None
    swa = torch.optim.swa_utils
    return swa.AveragedModel(network, multi_avg_fn=swa.get_ema_multi_avg_fn(recipe.ema), use_buffers=True)


def _bfloat16(torch: Any, recipe: Recipe, device: Any) -> bool:
    if not recipe.bfloat16:
        return False
    return device.type == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16", False))

"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import LABELS, Logits, whole_image
from ..errors import TrainingDiverged, UsageError
from .augment import Augment, build_augment
from .checkpoint import Progress
from .data import Dataset, Sample, read_image
from .metrics import Classes, fit_temperature, report
from .network import adjust_classifier, build_network, import_torch
from .recipe import Recipe
from .targets import label_share, sampling_weights, training_targets

Watch = Callable[..., Iterable[Any]]
"""Wraps a loop: (iterable, total=, desc=) -> iterable; a progress bar, or nothing at all."""


@dataclass(frozen=True)
class Fitted:
    """A trained network and how it got there."""

    network: Any
    history: list[dict[str, float]]
    best_epoch: int
    temperature: float


def fit(
    recipe: Recipe,
    dataset: Dataset,
    work: Path,
    *,
    init: str | None = None,
    resume: bool = False,
    checkpoint_every: int = 100,
    watch: Watch = lambda loop, **_: loop,
    say: Callable[[str], None] = print,
) -> Fitted:
    """Train a network as a recipe says, leaving checkpoints in `work`.

    Args:
        recipe: every choice of the run.
        dataset: its train and valid splits are used; `test` is never looked at.
        work: folder for last.pt (every `checkpoint_every` steps), best.pt, one file an epoch, history.json.
        init: where the backbone's weights come from; see build_network.
        resume: go on from last.pt in `work`, to the same numbers as an unbroken run on the same machine.

    Raises:
        UsageError: `work` holds another run; TrainingDiverged: the loss is not finite; OutputError: disk full.
    """
    torch = import_torch()
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    samples, targets = training_targets(dataset.split("train"), recipe)
    weights = sampling_weights(targets, recipe.balance)
    steps_per_epoch = max(1, len(samples) // recipe.batch)

    network = build_network(recipe, init).to(device, memory_format=torch.channels_last)
    optimizer = _optimizer(torch, network, recipe)
    total = steps_per_epoch * recipe.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, total, recipe))
    average = _average(torch, network, recipe)
    state = Progress(work, recipe, network, optimizer, schedule, average)
    if resume:
        state.load(torch)
    elif (work / "last.pt").exists():
        raise UsageError(f"{work} holds another run's checkpoints", hint="add --resume, or choose another --work")

    augment = build_augment(recipe.augment)
    for epoch in range(state.epoch, recipe.epochs):
        if state.stopped(recipe):
            break
        order = draw_order(len(samples), weights if recipe.balance else None, recipe.seed, epoch)
        loader = _loader(torch, samples, targets, order, recipe, epoch, augment, skip=state.step * recipe.batch)
        network.train()
        for pictures, wanted in watch(loader, total=len(loader), desc=f"epoch {epoch + 1}/{recipe.epochs}"):
            with torch.autocast(device.type, torch.bfloat16, enabled=_bfloat16(torch, recipe, device)):
                logits = network(pictures.to(device))
            loss = torch.nn.functional.cross_entropy(logits.float(), wanted.to(device))
            if not math.isfinite(loss.item()):
                raise _diverged(epoch, state.step, work)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            if average is not None:
                average.update_parameters(network)
            state.step += 1
            state.loss_sum += loss.item()
            if state.step % checkpoint_every == 0:
                state.save(torch, "last.pt")
        figures = _validate(
            average.module if average is not None else network, dataset.split("valid"), recipe.size_at(epoch)
        )
        state.close_epoch(torch, figures, schedule.get_last_lr()[0], say)

    network = average.module if average is not None else network
    network.load_state_dict(torch.load(work / "best.pt", map_location=device, weights_only=True)["network"])
    network = network.cpu().eval()
    temperature = _finish(network, dataset.split("valid"), recipe, label_share(targets, weights))
    return Fitted(network, state.history, state.best_epoch, temperature)


def rate_at(step: int, total: int, recipe: Recipe) -> float:
    """Learning rate at a step, as a share of the recipe's: linear warm-up, then one cosine down to `min_rate`."""
    rise = int(total * recipe.warmup)
    if step < rise:
        return (step + 1) / rise
    floor = min(recipe.min_rate / recipe.learning_rate, 1.0)
    progress = min(1.0, (step - rise) / max(1, total - rise))
    return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2


def draw_order(count: int, weights: Any, seed: int, epoch: int) -> list[int]:
    """Which samples an epoch sees: a permutation, or as many draws by weight; the same for the same seed and epoch."""
    rng = np.random.default_rng([seed, epoch])
    if weights is None:
        return [int(i) for i in rng.permutation(count)]
    return [int(i) for i in rng.choice(count, size=count, p=weights)]


def predict(network: Any, samples: Sequence[Sample], size: int, batch: int = 64, watch: Watch | None = None) -> Logits:
    """Logits float32 (N, classes) of a network in evaluation mode, pictures prepared by the bundle's own function."""
    torch = import_torch()
    network.eval()
    device = next(network.parameters()).device
    starts: Iterable[int] = range(0, len(samples), batch)
    rows = []
    with torch.inference_mode():
        for start in watch(starts, desc="evaluate") if watch else starts:
            pictures = [whole_image(read_image(s.path), size) for s in samples[start : start + batch]]
            rows.append(network(torch.from_numpy(np.stack(pictures)).to(device)).float().cpu().numpy())
    return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)


def labelled(samples: Sequence[Sample]) -> tuple[list[Sample], Classes]:
    """The samples with a label, and those labels."""
    kept = [s for s in samples if s.label is not None]
    return kept, np.array([s.label for s in kept], np.int64)


def _validate(network: Any, samples: Sequence[Sample], size: int) -> dict[str, Any]:
    kept, truth = labelled(samples)
    return report(predict(network, kept, size), truth, LABELS)


def _finish(network: Any, samples: Sequence[Sample], recipe: Recipe, share: np.ndarray[Any, Any]) -> float:
    """Fold prior shift and temperature into the classifier; returns the temperature."""
    shift = recipe.prior_shift * np.log(np.maximum(share, 1e-6))
    adjust_classifier(network, 1.0, shift)
    if not recipe.calibrate:
        return 1.0
    kept, truth = labelled(samples)
    temperature = fit_temperature(predict(network, kept, recipe.size), truth)
    adjust_classifier(network, temperature, np.zeros(len(share)))
    return temperature


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


def _loader(
    torch: Any,
    samples: Sequence[Sample],
    targets: Any,
    order: list[int],
    recipe: Recipe,
    epoch: int,
    augment: Augment | None,
    skip: int,
) -> Any:
    """Batches of (uint8 pictures, target distributions) of one epoch, from position `skip` on."""
    size = recipe.size_at(epoch)

    class Faces(torch.utils.data.Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(order)

        def __getitem__(self, position: int) -> tuple[Any, Any]:
            index = order[position]
            picture = whole_image(read_image(samples[index].path), size)
            if augment is not None:
                picture = augment(picture, hash((recipe.seed, epoch, position)) % 2**31)
            return torch.from_numpy(picture), torch.from_numpy(targets[index])

    usable = len(order) if len(order) < recipe.batch else len(order) // recipe.batch * recipe.batch
    rest = torch.utils.data.Subset(Faces(), range(skip, usable))
    workers = 2 if augment is not None and len(rest) > 20 * recipe.batch else 0
    own = torch.Generator().manual_seed(epoch)  # a loader would otherwise draw from the stream that dropout uses
    return torch.utils.data.DataLoader(rest, batch_size=recipe.batch, num_workers=workers, generator=own)


def _diverged(epoch: int, step: int, work: Path) -> TrainingDiverged:
    return TrainingDiverged(
        f"the loss is not a finite number in epoch {epoch + 1}, step {step}",
        cause="the learning rate is too high for this data",
        hint=f"lower learning_rate in the recipe; the last good checkpoint is {work / 'last.pt'}",
    )

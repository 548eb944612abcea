"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.dataset import Dataset, Watch, unwatched
from ..bundle.extras import load
from ..errors import TrainingDiverged, UsageError
from ..export.metrics import fit_temperature
from ..words import counted
from .data.batches import EpochLoader, draw_order
from .data.duplicates import copied
from .data.targets import label_share, sampling_weights, training_targets
from .distillation import Teacher, imitation
from .evaluation.predict import labelled, predict, validate
from .losses import make_loss, mix
from .network import adjust_classifier, build_network
from .progress.checkpoint import Progress
from .progress.interruption import StopRequest
from .progress.pace import Pace, words
from .recipe import Recipe
from .torch_import import import_torch

OnEpoch = Callable[[dict[str, float], dict[str, float]], None]
"""Told after each epoch: its row of the history, and timings in milliseconds."""


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
    teacher: Teacher | None = None,
    resume: bool = False,
    checkpoint_every: int = 100,
    watch: Watch = unwatched,
    say: Callable[[str], None] = lambda line: None,
    on_epoch: OnEpoch = lambda row, timing: None,
) -> Fitted:
    """Train a network as a recipe says, leaving checkpoints in `work`.

    Started by `accelerate launch` it shares the work among processes; the batch of the recipe is that of all together.

    Args:
        recipe: every choice of the run.
        dataset: its train and valid splits are used; `test` is never looked at.
        work: folder for last.pt (every `checkpoint_every` steps and when asked to stop), best.pt, one file an epoch,
            history.json.
        init: where the backbone's weights come from; see build_network.
        teacher: whom to imitate, for a recipe with `distill`.
        resume: go on from last.pt in `work`, to the same numbers as an unbroken run on the same machine.

    Ctrl-C and SIGTERM wait for the end of the step and leave a checkpoint; a second one does not wait.

    Raises:
        UsageError: `work` holds another run; TrainingDiverged: the loss is not finite; OutputError: disk full.
    """
    torch = import_torch()
    if bool(recipe.distill) != (teacher is not None):
        raise _teacher_wanted(recipe)
    torch.manual_seed(recipe.seed)
    crew = _accelerator(recipe)
    samples, targets = training_targets(dataset.split("train"), recipe)
    weights = sampling_weights(targets, recipe.balance)
    share = label_share(targets, weights)
    steps_per_epoch = max(1, len(samples) // recipe.batch)
    total = steps_per_epoch * recipe.epochs

    plain = build_network(recipe, init).to(crew.device, memory_format=torch.channels_last)
    frozen = _freeze(plain, recipe)
    network, optimizer = crew.prepare(plain, _optimizer(torch, plain, recipe))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, total, recipe))
    average = _average(torch, plain, recipe)
    kept = plain if average is None else average.module
    state = Progress(work, recipe, plain, optimizer, schedule, average, writes=crew.is_main_process)
    if resume:
        state.load(torch)
    elif (work / "last.pt").exists():
        raise UsageError(f"{work} holds another run's checkpoints", hint="add --resume, or choose another --work")

    loader = EpochLoader(samples, targets, recipe)
    loss_of = make_loss(recipe, share, crew.device)
    pace = Pace(recipe, steps_per_epoch)
    with StopRequest() as stop:
        for epoch in range(state.epoch, recipe.epochs):
            if state.stopped(recipe):
                break
            to_go = words(pace.left_s(epoch, state.step))
            order = draw_order(len(samples), weights if recipe.balance else None, recipe.seed, epoch)
            batches = crew.prepare_data_loader(loader.batches(order, epoch, skip=state.step * recipe.batch))
            network.train()
            for part in frozen:
                part.eval()
            for pictures, wanted in watch(
                batches, total=len(batches), desc=f"epoch {epoch + 1}/{recipe.epochs}{to_go}"
            ):
                pictures, wanted = mix(pictures, wanted, recipe.mixup, (recipe.seed, epoch, state.step))
                with torch.autocast(crew.device.type, torch.bfloat16, enabled=_bfloat16(torch, recipe, crew.device)):
                    logits = network(pictures)
                loss = loss_of(logits.float(), wanted)
                if teacher is not None:
                    shown = torch.from_numpy(teacher(pictures.cpu().numpy())).to(crew.device)
                    copying = imitation(logits.float(), shown, recipe.distill_temperature)
                    loss = recipe.distill * copying + (1 - recipe.distill) * loss
                if not math.isfinite(loss.item()):
                    raise _diverged(epoch, state.step, work)
                optimizer.zero_grad(set_to_none=True)
                crew.backward(loss)
                optimizer.step()
                schedule.step()
                if average is not None:
                    average.update_parameters(plain)
                state.add(loss.item(), (logits.argmax(1) == wanted.argmax(1)).float().mean().item())
                pace.step(epoch)
                if estimate := words(pace.first_estimate(epoch, state.step)):
                    say(f"{counted(recipe.epochs, 'epoch')} of {counted(steps_per_epoch, 'step')}{estimate}")
                if stop.noted:
                    state.stop(torch, say)
                    stop.obey()
                if state.step % checkpoint_every == 0:
                    state.save(torch, "last.pt")
            began = perf_counter()
            figures = validate(kept, dataset.split("valid"), recipe.size_at(epoch))
            to_go = words(pace.left_s(epoch + 1, 0)) if epoch + 1 < recipe.epochs else ""
            row = state.close_epoch(torch, figures, schedule.get_last_lr()[0], say, to_go)
            on_epoch(
                row, {"inference_ms_per_batch": 1000 * (perf_counter() - began) / math.ceil(figures["images"] / 64)}
            )
            crew.wait_for_everyone()
            if stop.noted:
                state.stop(torch, say)
                stop.obey()

    kept.load_state_dict(torch.load(work / "best.pt", map_location=crew.device, weights_only=True)["network"])
    kept = kept.cpu().eval()
    return Fitted(kept, state.history, state.best_epoch, finish(kept, dataset, recipe, share))


def rate_at(step: int, total: int, recipe: Recipe) -> float:
    """Learning rate at a step, as a share of the recipe's: linear warm-up, then one cosine down to `min_rate`."""
    rise = int(total * recipe.warmup)
    if step < rise:
        return (step + 1) / rise
    floor = min(recipe.min_rate / recipe.learning_rate, 1.0)
    progress = min(1.0, (step - rise) / max(1, total - rise))
    return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2


def finish(network: Any, dataset: Dataset, recipe: Recipe, share: NDArray[np.float64]) -> float:
    """Fold prior shift and temperature, if the recipe asks for them, into the classifier; returns the temperature.

    Args:
        share: of each label in what the network saw (classes,).
    """
    adjust_classifier(network, 1.0, recipe.prior_shift * np.log(np.maximum(share, 1e-6)))
    if not recipe.calibrate:
        return 1.0
    train = dataset.split("train")
    valid = dataset.split("valid")
    seen = {id(s) for s in copied(valid, train)}  # the network knows these by heart, and would look too sure
    kept, truth = labelled([s for s in valid if id(s) not in seen])
    temperature = fit_temperature(predict(network, kept, recipe.size), truth)
    adjust_classifier(network, temperature, np.zeros(len(share)))
    return temperature


def is_main_process() -> bool:
    """Whether this is the process that writes and speaks; the only one unless `accelerate launch` started several."""
    return os.environ.get("RANK", "0") == "0"  # torch's launcher numbers its processes so


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


def _teacher_wanted(recipe: Recipe) -> UsageError:
    if recipe.distill:
        return UsageError(f"the recipe {recipe.name} wants a teacher", hint="the same command with --teacher BUNDLE")
    return UsageError(
        f"the recipe {recipe.name} learns from labels alone and takes no teacher",
        hint="add distill = 1.0 to the recipe, or leave --teacher out",
    )


def _diverged(epoch: int, step: int, work: Path) -> TrainingDiverged:
    last = work / "last.pt"
    return TrainingDiverged(
        f"the loss is not a finite number in epoch {epoch + 1}, step {step}",
        cause="the learning rate is too high for this data",
        hint="lower learning_rate in the recipe" + (f"; the last good checkpoint is {last}" if last.exists() else ""),
    )

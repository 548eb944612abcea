"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import LABELS
from ..bundle.dataset import Dataset, Sample, Watch, unwatched
from ..errors import NotFinite, TrainingDiverged, UsageError
from ..export.metrics import fit_raise, fit_temperature
from ..words import counted
from .data.batches import EpochLoader, draw_order
from .data.duplicates import copied
from .data.mixture import without_labels
from .data.sampling import draw_weights, label_share
from .data.targets import training_targets
from .evaluation.predict import MIN_PART, agreement, labelled, parts_of, predict, validate
from .first_weights.unfold import bundle_named
from .first_weights.way_back import go_back
from .learner import Learner
from .losses import mix
from .network import adjust_classifier
from .progress.checkpoint import Progress
from .progress.interruption import StopRequest
from .progress.pace import Pace, words
from .recipe import Recipe
from .teachers.answers import answers_once
from .teachers.ensemble import Member, at_every_step
from .torch_import import import_torch

NORM_FACES = 1024
"""Training faces that batch norms are fitted to on the way back."""
Held = tuple[list[Sample], NDArray[np.float32]]
"""Faces without labels that training does not see, and what the teachers say of them (N, classes)."""
OnEpoch = Callable[[dict[str, float], dict[str, float]], None]
"""Told after each epoch: its row of the history, and timings in milliseconds."""


@dataclass(frozen=True)
class Fitted:
    """A trained network and how it got there.

    Attributes:
        network: of the best epoch, in evaluation mode, on the processor.
        history: one row of figures an epoch.
        best_epoch: counted from 1.
        temperature: folded into the classifier; 1 without `calibrate`.
        minutes: of wall clock, steps and validations; None where the run began before they were kept.
    """

    network: Any
    history: list[dict[str, float]]
    best_epoch: int
    temperature: float
    minutes: float | None = None


def fit(
    recipe: Recipe,
    dataset: Dataset,
    work: Path,
    *,
    init: str | None = None,
    teachers: Sequence[Member] = (),
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
        teachers: whom to imitate, for a recipe with `distill`; see open_members.
        resume: go on from last.pt in `work`, to the same numbers as an unbroken run on the same machine; begin where
            there is none yet.

    Ctrl-C and SIGTERM wait for the end of the step and leave a checkpoint, before the first step too; a second one
    does not wait.

    Raises:
        UsageError: `work` holds another run; TrainingDiverged: the loss is not finite; OutputError: disk full.
    """
    torch = import_torch()
    _check(recipe, dataset, teachers, init)
    answers, held, teacher = None, None, None
    if teachers and recipe.distill_answers == "once":  # not yet under StopRequest: what is answered is kept
        answers, held = _asked_once(teachers, recipe, dataset, work, watch, say)
    elif teachers:
        teacher = at_every_step(teachers, recipe.size, recipe.distill_temperature)
    with StopRequest() as stop:
        samples, targets = training_targets(dataset.split("train"), recipe, answers)
        weights = draw_weights(samples, targets, recipe, dataset.shares)
        share = label_share(targets, weights)
        steps = max(1, len(samples) // recipe.batch)
        loader, pace = EpochLoader(samples, targets, recipe), Pace(recipe, steps)
        learner = Learner(recipe, share, steps * recipe.epochs, init, teacher, loader.some)
        first = {name: value.cpu().clone() for name, value in learner.plain.state_dict().items()}
        state = _progress(learner, work, resume, say)

        state.stop_if_asked(stop, torch, say)
        while state.epoch < recipe.epochs and not state.stopped(recipe):
            epoch, to_go = state.epoch, words(pace.left_s(state.epoch, state.step))
            order = draw_order(len(samples), weights, recipe.seed, epoch)
            batches = learner.crew.prepare_data_loader(loader.batches(order, epoch, skip=state.step * recipe.batch))
            learner.begin_epoch()
            for faces, wanted in watch(batches, total=len(batches), desc=f"epoch {epoch + 1}/{recipe.epochs}{to_go}"):
                loss, right = learner.step(*mix(faces, wanted, recipe.mixup, (recipe.seed, epoch, state.step)))
                if not math.isfinite(loss):
                    raise _diverged("the loss", epoch, state.step, work)
                state.add(loss, right)
                pace.step(epoch)
                if estimate := words(pace.first_estimate(epoch, state.step)):
                    say(f"{counted(recipe.epochs, 'epoch')} of {counted(steps, 'step')}{estimate}")
                state.stop_if_asked(stop, torch, say)
                if state.step % checkpoint_every == 0:
                    state.save(torch, "last.pt")
            _close_epoch(learner, state, dataset, held, pace, say, on_epoch)
            state.stop_if_asked(stop, torch, say)

    minutes = None if state.seconds is None else state.seconds / 60
    best = torch.load(work / "best.pt", map_location=learner.crew.device, weights_only=True)["network"]
    learner.kept.load_state_dict(best)
    network = learner.kept.cpu().eval()
    if recipe.first_share:
        go_back(network, first, recipe.first_share, loader.some(recipe.size, NORM_FACES))
    return Fitted(network, state.history, state.best_epoch, finish(network, dataset, recipe, share), minutes)


def finish(network: Any, dataset: Dataset, recipe: Recipe, share: NDArray[np.float64]) -> float:
    """Fold what the recipe asks for into the classifier: prior shift, neutral recall, temperature, which is returned.

    Args:
        share: of each label in what the network saw (classes,).
    """
    adjust_classifier(network, 1.0, recipe.prior_shift * np.log(np.maximum(share, 1e-6)))
    if not (recipe.calibrate or recipe.neutral_recall):
        return 1.0
    valid = dataset.split("valid")
    seen = {id(s) for s in copied(valid, dataset.split("train"))}  # known by heart, on which it would look too sure
    kept, truth = labelled([s for s in valid if id(s) not in seen])
    logits, lower = predict(network, kept, recipe.size), np.zeros(len(share))
    if recipe.neutral_recall:
        neutral = LABELS.index("neutral")
        lower[neutral] = -fit_raise(logits, truth, neutral, recipe.neutral_recall)
    temperature = fit_temperature((logits - lower).astype(np.float32), truth) if recipe.calibrate else 1.0
    adjust_classifier(network, temperature, lower)
    return temperature


def _asked_once(
    teachers: Sequence[Member],
    recipe: Recipe,
    dataset: Dataset,
    work: Path,
    watch: Watch,
    say: Callable[[str], None],
) -> tuple[NDArray[np.float32], Held | None]:
    """What the teachers say of every training face (N, classes), and of those that are held out without labels."""

    def ask(samples: Sequence[Sample]) -> NDArray[np.float32]:
        return answers_once(teachers, samples, work, recipe.distill_temperature, watch, say)

    unseen = without_labels(dataset.split("valid")) if recipe.hold_out else []
    return ask(dataset.split("train")), (unseen, ask(unseen)) if unseen else None


def _progress(learner: Learner, work: Path, resume: bool, say: Callable[[str], None]) -> Progress:
    """Where the run is: at its start, or at the last checkpoint; raises UsageError when it may be neither."""
    main = learner.crew.is_main_process
    parts = (learner.plain, learner.optimizer, learner.schedule, learner.average)
    state = Progress(work, learner.recipe, *parts, writes=main)
    begun = (work / "last.pt").exists()
    if begun and not resume:
        raise UsageError(f"{work} holds another run's checkpoints", hint="add --resume, or choose another --work")
    if begun:
        state.load(learner.torch)
    elif resume:
        say(f"{work} holds no checkpoint to resume from: the run begins at its start")
    return state


def _close_epoch(
    learner: Learner,
    state: Progress,
    dataset: Dataset,
    held: Held | None,
    pace: Pace,
    say: Callable[[str], None],
    on_epoch: OnEpoch,
) -> None:
    """Measure the network, record the epoch and leave its checkpoints; raises TrainingDiverged, OutputError."""
    recipe, epoch, began = learner.recipe, state.epoch, perf_counter()
    size, columns = recipe.size_at(epoch), dataset.group_columns
    try:
        figures = validate(learner.kept, dataset.split("valid"), size, columns)
        if held:
            figures["agreement"] = agreement(learner.kept, *held, size, columns)
    except NotFinite as error:
        raise _diverged("an answer to a validation picture", epoch, state.step, state.work) from error
    to_go = words(pace.left_s(epoch + 1, 0)) if epoch + 1 < recipe.epochs else ""
    row = state.close_epoch(learner.torch, figures, learner.schedule.get_last_lr()[0], say, to_go)
    pictures = figures["images"] + (len(held[0]) if held else 0)
    batch_ms = 1000 * (perf_counter() - began) / math.ceil(pictures / 64)
    on_epoch(row, {"inference_ms_per_batch": batch_ms})
    learner.crew.wait_for_everyone()


def is_main_process() -> bool:
    """Whether this is the process that writes and speaks; the only one unless `accelerate launch` started several."""
    return os.environ.get("RANK", "0") == "0"  # torch's launcher numbers its processes so


def _check(recipe: Recipe, dataset: Dataset, teachers: Sequence[Member], init: str | None) -> None:
    """Raises UsageError where recipe, first weights, teachers and validation pictures do not go together."""
    if recipe.first_share and not (init and (init.endswith(".pt") or bundle_named(init))):
        raise UsageError(
            f"the recipe {recipe.name} goes a part of the way back to its first weights, which know no expressions",
            cause=f"first_share = {recipe.first_share:g} wants a finished model to go on from",
            hint="the same command with --init default",
        )
    if recipe.distill and not teachers:
        raise UsageError(f"the recipe {recipe.name} wants a teacher", hint="the same command with --teacher BUNDLE")
    if teachers and not recipe.distill:
        raise UsageError(
            f"the recipe {recipe.name} learns from labels alone and takes no teacher",
            hint="add distill = 1.0 to the recipe, or leave --teacher out",
        )
    if recipe.groups != dataset.group_columns:
        raise UsageError(
            f"the recipe {recipe.name} asks for the columns {', '.join(recipe.groups)}, which were not read",
            hint="take groups out of the recipe for sweeps and folds: they read no groups",
        )
    parts = parts_of(labelled(dataset.split("valid"))[0], dataset.group_columns)
    if recipe.select == "worst_group" and len(parts) < 2:
        raise UsageError(
            f'the recipe {recipe.name} selects by "worst_group", and the labelled validation pictures are of '
            f"{counted(len(parts), 'source or group', 'sources or groups')} with {MIN_PART} pictures",
            hint='select = "mean_recall" in the recipe, or groups = [COLUMNS] and a manifest that has them',
        )


def _diverged(what: str, epoch: int, step: int, work: Path) -> TrainingDiverged:
    last = work / "last.pt"
    return TrainingDiverged(
        f"{what} is not a finite number in epoch {epoch + 1}, step {step}",
        cause="the learning rate is too high for this data",
        hint="lower learning_rate in the recipe" + (f"; the last good checkpoint is {last}" if last.exists() else ""),
    )

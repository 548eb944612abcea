"""One training from start to end: read the faces, fit, and pack the network into a bundle with its figures and card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..bundle import LABELS, Bundle
from ..bundle.dataset import Dataset, Watch, counts, unwatched
from ..errors import UsageError
from ..words import counted
from .data import duplicates
from .data.mixture import describe_sets, read_sets, weak_labels
from .evaluation.evaluation import plot_confusion, plot_history
from .fit import Fitted, fit, is_main_process
from .options import TrainOptions
from .pack import check_exportable, pack
from .recipe import Recipe, load_recipe
from .teachers.ensemble import open_members
from .torch_import import import_torch
from .tracking import open_tracker


@dataclass(frozen=True)
class Trained:
    """The bundle that was written, and one row of figures an epoch."""

    bundle: Bundle
    history: list[dict[str, float]]


def train(
    options: TrainOptions, on_notice: Callable[[str], None] = lambda line: None, watch: Watch = unwatched
) -> Trained | None:
    """Train, export, measure, pack.

    Args:
        on_notice: told what the data holds, and how each epoch went.
        watch: shows how far reading, each epoch and measuring are.

    Returns:
        None in the helping processes of an `accelerate launch`, which neither speak nor write.

    Raises:
        UsageError, DatasetError: recipe, data or weights cannot be used; UnsupportedGraph: what the recipe trains
        could not be exported, told before the first epoch; and as `fit` and `pack` do.
    """
    recipe = load_recipe(options.recipe)
    torch = import_torch()
    if options.threads:
        torch.set_num_threads(options.threads)
    say = on_notice if is_main_process() else lambda line: None
    dataset = read_sets(options.sets, recipe, watch, options.label_map)
    dataset = describe_data(dataset, options.dedupe, say)
    if not any(s.label is not None for s in dataset.split("valid")):
        raise UsageError(
            f"{options.data_name} has no labelled picture in a validation split",
            hint="add rows or a folder named valid",
        )
    if is_main_process():
        for device, why in check_exportable(recipe).items():
            say(f"the bundle will not run on {device}: {why}")
    work = options.work or options.out.with_name(options.out.name + ".work")
    track = options.track if is_main_process() else None
    tracker = open_tracker(track, options.name or recipe.name, recipe, work, options.resume)
    try:
        fitted = fit(
            recipe,
            dataset,
            work,
            init=options.init,
            teachers=open_members(options.teacher, options.threads),
            resume=options.resume,
            watch=watch,
            say=say,
            on_epoch=tracker.epoch,
        )
        if not is_main_process():
            return None
        bundle = _packed(options, recipe, dataset, fitted, work, say, watch)
        tracker.finish(bundle.manifest.metrics, _plots(work, fitted, bundle) if options.track else [])
    except BaseException:
        tracker.fail()
        raise
    return Trained(bundle, fitted.history)


def _packed(
    options: TrainOptions,
    recipe: Recipe,
    dataset: Dataset,
    fitted: Fitted,
    work: Path,
    say: Callable[[str], None],
    watch: Watch,
) -> Bundle:
    """Pack; where that fails, say that the training itself is done and kept, and how to pack it again."""
    try:
        return pack(options, recipe, dataset, fitted, watch)
    except BaseException:
        say(f"the training is done and kept in {work}; the same command with --resume packs it without training again")
        raise


def describe_data(dataset: Dataset, dedupe: bool, say: Callable[[str], None]) -> Dataset:
    """Say what the data holds and what is wrong with it; returns it without duplicates if so asked."""
    for split in ("train", "valid", "test"):
        samples = dataset.split(split)
        tally = ", ".join(f"{k} {v}" for k, v in counts(samples).items())
        say(f"{split}: {counted(len(samples), 'picture')} ({tally})")
    for line in (*describe_sets(dataset), *weak_labels(dataset)):
        say(line)
    absent = [label for label, n in counts(dataset.split("train")).items() if not n]
    if absent:
        say(f"no training picture is labelled {', '.join(absent)}: the model will hardly know it")
    for line in dataset.notes():
        say(line)
    found = ", ".join(f"{k} {v}" for k, v in duplicates.counts(dataset).items())
    if found and not dedupe:
        say(f"copies of the same picture: {found}; --dedupe trains without them")
    if not dedupe:
        return dataset
    unique = duplicates.dedupe(dataset)
    say(f"copies left out of train and valid: {len(dataset.samples) - len(unique.samples)} ({found or 'none'})")
    return unique


def _plots(work: Path, fitted: Fitted, bundle: Bundle) -> list[Path]:
    """Confusion matrix and curves, as files in the work folder."""
    plot_confusion(dict(bundle.manifest.metrics), LABELS, work / "confusion.png")
    plot_history(fitted.history, work / "curves.png")
    return [work / "confusion.png", work / "curves.png"]

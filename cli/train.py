"""`fer-edge train`: from labelled faces to a bundle, with its figures and its model card."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .output import watch

if TYPE_CHECKING:
    from ..bundle.dataset import Dataset
    from ..runtime.inference.classifier import Classifier
    from ..train.distillation import Teacher
    from ..train.fit import Fitted
    from ..train.recipe import Recipe
    from ..train.tracking import Tracker

CALIBRATION_PICTURES = 512
LICENCE = "research use only, unless the training data and initial weights allow more"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="class folders, or a CSV manifest")
    parser.add_argument("--recipe", default="default", metavar="NAME", help="a recipe's name, or a .toml file")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="the bundle folder to write")
    parser.add_argument(
        "--init", metavar="FILE|timm", help="first weights: a .safetensors backbone, a .pt checkpoint, or timm's own"
    )
    parser.add_argument("--teacher", type=Path, metavar="BUNDLE", help="whom a recipe with `distill` is to imitate")
    parser.add_argument("--work", type=Path, metavar="DIR", help="checkpoints (default: beside --out, ending in .work)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --work")
    parser.add_argument("--dedupe", action="store_true", help="train on no picture that valid or test has too")
    parser.add_argument("--track", metavar="URI|DIR", help="record the run in MLflow: a server, or a folder")
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: all)")
    parser.add_argument("--name", help="the bundle's name (default: the recipe's)")
    parser.add_argument("--release", default="1", metavar="TEXT", help="the bundle's version (default: 1)")
    parser.add_argument("--licence", default=LICENCE, metavar="TEXT", help="terms, for the model card")
    parser.add_argument("--about", default="", metavar="TEXT", help="a sentence on the data, for the model card")


def run(args: argparse.Namespace) -> int:
    """Train, export, measure, pack."""
    from ..bundle.dataset import read_dataset
    from ..train.fit import fit, is_main_process
    from ..train.network import import_torch
    from ..train.recipe import load_recipe

    recipe = load_recipe(args.recipe)
    torch = import_torch()
    if args.threads:
        torch.set_num_threads(args.threads)
    say = _silent if not is_main_process() else _say_aside if args.json else _say
    dataset = read_dataset(args.data, recipe.second_label, recipe.seed, watch)
    dataset = _tell_data(dataset, args.dedupe, say)
    if not dataset.split("valid"):
        raise UsageError(f"{args.data} has no validation split", hint="add rows or a folder named valid")
    work = args.work or args.out.with_name(args.out.name + ".work")
    tracker = _tracker(args, recipe, work)
    try:
        fitted = fit(
            recipe,
            dataset,
            work,
            init=args.init,
            teacher=_teacher(args, recipe),
            resume=args.resume,
            watch=watch,
            say=say,
            on_epoch=tracker.epoch,
        )
        if not is_main_process():
            return 0
        bundle = _pack(args, recipe, dataset, fitted)
        tracker.finish(bundle.manifest.metrics, _pictures(work, fitted, bundle.manifest.metrics) if args.track else [])
    except BaseException:
        tracker.fail()
        raise
    if args.json:
        print(
            json.dumps({"bundle": str(args.out), "metrics": dict(bundle.manifest.metrics), "history": fitted.history})
        )
        return 0
    for artifact in bundle.manifest.artifacts:
        m = artifact.metrics
        print(
            f"{artifact.path}: {artifact.precision}, {artifact.size / 1e6:.1f} MB, accuracy {m['accuracy']:.3f}, "
            f"mean recall {m['mean_recall']:.3f} on {m['set']} ({m['images']} pictures)"
        )
    print(f"bundle: {args.out}")
    return 0


def _teacher(args: argparse.Namespace, recipe: Recipe) -> Teacher | None:
    """The teacher's graph, run as a device would run it; raises UsageError when it takes faces of another size."""
    if args.teacher is None:
        return None
    from ..bundle import open_bundle
    from ..devices.cpu import usable_cores
    from ..runtime.inference.classifier import Classifier, choose_artifact

    bundle = open_bundle(args.teacher)
    if bundle.manifest.input.size != recipe.size:
        raise UsageError(
            f"the teacher {bundle.manifest.name} takes faces of {bundle.manifest.input.size} pixels, "
            f"the recipe {recipe.name} of {recipe.size}",
            hint=f"set size = {bundle.manifest.input.size} in the recipe",
        )
    return Classifier(bundle, choose_artifact(bundle), threads=args.threads or usable_cores()).logits


def _tracker(args: argparse.Namespace, recipe: Recipe, work: Path) -> Tracker:
    """The tracker asked for; a resumed run goes on in the MLflow run that it began."""
    from ..bundle import write_text
    from ..train.fit import is_main_process
    from ..train.tracking import MlflowTracker, NoTracker

    if not args.track or not is_main_process():
        return NoTracker()
    note = work / "mlflow_run"
    known = note.read_text() if args.resume and note.is_file() else ""
    tracker = MlflowTracker(args.track, args.name or recipe.name, recipe, known)
    write_text(note, tracker.run_id)
    return tracker


def _pictures(work: Path, fitted: Fitted, metrics: Mapping[str, Any]) -> list[Path]:
    """Confusion matrix and curves, as files in the work folder."""
    from ..bundle import LABELS
    from ..train.evaluation.evaluation import plot_confusion, plot_history

    plot_confusion(dict(metrics), LABELS, work / "confusion.png")
    plot_history(fitted.history, work / "curves.png")
    return [work / "confusion.png", work / "curves.png"]


def _say(line: str) -> None:
    print(line, flush=True)


def _say_aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    """What the other processes of a shared run say."""


def _tell_data(dataset: Dataset, dedupe: bool, say: Any) -> Dataset:
    """Say what the data holds and what is wrong with it; returns it without copies if so asked."""
    from ..bundle.dataset import counts
    from ..train.data import duplicates as copies

    for split in ("train", "valid", "test"):
        samples = dataset.split(split)
        tally = ", ".join(f"{k} {v}" for k, v in counts(samples).items())
        say(f"{split}: {len(samples)} pictures ({tally})")
    absent = [label for label, n in counts(dataset.split("train")).items() if not n]
    if absent:
        say(f"no training picture is labelled {', '.join(absent)}: the model will hardly know it")
    for path in dataset.unreadable[:20]:
        say(f"left out, cannot be decoded: {path}")
    if dataset.unreadable:
        say(f"left out in all: {len(dataset.unreadable)} unreadable pictures")
    found = ", ".join(f"{k} {v}" for k, v in copies.counts(dataset).items())
    if found and not dedupe:
        say(f"copies of the same picture: {found}; --dedupe trains without them")
    if not dedupe:
        return dataset
    unique = copies.dedupe(dataset)
    say(f"copies left out of train and valid: {len(dataset.samples) - len(unique.samples)} ({found or 'none'})")
    return unique


def _pack(args: argparse.Namespace, recipe: Recipe, dataset: Dataset, fitted: Fitted) -> Any:
    """Export and measure the trained network and write the bundle."""
    from ..bundle import LABELS, whole_image
    from ..bundle.dataset import balanced, read_image
    from ..export.labelled import measure
    from ..export.package import package
    from ..train.network import fold_luma

    split = "test" if dataset.split("test") else "valid"
    chosen = balanced(dataset.split("train"), CALIBRATION_PICTURES, recipe.seed)
    with_digest = dataset.digest()

    def evaluate(classifier: Classifier) -> dict[str, Any]:
        return measure(classifier, dataset, split, f"{args.data.name}/{split}", watch)

    return package(
        fold_luma(fitted.network),
        args.out,
        name=args.name or recipe.name,
        version=args.release,
        labels=LABELS,
        size=recipe.size,
        normalise="grey by BT.601, (x - 114.5) / 57.6" if recipe.color == "luma" else "ImageNet mean and deviation",
        pictures=[whole_image(read_image(s.path), recipe.size) for s in chosen],
        calibration={"source": f"{args.data.name}/train, balanced over labels", "data_digest": with_digest},
        evaluate=evaluate,
        provenance=_provenance(args, recipe, dataset, fitted, with_digest),
        licence=args.licence,
    )


def _provenance(
    args: argparse.Namespace, recipe: Recipe, dataset: Dataset, fitted: Fitted, digest: str
) -> Mapping[str, Any]:
    from dataclasses import asdict
    from datetime import date
    from importlib.metadata import version

    from .. import __version__
    from ..bundle import sha256_of
    from ..bundle.dataset import picture_facts
    from ..train.data import duplicates as copies

    init = args.init or "random"
    if args.init and args.init != "timm":
        init = f"{Path(args.init).name} (sha256 {sha256_of(Path(args.init))[:16]})"
    votes = "the taggers' votes" if recipe.labels == "votes" else "the label column"
    mixed = f", mixed with {recipe.second_share:.0%} of `{recipe.second_label}`" if recipe.second_share else ""
    return {
        "made": date.today().isoformat(),
        "versions": {"fer_edge": __version__, **{p: version(p) for p in ("torch", "timm", "albumentations")}},
        "command": f"fer-edge train --data {args.data.name} --recipe {args.recipe}"
        + " --init FILE" * bool(args.init)
        + " --teacher BUNDLE" * bool(args.teacher),
        "recipe": asdict(recipe),
        "init": init,
        **({"teacher": _named(args.teacher)} if args.teacher else {}),
        "epochs_run": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "temperature": fitted.temperature,
        "history": fitted.history,
        "data": {
            "name": args.data.name,
            "digest": digest,
            **{split: len(dataset.split(split)) for split in ("train", "valid", "test")},
            "unreadable": len(dataset.unreadable),
            "copies": copies.counts(dataset),
            "targets": votes + mixed,
            **picture_facts(dataset.split("train")),
            "about": args.about,
        },
    }


def _named(path: Path) -> str:
    """A bundle's name, version and the hash of its first graph."""
    from ..bundle import open_bundle

    m = open_bundle(path).manifest
    return f"{m.name} {m.version} (sha256 {m.artifacts[0].sha256[:16]})"

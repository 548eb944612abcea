"""`fer-edge evaluate`: how good a model is, for whom, how sure of that we are, and where it fails."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError, UsageError
from .output import watch

if TYPE_CHECKING:
    from ..bundle import Logits
    from ..bundle.dataset import Dataset, Sample
    from ..runtime.inference.classifier import Classifier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    what = parser.add_argument_group("what to measure (default: the bundle inside fer-edge)")
    what.add_argument("--bundle", type=Path, metavar="PATH")
    what.add_argument("--precision", default="auto", choices=("auto", "float32", "float16", "int8"))
    what.add_argument("--checkpoint", type=Path, metavar="FILE", help="a .pt file of `train` instead of a bundle")
    what.add_argument("--recipe", metavar="NAME", help="train with this recipe, once for each of --seeds or --folds")
    what.add_argument("--seeds", metavar="N,N,…", help="such as 42,123,101112: mean and deviation over trainings")
    what.add_argument("--folds", type=int, metavar="K", help="cross-validation: mean and deviation over folds")
    what.add_argument("--init", metavar="FILE|timm", help="first weights for --recipe")
    on = parser.add_argument_group("on what")
    on.add_argument("--data", type=Path, metavar="DIR", help="class folders, or a CSV manifest")
    on.add_argument("--split", default="test", choices=("train", "valid", "test"))
    on.add_argument("--label", default="label", metavar="COLUMN", help="the manifest's column that holds the truth")
    on.add_argument("--groups", type=Path, metavar="CSV", help="path,gender,skin,age: figures by group")
    on.add_argument("--live", metavar="CSV|camera:N", help="the guided check: a label file of clips, or a camera")
    on.add_argument(
        "--corrupt", action="store_true", help="also under blur, noise, darkness, low resolution … (bundles)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write metrics.json, plots and the mistakes here")
    parser.add_argument("--threads", type=int, default=1, metavar="N")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if args.live:
        from .live import run_live

        return run_live(args)
    if args.data is None:
        raise UsageError("evaluate needs --data DIR, or --live", hint="fer-edge evaluate --data DIR")
    if bool(args.recipe) != bool(args.seeds or args.folds):
        raise UsageError("--recipe goes with --seeds or --folds", hint="--recipe published --seeds 42,123,101112")
    if args.recipe:
        return _repeat(args)
    result = _evaluate(args)
    if args.json:
        print(json.dumps(result))
    return 0


def _evaluate(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from ..bundle import LABELS, write_text
    from ..train.evaluation import evaluation, fairness

    samples, truth = _truth(_read(args), args)
    logits, about = _logits(args, samples)
    figures: dict[str, Any] = {**about, **evaluation.evaluate(logits, truth, LABELS)}
    groups = []
    if args.groups:
        right = logits.argmax(axis=1) == truth
        groups = fairness.by_group(_grouped(args, samples, [bool(r) for r in np.asarray(right)]))
        figures["groups"] = [{**vars(g), "accuracy": g.accuracy, "too_small": g.too_small} for g in groups]
    if args.corrupt:
        figures["corrupted"] = _corrupted(args, samples, truth)
    if not args.json:
        print(f"{about['model']}: {about['ms_per_picture']:.1f} ms a picture with reading, {args.threads} threads")
        print(evaluation.text(figures, LABELS))
        for name, row in figures.get("corrupted", {}).items():
            print(f"{name:14} accuracy {row['accuracy']:.3f}  mean recall {row['mean_recall']:.3f}")
        print("\n" + fairness.table(groups) if groups else "", end="\n" if groups else "")
    if args.out:
        write_text(args.out / "metrics.json", json.dumps(figures, indent=1) + "\n")
        evaluation.plot_confusion(figures, LABELS, args.out / "confusion.png")
        evaluation.plot_confidence(logits, truth, args.out / "confidence.png")
        sheet = evaluation.contact_sheet(samples, logits, truth, LABELS)
        if sheet is not None:
            evaluation.write_sheet(sheet, args.out / "mistakes.png")
        if not args.json:
            print(f"written: {args.out}")
    return figures


def _read(args: argparse.Namespace, wanted: str = "") -> Dataset:
    """The data with the asked label column, or with the second column that a recipe wants."""
    from ..bundle.dataset import read_dataset

    second = wanted if args.label == "label" else args.label
    if wanted and second != wanted:
        raise UsageError(
            f"the recipe mixes in {wanted!r}, so --label cannot be {args.label!r}", hint="leave --label out"
        )
    return read_dataset(args.data, second, watch=watch)


def _truth(dataset: Dataset, args: argparse.Namespace) -> tuple[list[Sample], Any]:
    """The split's pictures that have the asked label, and those labels."""
    import numpy as np

    pairs = [(s, s.label if args.label == "label" else s.second) for s in dataset.split(args.split)]
    kept = [(s, label) for s, label in pairs if label is not None]
    if not kept:
        raise DatasetError(
            f"{args.data} has no labelled picture in the split {args.split!r}",
            cause="class folders without split folders have train and valid only",
            hint="--split valid",
        )
    return [s for s, _ in kept], np.array([label for _, label in kept], np.int64)


def _corrupted(args: argparse.Namespace, samples: list[Sample], truth: Any) -> dict[str, dict[str, float]]:
    """Accuracy and mean recall under each corruption."""
    from ..export.labelled import logits_of
    from ..export.metrics import report
    from ..train.data.corruptions import CORRUPTIONS

    if args.checkpoint:
        raise UsageError("--corrupt measures bundles, not checkpoints", hint="fer-edge evaluate --bundle B --corrupt …")
    classifier = _open(args)
    found = {}
    for name, alter in CORRUPTIONS.items():
        figures = report(logits_of(classifier, samples, alter, watch), truth, classifier.labels)
        found[name] = {k: figures[k] for k in ("accuracy", "mean_recall", "calibration_error")}
    return found


def _open(args: argparse.Namespace) -> Classifier:
    """The bundle's artifact through the runtime's backend."""
    from ..bundle import find_bundle, open_bundle
    from ..runtime.inference.classifier import Classifier, choose_artifact

    bundle = open_bundle(find_bundle(args.bundle))
    return Classifier(bundle, choose_artifact(bundle, args.precision), args.threads)


def _logits(args: argparse.Namespace, samples: list[Sample]) -> tuple[Logits, dict[str, Any]]:
    """Logits of a checkpoint through torch, or of a bundle through the runtime's backend."""
    began = perf_counter()
    if args.checkpoint:
        from ..train.checkpoint import open_checkpoint
        from ..train.evaluation.predict import predict

        network, recipe = open_checkpoint(args.checkpoint)
        logits = predict(network, samples, recipe.size, watch=watch)
        name = f"checkpoint {args.checkpoint.name} ({recipe.name})"
    else:
        from ..export.labelled import logits_of

        classifier = _open(args)
        logits = logits_of(classifier, samples, watch=watch)
        described = classifier.describe()
        name = f"{described['bundle']}, {described['artifact']}"
    each = 1000 * (perf_counter() - began) / len(samples)
    return logits, {
        "model": name,
        "data": args.data.name,
        "split": args.split,
        "label": args.label,
        "ms_per_picture": each,
    }


def _grouped(args: argparse.Namespace, samples: list[Sample], right: list[bool]) -> list[tuple[dict[str, str], bool]]:
    """Each picture's groups and whether it was right; pictures without a row are left out and counted."""
    from ..train.evaluation.fairness import read_groups

    table = read_groups(args.groups)
    root = args.data if args.data.is_dir() else args.data.parent
    rows = [(table.get(str(s.path.relative_to(root))), ok) for s, ok in zip(samples, right, strict=True)]
    known = [(values, ok) for values, ok in rows if values is not None]
    if not known:
        raise DatasetError(
            f"no path of {args.groups} names a picture of {args.data}",
            cause="paths are relative to the data folder, as in the manifest",
            hint=f"head -2 {args.groups}",
        )
    if len(known) < len(rows) and not args.json:
        print(f"{len(rows) - len(known)} pictures are in no group")
    return known


def _repeat(args: argparse.Namespace) -> int:
    """Train once a seed or fold and report mean ± standard deviation."""
    from dataclasses import replace

    from ..bundle import LABELS, write_text
    from ..train.evaluation import cross_validation as repeat
    from ..train.evaluation import evaluation
    from ..train.evaluation.predict import predict
    from ..train.fit import fit
    from ..train.recipe import load_recipe

    recipe = load_recipe(args.recipe)
    seeds = _seeds(args.seeds) if args.seeds else [recipe.seed]
    dataset = _read(args, recipe.second_label)
    cases = [(f"seed {seed}", replace(recipe, seed=seed), dataset) for seed in seeds]
    if args.folds:
        cases = [
            (f"{name} fold {i + 1}", r, part)
            for name, r, whole in cases
            for i, part in enumerate(repeat.folds(whole, args.folds, r.seed))
        ]
    work = (args.out or Path("runs")) / "work"

    def one(index: int) -> dict[str, Any]:
        name, changed, part = cases[index]
        place = work / name.replace(" ", "_")
        say = (lambda line: None) if args.json else (lambda line: print(f"{name}: {line}", flush=True))
        fitted = fit(changed, part, place, init=args.init, resume=(place / "last.pt").exists(), watch=watch, say=say)
        held_out = argparse.Namespace(
            **{**vars(args), "split": "valid" if args.folds or not part.split("test") else "test"}
        )
        samples, truth = _truth(part, held_out)
        return evaluation.evaluate(predict(fitted.network, samples, changed.size), truth, LABELS)

    result = repeat.repeat([name for name, _, _ in cases], one)
    if args.out:
        write_text(args.out / "repeats.json", json.dumps(result, indent=1) + "\n")
    print(json.dumps(result) if args.json else repeat.table(result))
    return 0


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--seeds takes whole numbers, not {text!r}", hint="--seeds 42,123,101112") from None

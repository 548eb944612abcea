"""The stages of a reproduction, each of which goes on where it stopped, and the page, written however it ends."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ....bundle import LABELS, write_text
from ....bundle.dataset import Dataset, Sample, Watch, read_dataset, unwatched
from ....errors import DatasetError
from ....train.evaluation.cross_validation import CrossValidationOptions, cross_validate
from ....train.evaluation.evaluation import evaluate
from ....train.evaluation.predict import predict
from ....train.evaluation.truth import truth_of
from ....train.network import open_checkpoint
from ....train.recipe import Recipe, load_recipe
from ....train.sweep.grids import PRESETS
from ....train.sweep.run import SweepOptions, run_sweep
from ....train.torch_import import import_torch
from .collect import best_run, read_json, runs_of
from .options import SEEDS, ReproduceOptions, remember
from .page import write_page
from .temporal import train_heads
from .variants import measure_variants

CHANGED: dict[str, dict[str, Any]] = {
    "seeds": {},
    "folds": {},
    "losses": {"focal": 2.0},
    "se": {"attention": "se"},
    "cbam": {"attention": "cbam"},
}
"""Stages that train the published recipe several times -> what they change of it."""
TRANSFORMERS = ("vit_tiny_patch16_224", "mobilevit_xxs", "swin_tiny_patch4_window7_224")
"""At the same resolution as the others, by section 11.6: a plain one, one with convolutions, one with windows."""
Say = Callable[[str], None]


def reproduce(options: ReproduceOptions, on_notice: Say = lambda line: None, watch: Watch = unwatched) -> list[Path]:
    """Train what is left of the stages, then write the page; returns the files written.

    Stopped by Ctrl-C or SIGTERM it keeps a checkpoint, writes the page of what is there, and goes on the next time.

    Raises:
        UsageError, DatasetError: options or data cannot be used; and as `run_sweep` and `cross_validate` do.
    """
    options.check()
    if options.data is None:
        return write_page(options.out, options.docs)
    torch = import_torch()
    if options.threads:
        torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    data, dataset = _part(options, on_notice, watch)
    try:
        for stage in options.stages:
            on_notice(f"stage {stage}")
            if stage in CHANGED:
                _repeat(stage, options, data, on_notice, watch)
            elif stage == "variants":
                measure_variants(options.out, dataset, on_notice, watch)
            elif stage == "temporal":
                train_heads(options.out, dataset, on_notice, watch)
            else:
                _sweep(stage, options, data, on_notice, watch)
        _test_best(options.out, dataset, on_notice)
    finally:
        written = write_page(options.out, options.docs)
    return written


def _part(options: ReproduceOptions, say: Say, watch: Watch) -> tuple[Path, Dataset]:
    """A manifest of the pictures that are used, which stay where they lie; raises DatasetError without a test split."""
    assert options.data is not None
    second = "" if options.label == "label" else options.label
    whole = read_dataset(options.data, second, watch=watch, label_map=options.label_map)
    for line in whole.notes():
        say(line)
    samples = [s for s in whole.samples if _truth(s, second) is not None]
    if not any(s.split == "test" for s in samples):
        raise DatasetError(
            f"{options.data} has no labelled picture in a test split",
            cause="Tables 8 and 9 are of pictures that no choice was made on",
            hint=f"ls {options.data}",
        )
    kept = [s for s in samples if s.split != "train"] + _share(samples, second, options.share)
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(("path", "split", "label"))
    table.writerows((s.path.resolve(), s.split, LABELS[int(_truth(s, second) or 0)]) for s in kept)
    manifest = options.out / "part" / "manifest.csv"
    write_text(manifest, rows.getvalue())
    dataset = read_dataset(manifest, watch=watch)
    counts = {split: len(dataset.split(split)) for split in ("train", "valid", "test")}
    remember(options, counts, options.data.resolve().name, dataset.digest())
    return manifest, dataset


def _truth(sample: Sample, second: str) -> int | None:
    return sample.second if second else sample.label


def _share(samples: list[Sample], second: str, share: float) -> list[Sample]:
    """That share of each label's training pictures, by their content: the same ones wherever they lie."""
    found: list[Sample] = []
    for label in range(len(LABELS)):
        mine = sorted(
            (s for s in samples if s.split == "train" and _truth(s, second) == label), key=lambda s: s.content
        )
        found += mine[: max(1, round(share * len(mine)))]
    return found


def _recipe(options: ReproduceOptions, name: str = "reduced", **more: Any) -> Path:
    """The published recipe at the size and length asked for, as a file."""
    usual = asdict(Recipe("published"))
    keys = {**asdict(load_recipe("published")), "size": options.size, "epochs": options.epochs, **more}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if key != "name" and value != usual[key]]
    path = options.out / f"{name}.toml"
    write_text(path, "\n".join(lines) + "\n")
    return path


def _sweep(stage: str, options: ReproduceOptions, data: Path, say: Say, watch: Watch) -> None:
    """A preset of the sweeps, or the transformers; first weights of ResNet-18 alone are given to no other backbone."""
    grid: Any = stage if stage in PRESETS else {"focal": (0.0,)}
    trials = options.trials if stage in PRESETS else None
    names = dict.fromkeys(part.backbone for part in PRESETS[stage]) if stage in PRESETS else TRANSFORMERS
    groups = [("resnet18",), tuple(n for n in names if n != "resnet18")] if options.of_one else [tuple(names)]
    for backbones in groups:
        if set(backbones) <= set(names):
            init = options.init if not options.of_one or backbones == ("resnet18",) else None
            asked = SweepOptions(data, options.out / stage, str(_recipe(options)), backbones, grid, trials, init=init)
            run_sweep(replace(asked, study=stage), say, watch)


def _repeat(stage: str, options: ReproduceOptions, data: Path, say: Say, watch: Watch) -> None:
    """Three seeds, or the folds; what only going on needs goes when all are done, and nothing is done twice."""
    out, changed = options.out / stage, CHANGED[stage]
    kept = read_json(out / "repeats.json")
    wanted = options.folds if stage == "folds" else len(SEEDS)
    if kept and len(kept["runs"]) == wanted:
        return
    recipe = _recipe(options, stage if changed else "reduced", **changed)
    more: Mapping[str, Any] = {"folds": options.folds} if stage == "folds" else {"seeds": SEEDS}
    work = out / f"of_{options.folds}" if stage == "folds" else out  # another number shares the pictures otherwise
    found = cross_validate(CrossValidationOptions(data, str(recipe), work, init=options.init, **more), say, watch)
    write_text(out / "repeats.json", json.dumps(found, indent=1) + "\n")
    for checkpoint in [*work.glob("*/epoch_*.pt"), *work.glob("*/last.pt")]:
        checkpoint.unlink(missing_ok=True)  # some hundred megabytes a run


def _test_best(out: Path, dataset: Dataset, say: Say) -> None:
    """Measure the run that validated best on the test pictures, which chose nothing; nothing where none was run."""
    best = best_run(runs_of(out, "final14"))
    if best is None:
        say("no run of final14 is done: Table 8 stays empty")
        return
    network, recipe = open_checkpoint(best.folder / "best.pt")
    samples, truth = truth_of(dataset, "test", "label", out / "part")
    figures = evaluate(predict(network, samples, recipe.size), truth, LABELS)
    write_text(out / "best.json", json.dumps({"run": best.folder.name, **figures}, indent=1) + "\n")

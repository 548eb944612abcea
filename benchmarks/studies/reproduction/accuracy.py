"""The study's tables of accuracy, 4 to 9, with ours beside them, from what was run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....bundle import LABELS
from ....train.sweep.tables import by_augmentation, by_backbone, summarise
from ....words import counted
from . import published
from .collect import Run, best_run, read_json, runs_of
from .options import recall
from .tables import Pair, Table, spread

OF_LABEL = ("precision", "recall", "f1")


def accuracy_tables(out: Path, size: str) -> list[Table]:
    """Tables 5, 6, 4, 7, 8 and 9; `size` is how ours were reduced, for the captions."""
    first, final = runs_of(out, "first75"), runs_of(out, "final14")
    return [
        _sweep(first, size),
        _backbones([*first, *final], size, recall(out)),
        _validation(best_run([*first, *final], "efficientnet_b0"), size),
        _best(best_run(final), size),
        _test(read_json(out / "best.json"), size),
        _repeats(read_json(out / "seeds" / "repeats.json"), read_json(out / "folds" / "repeats.json"), size),
    ]


def _sweep(runs: Sequence[Run], size: str) -> Table:
    groups = {group["group"]: group for group in summarise([run.row for run in runs], by_augmentation)}
    rows = tuple(
        (
            f"{name} ({counted(groups[name]['runs'], 'run') if name in groups else 'no run'} of ours)",
            tuple(
                spread(told[figure], groups.get(name, {}).get(figure), digits)
                for figure, digits in (("accuracy", 4), ("loss", 4), ("minutes", 1))
            ),
        )
        for name, told in published.TABLE_5.items()
    )
    caption = f"Validation pictures, mean (least to greatest). The study's 75 first runs; ours: {len(runs)}, {size}."
    note = (
        "The study's minutes are of another machine, its accuracies of other pictures: only the direction can be "
        "compared, what augmentation does and how far runs lie apart. Runs of the two rows differ in learning rate, "
        "dropout and weight decay, too, there as here; the fewer, the less of a difference is the augmentation's."
    )
    return Table(
        "table5", "Table 5: with and without augmentation", caption, ("", "accuracy", "loss", "minutes"), rows, note
    )


def _backbones(runs: Sequence[Run], size: str, setup: dict[str, Any]) -> Table:
    groups = {group["group"]: group for group in summarise([run.row for run in runs], by_backbone)}
    names = [*published.TABLE_6, *(name for name in groups if name not in published.TABLE_6)]
    rows = tuple(
        (
            name,
            (
                spread(published.TABLE_6.get(name), groups.get(name, {}).get("accuracy"), 4),
                Pair(None, _runs(groups, name)),
            ),
        )
        for name in names
    )
    caption = f"Validation accuracy, mean (least to greatest). The study: 89 runs; ours: {len(runs)}, {size}."
    note = ""
    if setup and setup["init"] != setup.get("others_init", setup["init"]):
        note = (
            f"Ours of ResNet-18 began with `{setup['init']}`, the others at random: its row compares with no other. "
            "The same holds for the bars and curves above, and for Table 12."
        )
    return Table("table6", "Table 6: by backbone", caption, ("", "accuracy", "runs"), rows, note)


def _runs(groups: dict[str, Any], name: str) -> str | None:
    return str(groups[name]["runs"]) if name in groups else None


def _validation(run: Run | None, size: str) -> Table:
    report = run.report["per_label"] if run else {}
    rows = [
        (
            label,
            tuple(
                Pair(told, None if label not in report else report[label][key], 2)
                for key, told in zip((*OF_LABEL, "support"), published.TABLE_4[label], strict=True)
            ),
        )
        for label in LABELS
    ]
    accuracy = Pair(0.90, run.report["accuracy"] if run else None)
    rows.append(("accuracy", (accuracy, *[Pair(None, "")] * 3)))
    caption = f"EfficientNet-B0 on the validation pictures, its best run. Ours: {size}."
    return Table("table4", "Table 4: report of EfficientNet-B0", caption, ("", *OF_LABEL, "pictures"), tuple(rows))


def _best(run: Run | None, size: str) -> Table:
    recipe = run.recipe if run else {}
    rows = [(key, (Pair(f"{told}", f"{recipe[key]}" if run else None),)) for key, told in published.TABLE_7.items()]
    accuracy = Pair(published.BEST_VALIDATION, run.outcome["accuracy"] if run else None, 4)
    rows.append(("validation accuracy", (accuracy,)))
    caption = f"The run of the last sweep that validated best. Ours: {size}."
    return Table("table7", "Tables 7 and 13: the best configuration", caption, ("", "value"), tuple(rows))


def _test(figures: dict[str, Any] | None, size: str) -> Table:
    found = {**figures["per_label"], **figures["averages"]} if figures else {}
    rows = [
        (
            name,
            tuple(Pair(told, found[name][key] if found else None, 2) for key, told in zip(OF_LABEL, of, strict=True)),
        )
        for name, of in published.TABLE_8.items()
    ]
    rows += [
        (name.replace("_", " "), (Pair(None, figures[name] if figures else None), *[Pair(None, "")] * 2))
        for name in ("accuracy", "error_rate")
    ]
    caption = f"The best configuration on the test pictures, on which nothing was chosen. Ours: {size}."
    return Table("table8", "Table 8: report on the test pictures", caption, ("", *OF_LABEL), tuple(rows))


def _repeats(seeds: dict[str, Any] | None, folds: dict[str, Any] | None, size: str) -> Table:
    by_name = {row["name"]: row["accuracy"] for row in (seeds or {"runs": []})["runs"]}
    rows = [
        (f"seed {seed}", (Pair(told, by_name.get(f"seed {seed}"), 4),))
        for seed, told in published.TABLE_9_SEEDS.items()
    ]
    for name, found, key in zip(
        published.TABLE_9, (seeds, folds, folds), ("accuracy", "accuracy", "macro_f1"), strict=True
    ):
        mean, deviation = published.TABLE_9[name]
        ours = found["summary"][key] if found else None
        many = f", of ours {len(found['runs'])}" if found and len(found["runs"]) not in (3, 5) else ""
        shown = f"{ours['mean']:.4f} ± {ours['std']:.4f}" if ours else None
        rows.append((name + many, (Pair(f"{mean:.4f} ± {deviation:.4f}", shown),)))
    caption = f"Mean ± standard deviation; seeds on the test pictures, folds on those held out. Ours: {size}."
    return Table("table9", "Table 9: seeds and folds", caption, ("", "value"), tuple(rows))

"""The study's further tables, 10 to 16, with ours beside them, from what was run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....train.evaluation.live_ratings import PUBLISHED as TABLE_16
from ....words import counted
from . import published
from .collect import Run, best_run, runs_of, work_of
from .tables import Pair, Table


def further_tables(out: Path, size: str) -> list[Table]:
    """Tables 10 and 11, 12, 14 and 15, and 16; `size` is how ours were reduced, for the captions."""
    final = runs_of(out, "final14")
    return [
        _people(),
        _work([*runs_of(out, "first75"), *final, *runs_of(out, "transformers")], size),
        _machine(best_run(final), size),
        _live(),
    ]


def _people() -> Table:
    rows = tuple((name, (Pair(told, None, 4),)) for name, told in published.TABLES_10_11.items())
    note = (
        "Not run: this needs faces that somebody annotated with an expression and with gender, skin colour and age. "
        "`fer-edge evaluate --groups gender,age,gender+age` then measures them, intersections too. They would not be "
        "comparable with the study's in any case: neither its 700 pictures nor who annotated them are public."
    )
    return Table("tables10-11", "Tables 10 and 11: for whom", "Accuracy.", ("", "accuracy"), rows, note)


def _work(runs: Sequence[Run], size: str) -> Table:
    names = dict.fromkeys(["resnet18", *(str(run.recipe["backbone"]) for run in runs)])
    rows = []
    for name in names:
        run = best_run(runs, name)
        work = work_of(run) if run else {}
        told = published.TABLE_12 if name == "resnet18" else {}
        pairs = [
            Pair(told[key] / unit if key in told else None, work[key] / unit if work else None, 2)
            for key, unit in (("parameters", 1e6), ("multiply-adds", 1e9))
        ]
        accuracy = Pair(None, run.outcome["accuracy"] if run else None)
        rows.append((name, (*pairs, accuracy)))
    caption = (
        f"Millions of parameters, billions of multiply-adds, and validation accuracy of the best run. Ours: {size}; "
        "the study counts its multiply-adds at 256 pixels."
    )
    columns = ("", "parameters, M", "multiply-adds, G", "accuracy")
    note = "The study quotes others' accuracies on other sets beside its own; they are not repeated here."
    return Table(
        "table12", "Table 12 and 11.6: size, work and accuracy, transformers too", caption, columns, tuple(rows), note
    )


def _machine(run: Run | None, size: str) -> Table:
    ours: dict[str, str] = {}
    if run:
        on = run.report["hardware"]
        memory = f"{on.get('memory_mib', 0) / 1024:.0f} GiB"
        ours = {
            **run.report["versions"],
            "processor": ", ".join([on.get("processor", "unknown"), counted(on["cores"], "core"), memory]),
            "gpu": ", ".join(on.get("gpus", [])) or "none",
            "system": on["system"],
        }
    rows = tuple(
        (name, (Pair(told, ours.get(name, "not used") if run else None),))
        for name, told in published.TABLES_14_15.items()
    )
    return Table("tables14-15", "Tables 14 and 15: with what", f"The best run. Ours: {size}.", ("", "value"), rows)


def _live() -> Table:
    rows = tuple(
        (label, (Pair(f"{of.good}/{of.moderate}/{of.poor}", None), Pair(of.accuracy, None)))
        for label, of in TABLE_16.items()
    )
    note = (
        "Not run: this needs people who show seven expressions twice before a camera. `fer-edge evaluate --live "
        "camera:0 --people 14` guides them, rates by the study's rule and prints this table with theirs in it."
    )
    caption = "14 people, Good/Moderate/Poor, and the share of people with Good."
    return Table("table16", "Table 16: the live check", caption, ("", "people", "accuracy"), rows, note)

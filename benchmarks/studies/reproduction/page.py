"""docs/reproduction.md: every published table with ours beside it, written from what was run and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....bundle import write_text
from ....train.sweep.plots import plot_sweep
from ....train.sweep.tables import by_augmentation, by_backbone, summarise
from ....words import counted
from .accuracy import accuracy_tables
from .beyond import beyond_tables
from .collect import runs_of
from .further import further_tables
from .options import recall
from .tables import NOT_RUN, NOT_TOLD, Table

PICTURES = {"table5": ("by_augmentation.png",), "table6": ("by_backbone.png", "best_curves.png", "all_curves.png")}
"""Table -> plots below it: the study's Figures 16, 17 and 22, and an overlay of all."""
LEFT_OUT = """## What is not here
- **256 pixels**: not run, where the captions name another size.
- **11.2 and 11.9**: `fer-edge evaluate --augmentations` says which augmentations keep the label, `--explain` what of a
  face the answers hang on and whether the maps are right; see [training](training.md#what-an-answer-hangs-on).
"""


def write_page(out: Path, docs: Path) -> list[Path]:
    """Write reproduction.md and reproduction/*.csv and *.png from the runs in `out`; returns their paths."""
    place = docs / "reproduction"
    place.mkdir(parents=True, exist_ok=True)
    runs = [run for stage in ("first75", "final14") for run in runs_of(out, stage)]
    rows = [run.row for run in runs]
    plotted = _plots(out, place, rows)
    tables = [_with_pictures(table, plotted) for table in _tables(out)]
    written = [place / f"{table.name}.csv" for table in tables]
    for table, path in zip(tables, written, strict=True):
        write_text(path, table.as_csv())
    page = "\n".join([_head(recall(out), len(runs)), *(table.markdown() for table in tables), LEFT_OUT])
    write_text(docs / "reproduction.md", page)
    return [docs / "reproduction.md", *written, *plotted]


def _tables(out: Path) -> list[Table]:
    size = _reduced(recall(out))
    return [*accuracy_tables(out, size), *further_tables(out, size), *beyond_tables(out, size)]


def _reduced(setup: dict[str, Any]) -> str:
    """The reduction, for every caption."""
    if not setup:
        return "nothing was run"
    part = "" if setup["share"] == 1 else f", {setup['share']:.0%} of the training pictures"
    return (
        f"`{setup['data']}` at {setup['size']} pixels instead of 256, at most {counted(setup['epochs'], 'epoch')}{part}"
    )


def _plots(out: Path, place: Path, rows: list[dict[str, Any]]) -> list[Path]:
    if not rows:
        return []
    histories = [
        {**row, "name": f"{stage}/{row['name']}"} for stage in ("first75", "final14") for row in _of(out, stage)
    ]
    found = {
        "runs": histories,
        "by_backbone": summarise(rows, by_backbone),
        "by_augmentation": summarise(_of(out, "first75"), by_augmentation),  # as Table 5, below which it stands
    }
    return plot_sweep(found, place, out)


def _of(out: Path, stage: str) -> list[dict[str, Any]]:
    return [run.row for run in runs_of(out, stage)]


def _with_pictures(table: Table, plotted: list[Path]) -> Table:
    names = {path.name for path in plotted}
    pictures = tuple(name for name in PICTURES.get(table.name, ()) if name in names)
    return Table(table.name, table.title, table.caption, table.columns, table.rows, table.note, pictures)


def _first_weights(setup: dict[str, Any]) -> str:
    others = setup.get("others_init", setup["init"])
    told = f"`{setup['init']}`"
    return told if others == setup["init"] else f"{told} for ResNet-18 and `{others}` for other backbones"


def _head(setup: dict[str, Any], runs: int) -> str:
    if setup:
        counts = ", ".join(f"{n} {split}" for split, n in setup["pictures"].items())
        part = "all training pictures" if setup["share"] == 1 else f"{setup['share']:.0%} of the training pictures"
        reduced = (
            f"**Reduced:** {setup['size']} x {setup['size']} pixels instead of 256 x 256, at most "
            f"{counted(setup['epochs'], 'epoch')} instead of 30, {counted(runs, 'run')} of the two sweeps "
            f"instead of 89, {part} of `{setup['data']}` ({counts} pictures, digest `{setup['digest'][:16]}`, column "
            f"`{setup['label']}`), first weights {_first_weights(setup)} where the study had ImageNet's."
        )
    else:
        reduced = "**Nothing of it was run yet:** every cell of ours says so."
    return f"""# The study, repeated

A master's thesis of 2025 trained ResNet-18 and others to read seven expressions, and printed its figures without code,
data or weights. `fer-edge reproduce` trains what it trained, as far as it says it, and writes this page; `make
reproduce` goes on where it stopped. {reduced}

Cells are `the study's / ours`; "{NOT_TOLD}" is what the study does not tell, "{NOT_RUN}" what was not run here. Its
35,887 pictures are a mixture that cannot be had as it was, so that figures of ours beside it show whether the
directions hold, not who is better. Each table is also a CSV file in `docs/reproduction/`.
"""

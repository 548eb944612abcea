"""A comparison as a folder: tables, plots, and everything in one JSON file; known to the study, which can remove it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...files import write_text, writing_folder
from ..report.plots import figure_class
from ..study.folder import open_study
from ..study.register import now_ms, writing
from ..study.withdraw import COMPARED
from .compare import Comparison
from .plots import plot_differences, plot_trends
from .tables import write_tables


@dataclass(frozen=True)
class WriteOptions:
    """Where and what: a new folder, or one of an earlier comparison to `replace`; tables as Parquet too; no plots."""

    out: Path
    parquet: bool = False
    plots: bool = True
    replace: bool = False


def write_comparison(comparison: Comparison, options: WriteOptions) -> list[Path]:
    """Write it, and note in the study's register that it is there: who withdraws takes it along.

    Raises UsageError: the folder is there, or another program has the study; MissingExtra; OutputError.
    """
    out = options.out
    if out.exists() and not (options.replace and (out / COMPARED).is_file()):
        raise UsageError(
            f"{out} is there already" + ("" if not options.replace else ", and is no comparison"),
            hint="choose another folder" if options.replace else "choose another folder, or add --replace",
        )
    if options.plots:
        figure_class()  # before anything is written
    place = str(out.resolve())
    with writing(open_study(comparison.study)) as register:
        for subject in comparison.ids.values():  # also known if it breaks off
            register.write("DELETE FROM exports WHERE subject = ? AND path = ?", subject, place)
            register.write("INSERT INTO exports VALUES (?, ?, ?)", subject, place, now_ms())
        with writing_folder(out) as folder:
            folder.chmod(0o700)
            _write_parts(comparison, options, folder)
    return sorted(out.iterdir())


def _write_parts(comparison: Comparison, options: WriteOptions, folder: Path) -> None:
    for kind in ("csv", "parquet") if options.parquet else ("csv",):
        write_tables(comparison, folder, kind)
    text = json.dumps({**as_json(comparison), "ids": dict(comparison.ids)}, indent=1, ensure_ascii=False)
    write_text(folder / COMPARED, text + "\n", private=True)
    if options.plots:
        plot_differences(comparison, folder / "differences.png")
        plot_trends(comparison, folder / "trends.png")


def as_json(comparison: Comparison, outputs: Sequence[Path] = ()) -> dict[str, Any]:
    """What `fer-edge compare --json` prints."""
    return {
        "study": str(comparison.study),
        "title": comparison.title,
        "sessions": len({s.session for s in comparison.sessions}),
        "subjects": len(comparison.ids),
        "warnings": list(comparison.warnings),
        "left_out": [asdict(one) for one in comparison.left_out],
        "contrasts": [asdict(c) for c in comparison.contrasts],
        "outputs": [str(path) for path in outputs],
    }

"""A sweep's runs by backbone and by augmentation: accuracy, loss and minutes, as in the study's Tables 5 and 6."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...words import counted

FIGURES = ("accuracy", "loss", "minutes")
Row = Mapping[str, Any]


def summarise(rows: Sequence[Row], key: Callable[[Row], str]) -> list[dict[str, Any]]:
    """Number of runs, and mean, least and greatest of each figure by a key, best mean accuracy first.

    A figure that one of the group's runs lacks is None: the mean of some would pass for that of all.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    found = [
        {"group": name, "runs": len(members), **{f: _spread([m.get(f) for m in members]) for f in FIGURES}}
        for name, members in groups.items()
    ]
    return sorted(found, key=lambda group: -group["accuracy"]["mean"])


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return None
    return {"mean": statistics.fmean(known), "min": min(known), "max": max(known)}


def by_backbone(row: Row) -> str:
    """Key for `summarise`."""
    return str(row["backbone"])


def by_augmentation(row: Row) -> str:
    """Key for `summarise`: with or without augmentation."""
    return "without augmentation" if row["augment"] == "none" else "with augmentation"


def text(title: str, groups: Sequence[Row]) -> str:
    """A table as lines: mean (least to greatest) of each figure."""
    lines = [f"{title:24} {'runs':>4}" + "".join(f"  {name:>24}" for name in FIGURES)]
    for group in groups:
        cells = (_cell(group[name], digits) for name, digits in zip(FIGURES, (4, 4, 1), strict=True))
        lines.append(f"{group['group']:24} {group['runs']:4}" + "".join(f"  {cell:>24}" for cell in cells))
    lacking = [g for g in groups if any(g[name] is None for name in FIGURES)]
    if lacking:
        runs = counted(sum(g["runs"] for g in lacking), "run")
        lines.append(f"-: not kept by every one of the {runs}, some of which an older fer-edge began")
    return "\n".join(lines)


def _cell(spread: Mapping[str, float] | None, digits: int) -> str:
    if spread is None:
        return "-"
    return f"{spread['mean']:.{digits}f} ({spread['min']:.{digits}f} to {spread['max']:.{digits}f})"

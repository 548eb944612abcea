"""Sections 11.1 and 11.2, which the study only proposes: attention, two networks, a temporal head, focal loss."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....words import counted
from .collect import read_json
from .options import SEEDS
from .sequences import FRAMES
from .tables import Pair, Table
from .variants import MIXED, NETWORKS, PAIRS, RESULT

OF_VARIANTS = {
    "accuracy, float16": ("accuracy_float16", 4),
    "accuracy, int8": ("accuracy", 4),
    "mean recall, int8": ("mean_recall", 4),
    "ms, int8": ("ms", 2),
    "MB, int8": ("mb", 2),
}
"""Column -> figure in variants.json, and digits."""
WAYS = ("frame alone", "exponential average", "temporal head")
PARTS = ("all frames", "steady", "changing")


def beyond_tables(out: Path, size: str) -> list[Table]:
    """11.1 and 11.2; `size` is how ours were reduced, for the captions."""
    return [_losses(out, size), _variants(read_json(out / RESULT), size), _temporal(out, size)]


def mean_and_deviation(values: Sequence[float], digits: int) -> str | None:
    """Of some seeds, with how many where it is not all of SEEDS; None where there is none."""
    if not values:
        return None
    few = "" if len(values) == len(SEEDS) else f" ({counted(len(values), 'seed')})"
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{deviation}{few}"


def _losses(out: Path, size: str) -> Table:
    rows = []
    for stage, name in (("seeds", "cross-entropy"), ("losses", "focal, exponent 2")):
        found = read_json(out / stage / "repeats.json") or {"runs": []}
        figures = ([run[key] for run in found["runs"]] for key in ("accuracy", "mean_recall", "calibration_error"))
        rows.append((name, tuple(Pair(None, mean_and_deviation(values, 4)) for values in figures)))
    caption = f"ResNet-18, test pictures, {len(SEEDS)} seeds: mean ± standard deviation. Ours: {size}."
    columns = ("", "accuracy", "mean recall", "calibration error")
    return Table("losses", "11.2: focal loss", caption, columns, tuple(rows))


def _variants(found: dict[str, Any] | None, size: str) -> Table:
    runs = found["runs"] if found else []
    rows = tuple(
        (
            name,
            tuple(
                Pair(None, mean_and_deviation([run[key] for run in runs if run["name"] == name], digits))
                for key, digits in OF_VARIANTS.values()
            ),
        )
        for name in (*NETWORKS.values(), PAIRS, MIXED)
    )
    where = f"; {found['hardware'].get('processor', 'unknown processor')}" if found else ""
    caption = (
        f"Test pictures, {len(SEEDS)} seeds: mean ± standard deviation; milliseconds of one picture on one thread, "
        f"every network in turns{where}. Ours: {size}."
    )
    note = (
        "Two networks answer with the mean of their probabilities; the three pairs of seeds share members, so their "
        "deviation is smaller than that of independent pairs. Other work on the machine lengthens all times alike: "
        "their ratio counts."
    )
    return Table("variants", "11.1: attention, and two networks", caption, ("", *OF_VARIANTS), rows, note)


def _temporal(out: Path, size: str) -> Table:
    found = [json.loads(path.read_text()) for path in sorted((out / "temporal").glob("seed_*.json"))]
    rows = []
    for way in WAYS:
        parts = [Pair(None, mean_and_deviation([f[way][part] for f in found if part in f[way]], 4)) for part in PARTS]
        costs = [Pair(None, mean_and_deviation([f[key] for f in found], 3)) for key in ("ms", "mb")]
        none = [Pair(None, "0" if found else None)] * 2
        rows.append((way, (*parts, *(costs if way == "temporal head" else none))))
    learnt, tested = found[0]["tracks"] if found else ("no", "no")
    caption = (
        f"Accuracy over all frames of {tested} made-up tracks of {FRAMES} frames, of tracks that stay and of those "
        f"that change; what each adds in milliseconds and megabytes. {len(SEEDS)} seeds. Ours: {size}."
    )
    shares = ", ".join(f"{f['share']:g}" for f in found)
    told = f" Its newest frame counts {shares} (by seed)." if found else ""
    weights = f" of {found[0]['parameters']:,} weights" if found else ""
    note = (
        "**No video:** nobody labelled one here. A frame is a still face altered anew by blur, noise, compression, "
        "light and framing (`harsh`), harder and less alike from one to the next than a camera's; in half of the "
        "tracks another face with another label takes its place, easier to notice than a change of one person's "
        "face. It shows whether a head can weigh frames better than an average does, not how well it would do on "
        f"people. The head is a recurrent layer{weights} over embedding and logits; it learned from {learnt} tracks of "
        f"validation faces, on which the average's share was chosen, too.{told} The runtime has no such head: a "
        "bundle's graph gives no embedding."
    )
    columns = ("", *PARTS, "ms more", "MB more")
    return Table("temporal", "11.1: a temporal head", caption, columns, tuple(rows), note)

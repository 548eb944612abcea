"""Explaining a model's answers over some faces of each label, and checking the explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import Image, whole_image
from ....bundle.dataset import Sample, Watch, read_face, unwatched
from ....export.metrics import Classes
from ..intervals import bootstrapped_mean
from ..options import EvaluateOptions
from . import maps
from .activations import Activations
from .maps import Heat
from .probe import Probe, open_probe

REGIONS = {"forehead": 0.28, "eyes and brows": 0.50, "nose and cheeks": 0.68, "mouth": 0.88, "chin": 1.0}
"""Where each band of a crop ends, as a share of its height. By the training pictures' framing and not by landmarks: a
face that leans or is far out of the middle has its mouth in another band."""
SEED = 42


@dataclass
class OfLabel:
    """What was found on the faces of one label that the model gets right: sums of crops and maps (S, S)."""

    pictures: int = 0
    face: NDArray[np.float64] | None = None
    heats: dict[str, Heat] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """The figures, as metrics.json has them, and the pictures behind them, by label."""

    figures: dict[str, Any]
    by_label: dict[str, OfLabel]


def explain_model(
    options: EvaluateOptions, samples: Sequence[Sample], truth: Classes, labels: Sequence[str], watch: Watch = unwatched
) -> Explanation:
    """`explain` for what an evaluation measures; raises BundleError, UsageError.

    Args:
        truth: of each sample, an index of `labels`, which may be some of the model's.
    """
    with open_probe(options.bundle, options.checkpoint, options.threads) as probe:
        asked = [probe.labels.index(labels[place]) for place in truth.tolist()]
        return explain(probe, samples, asked, options.explain, watch)


def explain(
    probe: Probe, samples: Sequence[Sample], truth: Sequence[int], each: int, watch: Watch = unwatched
) -> Explanation:
    """Maps, deletion curves and activations over the first `each` faces of each label that the model gets right.

    Args:
        truth: of each sample, an index of the probe's labels.
    """
    found = {label: OfLabel() for label in probe.labels}
    curves: dict[str, list[NDArray[np.float64]]] = {}
    activations = Activations(probe)
    for place, (picture, label) in enumerate(_right(probe, samples, truth, each, watch)):
        heats = {"occlusion": maps.occlusion(probe.answer, picture, label)}
        if probe.feature:
            heats["grad_cam"] = maps.grad_cam(probe, picture, label)
        for name, heat in heats.items():
            curves.setdefault(name, []).append(maps.deletion(probe.answer, picture, label, heat))
        curves.setdefault("random", []).append(maps.random_deletion(probe.answer, picture, label, SEED + place))
        _add(found[probe.labels[label]], picture, heats)
        activations.add(picture)
    return Explanation(_figures(probe, found, curves, activations, each), found)


def _right(
    probe: Probe, samples: Sequence[Sample], truth: Sequence[int], each: int, watch: Watch
) -> list[tuple[Image, int]]:
    """Crops that the model names rightly, with their labels, at most `each` of one, from the set's beginning."""
    kept: list[tuple[Image, int]] = []
    left = dict.fromkeys(range(len(probe.labels)), each)
    for sample, label in watch(list(zip(samples, truth, strict=True)), desc="faces to explain"):
        if not left[int(label)]:
            continue
        picture = whole_image(read_face(sample), probe.size)
        if int(probe.answer([picture])[0].argmax()) == label:
            kept.append((picture, int(label)))
            left[int(label)] -= 1
    return list(watch(kept, desc="explaining")) if kept else []


def _add(to: OfLabel, picture: Image, heats: dict[str, Heat]) -> None:
    to.pictures += 1
    to.face = picture.astype(np.float64) + (0 if to.face is None else to.face)
    for name, heat in heats.items():
        share = heat / heat.sum() if heat.sum() > 0 else heat
        to.heats[name] = to.heats.get(name, np.zeros_like(share)) + share


def _figures(
    probe: Probe,
    found: dict[str, OfLabel],
    curves: dict[str, list[NDArray[np.float64]]],
    activations: Activations,
    each: int,
) -> dict[str, Any]:
    areas = {name: np.array([curve.mean() for curve in rows]) for name, rows in curves.items()}
    checks: dict[str, dict[str, Any]] = {}
    for name in curves:
        checks[name] = {"curve": np.mean(curves[name], axis=0).tolist(), "area": float(areas[name].mean())}
        if name != "random":
            less = bootstrapped_mean(areas["random"] - areas[name])
            checks[name] |= {"less_than_random": [less.value, less.low, less.high], "points_at_it": less.low > 0}
    bands = np.diff([0.0, *REGIONS.values()])
    return {
        "model": probe.name,
        "asked_of_each_label": each,
        "pictures": {label: of.pictures for label, of in found.items()},
        "area_of_region": dict(zip(REGIONS, bands.tolist(), strict=True)),
        "heat_by_region": {
            name: {label: by_region(of.heats[name]) for label, of in found.items() if name in of.heats}
            for name in curves
            if name != "random"
        },
        "deletion": checks,
        "layers": activations.rows(),
    }


def by_region(heat: Heat) -> dict[str, float]:
    """The share of a map's heat in each band, summing to 1; all 0 where there is no heat."""
    ends = [round(end * len(heat)) for end in REGIONS.values()]
    rows, total = heat.sum(axis=1), max(float(heat.sum()), 1e-12)
    begins = [0, *ends[:-1]]
    return {name: float(rows[a:b].sum()) / total for name, a, b in zip(REGIONS, begins, ends, strict=True)}


def text(figures: dict[str, Any]) -> str:
    """What people read of it: where the heat lies, whether that is so, and layers that are dead."""
    lines = [f"explained: {figures['model']}, {sum(figures['pictures'].values())} faces that it names rightly"]
    short = [f"{label} {n}" for label, n in figures["pictures"].items() if n < figures["asked_of_each_label"]]
    if short:
        lines.append(f"fewer than {figures['asked_of_each_label']}: {', '.join(short)}")
    if not any(figures["pictures"].values()):
        return "\n".join([*lines, "nothing is explained: the model names none of these faces rightly"])
    for name, rows in figures["heat_by_region"].items():
        lines += ["", f"{name.replace('_', '-'):10} " + " ".join(f"{region:>16}" for region in REGIONS)]
        lines += [f"{label:10} " + " ".join(f"{share:16.0%}" for share in row.values()) for label, row in rows.items()]
    lines.append(f"{'area':10} " + " ".join(f"{share:16.0%}" for share in figures["area_of_region"].values()))
    for name, check in figures["deletion"].items():
        if name == "random":
            continue
        less, low, high = check["less_than_random"]
        verdict = "points at what the answer hangs on" if check["points_at_it"] else "is NO better than chance"
        lines.append(
            f"{name.replace('_', '-')} {verdict}: deletion area {less:+.3f} ({low:+.3f} to {high:+.3f}) below random"
        )
    if "grad_cam" not in figures["heat_by_region"]:
        lines.append("no Grad-CAM: the network does not end in a feature map that is pooled over the picture")
    dead = [f"{row['layer']} {row['dead']:.0%}" for row in figures["layers"] if row["dead"] > 0]
    lines.append("channels that stayed 0 on all of these faces: " + (", ".join(dead) or "none"))
    return "\n".join(lines)

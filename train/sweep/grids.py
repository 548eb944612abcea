"""What a sweep goes through: the study's ranges, and the two sweeps that it ran, as far as they are told."""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from ...errors import UsageError
from ..recipe import Recipe, parse_recipe

Grid = Mapping[str, Sequence[Any]]
"""Recipe key -> values."""

STUDIED = ("resnet18", "efficientnet_b0", "mobilenetv3_rw", "mobilenetv3_large_100", "mobilenetv3_small_100")
"""The study's backbones, its Table 3; Table 6 has no figures of the last."""
PUBLISHED_GRID: dict[str, tuple[Any, ...]] = {
    "learning_rate": (1e-3, 5e-4, 1e-4, 5e-5),
    "weight_decay": (0.0, 4e-4, 5e-5, 5e-4, 6e-4),
    "dropout": (0.0, 0.25, 0.28, 0.3, 0.32, 0.35, 0.5),
    "augment": ("none", "v1", "v2"),
}
"""Every value of the study's Table 3 and section 6.1.8. It tried parts of the product."""
_FIRST: dict[str, tuple[Any, ...]] = {
    "learning_rate": (1e-3, 5e-4, 1e-4, 5e-5),
    "weight_decay": (0.0, 5e-4, 6e-4),
    "dropout": (0.0, 0.3, 0.5),
    "augment": ("none", "v1"),
}
_FINAL = {"learning_rate": (5e-5,), "weight_decay": (4e-4, 5e-4, 6e-4), "dropout": (0.25, 0.28, 0.35)}


@dataclass(frozen=True)
class Part:
    """Some runs of one backbone.

    Attributes:
        backbone: a timm name.
        grid: recipe key -> values.
        trials: how many of its points, drawn by the recipe's seed; None for all.
        name: sets its study apart from others of the same backbone.
    """

    backbone: str
    grid: Grid
    trials: int | None = None
    name: str = ""


PRESETS: dict[str, tuple[Part, ...]] = {
    "first75": tuple(Part(backbone, _FIRST, 15, "first75") for backbone in STUDIED),
    "final14": (
        Part("resnet18", {**_FINAL, "augment": ("v2",)}, None, "final14"),
        Part(
            "resnet18",
            {"learning_rate": (5e-5,), "weight_decay": (5e-4,), "dropout": (0.28,), "augment": ("none",)},
            None,
            "final14-without-augmentation",
        ),
        Part("efficientnet_b0", {**_FINAL, "weight_decay": (4e-4,), "augment": ("v2",)}, None, "final14"),
    ),
}
"""The study's two sweeps. Not told, and so chosen here: which 75 points of the first grid were run (15 a backbone, the
same for each), and the settings of the one run without augmentation (the best configuration's). Of the last 14 runs the
study describes 13."""


def plan(grid: Any, backbones: Sequence[str] | None, trials: int | None) -> tuple[Part, ...]:
    """The parts of a sweep.

    Args:
        grid: a preset's name, recipe key -> values, or None for PUBLISHED_GRID.
        backbones: of a preset only these; otherwise each has the whole grid, resnet18 where none is named.
        trials: how many points of every part, None for what the part says.

    Raises UsageError: no such preset, a preset without that backbone, or a grid that is no object of lists.
    """
    if isinstance(grid, str):
        parts = _preset(grid, backbones)
        return tuple(replace(part, trials=trials) for part in parts) if trials else parts
    chosen = PUBLISHED_GRID if grid is None else grid
    if not isinstance(chosen, Mapping) or not all(isinstance(v, (list, tuple)) and v for v in chosen.values()):
        raise UsageError(
            "--grid must be an object of lists, or " + " or ".join(PRESETS),
            hint="the same command with --grid '{\"dropout\": [0, 0.2]}'",
        )
    return tuple(Part(backbone, chosen, trials) for backbone in backbones or ("resnet18",))


def _preset(name: str, backbones: Sequence[str] | None) -> tuple[Part, ...]:
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        raise UsageError(
            f"there is no grid {name!r}",
            cause=f"there are {', '.join(PRESETS)}, or an object of lists",
            hint=f"the same command with --grid {near[0] if near else next(iter(PRESETS))}",
        )
    known = list(dict.fromkeys(part.backbone for part in PRESETS[name]))
    for backbone in backbones or ():
        if backbone not in known:
            raise UsageError(
                f"the grid {name} has no backbone {backbone!r}",
                cause=f"it has {', '.join(known)}",
                hint=f"the same command with --backbones {known[0]}",
            )
    return tuple(part for part in PRESETS[name] if not backbones or part.backbone in backbones)


def points(grid: Grid, seed: int) -> list[dict[str, Any]]:
    """Every point of a grid, in an order that depends on the seed alone."""
    found = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    random.Random(seed).shuffle(found)
    return found


def recipe_at(base: Recipe, point: Mapping[str, Any]) -> Recipe:
    """The recipe at a point of a grid; raises UsageError for a key or value that a recipe cannot have."""
    usual = asdict(Recipe(base.name))
    own = {key: value for key, value in asdict(base).items() if value != usual[key] and key not in point}
    listed = {k: list(v) if isinstance(v, tuple) else v for k, v in {**own, **point}.items() if k != "name"}
    return parse_recipe(base.name, listed, "--grid")


def run_name(recipe: Recipe) -> str:
    """As published: `<backbone>_bs<batch>lr<lr><aug|noaug>`."""
    aug = "noaug" if recipe.augment == "none" else "aug"
    return f"{recipe.backbone}_bs{recipe.batch}lr{recipe.learning_rate:g}{aug}"

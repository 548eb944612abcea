"""Bundles for measuring speed: a backbone with random or given weights, or a checkpoint as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..bundle import Bundle
from ..bundle.dataset import Watch, unwatched
from ..errors import UsageError
from ..export.calibration import calibration_set, digest_of
from ..export.labelled import calibration_faces
from ..export.untrained import pack_untrained, settle
from .network import build_network, fold_luma, open_checkpoint
from .recipe import parse_recipe
from .torch_import import import_torch

FACES, SEED = 128, 42
"""How many faces the batch norms of random weights are fitted to, and which are drawn."""


@dataclass(frozen=True)
class UntrainedOptions:
    """What to pack.

    Attributes:
        out: the bundle folder.
        backbone, size: a timm name, and pixels of the face's side; not needed for a checkpoint.
        init: a .pt checkpoint, a backbone's weights, `timm`, or None for random.
        calibration: real faces that random weights are fitted to; not needed for a checkpoint.
    """

    out: Path | None
    backbone: str | None = None
    size: int = 224
    init: str | None = None
    calibration: Path | None = None


def make_untrained(
    options: UntrainedOptions, on_notice: Callable[[str], None] = lambda line: None, watch: Watch = unwatched
) -> Bundle:
    """Pack a network that nothing was measured of; raises UsageError, DatasetError, and as `pack_untrained` does."""
    out, init = options.out, options.init or "random"
    given = init.endswith(".pt")
    if not out or not (options.backbone or given):
        raise UsageError(
            "bundle make needs a place, and a backbone or a checkpoint",
            hint="fer-edge bundle make OUT --backbone mobilenetv2_100 --calibration DIR",
        )
    if given:
        network, recipe = open_checkpoint(Path(init))
        network = fold_luma(network, recipe.luma_layer)
        return pack_untrained(network, out, recipe.backbone, recipe.size, Path(init).name, {})
    name = str(options.backbone)
    recipe = parse_recipe(name, {"backbone": name, "size": options.size}, "bundle make")
    import_torch().manual_seed(recipe.seed)  # the same random weights every time
    network = build_network(recipe, options.init, exportable=True)
    command = f"bundle make {out} --backbone {name}"
    crops = calibration_set(calibration_faces(options.calibration, FACES, SEED, command, on_notice, watch), recipe.size)
    settle(network, crops)
    settled_on = {"source": options.calibration.name if options.calibration else "", "digest": digest_of(crops)}
    return pack_untrained(network, out, recipe.backbone, recipe.size, Path(init).name, settled_on)

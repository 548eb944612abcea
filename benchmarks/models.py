"""Models by name: our bundles, folders of others, and the published table's architectures, built once and kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..bundle import Bundle, Image, cache_folder, find_bundle, locked, open_bundle, whole_image, writing_folder
from ..devices.profile import Profile
from ..errors import UsageError
from ..runtime.acceptance import golden_crops
from .verdicts import BACKBONES, TABLE_MODELS

OWN = ("default", "edgetpu")
TABLE_SIZE = 224
PICTURES = 64
"""Smooth pictures that settle random weights and their quantisation: enough for ranges, and nobody's face."""
Say = Callable[[str], None]


def find_model(name: str, profile: Profile, size: int | None, precision: str, say: Say) -> tuple[str, Bundle]:
    """A model's name in the results, and a bundle with an artifact for the device.

    Args:
        name: `default`, `edgetpu`, a bundle's path, or one of TABLE_MODELS.
        size: pixels of the input's side, for TABLE_MODELS; 224 when None.
        precision: wanted; auto is the profile's, and int8 on a processor.

    Raises:
        UsageError: an input size for a bundle, which has its own; BundleError: no such bundle;
        MissingExtra, DeviceNotFound: what builds the table's models is not installed.
    """
    if name in TABLE_MODELS:
        return name, _built(name, profile, size or TABLE_SIZE, precision, say)
    bundle = open_bundle(find_bundle(name))
    own = bundle.manifest.input.size
    if size is not None and size != own:
        raise UsageError(
            f"the bundle {name} takes {own} pixels, not {size}",
            cause="--input is for " + ", ".join(TABLE_MODELS),
            hint=f"fer-edge train --size {size} makes a bundle of another size",
        )
    return bundle.manifest.name, bundle


def wanted_precision(profile: Profile, precision: str) -> str:
    """The precision a table model is built in: the one asked for, else the profile's, else int8."""
    asked = profile.precision if precision == "auto" else precision
    return "int8" if asked == "auto" else asked


def _built(name: str, profile: Profile, size: int, precision: str, say: Say) -> Bundle:
    """The table's architecture with random weights, exported for the device; made once, in the user's cache."""
    folder = cache_folder() / "benchmark-models" / f"{name}-{size}"
    with locked(folder.with_name(f"{folder.name}.building")):  # the export locks the folder itself
        if not (folder / "bundle.json").is_file():
            say(f"building {name} at {size} pixels, with random weights: it is for speed, not for reading faces")
            with writing_folder(folder) as work:
                _pack(name, size, work)
        bundle = open_bundle(folder)
        wanted = wanted_precision(profile, precision)
        there = [a for a in bundle.manifest.artifacts if a.kind == (profile.target, wanted, profile.chip)]
        return bundle if there else _export(bundle, profile, wanted, say)


def _pack(name: str, size: int, folder: Path) -> None:
    from ..export.untrained import pack_untrained, settle
    from ..train.network import build_network, import_torch
    from ..train.recipe import parse_recipe

    backbone = next((timm for timm, table in BACKBONES.items() if table == name), name)
    recipe = parse_recipe(backbone, {"backbone": backbone, "size": size}, "benchmark")
    import_torch().manual_seed(recipe.seed)
    network = build_network(recipe, None, exportable=True)
    settle(network, pictures(size))
    pack_untrained(network, folder, backbone, size, "random", {"source": "smooth waves", "count": PICTURES})


def _export(bundle: Bundle, profile: Profile, precision: str, say: Say) -> Bundle:
    from ..export.job import Job
    from ..export.run import choose, export

    if profile.target == "onnx" and precision != "int8":
        return bundle  # its own graph; ONNX Runtime computes in float32
    names = choose(profile.target, precision, profile.chip or None, {})
    about = {"source": "smooth waves", "count": PICTURES}
    with tempfile.TemporaryDirectory(prefix="fer-edge-benchmark-") as work:
        job = Job(bundle, Path(work), bundle.folder, pictures(bundle.manifest.input.size), about, {}, say)
        export(job, names, precision=precision, chip=profile.chip or None)
    return open_bundle(bundle.folder)


def pictures(size: int) -> Sequence[Image]:
    """PICTURES smooth pictures, uint8 (S, S, 3)."""
    return [whole_image(crop, size) for crop in golden_crops(size, PICTURES)]

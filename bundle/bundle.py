"""Opening, checking and saving bundles: a folder, or the same folder as one .zip."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import BundleError, LabelMismatch, UsageError
from ..files import cache_folder, locked, sha256_of, write_text, writing_folder
from ..words import counted
from .manifest import CARD, MANIFEST, Artifact, Manifest
from .model_card import model_card
from .opening.check import check_files, check_sizes, damaged


@dataclass(frozen=True)
class Bundle:
    """An opened and verified bundle.

    Attributes:
        lazily: the bytes of an artifact are held against the manifest when its `path` is asked for, not before.
    """

    folder: Path
    manifest: Manifest
    lazily: bool = field(default=False, compare=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in the order of the logits."""
        return self.manifest.labels

    @property
    def reference(self) -> Artifact:
        """The canonical graph, against which every other artifact is held: float ONNX, else the first ONNX there is."""
        onnx = sorted((a for a in self.manifest.artifacts if a.target == "onnx"), key=lambda a: a.path != "model.onnx")
        if not onnx:
            raise BundleError(f"the bundle {self.manifest.name} has no ONNX graph", hint="export or train it again")
        return onnx[0]

    def path(self, artifact: Artifact) -> Path:
        """Where an artifact's file lies; raises BundleDamaged where it was not looked at before, and is damaged."""
        if self.lazily:
            check_files(self.folder, artifact)
        return self.folder / artifact.path

    def artifact(self, target: str, precision: str) -> Artifact:
        """The artifact for a target and precision.

        Raises BundleError: there is none; the message lists what there is.
        """
        for candidate in self.manifest.artifacts:
            if (candidate.target, candidate.precision) == (target, precision):
                return candidate
        there = [f"{a.target} {a.precision}" for a in self.manifest.artifacts]
        known = any(a.target == target for a in self.manifest.artifacts)
        raise BundleError(
            f"the bundle {self.manifest.name} has no {target} artifact in {precision}",
            cause=f"it holds only: {', '.join(there)}",
            hint="choose one of these with --precision" if known else self.export_command(target, precision),
        )

    @property
    def words(self) -> str:
        """How a command line names it: by its name where it ships, else by its folder."""
        ships = self.folder in (default_bundle(self.folder.name), added_bundle(self.folder.name))
        return self.folder.name if ships else shlex.quote(str(self.folder))

    def export_command(self, target: str, precision: str, chip: str = "") -> str:
        """The command that makes an artifact, in a copy: a bundle that ships, or came as a .zip, stays as it is."""
        only = f" --precision {precision}" + (f" --chip {chip}" if chip else "")
        return f"fer-edge export {self.words} --target {target}{only} --out my-bundle"

    def size(self, artifact: Artifact) -> int:
        """Bytes of an artifact, companions included."""
        return sum((self.folder / name).stat().st_size for name in artifact.files)

    def check_outputs(self, count: int) -> None:
        """Hold the number of logits a graph gives against the labels, if it is to be read; raises LabelMismatch."""
        if count != len(self.labels) and not self.manifest.for_speed:
            raise LabelMismatch(
                f"the bundle {self.manifest.name} names {counted(len(self.labels), 'label')} "
                f"but its graph gives {counted(count, 'logit')}",
                cause="labels and model come from different trainings",
                hint="train or export the bundle again",
            )


def default_bundle(name: str = "default") -> Path:
    """Folder of a bundle that ships inside the package: `default`, or `edgetpu`, small enough for that chip."""
    return Path(__file__).parent / name


def shipped_bundles() -> tuple[str, ...]:
    """Names of the bundles that ship inside the package, the default one first."""
    names = sorted(place.parent.name for place in Path(__file__).parent.glob(f"*/{MANIFEST}"))
    return tuple(sorted(names, key=lambda name: name != "default"))


def added_bundle(name: str) -> Path:
    """Where the copy of a bundle that ships lies, once `fer-edge models add` has put ready-made artifacts into it."""
    return cache_folder() / "ready-made" / name


def find_bundle(words: str | Path | None) -> Path:
    """A bundle by its path, or, where no such path exists, by the name of one that ships; None is the default one.

    A copy with ready-made artifacts stands in for the one that ships while both hold the same model.
    """
    path = Path(words or "default")
    shipped = default_bundle(path.name)
    named = not path.exists() and len(path.parts) == 1 and (shipped / MANIFEST).is_file()
    if words is not None and not named:
        return path
    added = added_bundle(shipped.name)
    with _saying_how_to_mend(added):
        return added if (added / MANIFEST).is_file() and same_model(added, shipped) else shipped


def same_model(one: Path, other: Path) -> bool:
    """Whether two bundle folders are of the same weights, by what their manifests say; raises BundleDamaged."""
    graphs = set()
    for folder in (one, other):
        try:
            manifest = Manifest.from_json((folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, BundleError) as error:
            raise damaged(folder / MANIFEST, f"cannot be read: {str(error).splitlines()[0]}") from None
        graphs.add(Bundle(folder, manifest).reference.sha256)
    return len(graphs) == 1


def open_bundle(path: str | Path | None = None, cache: Path | None = None, lazily: bool = False) -> Bundle:
    """Open a bundle folder or .zip, checking schema, sizes and hashes of every file.

    Args:
        path: the folder or .zip, the name of one that ships, or None for the default one.
        cache: where a .zip is unpacked, by content; the user's cache when None.
        lazily: of a folder, read only what is used: see Bundle.

    Raises:
        BundleError: nothing there, or no bundle; BundleSchemaError, BundleDamaged: as their names say.
    """
    path = find_bundle(path)
    with _saying_how_to_mend(path):
        if path.is_file():
            return _open_zip(path, cache or cache_folder() / "bundles")
        return _open_folder(path, lazily)


@contextmanager
def _saying_how_to_mend(folder: Path) -> Iterator[None]:
    """A copy with ready-made artifacts that is damaged can go: what ships then serves again."""
    try:
        yield
    except BundleError as error:
        if folder == added_bundle(folder.name):
            error.hint = f"rm -r {shlex.quote(str(folder))}  # and fer-edge models add WHEEL once more"
        raise


def _open_zip(archive: Path, cache: Path) -> Bundle:
    """Unpack it once, into a folder named by its content; one that was damaged there since is unpacked again."""
    from .opening.zipped import has_manifest, unpack  # with the readers of archives, which no folder needs

    if not has_manifest(archive):
        return _open_folder(archive)
    folder = cache / sha256_of(archive)[:16]
    if folder.exists():
        with suppress(BundleError):
            return _open_folder(folder)
    unpack(archive, folder)
    return _open_folder(folder)


def _open_folder(path: Path, lazily: bool = False) -> Bundle:
    manifest_file = path / MANIFEST
    if not manifest_file.is_file():
        raise BundleError(
            f"{path} is not a bundle: there is no {MANIFEST} in it",
            cause="the path is wrong" if not path.exists() else "the folder holds something else",
            hint="leave --bundle out to use the model that comes with fer-edge",
        )
    try:
        text = manifest_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(manifest_file, f"cannot be read ({error})") from None
    manifest = Manifest.from_json(text)
    for artifact in manifest.artifacts:
        (check_sizes if lazily else check_files)(path, artifact)
    return Bundle(path, manifest, lazily)


def save_bundle(folder: Path, manifest: Manifest, files: Mapping[str, Path]) -> Bundle:
    """Write a bundle folder in one step.

    Args:
        folder: the bundle to make or replace.
        manifest: what it says of itself; its artifacts' hashes must be those of the files.
        files: path inside the bundle -> file to copy from; artifacts and companions such as MODEL_CARD.md.

    Raises:
        OutputError: the place cannot be written; BundleDamaged: a file does not match the manifest.
        UsageError: the place exists and is not a bundle.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} exists and is not a bundle",
            cause="a bundle is only ever written to a new place or over an older bundle",
            hint=f"choose another --out, or remove {folder}",
        )
    with writing_folder(folder) as temporary:
        for name, source in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, temporary / name)
        for artifact in manifest.artifacts:
            check_files(temporary, artifact)
        write_text(temporary / MANIFEST, manifest.to_json())
    return Bundle(folder, manifest)


def add_artifacts(
    folder: Path,
    artifacts: Sequence[Artifact],
    files: Mapping[str, Path],
    metrics: Mapping[str, Any] = MappingProxyType({}),
) -> Bundle:
    """Put artifacts into a bundle in one step, each in the place of an older one of the same kind.

    MODEL_CARD.md, where there is one, is written anew.

    The rest of the bundle is what it is at that moment, so two that add at once both succeed.

    Args:
        folder: the bundle folder.
        artifacts: their entries in the manifest.
        files: path inside the bundle -> file to copy from, for all their `files`.
        metrics: further figures for the manifest's own, in the place of those of the same name.

    Raises:
        OutputError: the place cannot be written; BundleError: the bundle is gone or damaged.
    """
    import tempfile

    with locked(folder):
        bundle = open_bundle(folder)
        kinds = {a.kind for a in artifacts}
        kept = tuple(a for a in bundle.manifest.artifacts if a.kind not in kinds)
        dropped = {f for a in bundle.manifest.artifacts if a not in kept for f in a.files}
        ours = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST}
        content = {name: p for name, p in ours.items() if name not in dropped} | dict(files)
        figures = {**bundle.manifest.metrics, **metrics}
        manifest = replace(bundle.manifest, artifacts=_in_order([*kept, *artifacts]), metrics=figures)
        with tempfile.TemporaryDirectory() as aside:
            if CARD in content:
                content[CARD] = Path(aside) / CARD
                content[CARD].write_text(model_card(manifest), encoding="utf-8")
            return save_bundle(folder, manifest, content)


def _in_order(artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """The canonical graph first, then by target and precision."""
    return tuple(sorted(artifacts, key=lambda a: (a.path != "model.onnx", a.target != "onnx", *a.kind)))


def describe_file(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file, as an artifact records them."""
    return sha256_of(path), path.stat().st_size

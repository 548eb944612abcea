"""What every target is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from ..bundle import Artifact, Bundle, Image, added_bundle, default_bundle, describe_file
from ..errors import UsageError
from ..runtime.backends import Backend
from .calibration import digest_of
from .graph import Stem, load_float32, read_stem, without_stem
from .quantize import Ranges


@dataclass(frozen=True)
class Job:
    """One export.

    Attributes:
        bundle: where the model comes from; it is not changed.
        work: an empty folder for the files, by their paths inside the bundle.
        destination: the bundle that will get them, for messages.
        pictures: calibration crops, uint8 (S, S, 3) RGB.
        calibration: where these come from, for the manifest.
        ranges: of the activations where the bundle's own serve, and no pictures of the person; else None.
        options: of single targets, such as the interpreter of `rknn`.
        say: told what takes long.
    """

    bundle: Bundle
    work: Path
    destination: Path
    pictures: Sequence[Image]
    calibration: Mapping[str, Any]
    ranges: Ranges | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] = lambda line: None

    @cached_property
    def graph(self) -> Any:
        """The bundle's graph with float32 weights."""
        return load_float32(self.bundle.path(self.bundle.reference))

    @cached_property
    def stem(self) -> Stem:
        """What the graph does to a picture first."""
        return read_stem(self.graph)

    @cached_property
    def headless(self) -> Any:
        """The graph from its first layer on."""
        return without_stem(self.graph, self.stem)

    def measured_on(self, method: str) -> dict[str, Any]:
        """Where the ranges of activations come from, for the manifest; `method` measures them on pictures."""
        if self.ranges is not None:
            return {"pictures": 0, "method": "ranges of the bundle's own int8 graph"}
        return {"pictures": len(self.pictures), "method": method}

    def from_pictures(self, method: str) -> dict[str, Any]:
        """The same for a tool that takes pictures and no ranges, whatever the other targets took."""
        settings = {"pictures": len(self.pictures), "method": method}
        if self.ranges is None:
            return settings
        return settings | {"source": "portraits that come with fer-edge", "digest": digest_of(self.pictures)}

    def beside(self, name: str) -> Path:
        """The folder beside the bundle for what is no part of it, such as my-bundle-hailo."""
        bundle = self.destination.resolve()
        return bundle.with_name(f"{bundle.name}-{name}")

    def file(self, path: str) -> Path:
        """Where a file of that path inside the bundle is to be written."""
        place = self.work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


@dataclass(frozen=True)
class Built:
    """What a target made.

    Attributes:
        artifact: its entry in the manifest, not yet measured.
        runs: the entry that the gate runs in its place, where a device's own file cannot run here.
        backend: runs it, where no backend of the runtime does (a vendor's simulator).
        notes: lines for the person.
        beside: where nothing that runs was made, only what a compiler elsewhere wants: the folder of the job with it,
            which goes beside the bundle once `artifact` passed the gate; nothing is added to the bundle then.
    """

    artifact: Artifact
    runs: Artifact | None = None
    backend: Backend | None = None
    notes: tuple[str, ...] = ()
    beside: str = ""


def check_place(words: Path | str, bundle: Bundle, hint: str) -> None:
    """Refuse to change a bundle of the package or a .zip, opened by these words; raises UsageError."""
    ours = (default_bundle().parent, added_bundle(bundle.folder.name))
    inside = any(bundle.folder.resolve().is_relative_to(place.resolve()) for place in ours)
    if inside or Path(words).is_file():
        raise UsageError(
            f"{words} is part of fer-edge, or a .zip, and stays as it is",
            cause="an export adds files to a bundle folder",
            hint=hint,
        )


class Target(Protocol):
    """A module of this package that makes one kind of artifact.

    It says what it needs: `EXTRA`, fer-edge's extra and the modules in it; or, where its tools are no such modules,
    `missing(options)`, how to get them or an empty string, and `prepare(options, say)`, which gets them.
    """

    PRECISIONS: tuple[str, ...]
    """What it can make. A module may also have `CHIPS`, each with a file of its own."""
    USUAL: tuple[str, ...]
    """What it makes when nothing is asked for."""

    def build(self, job: Job, precision: str, chip: str) -> Built:
        """Write the files into the job's folder; `chip` is empty for targets without CHIPS."""


def entry(
    job: Job,
    path: str,
    target: str,
    precision: str,
    input_dtype: str,
    settings: Mapping[str, Any],
    tools: Sequence[str],
    report: Mapping[str, Any] | None = None,
    companions: Sequence[str] = (),
) -> Artifact:
    """The manifest's entry for files just written; `settings` are those of the quantisation, empty without one."""
    digest, size = describe_file(job.work / path)
    return Artifact(
        path,
        target,
        precision,
        digest,
        size,
        input_dtype,
        companions={name: describe_file(job.work / name)[0] for name in companions},
        built_with={name: version_of(name) for name in ("fer-edge", *tools)},
        calibration={**job.calibration, **settings} if settings else {},
        report=dict(report or {}),
    )


def version_of(package: str) -> str:
    """Version of an installed distribution; some come under several names, such as tensorflow-cpu."""
    for name in (package, f"{package}-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"

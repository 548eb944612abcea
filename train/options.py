"""What a training is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LICENCE = "research use only, unless the training data and initial weights allow more"

NO_LABELS = "none"
"""In place of a label map: the set's labels are not to be believed, its faces are."""


@dataclass(frozen=True)
class TrainingSet:
    """One set of faces.

    Attributes:
        folder: class folders, a folder with a manifest, or the manifest.
        share: of the faces that training draws; None: by the number of its pictures.
        margin: how much wider than the usual framing its pictures are, 0.2 for a fifth.
        labels: what its label words mean, see `read_label_map`; or NO_LABELS.
        name: the folder's, where none is given.
    """

    folder: Path
    share: float | None = None
    margin: float = 0.0
    labels: str | None = None
    name: str = ""

    @property
    def called(self) -> str:
        """The name it goes by in figures."""
        return self.name or self.folder.resolve().name

    @property
    def stated(self) -> str:
        """The set as --data takes it, without a path of this machine."""
        share = f",share={self.share:g}" if self.share is not None else ""
        margin = f",margin={self.margin:g}" if self.margin else ""
        return f"{self.called}{share}{margin}" + (f",labels={Path(self.labels).name}" if self.labels else "")


@dataclass(frozen=True)
class TeacherChoice:
    """A bundle to imitate, and how much it counts beside others."""

    bundle: Path
    weight: float = 1.0


@dataclass(frozen=True)
class TrainOptions:
    """What to train on what, and where the result goes.

    Attributes:
        data: class folders, or a CSV manifest; or several sets, of which the first measures the bundle.
        out: the bundle folder to write.
        recipe: a recipe's name, or a .toml file.
        init: first weights: a .safetensors backbone, a .pt checkpoint, a bundle, `timm`, or None for random.
        teacher: the bundles that a recipe with `distill` imitates.
        label_map: what folders that are no usual label mean; see `read_label_map`.
        work: where checkpoints go; beside `out`, ending in .work, when None.
        resume: go on from the last checkpoint in `work`.
        dedupe: train on no picture that valid or test has too.
        track: an MLflow server, or a folder.
        threads: processor threads, None for all.
        name, release, licence, about: of the bundle, for its manifest and card.
    """

    data: Path | tuple[TrainingSet, ...]
    out: Path
    recipe: str = "default"
    init: str | None = None
    teacher: tuple[TeacherChoice, ...] = ()
    label_map: str | None = None
    work: Path | None = None
    resume: bool = False
    dedupe: bool = False
    track: str | None = None
    threads: int | None = None
    name: str | None = None
    release: str = "1"
    licence: str = LICENCE
    about: str = ""

    @property
    def sets(self) -> tuple[TrainingSet, ...]:
        """The data, as sets."""
        return (TrainingSet(self.data),) if isinstance(self.data, Path) else self.data

    @property
    def data_name(self) -> str:
        """The sets as --data takes them, without a path of this machine."""
        return " --data ".join(one.stated for one in self.sets)

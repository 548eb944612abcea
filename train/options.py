"""What a training is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LICENCE = "research use only, unless the training data and initial weights allow more"


@dataclass(frozen=True)
class TrainOptions:
    """What to train on what, and where the result goes.

    Attributes:
        data: class folders, or a CSV manifest.
        out: the bundle folder to write.
        recipe: a recipe's name, or a .toml file.
        init: first weights: a .safetensors backbone, a .pt checkpoint, `timm`, or None for random.
        teacher: the bundle that a recipe with `distill` imitates.
        label_map: what folders that are no usual label mean; see `read_label_map`.
        work: where checkpoints go; beside `out`, ending in .work, when None.
        resume: go on from the last checkpoint in `work`.
        dedupe: train on no picture that valid or test has too.
        track: an MLflow server, or a folder.
        threads: processor threads, None for all.
        name, release, licence, about: of the bundle, for its manifest and card.
    """

    data: Path
    out: Path
    recipe: str = "default"
    init: str | None = None
    teacher: Path | None = None
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

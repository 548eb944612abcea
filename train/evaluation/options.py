"""What `evaluate` is asked to do, and what of it goes together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...bundle.manifest import MANIFEST
from ...errors import UsageError
from ..options import TeacherChoice
from ..teachers.ensemble import check_choices


@dataclass(frozen=True)
class EvaluateOptions:
    """What to measure on what.

    Attributes:
        data: class folders, or a CSV manifest.
        bundle, precision: the model; the bundle inside fer-edge when None.
        checkpoint: a .pt file of a training instead of a bundle.
        split: which pictures; None: test, or valid where there is none; `unseen.HELD_OUT`: see `held_out_faces`.
        label: the manifest's column of the truth.
        label_map: what folders that are no usual label mean; see `read_label_map`.
        margin: how much wider than the training pictures' framing these are, 0.2 for a fifth; it is cut off.
        groups: columns of the manifest, or a CSV of path and such columns, for figures by group; see `partitions`.
        against: other models' bundles, which answer together, to say where they agree with the one that is measured.
        resting: a column of the manifest that names the person, or a CSV of path and such a column: figures with that
            person's resting face taken off, too; see `resting.measure`.
        corrupt: also under blur, noise, darkness, low resolution …; by group, under light and skin tone.
        explain: over so many faces of each label, what of a face the answers hang on; 0 for not.
        augmentations: over so many faces, which augmentations keep the model's answer; 0 for not.
        card: write the figures by group, and those with a resting face, into the bundle's manifest and model card.
        threads: processor threads for a bundle.
    """

    data: Path
    bundle: Path | None = None
    precision: str = "auto"
    checkpoint: Path | None = None
    split: str | None = None
    label: str = "label"
    label_map: str | None = None
    margin: float = 0.0
    groups: str | None = None
    against: tuple[TeacherChoice, ...] = ()
    resting: str | None = None
    corrupt: bool = False
    explain: int = 0
    augmentations: int = 0
    card: bool = False
    threads: int = 1


def check(options: EvaluateOptions) -> None:
    """Raises UsageError where the options do not go together."""
    check_choices(options.against, "--against")
    if not options.margin >= 0:
        raise UsageError("--margin is at least 0", hint="the same command with --margin 0.2, or without it")
    for name in ("explain", "augmentations"):
        if getattr(options, name) < 0:
            raise UsageError(f"--{name} takes a number of faces", hint=f"the same command with --{name} 8")
    if options.card and not (options.groups or options.resting):
        raise UsageError(
            "--card is about figures by group or with a resting face",
            hint="the same command with --groups gender,age or --resting person",
        )
    if options.card and (options.checkpoint or not options.bundle or not (options.bundle / MANIFEST).is_file()):
        raise UsageError(
            "--card writes into a bundle's folder, which --bundle has to name",
            cause="what ships with fer-edge, a .zip and a checkpoint stay as they are",
            hint="the same command with --bundle my-bundle",
        )

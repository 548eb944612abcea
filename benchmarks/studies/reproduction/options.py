"""How much of the study is to be repeated, and on what."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ....bundle import write_text
from ....errors import UsageError

STAGES = ("first75", "final14", "seeds", "folds", "losses", "transformers")
"""What is trained, in this order; the study's name for its sweeps, and what the tables need besides."""
OF_RESNET = ("seeds", "folds", "losses")
"""Stages that train ResNet-18 alone."""
SETUP = "setup.json"


@dataclass(frozen=True)
class ReproduceOptions:
    """What to train and where.

    Attributes:
        data: labelled faces with a test split; None only writes the page anew from what was trained before.
        out: where every training goes, and where it goes on.
        docs: reproduction.md and reproduction/*.csv are written here.
        label: the manifest's column that holds the truth.
        label_map: what folders that are no usual label mean; see `read_label_map`.
        size: pixels of a face's side, instead of the study's 256.
        epochs: instead of the study's 30.
        share: of the training pictures, of each label alike.
        trials: points of each backbone's grid, instead of the study's 75 and 14 runs.
        folds: instead of five.
        init: first weights; the study began with ImageNet's, which is `timm`. Anything else fits OF_RESNET alone.
        stages: some of STAGES.
        threads: processor threads, None for all.
    """

    data: Path | None
    out: Path
    docs: Path
    label: str = "label"
    label_map: str | None = None
    size: int = 64
    epochs: int = 6
    share: float = 1.0
    trials: int = 2
    folds: int = 5
    init: str | None = None
    stages: tuple[str, ...] = STAGES
    threads: int | None = None

    def check(self) -> None:
        """Raises UsageError for what cannot be."""
        for stage in self.stages:
            if stage not in STAGES:
                raise UsageError(
                    f"there is no stage {stage!r}",
                    cause="there are " + ", ".join(STAGES),
                    hint="the same command without --stages",
                )
        if self.init not in (None, "timm") and set(self.stages) - set(OF_RESNET):
            raise UsageError(
                f"{self.init} fits one backbone, and the stages train several",
                cause="a file or bundle has the weights of one network",
                hint=f"the same command with --stages {','.join(OF_RESNET)}",
            )
        if not 0 < self.share <= 1:
            raise UsageError(
                f"--share is over 0 and at most 1, not {self.share:g}", hint="the same command with --share 0.2"
            )
        if min(self.trials, self.epochs) < 1 or self.folds < 2:
            raise UsageError(
                "--trials and --epochs are at least 1, --folds at least 2", hint="fer-edge reproduce --help"
            )


def remember(options: ReproduceOptions, counts: dict[str, int], name: str, digest: str) -> None:
    """Keep what the runs in `out` share; raises UsageError where there are others: one page cannot speak of both."""
    setup = {
        "data": name,
        "digest": digest,
        "pictures": counts,
        "init": Path(options.init).name if options.init else "random",
        **{k: v for k, v in asdict(options).items() if k in ("label", "size", "epochs", "share")},
    }
    known = recall(options.out)
    if known and known != setup:
        differs = ", ".join(key for key in setup if known.get(key) != setup[key])
        raise UsageError(
            f"{options.out} holds runs of another set-up ({differs})",
            cause="its page says once how large the pictures were, what they were and how long was trained",
            hint="the same command with another --out",
        )
    write_text(options.out / SETUP, json.dumps(setup, indent=1) + "\n")


def recall(out: Path) -> dict[str, Any]:
    """What `remember` kept, empty where nothing was begun."""
    path = out / SETUP
    return dict(json.loads(path.read_text())) if path.is_file() else {}

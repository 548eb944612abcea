"""How much of the study is to be repeated, and on what."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ....bundle import write_text
from ....errors import UsageError

STAGES = (
    *("first75", "final14", "seeds", "folds", "losses", "se", "cbam", "transformers"),
    *("variants", "temporal"),
)
"""What is trained, in this order; the study's name for its sweeps, and what the tables need besides. The last two go on
from what `seeds`, `se` and `cbam` left."""
SEEDS = (42, 123, 101112)
"""Of the study's Table 9."""
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
        init: first weights; the study began with ImageNet's, which is `timm`. Anything else is ResNet-18's, and the
            other backbones begin at random.
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
        if self.of_one and not str(self.init).endswith(".safetensors"):
            self._check_attention()
        if not 0 < self.share <= 1:
            raise UsageError(
                f"--share is over 0 and at most 1, not {self.share:g}", hint="the same command with --share 0.2"
            )
        if min(self.trials, self.epochs) < 1 or self.folds < 2:
            raise UsageError(
                "--trials and --epochs are at least 1, --folds at least 2", hint="fer-edge reproduce --help"
            )

    @property
    def of_one(self) -> bool:
        """Whether the first weights are those of ResNet-18 alone."""
        return self.init not in (None, "timm")

    def _check_attention(self) -> None:
        """A whole network's weights fit none that has layers of its own besides."""
        if asked := {"se", "cbam"} & set(self.stages):
            rest = ",".join(stage for stage in self.stages if stage not in asked)
            raise UsageError(
                f"{self.init} is a whole network without attention, and the stages train some with",
                cause="a checkpoint or bundle is taken up whole",
                hint=f"the same command with --stages {rest or 'seeds'}",
            )


def remember(options: ReproduceOptions, counts: dict[str, int], name: str, digest: str) -> None:
    """Keep what the runs in `out` share; raises UsageError where there are others: one page cannot speak of both."""
    setup = {
        "data": name,
        "digest": digest,
        "pictures": counts,
        "init": Path(options.init).name if options.init else "random",
        "others_init": "random" if options.of_one else options.init or "random",
        **{k: v for k, v in asdict(options).items() if k in ("label", "size", "epochs", "share")},
    }
    known = recall(options.out)
    if known and {"others_init": setup["others_init"], **known} != setup:  # an older fer-edge did not tell it
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

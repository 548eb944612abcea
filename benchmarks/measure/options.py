"""What a benchmark is asked to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...bundle import shipped_bundles
from ...devices.cpu import default_threads
from ...devices.profile import Profile
from ...errors import UsageError
from ...runtime.inference.open_device import made_for
from ..published.verdicts import TABLE_MODELS
from .singlestream import RULES, Rules

MATRIX_OUT = Path("benchmark")


@dataclass(frozen=True)
class MeasureOptions:
    """What to measure, and how.

    Attributes:
        devices: profiles by name or file; the processor when empty, or every device here for a matrix.
        models: `default`, `edgetpu`, bundles' paths or TABLE_MODELS; when empty, what was made for the device.
        scope: `model`, `pipeline` or `both`.
        mode: how long to measure, a key of RULES.
        threads: on the processor; up to four when None.
        precision: of the artifact; auto is the device's own.
        size: pixels of the input's side, for TABLE_MODELS.
        fallback: `cpu` lets the processor stand in for a device; its row says so.
        clip, detector: for the pipeline, as `fer-edge run` takes them.
        matrix: every device here with every model; what is missing becomes a row with its reason.
        simulate: the vendor's simulator in the place of a Rockchip board.
        out: folder for results, tables and a page; none when None, but MATRIX_OUT for a matrix.
        replace: overwrite the results that are in `out`.
    """

    devices: Sequence[str] = ()
    models: Sequence[str] = ()
    scope: str = "model"
    mode: str = "default"
    threads: int | None = None
    precision: str = "auto"
    size: int | None = None
    fallback: str = "none"
    clip: str = "demo"
    detector: str = "auto"
    matrix: bool = False
    simulate: bool = False
    out: Path | None = None
    replace: bool = False

    @property
    def rules(self) -> Rules:
        """Queries and seconds of the mode."""
        return RULES[self.mode]

    @property
    def cores(self) -> int:
        """Threads on the processor."""
        return self.threads or default_threads()

    def models_for(self, profile: Profile) -> Sequence[str]:
        """Those asked for; else all in a matrix, and otherwise the one of ours that was made for the device."""
        return self.models or ([*shipped_bundles(), *TABLE_MODELS] if self.matrix else [made_for(profile)])

    def scopes_for(self, model: str) -> list[str]:
        """A matrix times the table's models, of random weights, alone: a pipeline depends on the faces it finds."""
        wanted = ["model", "pipeline"] if self.scope == "both" else [self.scope]
        return [s for s in wanted if s == "model" or not self.matrix or model not in TABLE_MODELS]

    def free_folder(self) -> Path | None:
        """Where the results go, None for nowhere; raises UsageError where others lie there."""
        folder = self.out or (MATRIX_OUT if self.matrix else None)
        if folder and (folder / "results.json").exists() and not self.replace:
            raise UsageError(f"{folder} holds results already", hint="add --replace, or another --out")
        return folder

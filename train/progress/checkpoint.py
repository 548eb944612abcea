"""What a run leaves on disk while it goes, and how it goes on from there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from ...bundle import write_text, writing
from ...errors import UsageError
from ..recipe import Recipe
from .interruption import StopRequest

AFTER_THE_LAST_EPOCH = ("first_share", "prior_shift", "neutral_recall", "calibrate")
"""Keys of a recipe that `finish` alone reads: another choice, made on the validation split, needs no new training."""


class Progress:
    """What a resumed run needs, and where it is kept."""

    def __init__(
        self, work: Path, recipe: Recipe, network: Any, optimizer: Any, schedule: Any, average: Any, writes: bool = True
    ) -> None:
        self.work, self.recipe, self.writes = work, recipe, writes
        self.parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
        if average is not None:
            self.parts["average"] = average
        self.average = average
        self.epoch = self.step = self.best_epoch = 0
        self.loss_sum = self.hit_sum = 0.0
        self.best = -1.0
        self.history: list[dict[str, float]] = []
        self._seconds: float | None = 0.0
        self._began = perf_counter()

    @property
    def seconds(self) -> float | None:
        """Wall-clock time of the steps and validations that the run is made of, over every time it went on.

        None where it began before fer-edge kept times: a part of them would be taken for the whole.
        """
        return None if self._seconds is None else self._seconds + perf_counter() - self._began

    def add(self, loss: float, hits: float) -> None:
        """Count a step: its loss and the share of its pictures whose likeliest label was right."""
        self.step += 1
        self.loss_sum += loss
        self.hit_sum += hits

    def save(self, torch: Any, name: str) -> None:
        """Write a checkpoint beside the old one, then over it; a full disk leaves the old one whole."""
        if not self.writes:
            return
        content = {
            **{k: p.state_dict() for k, p in self.parts.items()},
            "counters": [self.epoch, self.step, self.best_epoch],
            "sums": [self.loss_sum, self.hit_sum, self.best],
            "history": self.history,
            "seconds": self.seconds,
            "random": torch.get_rng_state(),
            "recipe": asdict(self.recipe),
        }
        write_checkpoint(torch, content, self.work / name)

    def load(self, torch: Any) -> None:
        """Go back to last.pt; raises UsageError when it is unreadable or of another recipe."""
        path = self.work / "last.pt"
        try:
            data = torch.load(path, weights_only=True)
        except Exception as error:  # torch raises half a dozen kinds for a damaged file
            raise UsageError(f"{path} cannot be read ({type(error).__name__})", hint=f"rm {path}") from error
        known = asdict(Recipe(self.recipe.name)) | data["recipe"]  # keys that came later had their defaults then
        if any(known[key] != value for key, value in asdict(self.recipe).items() if key not in AFTER_THE_LAST_EPOCH):
            raise UsageError(f"{path} was made with another recipe", hint="choose another --work")
        for name, part in self.parts.items():
            part.load_state_dict(data[name])
        self.epoch, self.step, self.best_epoch = data["counters"]
        self.loss_sum, self.hit_sum, self.best = data["sums"]
        self.history = data["history"]
        self._seconds, self._began = data.get("seconds"), perf_counter()
        torch.set_rng_state(data["random"])

    def stop_if_asked(self, stop: StopRequest, torch: Any, say: Callable[[str], None]) -> None:
        """Where somebody asked to stop: keep what there is, say how it goes on, and raise KeyboardInterrupt."""
        if not stop.noted:
            return
        self.save(torch, "last.pt")
        say(
            f"stopped in epoch {self.epoch + 1} after step {self.step}: {self.work / 'last.pt'}; --resume goes on there"
        )
        stop.obey()

    def stopped(self, recipe: Recipe) -> bool:
        """Whether `patience` epochs have passed without a better figure."""
        return bool(recipe.patience) and self.epoch - self.best_epoch >= recipe.patience

    def close_epoch(
        self, torch: Any, figures: dict[str, Any], rate: float, say: Callable[[str], None], to_go: str = ""
    ) -> dict[str, float]:
        """Record an epoch, keep it if it is the best, write its checkpoints, and return its row of the history."""
        steps = max(1, self.step)
        row = {"epoch": self.epoch + 1, "rate": rate, "train_loss": self.loss_sum / steps}
        row |= {"train_accuracy": self.hit_sum / steps, "valid_loss": figures["loss"]}
        row |= {k: figures[k] for k in ("accuracy", "mean_recall", "calibration_error")}
        row |= {k: figures[k] for k in ("worst_group",) if k in figures}
        row |= {f"accuracy of {part}": share for part, share in figures["parts"].items()}
        agreement = figures.get("agreement", {})
        row |= {f"agreement of {part}": share for part, share in agreement.items()}
        self.epoch, self.step, self.loss_sum, self.hit_sum = self.epoch + 1, 0, 0.0, 0.0
        self.history.append(row)
        # The first epoch at full size is better than any before it: their figures belong to smaller pictures.
        better = figures[self.recipe.select] > self.best or self.epoch == self.recipe.warm_epochs + 1
        if better:
            self.best, self.best_epoch = figures[self.recipe.select], self.epoch
        self._keep(torch, better)
        say(
            f"epoch {self.epoch}: loss {row['train_loss']:.3f}, validation accuracy {row['accuracy']:.3f}, "
            f"mean recall {row['mean_recall']:.3f}" + (" (best so far)" if better else "") + to_go
        )
        if agreement:
            told = ", ".join(f"{part} {share:.3f}" for part, share in agreement.items())
            say(f"epoch {self.epoch}: agreement with the teachers on held-out faces without labels: {told}")
        return row

    def _keep(self, torch: Any, better: bool) -> None:
        """Write the epoch's checkpoint, best.pt if it is, last.pt and the history."""
        if not self.writes:
            return
        kept = self.average.module if self.average is not None else self.parts["network"]
        for name in [f"epoch_{self.epoch:02d}.pt"] + ["best.pt"] * better:
            write_checkpoint(torch, {"network": kept.state_dict(), "recipe": asdict(self.recipe)}, self.work / name)
        self.save(torch, "last.pt")
        write_text(self.work / "history.json", json.dumps(self.history, indent=1))


def write_checkpoint(torch: Any, content: dict[str, Any], path: Path) -> None:
    """Save beside the old file, then rename over it. Through memory: torch hides a full disk in a RuntimeError."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with writing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())

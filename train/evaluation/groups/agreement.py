"""Where other models agree with the one that is measured, and how far its confidence is from what they think.

Nobody labelled the pictures then, or what people said is beside the point. Several models answer as one, by the mean of
their probabilities; where all of them name the same label, less of a disagreement is theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import Logits
from ....bundle.labels import common_names
from ....errors import DatasetError
from ....words import counted
from ...teachers.ensemble import mean_probabilities
from ..intervals import Estimate, share, soft_calibration
from . import answers, gap_text
from .answers import Answers, answers_by_group
from .gaps import Compared, compare
from .grouping import Partition, everybody


@dataclass(frozen=True)
class Opinion:
    """What another model says of the same pictures: logits (N, labels), and how much they count beside others'."""

    name: str
    labels: tuple[str, ...]
    logits: Logits
    weight: float = 1.0


@dataclass(frozen=True)
class SoftCalibration:
    """One group's calibration error against the others' probabilities; see `intervals.soft_calibration`."""

    by: str
    name: str
    pictures: int
    error: Estimate


@dataclass(frozen=True)
class Unanimous:
    """The pictures of which several other models all name the same label, and on which share the measured one does."""

    pictures: int
    share: Estimate
    compared: Compared


@dataclass(frozen=True)
class Agreement:
    """How one model agrees with others; recall is of their answers.

    Attributes:
        models: the others' names.
        share: of pictures on which it names the label that they find likeliest.
        calibration: of all pictures, then of each group.
        compared: all pictures; unanimous: those on which several others are at one; None of one, or of none such.
        same: of which pictures it and every other name one label, bool (N,); agreed: what it answers there.
    """

    models: tuple[str, ...]
    share: Estimate
    calibration: list[SoftCalibration]
    compared: Compared
    unanimous: Unanimous | None
    same: NDArray[np.bool_]
    agreed: list[Answers]

    @property
    def name(self) -> str:
        """All the others, as a card calls them."""
        return " + ".join(self.models)

    def facts(self) -> dict[str, Any]:
        """As metrics.json has it."""
        about: dict[str, Any] = {"model": self.name, "agreement": asdict(self.share)}
        about["agreed"] = [asdict(one) for one in self.agreed]
        about["calibration"] = [asdict(one) for one in self.calibration]
        if (sure := self.unanimous) is not None:
            about["unanimous"] = {"pictures": sure.pictures, "agreement": asdict(sure.share), **sure.compared.facts()}
        return {**about, **self.compared.facts()}

    def text(self) -> list[str]:
        """Paragraphs for a terminal."""
        their = "its answers stand" if len(self.models) == 1 else "the mean of their probabilities stands"
        parts = [
            f"agreement with {self.name}: {self.share}; {their} for the truth below",
            *gap_text.tables(self.compared, "agreement"),
            "calibration error against their probabilities: what they give to the label that is said counts as right\n"
            + _table(self.calibration),
        ]
        if self.unanimous:
            of = f"{self.unanimous.pictures} of {counted(len(self.same), 'picture')}"
            parts.append(f"where they all name one label, {of}: agreement {self.unanimous.share}")
            parts += gap_text.tables(self.unanimous.compared, "agreement")
        who = "both agree" if len(self.models) == 1 else "all agree"
        return [*parts, f"where {who}:", answers.table(self.agreed)]


def agreement(
    parts: Sequence[Partition], logits: Logits, labels: Sequence[str], others: Sequence[Opinion]
) -> Agreement:
    """Compare a model with others, on the labels that all have.

    Args:
        logits: of the one that is measured, (N, labels).
        others: one at least.

    Raises:
        DatasetError: they share fewer than two labels.
    """
    names = list(dict.fromkeys(common_names(labels)))
    for other in others:
        names = [name for name in names if name in common_names(other.labels)]
        if len(names) < 2:
            raise DatasetError(
                f"{other.name} shares no two labels with the model that is measured",
                cause=f"its labels are {', '.join(other.labels)}, the measured model's {', '.join(labels)}",
            )
    logits = _pick(logits, labels, names)
    each = [_pick(other.logits, other.labels, names) for other in others]
    mean = mean_probabilities(each, [other.weight for other in others], 1.0)
    said, truth = logits.argmax(axis=1), np.asarray(mean.argmax(axis=1), np.int64)
    at_one = np.all([one.argmax(axis=1) == each[0].argmax(axis=1) for one in each], axis=0)
    same = (said == truth) & at_one
    unanimous = None
    if len(others) > 1 and at_one.any():
        compared = compare([part.of(at_one) for part in parts], logits[at_one], truth[at_one], names)
        unanimous = Unanimous(int(at_one.sum()), share(int(same.sum()), int(at_one.sum())), compared)
    return Agreement(
        tuple(other.name + f" (weight {other.weight:g})" * (other.weight != 1) for other in others),
        share(int((said == truth).sum()), len(said)),
        _calibration([everybody(len(said)), *parts], logits, mean),
        compare(parts, logits, truth, names),
        unanimous,
        same,
        answers_by_group([part.of(same) for part in parts], logits[same], names),
    )


def _pick(logits: Logits, labels: Sequence[str], names: Sequence[str]) -> Logits:
    """The logits (N, names) of these labels alone."""
    mine = common_names(labels)
    return logits[:, [mine.index(name) for name in names]]


def _calibration(parts: Sequence[Partition], logits: Logits, mean: NDArray[np.float32]) -> list[SoftCalibration]:
    found = []
    for part in parts:
        for index, name in enumerate(part.names):
            mine = part.members == index
            if mine.any():
                error = soft_calibration(logits[mine], mean[mine])
                found.append(SoftCalibration(part.by, name, int(mine.sum()), error))
    return found


def _table(rows: Sequence[SoftCalibration]) -> str:
    width = max(len(row.by + row.name) for row in rows) + 2
    return "\n".join(f"{row.by + ': ' + row.name:{width}} {row.pictures:8}  {row.error}" for row in rows)

"""Everything that is measured by group, with labels or without, as figures and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from ....bundle import Logits
from ....export.metrics import Classes
from . import answers, gap_text, gaps
from .agreement import Agreement
from .answers import Answers
from .grouping import CROSS, Partition


@dataclass(frozen=True)
class GroupReport:
    """All figures by group.

    Attributes:
        answers: by group, whatever the truth is.
        labelled: against people's labels, where there are any.
        against: how other models agree.
        shifts: light or skin -> the answers under it, against the labels, or else against the model's own answers to
            the unaltered pictures, of which only those count on which all models agree, where there are several.
        advice: what people must do to know more; empty where there are labels.
    """

    answers: list[Answers]
    labelled: gaps.Compared | None = None
    against: Agreement | None = None
    shifts: Mapping[str, gaps.Compared] = field(default_factory=dict)
    advice: str = ""

    def facts(self) -> dict[str, Any]:
        """As metrics.json has it."""
        facts: dict[str, Any] = {"answers": [asdict(a) for a in self.answers]}
        facts |= self.labelled.facts() if self.labelled else {}
        if self.against:
            facts["against"] = self.against.facts()
        if self.shifts:
            facts["shifts"] = {name: shift.facts() for name, shift in self.shifts.items()}
        return facts | ({"advice": self.advice} if self.advice else {})

    def card(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """What a bundle's manifest keeps of it: of the labels, or else of the other models.

        Args:
            about: what was measured on what, as the manifest is to have it: set, images, model.
        """
        compared = self.labelled or (self.against.compared if self.against else gaps.Compared([], []))
        what = "accuracy" if self.labelled else "agreement"
        rows = [
            {
                "group": g.label,
                "pictures": g.pictures,
                "too_small": g.too_small,
                "share": [g.accuracy, g.low, g.high],
                "recall": {n: r.value for n, r in g.recall.items() if g.support[n] >= gaps.SMALL_CELL},
                "confidence": g.confidence.value,
                "calibration_error": g.calibration_error.value,
            }
            for g in compared.groups
        ]
        return {
            **about,
            **(self._other() if self.against and not self.labelled else {"against": ""}),
            "columns": list(dict.fromkeys(column for g in compared.gaps for column in g.by.split(CROSS))),
            "rows": rows,
            "gaps": {gap.by: gap_text.sentences(gap, what) for gap in compared.gaps},
        }

    def _other(self) -> dict[str, Any]:
        """What a manifest says of the models that stand for the truth."""
        assert self.against
        error = self.against.calibration[0].error
        return {"against": self.against.name, "soft_calibration_error": [error.value, error.low, error.high]}

    def text(self) -> str:
        """For people."""
        parts = []
        if self.labelled:
            parts += gap_text.tables(self.labelled)
        else:
            parts.append(answers.table(self.answers))
        if self.against:
            parts += self.against.text()
        if self.shifts:
            parts.append(self._shifts())
        return "\n\n".join([*parts, *([self.advice] if self.advice else [])])

    def _shifts(self) -> str:
        """One row a group, one column a shift; what the tests found below."""
        what = "accuracy" if self.labelled else "share of unchanged answers"
        names, columns = list(self.shifts), list(zip(*(shift.groups for shift in self.shifts.values()), strict=True))
        width = max(len(row[0].label) for row in columns) + 2
        lines = [
            f"{what} under light and skin tone, 95 % interval",
            f"{'group':{width}}" + "".join(f"{n:>20}" for n in names),
        ]
        for row in columns:
            cells = "".join(f"{f'{g.accuracy:.3f} {g.low:.3f}..{g.high:.3f}':>20}" for g in row)
            lines.append(f"{row[0].label:{width}}{cells}")
        for name, shift in self.shifts.items():
            told = "; ".join(f"by {gap.by} p = {gap.p:.4f}, corrected {gap.p_holm:.4f}" for gap in shift.gaps)
            if told:
                lines.append(f"that the group does not matter under {name}: {told}")
        return "\n".join(lines)


def labelled(
    parts: Sequence[Partition],
    logits: Logits,
    truth: Classes,
    labels: Sequence[str],
    against: Agreement | None = None,
    shifted: Mapping[str, Logits] = MappingProxyType({}),
) -> GroupReport:
    """The figures by group of labelled pictures.

    Args:
        logits: (N, labels), and those of the altered pictures in `shifted`; truth: (N,).
        against: how other models agree.
    """
    found = answers.answers_by_group(parts, logits, labels)
    compared = gaps.compare(parts, logits, truth, labels)
    return GroupReport(found, compared, against, under_shifts(parts, shifted, truth, labels))


def unlabelled(
    parts: Sequence[Partition],
    logits: Logits,
    labels: Sequence[str],
    against: Agreement | None = None,
    shifted: Mapping[str, Logits] = MappingProxyType({}),
    advice: str = "",
) -> GroupReport:
    """The figures by group of pictures that nobody labelled; arguments as for `labelled`."""
    found = answers.answers_by_group(parts, logits, labels)
    sure = against.same if against else np.ones(len(logits), bool)
    kept = {name: altered[sure] for name, altered in shifted.items() if sure.any()}
    plain = logits[sure].argmax(axis=1)
    shifts = under_shifts([part.of(sure) for part in parts], kept, plain, labels)
    return GroupReport(found, None, against, shifts, advice)


def under_shifts(
    parts: Sequence[Partition], shifted: Mapping[str, Logits], truth: Classes, labels: Sequence[str]
) -> dict[str, gaps.Compared]:
    """Each shift's answers against one truth; p values are corrected for all shifts and partitions together."""
    found = {name: gaps.compare(parts, logits, truth, labels) for name, logits in shifted.items()}
    every = iter(gaps.corrected([gap for one in found.values() for gap in one.gaps]))
    return {name: gaps.Compared(one.groups, [next(every) for _ in one.gaps]) for name, one in found.items()}

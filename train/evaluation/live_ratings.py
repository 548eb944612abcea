"""What a live check came to: a rating for each person and expression, beside the study's Table 16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...bundle import LABELS
from ...bundle.labels import common_names
from ...words import counted

LEVELS = ("subtle", "peak")
CLEAR, SEEN = 0.7, 0.4
"""Shares of a take's observations that showed the asked expression: from CLEAR on it was recognised, surely and for the
time that it was held; from SEEN on it was found, but not steadily. The study rates by eye and states no number: these
are ours. `uncertain` is no match, so that what counts was sure as well."""
GOOD, MODERATE, POOR = "Good", "Moderate", "Poor"


@dataclass(frozen=True)
class Published:
    """The study's Table 16 for one expression: how many of its 14 people were Good, Moderate and Poor.

    Nine women and five men of 23 to 65 showed each expression subtly and at its peak.
    """

    good: int
    moderate: int
    poor: int

    @property
    def accuracy(self) -> float:
        """Share of the people with a Good, 0..1; the table's last column, which is this to a tenth of a per cent."""
        return self.good / (self.good + self.moderate + self.poor)


PUBLISHED: dict[str, Published] = {
    "happy": Published(13, 1, 0),
    "sad": Published(10, 3, 1),
    "neutral": Published(12, 2, 0),
    "surprise": Published(10, 3, 1),
    "fear": Published(6, 4, 4),
    "disgust": Published(4, 3, 7),
    "angry": Published(1, 1, 12),
}
"""Label -> the study's figures, all seven."""


@dataclass(frozen=True)
class Take:
    """One thing to be shown: a clip of it, or what a person is asked to do; `subject` tells people apart."""

    label: str
    level: str
    clip: Path | None = None
    subject: str = "1"


@dataclass(frozen=True)
class Result:
    """What was seen in a take: how many observations, and how many of them showed the asked expression."""

    take: Take
    observations: int
    matching: int
    detector: str

    @property
    def share(self) -> float:
        """Matching share, 0..1; 0 when no face was seen."""
        return self.matching / self.observations if self.observations else 0.0


def rating(shares: Mapping[str, float]) -> str | None:
    """A person's Good, Moderate or Poor for an expression, by the study's rule; None where a level was not shown.

    Good: recognised surely in both forms. Poor: in neither, not even unsteadily. Moderate: what is between, under the
    clearer expression only, or with an answer that wavers.

    Args:
        shares: level -> share of the take's observations that showed the asked expression, 0..1.
    """
    if set(shares) != set(LEVELS):
        return None
    if all(share >= CLEAR for share in shares.values()):
        return GOOD
    return MODERATE if any(share >= SEEN for share in shares.values()) else POOR


def summarise(results: Sequence[Result], labels: Sequence[str] = LABELS) -> list[dict[str, object]]:
    """One row an expression: mean share at each level, people by rating, share of Good, the study's, detector."""
    return [_row(label, mine) for label in in_order(labels) if (mine := [r for r in results if r.take.label == label])]


def _row(label: str, mine: Sequence[Result]) -> dict[str, object]:
    people: dict[str, dict[str, list[float]]] = {}
    for result in mine:
        people.setdefault(result.take.subject, {}).setdefault(result.take.level, []).append(result.share)
    means = {who: {level: _mean(shares) for level, shares in levels.items()} for who, levels in people.items()}
    ratings = [rating(shares) for shares in means.values()]
    counts = {name.lower(): ratings.count(name) for name in (GOOD, MODERATE, POOR)}
    rated, known = sum(counts.values()), PUBLISHED.get(common_names([label])[0])
    shares = {level: [m[level] for m in means.values() if level in m] for level in LEVELS}
    return {
        "expression": label,
        **{level: _mean(found) if found else None for level, found in shares.items()},
        **counts,
        "not_rated": len(ratings) - rated,
        "accuracy": counts["good"] / rated if rated else None,
        "published": {**asdict(known), "accuracy": known.accuracy} if known else None,
        "detector": ", ".join(sorted({r.detector for r in mine})),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as lines of text beside the study's Table 16, with the rule below them."""

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    def people(counts: Mapping[str, Any] | None) -> str:
        return "/".join(str(counts[key]) for key in ("good", "moderate", "poor")) if counts else "-"

    lines = [
        f"{'expression':10} {'subtle':>7} {'peak':>7}  {'people*':>8} {'accuracy':>8}  {'study*':>8} {'accuracy':>8}"
    ]
    for r in rows:
        known = r["published"]
        lines.append(
            f"{r['expression']:10} {share(r['subtle']):>7} {share(r['peak']):>7}  {people(r):>8} "
            f"{share(r['accuracy']):>8}  {people(known):>8} {share(known and known['accuracy']):>8}"
        )
    lines.append("* Good/Moderate/Poor; accuracy is the share of people with Good. The study's are of 14 people.")
    if missing := sum(r["not_rated"] for r in rows):
        lines.append(f"Not rated, because one of the two levels was not shown: {counted(missing, 'person', 'people')}.")
    lines += [f"Faces found by {name}." for name in sorted({str(r["detector"]) for r in rows})]
    rule = f"Good: {CLEAR:.0%} of the observations and more had the asked label in both takes; Poor: under {SEEN:.0%}."
    return "\n".join([*lines, rule])


def in_order(labels: Sequence[str]) -> list[str]:
    """A model's labels in the order of LABELS, its own behind."""
    known = common_names(labels)
    return sorted(labels, key=lambda label: [*LABELS, *known].index(known[labels.index(label)]))

"""What a real subscriber of everything heard: what is missing there, and what should not be there."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from campaigns.faults.ledger import missing_numbers

from .visitors import FIVE, LEAST, SECRET, SEVEN

Told = tuple[str, str]
"""Topic, text."""
ROUNDING = 3e-4
"""Shares have four places, and three of them are added up."""
TOLD_GROUPS = [
    {label: n / len(group) for label, n in Counter(group).items()} for group in (FIVE, SEVEN, (*FIVE, *SEVEN))
]
"""The last: two that follow each other within the second that counts as now, on a machine so late that tracks end."""


def snapshots(heard: Iterable[Told]) -> dict[str, list[dict[str, Any]]]:
    """Kiosk -> its snapshots in the order in which they came, those of `history` among them."""
    found = defaultdict[str, list[dict[str, Any]]](list)
    for topic, text in heard:
        name, _, what = topic.rpartition("/")
        if what in ("state", "history") and "/" not in name:
            found[name].append(json.loads(text))
    return found


def lost(heard: Iterable[Told]) -> list[str]:
    """Snapshots that a kiosk numbered and that never came."""
    found = []
    for name, told in snapshots(heard).items():
        found += [f"{name}: {n}" for n in missing_numbers([json.dumps(t) for t in told])]
    return found


def disordered(heard: Iterable[Told]) -> list[str]:
    """Snapshots on `state` that came after a newer one, by their numbers."""
    newest, found = defaultdict[str, int](int), []
    for topic, text in heard:
        if topic.endswith("/state"):
            number = int(json.loads(text)["sequence"])
            if number < newest[topic]:
                found.append(f"{topic}: {number} after {newest[topic]}")
            newest[topic] = max(number, newest[topic])
    return found


def leaks(heard: Sequence[Told]) -> list[str]:
    """What tells of fewer than LEAST people: of whom in a group that is too small, or of four by the minute's mean.

    Every moment that may be told of has as many `neutral` as two of the returning one and all `happy`. The four
    without the returning one would change that in the minute's shares.
    """
    found = [f"{topic}: a topic that is not known" for topic, _ in heard if not _known(topic)]
    found += [f"{topic}: {SECRET}" for topic, text in heard if _announces(topic) and '"fear": 0.' in text]
    for name, told in snapshots(heard).items():
        for t in told:
            shares, minute = t["shares"], t["window"]
            if SECRET in shares or SECRET in minute:
                found.append(f"{name}: {SECRET} in {shares} {minute}")
            if (t["faces"] is not None and t["faces"] < LEAST) or (t["faces"] is None and shares):
                found.append(f"{name}: {t['faces']} faces, {shares}")
            if shares and not any(_near(shares, group) for group in TOLD_GROUPS):
                found.append(f"{name}: {shares} is of no group that may be told of")
            told_of = minute.get("neutral", 0) - 2 * minute.get("surprise", 0) - minute.get("happy", 0)
            if abs(told_of) > ROUNDING:
                found.append(f"{name}: the minute {minute} has moments without the returning one")
    return found


def _known(topic: str) -> bool:
    end = topic.rpartition("/")[2]
    return end in ("state", "history", "status") or (topic.startswith("homeassistant/") and end == "config")


def _announces(topic: str) -> bool:
    return topic.startswith("homeassistant/")


def _near(shares: dict[str, float], group: dict[str, float]) -> bool:
    return set(shares) == set(group) and all(abs(shares[label] - group[label]) < ROUNDING for label in group)

"""A rule as the configuration has it, what its keys ask of each other, and what it may never tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...toml_schema import key, nearest
from ..figures.valence import INDEX, has_index, signs_of

ABOVE, BELOW = "above", "below"
LEAST_TIMES = 5
"""A baseline is at least so many times as long as what is held against it, which is part of it."""
OUTLETS = ("log", "page", "mqtt", "webhook")
"""Keys of a rule that say whom it tells."""
MARGIN = 1e-6
"""A share passes a threshold by more than this: means of thirds are not exact."""


@dataclass(frozen=True)
class Rule:
    """Tells that the faces in view have shown something for long; one table a rule, and none unless written here."""

    name: str = key(
        "",
        "what it is called where it is told; each needs its own",
        pattern=r"[A-Za-z0-9_-]{0,32}",
        words="up to 32 letters, digits, _ and -",
    )
    what: str = key("", "a label of the bundle, uncertain, or valence_index: its share of the faces in view", high=100)
    when: str = key(ABOVE, "on which side of the threshold it holds", choices=(ABOVE, BELOW))
    threshold: float = key(0.5, "a share from 0 to 1; of valence_index from -1", "of the faces", low=-1, high=1)
    over_s: float = key(
        1.0, "the share is a mean over so long, so that a blink ends nothing", "seconds", low=0.1, high=600
    )
    for_s: float = key(10.0, "it holds for so long before it is told", "seconds", high=3600)
    cool_down_s: float = key(300.0, "then it is not told again for so long", "seconds", low=1, high=86400)
    baseline_s: float = key(
        0.0,
        "the threshold is above what each person mostly showed in so long before; 0: above nothing",
        "seconds",
        high=7200,
    )
    log: bool = key(True, "tell the journal")
    page: bool = key(False, "tell the page, and so the state that the broker gets")
    mqtt: bool = key(False, "tell the broker, at TOPIC/rule")
    webhook: bool = key(False, "tell webhook.url")


def signs(what: str, labels: Sequence[str]) -> dict[str, float]:
    """Label -> what a face that shows it adds: 1 of the label itself, 1 or -1 of the index; others 0."""
    return dict(zip(labels, signs_of(labels), strict=True)) if what == INDEX else {what: 1.0}


def faults(rule: Rule, least_group: int) -> Iterator[tuple[str, str]]:
    """Key, and the end of a sentence that begins with it, of all that keys ask of each other."""
    for name in ("name", "what"):
        if not getattr(rule, name).strip():
            yield name, "is missing: a rule needs a name, and a label that it watches"
    if not any(getattr(rule, outlet) for outlet in OUTLETS):
        yield "log", f"and {', '.join(OUTLETS[1:])} are false: the rule would tell nobody"
    lasts = rule.over_s + rule.for_s
    if 0 < rule.baseline_s < LEAST_TIMES * lasts:
        needed = f"at least {LEAST_TIMES} times over_s and for_s together, {LEAST_TIMES * lasts:g}"
        yield "baseline_s", f"must be 0 or {needed}: else it would follow what is held against it"
    low, high = bounds(rule)
    if not low <= rule.threshold <= high:
        yield "threshold", f"must be from {low:g} to {high:g} here, not {rule.threshold:g}: {_why(rule)}"
    elif told_of_one(rule, least_group):
        yield (
            "threshold",
            (
                f"of {rule.threshold:g} could be passed by one person alone among {least_group} (privacy.least_group): "
                f"here it must be {_words(rule, _limit(rule, least_group))}"
            ),
        )


def _words(rule: Rule, limit: float) -> str:
    """The limit, rounded to the side on which it is kept."""
    if rule.when == ABOVE:
        return f"at least {math.ceil(limit * 1e4) / 1e4:g}"
    return f"at most {math.floor(limit * 1e4) / 1e4:g}"


def bounds(rule: Rule) -> tuple[float, float]:
    """The thresholds that a rule can pass and not always passes."""
    if rule.baseline_s:
        return (0.01, 1.0) if rule.when == ABOVE else (-1.0, -0.01)
    least = -1.0 if rule.what == INDEX else 0.0
    return (least, 0.99) if rule.when == ABOVE else (least + 0.01, 1.0)


def _why(rule: Rule) -> str:
    if rule.baseline_s:
        return f"with baseline_s it is how far {rule.when} the person's own"
    return f"no share is {rule.when} it, or every one is"


def told_of_one(rule: Rule, least_group: int) -> bool:
    """Whether one person of so many could pass the threshold while all others agree on something else.

    Then the rule would tell about that person. A group of one has been given up to be told of.
    """
    if least_group == 1:
        return False
    limit = _limit(rule, least_group)
    return rule.threshold < limit - MARGIN / 2 if rule.when == ABOVE else rule.threshold > limit + MARGIN / 2


def _limit(rule: Rule, least_group: int) -> float:
    """The threshold that one person of the least group just reaches, and does not pass."""
    if rule.baseline_s:
        reach = (2.0 if rule.what == INDEX else 1.0) / least_group
        return reach if rule.when == ABOVE else -reach
    reach = 1 / least_group
    if rule.when == ABOVE:
        return reach
    return -reach if rule.what == INDEX else 1 - reach


def unknown_what(rule: Rule, labels: Sequence[str]) -> str:
    """Why a bundle with these labels has nothing that the rule names, as the end of a sentence; or nothing."""
    from ..vision.smoothing import UNCERTAIN

    if rule.what == INDEX:
        missing = "has no positive and negative label: there is no index of valence"
        return "" if has_index(labels) else missing
    known = (*labels, UNCERTAIN)
    if rule.what in known:
        return ""
    return f"does not know {rule.what}: it has {', '.join(known)} and {INDEX}{nearest(rule.what, (*known, INDEX))}"

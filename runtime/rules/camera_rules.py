"""All rules before one camera: what a moment shows goes in, and each rule that is to be told goes to its outlets."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Any

from ...errors import UsageError
from ..status.snapshot import Aggregate, utc_text
from .rule import Rule, told_of_one, unknown_what
from .watch import Fired, RuleWatch

RECENT = 10
"""As many are kept for the page, the newest last."""
log = logging.getLogger(__name__)

Outlet = Callable[[Mapping[str, Any]], None]
"""Takes what is told as JSON values; must return at once."""


class CameraRules:
    """Only what `Aggregate` lets out goes in: of fewer faces than the least group no rule ever hears."""

    def __init__(
        self,
        rules: Sequence[Rule],
        labels: Sequence[str],
        outlets: Mapping[str, Outlet] | None = None,
        camera: str = "",
        clock_ok: Callable[[], bool] = lambda: True,
    ) -> None:
        """Begin; raises UsageError for a rule whose label the bundle does not have.

        Args:
            labels: the bundle's.
            outlets: `mqtt` and `webhook`, each where there is one; page and log are served here.
        """
        for rule in rules:
            if wrong := unknown_what(rule, labels):
                raise UsageError(f"rule {rule.name}: the bundle {wrong}", hint="fer-edge bundle show")
        self._watches = [RuleWatch(rule, labels) for rule in rules]
        self._outlets, self._camera, self._clock_ok = outlets or {}, camera, clock_ok
        self._recent: deque[Mapping[str, Any]] = deque(maxlen=RECENT)
        self._least_group = 0

    @property
    def recent(self) -> tuple[Mapping[str, Any], ...]:
        """What the page was told last."""
        return tuple(self._recent)

    def see(self, now_s: float, aggregate: Aggregate) -> list[Fired]:
        """Take the moment that the aggregate has just been told, and tell what is to be told."""
        if not self._watches:
            return []
        if aggregate.least_group != self._least_group:  # what was seen under another promise is forgotten
            self._least_group = aggregate.least_group
            self.clear()
        faces = aggregate.readable()
        found = [w.see(now_s, faces, self._least_group) for w in self._watches if self._may(w.rule)]
        fired = [one for one in found if one is not None]
        for one in fired:
            self._tell(one)
        return fired

    def clear(self) -> None:
        """Forget what was seen, as at a pause."""
        for watch in self._watches:
            watch.clear()

    def _may(self, rule: Rule) -> bool:
        """The configuration refuses such a rule; a least group that a reload changed may have made it one."""
        return not told_of_one(rule, self._least_group)

    def _tell(self, fired: Fired) -> None:
        rule, told = fired.rule, told_of(fired, self._camera, self._clock_ok())
        if rule.log:
            where = f" before {self._camera}" if self._camera else ""
            log.warning("rule %s%s: %s", rule.name, where, in_words(fired))
        if rule.page:
            self._recent.append(told)
        for name, outlet in self._outlets.items():
            if getattr(rule, name):
                outlet(told)


def told_of(fired: Fired, camera: str, clock_ok: bool) -> dict[str, Any]:
    """What leaves the kiosk of it: the rule, when, and its share. No picture, face, track number or count."""
    rule = fired.rule
    return {
        "rule": rule.name,
        "camera": camera,
        "time": utc_text(time()),
        "clock_ok": clock_ok,
        "what": rule.what,
        "when": rule.when,
        "threshold": rule.threshold,
        "value": round(fired.value, 4),
        "for_s": rule.for_s,
        "baseline_s": rule.baseline_s,
    }


def in_words(fired: Fired) -> str:
    """What has shown, for people."""
    rule = fired.rule
    against = " from what each person mostly showed" if rule.baseline_s else ""
    return f"{rule.what} {rule.when} {rule.threshold:g}{against} for {rule.for_s:g} s (now {fired.value:.2f})"

"""The daemon's log: one line an event, to systemd's journal with its priority, or to a terminal with the time.

Only changes are logged, nothing a frame or a second: logs that are written all day wear out SD cards.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

from ..status.health import Condition, Health

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Of syslog(3), which the journal reads from the beginning of a line (sd-daemon(3))."""
OURS = "fer_edge"
log = logging.getLogger(__name__)


class HealthLog:
    """Logs each kind of health once, when it begins: a new condition or another reason, but no new number in it."""

    def __init__(self) -> None:
        self._logged: object = None

    def tell(self, health: Health) -> None:
        """Take the kiosk's health as it is now."""
        if health.kind != self._logged:
            good = health.condition in (Condition.OK, Condition.STARTING)
            log.log(logging.INFO if good else logging.WARNING, "%s", health)
            self._logged = health.kind


class JournalLines(logging.Formatter):
    """`<4>words` on one line, since a line break would begin another message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        words = " | ".join(super().format(record).splitlines())
        return f"<{PRIORITIES.get(record.levelno, 6)}>{words}"


def start_log(level: str, environment: Mapping[str, str] = os.environ) -> logging.Handler:
    """Send our log to stderr; returns the handler, for `stop_log`.

    Args:
        level: debug, info, warning or error.
        environment: has JOURNAL_STREAM when systemd started us.
    """
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in environment:
        handler.setFormatter(JournalLines("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    ours = logging.getLogger(OURS)
    ours.addHandler(handler)
    ours.propagate = False
    set_level(level)
    return handler


def set_level(level: str) -> None:
    """Leave out what is less important than this."""
    logging.getLogger(OURS).setLevel(level.upper())


def stop_log(handler: logging.Handler) -> None:
    """Take it away again."""
    ours = logging.getLogger(OURS)
    ours.removeHandler(handler)
    ours.propagate = True

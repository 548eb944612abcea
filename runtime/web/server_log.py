"""The server's log: about us, and seldom; what clients do must not fill it."""

from __future__ import annotations

import logging
from time import monotonic

SELDOM_S = 60.0


def server_log() -> logging.Logger:
    """For everything that a client may be the cause of."""
    log = logging.getLogger(__name__)
    for filter_ in (is_ours, SELDOM):
        log.addFilter(filter_)
    return log


class Seldom(logging.Filter):
    """Lets an entry pass once in SELDOM_S: with one a failure, anybody who finds how to cause it could fill the log."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it was not told lately; entries of the same words and kind of exception are the same."""
        key, now = (str(record.msg), record.exc_info and record.exc_info[0]), monotonic()
        seldom = now - self._told.get(key, -SELDOM_S) >= SELDOM_S
        if seldom:
            self._told[key] = now
        return seldom


SELDOM = Seldom()
"""One for all servers of this process, which have one log."""


def is_ours(record: logging.LogRecord) -> bool:
    """Whether an entry is about us, and not about what a client sent wrong."""
    from aiohttp.http import HttpProcessingError
    from aiohttp.web import RequestPayloadError

    theirs = (HttpProcessingError, RequestPayloadError, ConnectionError)
    return not (record.exc_info and isinstance(record.exc_info[1], theirs))

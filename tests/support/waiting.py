"""Waiting for a condition instead of a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 240.0
"""For what takes a moment on an idle machine, and much longer on one that is ten times overbooked."""


def until(happened: Callable[[], Any], what: str = "", limit_s: float = PATIENCE_S, every_s: float = 0.01) -> Any:
    """What `happened` returns, as soon as it is true, looked at so often; raises AssertionError when it never is."""
    end = time.monotonic() + limit_s
    while not (value := happened()):
        assert time.monotonic() < end, f"it never happened: {what or happened}"
        time.sleep(every_s)
    return value

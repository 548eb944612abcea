"""Requests from outside, by page, broker, button or signal: noted at once, carried out between two frames."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

from ...errors import FerEdgeError
from ..config import KioskConfig, reloadable

PAUSE, RECORD, RELOAD, TOGGLE = "pause", "record", "reload", "toggle"


def commands_of(config: KioskConfig) -> tuple[str, ...]:
    """The commands that page and broker offer."""
    return (PAUSE, RECORD) if config.record.on else (PAUSE,)


@dataclass(frozen=True)
class AskedMarker:
    """A marker that somebody asked for: its name, who asked (page, mqtt), and the monotonic second."""

    name: str
    source: str
    at_s: float


MAX_MARKERS = 1000
"""Between two frames; whoever sends more is a program that went wrong."""


class Requests:
    """The newest request of each kind, and every marker; any thread may ask, the daemon's loop takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, bool] = {}
        self._markers: list[AskedMarker] = []

    def mark(self, name: str, source: str) -> None:
        """Note that something happens now."""
        with self._lock:
            if len(self._markers) < MAX_MARKERS:
                self._markers.append(AskedMarker(name, source, monotonic()))

    def take_markers(self) -> list[AskedMarker]:
        """Those that were asked for since the last call."""
        if not self._markers:
            return []
        with self._lock:
            asked, self._markers = self._markers, []
        return asked

    def ask(self, name: str, on: bool = True) -> None:
        """Note a request; it replaces an earlier one of its kind."""
        with self._lock:
            self._asked[name] = on

    def take(self) -> dict[str, bool]:
        """What was asked for since the last call; name -> on or off."""
        if not self._asked:  # the usual case, once a frame
            return {}
        with self._lock:
            asked, self._asked = self._asked, {}
        return asked


log = logging.getLogger(__name__)


def read_again(old: KioskConfig, again: Callable[[], KioskConfig]) -> KioskConfig:
    """The configuration to go on with: the old one with what may change now, or the old one when the new is wrong."""
    try:
        new = again()
    except FerEdgeError as error:
        log.error("the configuration was not taken, the old one stays: %s", error)
        return old
    now, later = reloadable(old, new)
    config = old
    for change in now:
        log.info("%s is now %s", change.key, change.new)
        section, name = change.key.split(".")
        config = replace(config, **{section: replace(getattr(config, section), **{name: change.new})})
    for change in later:
        log.warning("%s changed, which needs a restart: systemctl restart fer-edge", change.key)
    if not now and not later:
        log.info("the configuration is what it was")
    return config

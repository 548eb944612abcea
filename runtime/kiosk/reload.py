"""A reload (SIGHUP): reads the configuration again, takes what can change now, and logs what needs a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from ...errors import FerEdgeError
from ..config import Change, KioskConfig, reloadable

log = logging.getLogger(__name__)


def read_again(old: KioskConfig, again: Callable[[], KioskConfig]) -> KioskConfig:
    """The configuration to go on with: the old one with what may change now, or the old one when the new is wrong."""
    try:
        new = again()
    except FerEdgeError as error:
        log.error("the configuration was not taken, the old one stays: %s", error)
        return old
    now, later = reloadable(old, new)
    for change in now:
        log.info("%s is now %s", change.key, change.new)
    for change in later:
        log.warning("%s changed, which needs a restart: systemctl restart fer-edge", change.key)
    if not now and not later:
        log.info("the configuration is what it was")
    return with_changes(old, now)


def with_changes(config: KioskConfig, changes: tuple[Change, ...]) -> KioskConfig:
    """A configuration with some keys' new values."""
    for change in changes:
        section, name = change.key.split(".")
        part = replace(getattr(config, section), **{name: change.new})
        config = replace(config, **{section: part})
    return config

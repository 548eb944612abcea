"""Importing what is optional, with one message where it is absent."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import MissingExtra


def load(module: str, extra: str) -> Any:
    """A module that belongs to an optional part of fer-edge; raises MissingExtra, naming its package and the part."""
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(module.partition(".")[0], extra) from None

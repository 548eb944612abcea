"""Starting one of our scripts in an interpreter of its own, which sees its libraries and nothing of the user's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

SITE = "FER_EDGE_SITE"
"""Folders that the script puts before its own: `python -I` does not look at PYTHONPATH, and a kiosk that install.sh put
into place has its libraries there. For our own interpreter only; another one has other libraries."""


def alone(python: str, script: str, *words: str) -> list[str]:
    """The command: isolated (-I), so that nothing that lies about is imported in the place of a library."""
    return [python, "-I", script, *words]


def surroundings(python: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for it."""
    rest = {name: value for name, value in environment.items() if name != SITE}
    folders = [os.path.abspath(folder) for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return {**rest, SITE: os.pathsep.join(folders)} if folders and python == sys.executable else rest

"""Batches as tests call them, and what of one is to be the same whoever made it."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.made_once import ROOT

CRASHES = {"PYTHONPATH": str(ROOT / "tests" / "fakes" / "decoder")}
"""The environment in which a file's name says how the decoder fares with it."""
QUICK = ("--detector", "haar", "--detect-width", 0)
"""Options that need no weights of a detector."""
Films = Callable[..., Path]
Command = Callable[..., subprocess.CompletedProcess[str]]


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of a batch's files.csv."""
    with (folder / "files.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a batch that is the same however it was made."""
    parts = folder.glob("observations/*/*.parquet")
    return {str(p.relative_to(folder)): p.read_bytes() for p in (*parts, folder / "files.csv", folder / "summary.json")}

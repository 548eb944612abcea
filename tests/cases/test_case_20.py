"""Case 20: the figures of one local day come in two halves of two UTC days."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from conftest import Command
from support.histories import FRAME, Time, seen, store

MIDNIGHT = 1_780_264_800.0
"""2026-06-01 in Berlin: 2026-05-31T22:00Z."""


def test_a_local_day_is_one_line(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of the case's make_store.py, which was written for an older layout of the package."""
    time = Time(MIDNIGHT)
    sink = store(tmp_path / "store", time)
    for hour, label, base in [(0.5, "happy", 1), (1.0, "happy", 3), (12, "sad", 5), (13, "sad", 7)]:
        time.wall = MIDNIGHT + 3600 * hour
        sink.write(FRAME, [seen(base + k, label) for k in range(2)])
    sink.close()
    monkeypatch.setenv("TZ", "Europe/Berlin")
    words = ("--since", "2026-06-01", "--until", "2026-06-02", "--aggregate", 1440, "--least", 1)
    done = command("data", "export", tmp_path / "store", *words, "--out", tmp_path / "day.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "day.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["from"], line["to"]) == ("2026-05-31T22:00:00.000Z", "2026-06-01T22:00:00.000Z")
    assert (line["faces"], float(line["share_happy"]), float(line["share_sad"])) == ("8", 0.5, 0.5)

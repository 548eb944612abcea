"""A study in this folder, and what tests do with it through the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fer_edge.bundle.portraits import SIDE, portraits
from support.front_door import run_verb

Capture = pytest.CaptureFixture[str]


def make_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Path:
    """A study `s` in this folder, with a form and two conditions, in which P07 consented."""
    monkeypatch.chdir(tmp_path)
    Path("form.txt").write_text("I agree to be recorded.\n")
    words = ("--consent", "form.txt", "--condition", "rest", "--condition", "film", "--title", "Smiles")
    assert run_verb(capsys, "study", "init", "s", *words)[0] == 0
    assert run_verb(capsys, "study", "consent", "s", "P07", "--witness", "M. Soto")[0] == 0
    return Path("s")


def joined(capsys: Capture, *words: object) -> dict[str, Any]:
    """What `run --study … --json` prints, of a run that did what it should."""
    code, said = run_verb(capsys, "run", *words, "--study", "s", "--condition", "film", "--json")
    assert code == 0, said
    return dict(json.loads(said.splitlines()[-1]))


def shown(capsys: Capture, *words: object) -> dict[str, Any]:
    code, said = run_verb(capsys, "study", "show", "s", *words, "--json")
    assert code == 0, said
    return dict(json.loads(said))


def refused(capsys: Capture, says: str, *words: object) -> None:
    """A command that is refused, with one clear error, and leaves no session behind."""
    before = [*Path("s/sessions").iterdir()] if Path("s/sessions").is_dir() else []
    code, said = run_verb(capsys, *words)
    assert code == 2, said
    assert says in said
    assert "Traceback" not in said
    assert ([*Path("s/sessions").iterdir()] if Path("s/sessions").is_dir() else []) == before


def film(path: str, numbers: list[int], frames: int = 10) -> None:
    """Portraits side by side, each in its part of the picture."""
    wide = 240 * len(numbers)
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 10, (wide, 240))
    picture = np.full((240, wide, 3), 128, np.uint8)
    for i, number in enumerate(numbers):
        portrait = cv2.resize(portraits(SIDE)[number][:, :, ::-1], (150, 150), interpolation=cv2.INTER_CUBIC)
        picture[45:195, 240 * i + 45 : 240 * i + 195] = portrait
    for _ in range(frames):
        writer.write(picture)
    writer.release()

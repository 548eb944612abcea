"""Cases 07, 08 and 21: of folders of labelled pictures nothing is left out without a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]
TWO = ("happy", "sad")


def as_it_was_met(case: Path) -> str:
    """What the case's own script says."""
    here = {"FER": f"{sys.executable} -m fer_edge", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", case / "run.sh"], env=os.environ | here, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def test_07_as_it_was_met(shared_case: Callable[[int], Path]) -> None:
    said = as_it_was_met(shared_case(7))
    assert [line for line in said.splitlines() if line.startswith(("train:", "valid:", "test:"))] == [
        "train: 10 pictures",
        "valid: 10 pictures",
        "test: 4 pictures",
    ], said


def test_08_as_it_was_met(shared_case: Callable[[int], Path]) -> None:
    said = as_it_was_met(shared_case(8))
    assert "3 pictures cannot be read" in said
    assert '"unreadable": 3' in said


@pytest.mark.parametrize("valid", ["val", "validation", "Valid"])
def test_07_the_users_validation_pictures_are_valid(valid: str, command: Command, tmp_path: Path) -> None:
    for split, each in (("train", 5), (valid, 5), ("test", 2), ("train2", 3)):
        class_folders(tmp_path / "d" / split, TWO, each)
    for split, count in (("train", 10), ("valid", 10), ("test", 4)):
        done = command("evaluate", "--data", "d", "--split", split, "--json")
        assert json.loads(done.stdout)["images"] == count
        assert "not read: the folder train2" in done.stderr


def test_08_unreadable_pictures_are_named_and_counted(command: Command, tmp_path: Path) -> None:
    for split in ("train", "test"):
        class_folders(tmp_path / "d" / split, TWO, 2, [".png"])
    for name in ("happy/1", "sad/0", "sad/1"):
        (tmp_path / "d" / "test" / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = command("evaluate", "--data", "d", "--json", "--out", "o")
    assert json.loads(done.stdout)["unreadable"] == 3
    assert json.loads((tmp_path / "o" / "metrics.json").read_text())["unreadable"] == 3
    assert "3 pictures cannot be read: d/test/happy/1.png, " in done.stderr


def test_21_nested_pictures_and_other_suffixes_are_read_or_named(command: Command, tmp_path: Path) -> None:
    root = class_folders(tmp_path / "d", TWO, 5, [".png", ".bmp", ".webp", ".tiff", ".jpg"])
    class_folders(root / "happy", ("subject1", "subject2"), 5)
    (root / "sad" / "a.heic").write_bytes(b"\0")
    (root / "loose.png").write_bytes(b"\0")
    done = command("evaluate", "--data", "d", "--json")
    told = json.loads(done.stdout)
    assert (told["split"], told["images"]) == ("valid", 4)
    assert "d has no test pictures: measured on valid" in done.stderr
    assert "not read: 1 file of d with other suffixes (.heic 1)" in done.stderr
    assert "not read: 1 picture in d itself" in done.stderr
    trained = json.loads(command("evaluate", "--data", "d", "--split", "train", "--json").stdout)
    assert trained["images"] + told["images"] == 20

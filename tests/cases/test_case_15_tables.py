"""Case 15, its tables: CSV files as Excel and Notepad save them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_a_manifest_with_a_byte_order_mark_is_read(
    shared_case: Callable[[int], Path], command: Command, tmp_path: Path
) -> None:
    case = shared_case(15)
    class_folders(tmp_path / "pictures", ("happy",), 1)
    rows = (case / "bom.csv").read_text("utf-8-sig").splitlines()[1:]
    for row in rows:
        place = tmp_path / "d" / row.split(",")[0]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "pictures" / "happy" / "0.jpg", place)
    shutil.copy(case / "bom.csv", tmp_path / "d" / "manifest.csv")
    done = command("evaluate", "--data", "d", "--split", rows[0].split(",")[1], "--json")
    assert json.loads(done.stdout)["images"] >= 1, done.stderr


def test_utf16_is_refused_with_a_sentence(shared_case: Callable[[int], Path], command: Command, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    shutil.copy(shared_case(15) / "utf16-manifest.csv", tmp_path / "d" / "manifest.csv")
    done = command("evaluate", "--data", "d")
    assert done.returncode == 2
    assert "manifest.csv is UTF-16" in done.stderr
    assert "iconv -f UTF-16" in done.stderr

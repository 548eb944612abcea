"""Faults that strangers met, each as they met it: by their own files, in a copy that a test may write to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.made_once import ROOT

CASES = ROOT.parent / "shared" / "cases"


@pytest.fixture
def shared_case(tmp_path: Path) -> Callable[[int], Path]:
    """The folder of a numbered case, copied; skips where the shared folder is not beside this checkout."""

    def copy(number: int) -> Path:
        found = sorted(CASES.glob(f"{number:02d}-*"))
        if not found:
            pytest.skip("needs cases from the shared folder, which is not beside this checkout")
        return Path(shutil.copytree(found[0], tmp_path / found[0].name))

    return copy

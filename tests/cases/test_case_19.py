"""Case 19: [baseline] needs a label `neutral`, and says so before and instead of a crash."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("verb", [["config", "check"], ["run", "--config"]])
def test_a_bundle_without_neutral(
    verb: list[str], shared_case: Callable[[int], Path], command: Command, tmp_path: Path
) -> None:
    config, bundle = shared_case(1) / "config.toml", shared_case(19) / "bundle"
    keys = {"source.what": "demo:20", "store.folder": tmp_path / "s", "record.folder": tmp_path / "r", "web.port": 0}
    keys |= {"model.bundle": bundle, "baseline.on": "true"}
    done = command(*verb, config, *(word for key, value in keys.items() for word in ("--set", f"{key}={value}")))
    assert done.returncode == 2
    assert "has no label `neutral`, which [baseline] needs" in done.stdout + done.stderr

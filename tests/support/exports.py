"""Exported bundles, made once by the command that a person types, and kept until the code or the model changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fer_edge.bundle import Bundle, default_bundle, open_bundle

from .made_once import ROOT, made_once

ROOMS = [ROOT / room for room in ("bundle", "devices", "runtime", "export", "cli")]


def exported_once(name: str, source: Bundle, *words: object) -> Path:
    """A folder with `bundle`, exported with these words, and what the command said as `said.json`."""

    def export(folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "fer_edge", "export", *map(str, words), "--json", "--out", folder / "bundle"],
            capture_output=True,
            text=True,
            timeout=600,
            cwd=folder,
            env={**os.environ, "HOME": str(folder / "home"), "FER_EDGE_CACHE": str(folder / "own")},
        )
        assert done.returncode == 0, done.stderr
        (folder / "said.json").write_text(done.stdout)

    return made_once(name, [*ROOMS, source.folder, " ".join(map(str, words))], export)


def student_with_tflite() -> Path:
    """The bundle of the model for an Edge TPU with its TFLite file, not compiled: as the models wheel brings it."""
    shipped = open_bundle(default_bundle("edgetpu"))
    return exported_once("student", shipped, "edgetpu", "--target", "edgetpu") / "bundle"

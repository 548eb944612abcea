"""Children see the libraries that a kiosk has on PYTHONPATH, as install.sh puts it, and nothing else of the user's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from fer_edge.runtime.child_process.process import SITE, child_environment
from fer_edge.runtime.inference.worker_client import RemoteBackend
from fer_edge.runtime.sources.camera_process import CameraProcess

DRIVER = """
import numpy, only_there
class Camera:
    def read(self): return numpy.full((4, 6, 3), only_there.VALUE, numpy.uint8)
    def describe(self): return {"name": "one"}
    def close(self): pass
def open(what, options): return Camera()
"""
BACKEND = """
import numpy, only_there
class Backend:
    def infer(self, batch): return numpy.full((len(batch), 7), only_there.VALUE, numpy.float32)
    def describe(self): return {"device": "one"}
    def close(self): pass
def open(artifact, options): return Backend()
"""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "only_there.py").write_text("VALUE = 7\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return tmp_path


def test_a_camera_process_finds_them(there: Path) -> None:
    (there / "driver.py").write_text(DRIVER)
    reader = CameraProcess(there / "driver.py", "0", {}, name="one")
    try:
        reader.open(20)
        assert (reader.read(20).image == 7).all()
    finally:
        reader.close()


def test_a_worker_finds_them(there: Path) -> None:
    (there / "backend.py").write_text(BACKEND)
    (there / "artifact").write_bytes(b"x")
    backend = RemoteBackend(there / "backend.py", there / "artifact", {})
    try:
        assert (backend.infer(np.zeros((2, 4, 4, 3), np.uint8)) == 7).all()
    finally:
        backend.close()


def test_another_interpreter_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"PYTHONPATH": "here", SITE: "left over", "HOME": "/x"}
    assert child_environment("/usr/bin/python3.6", told) == {"PYTHONPATH": "here", "HOME": "/x"}
    assert child_environment(sys.executable, told)[SITE] == os.path.abspath("here")

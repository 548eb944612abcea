"""Children see the libraries that a kiosk has on PYTHONPATH, as install.sh puts it, and nothing else of the user's;
their parent is left as it was, and waits for none of them past its deadline."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from fer_edge.runtime.child_process.process import SITE, ChildProcess, child_environment
from fer_edge.runtime.inference.worker_client import RemoteBackend
from fer_edge.runtime.sources.camera_process import CameraProcess
from support.children import FAULTY_BACKEND

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


def test_the_parent_keeps_its_own_path(there: Path) -> None:
    """It knows the children's files, for their constants; only a child looks into the folders meant for children."""
    script = (
        "import sys\nbefore = list(sys.path)\nimport fer_edge.runtime.inference.worker_client\n"
        "import fer_edge.runtime.sources.camera_process\nassert sys.path == before, sys.path\n"
    )
    environment = {**os.environ, SITE: str(there)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_with_more_than_a_thousand_files_open() -> None:
    """select() knows no descriptor above 1023; a web server with many clients has such."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("not so many files may be opened here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    try:
        with ExitStack() as held:
            null = held.enter_context(open(os.devnull))
            while null.fileno() < 1100:
                null = held.enter_context(open(os.devnull))
            backend = RemoteBackend(FAULTY_BACKEND, Path("fine"), {}, share=False)
            held.callback(backend.close)
            assert backend.infer(np.full((16, 256, 256, 3), 5, np.uint8))[0, 0] == 5
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_child_that_only_talks_is_late_all_the_same() -> None:
    script = "import sys\nwhile True: print('still busy', file=sys.stderr)"
    child = ChildProcess([sys.executable, "-c", script], os.environ, kinds=b"D")
    begun = monotonic()
    with pytest.raises(TimeoutError):
        child.receive(begun + 1)
    assert monotonic() - begun < 30
    child.close()
    assert child.last_words()[-2] == "still busy"
    assert child.how_it_ended() == "SIGKILL"

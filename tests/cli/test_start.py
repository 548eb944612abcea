"""What `fer-edge run` loads and reads before its first result: a person waits for it, on a board longer than here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.bundle import default_bundle
from fer_edge.bundle.manifest import MANIFEST

Command = Callable[..., subprocess.CompletedProcess[str]]
LATER = (
    *("urllib.request", "http.client", "ssl", "sqlite3", "email", "importlib.metadata", "zipfile", "tarfile"),
    *("difflib", "random", "tempfile", "subprocess", "multiprocessing", "asyncio"),
    *("cv2", "torch", "matplotlib", "onnx", "tqdm", "polib", "openvino", "paho", "skimage", "scipy"),
    *("fer_edge.runtime.storage.session", "fer_edge.runtime.sources.camera_process", "fer_edge.runtime.sources.live"),
    *("fer_edge.runtime.inference.worker_client", "fer_edge.runtime.kiosk", "fer_edge.runtime.web"),
)
"""What no first result from a file needs; most take milliseconds each, and memory for as long as the run lasts."""
AT_FIRST = """
import json, os, sys
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from fer_edge.cli import run
def first(analysis, frame, seen):
    print(json.dumps({"seen": len(seen), "modules": sorted(sys.modules), "opened": opened,
                      "blas": os.environ.get("OPENBLAS_NUM_THREADS")}), flush=True)
    os._exit(0)
run.status_text = first
from fer_edge.cli.main import main
main(["run", *sys.argv[1:]])
"""


def at_first_result(*words: str) -> dict[str, object]:
    """What was so when the first line about a frame was to be shown."""
    done = subprocess.run([sys.executable, "-c", AT_FIRST, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_first_result_of_a_file_needs_little(
    clip: Path, yunet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # no profiles of one's own
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    start = at_first_result(str(clip))
    assert start["seen"] == 1
    loaded, opened = set(map(str, start["modules"])), list(start["opened"])
    assert {"av", "onnxruntime", "numpy"} <= loaded, "or this test looks at nothing"
    assert [module for module in LATER if module in loaded] == []
    assert any(path.endswith("onnx/model_int8.onnx") for path in opened)
    assert not [path for path in opened if path.endswith("default/model.onnx")], "it is not run, and is 22 MB"
    assert [path for path in opened if path.endswith(".toml")] == [p for p in opened if p.endswith("/cpu.toml")]
    assert start["blas"] == "1"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the default bundle."""
    return Path(shutil.copytree(default_bundle(), tmp_path / "copied"))


def spoil(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_a_damaged_file_is_refused_by_whoever_uses_it(copied: Path, command: Command) -> None:
    words = ("run", "--source", "demo:0.2", "--detector", "haar", "--bundle", copied)
    spoil(copied / "model.onnx")
    done = command(*words)
    assert done.returncode == 0, done.stderr
    for asked in ((*words, "--precision", "float16"), ("bundle", "check", copied)):
        done = command(*asked)
        assert (done.returncode, "model.onnx does not have the hash" in done.stderr + done.stdout) == (2, True), asked
    spoil(copied / "onnx" / "model_int8.onnx")
    done = command(*words)
    assert (done.returncode, "model_int8.onnx does not have the hash" in done.stderr) == (2, True)


def test_a_damaged_stand_in_is_refused_before_it_is_needed(copied: Path, command: Command) -> None:
    spoil(copied / "onnx" / "model_int8.onnx")
    words = ("--device", "coral", "--fallback", "cpu", "--bundle", copied)
    done = command("run", "--source", "demo:0.2", "--detector", "haar", *words)
    assert (done.returncode, "model_int8.onnx does not have the hash" in done.stderr) == (2, True)


def test_what_is_missing_or_cut_short_is_refused_though_nobody_uses_it(copied: Path, command: Command) -> None:
    words = ("run", "--source", "demo:0.2", "--detector", "haar", "--bundle", copied)
    whole = (copied / "model.onnx").read_bytes()
    (copied / "model.onnx").write_bytes(whole[:-1])
    assert "model.onnx is truncated" in command(*words).stderr
    (copied / "model.onnx").unlink()
    assert "model.onnx is missing" in command(*words).stderr
    assert (copied / MANIFEST).is_file()

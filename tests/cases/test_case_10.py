"""Case 10: no HOME, and a user whom /etc/passwd does not know, as in `docker run --user 1234`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.bundle import default_bundle
from fer_edge.files import NOWHERE, cache_folder
from support.made_once import ROOT

APART = ("unshare", "--user", "--map-user=12345")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def stranger(tmp_path: Path) -> Run:
    """Runs fer-edge as user 12345, with PATH as all its environment."""
    if subprocess.run([*APART, "true"], capture_output=True).returncode:
        pytest.skip("needs a user namespace of its own")

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*APART, sys.executable, "-m", "fer_edge", *(str(w) for w in words)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "FER_EDGE_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.mark.parametrize("detector", ["auto", "haar"])
def test_a_picture_is_looked_at(detector: str, stranger: Run, shared_case: Callable[[int], Path]) -> None:
    done = stranger("run", "--detector", detector, "--source", shared_case(5) / "face.jpg")
    assert done.returncode == 0, done.stderr
    assert "detector haar" in done.stdout


@pytest.mark.parametrize("words", ["devices", "models list", "bundle check", "config --help", "benchmark --quick"])
def test_what_only_reads_works(words: str, stranger: Run) -> None:
    done = stranger(*words.split())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", ["models fetch", "models add {weights}", "bundle check {zip}"])
def test_what_writes_names_the_variable(words: str, stranger: Run, tmp_path: Path, yunet_file: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "b"), "zip", default_bundle("edgetpu"))
    done = stranger(*words.format(weights=yunet_file, zip=packed).split())
    assert done.returncode == 2
    assert "FER_EDGE_CACHE" in done.stderr
    assert "unexpected" not in done.stderr
    assert not (Path(NOWHERE) / ".cache" / "fer-edge").exists()


def test_nothing_of_ours_asks_for_the_home_by_itself() -> None:
    """`Path.home()` and `expanduser` raise there; one function knows."""
    rooms = ("bundle", "devices", "runtime", "export", "train", "benchmarks", "cli", "toml_schema")
    files = [ROOT / "files.py", *(p for room in rooms for p in (ROOT / room).rglob("*.py"))]
    asking = [p.name for p in files if any(w in p.read_text() for w in ("Path.home(", "expanduser("))]
    assert asking == ["files.py"]


def test_an_unwritable_cache_names_the_variable_too(monkeypatch: pytest.MonkeyPatch, yunet_file: Path) -> None:
    from fer_edge.errors import OutputError
    from fer_edge.runtime.vision.detectors.weights import add_model

    monkeypatch.setenv("FER_EDGE_CACHE", "/proc/nothing")
    with pytest.raises(OutputError) as caught:
        add_model(yunet_file)
    assert "FER_EDGE_CACHE" in caught.value.hint
    assert cache_folder() == Path("/proc/nothing")

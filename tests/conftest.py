"""What the tests have at hand: the shipped bundle, and real clips and data where the shared folder is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.bundle import Bundle, default_bundle, open_bundle

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("FER_EDGE_SHARED", ROOT.parent / "shared"))
Command = Callable[..., subprocess.CompletedProcess[str]]


def _shared(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)} from the shared folder, which is not beside this checkout")
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has an empty cache of its own, so that none depends on what this user fetched."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("FER_EDGE_CACHE", str(cache))
    return cache


@pytest.fixture(scope="session")
def clips() -> Path:
    return _shared("clips")


@pytest.fixture(scope="session")
def clip(clips: Path) -> Path:
    """A man, smiling and turning his head: 62 frames at 12.5 a second, one face in each."""
    return clips / "head-pose-face-detection-male.gif"


@pytest.fixture(scope="session")
def yunet_file() -> Path:
    return _shared("weights", "face_detection_yunet_2023mar.onnx")


@pytest.fixture
def yunet(yunet_file: Path, own_cache: Path) -> Path:
    """YuNet in this test's cache."""
    from fer_edge.runtime.vision.detectors.weights import add_model

    return add_model(yunet_file)


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labelled faces, unpacked."""
    archive = _shared("data", "fer2013plus.zip")
    folder = tmp_path_factory.mktemp("faces")
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
    return folder / "fer2013plus"


@pytest.fixture(scope="session")
def backbone() -> Path:
    return _shared("weights", "resnet18_face_ethxgaze_backbone.safetensors")


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return open_bundle(default_bundle())


@pytest.fixture
def broken_bundle(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the shipped bundle to be damaged."""
    return Path(shutil.copytree(bundle.folder, tmp_path / "broken"))


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Runs `python -m fer_edge …` as a person would: another process, another folder, a home of its own."""

    def run(*words: object, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fer_edge", *(str(w) for w in words)],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path / "home"), **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> object:
    """A real file system of 1.5 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", place], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a full disk needs leave to mount one: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture(scope="session")
def kept() -> Path:
    """What is dear to make and the same every time, such as a vendor's environment; `make clean` removes it."""
    folder = ROOT / "build" / "test-cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def calibration(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """256 labelled faces in class folders."""
    from fer_edge.bundle import LABELS
    from fer_edge.bundle.dataset import balanced, read_dataset

    folder = tmp_path_factory.mktemp("calibration")
    for sample in balanced(read_dataset(faces).split("train"), 256, 7):
        assert sample.label is not None
        place = folder / LABELS[sample.label]
        place.mkdir(exist_ok=True)
        shutil.copyfile(sample.path, place / sample.path.name)
    return folder


@pytest.fixture(scope="session")
def exported(bundle: Bundle, calibration: Path, tmp_path_factory: pytest.TempPathFactory, kept: Path) -> Path:
    """The default model exported to everything whose tools are installed, by the command a person types."""
    for module in ("openvino", "tensorflow", "ethosu"):
        pytest.importorskip(module, reason="needs the openvino and ethos-u extras")
    folder = tmp_path_factory.mktemp("exported")
    command = [sys.executable, "-m", "fer_edge", "export", "default", "--target", "all", "--calibration", calibration]
    done = subprocess.run(
        [*command, "--pictures", "200", "--out", folder / "bundle", "--json"],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=folder,
        env={**os.environ, "HOME": str(folder / "home"), "FER_EDGE_CACHE": str(kept)},
    )
    assert done.returncode == 0, done.stderr
    (folder / "said.json").write_text(done.stdout)
    return folder

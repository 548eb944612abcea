"""What the tests have at hand: the shipped bundle, and real clips and data where the shared folder is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fer_edge.bundle import Bundle, default_bundle, open_bundle
from support.brokers import MOSQUITTO, Broker
from support.exports import exported_once, student_with_tflite
from support.made_once import CACHE, ROOT, made_once

os.environ["FER_EDGE_OFFLINE"] = "1"  # no test reaches the network by itself
os.environ["LC_ALL"] = "C.UTF-8"  # messages are English, whoever's machine it is
SHARED = Path(os.environ.get("FER_EDGE_SHARED", ROOT.parent / "shared"))
Command = Callable[..., subprocess.CompletedProcess[str]]
TOOLS = {
    **{name: name for name in ("mosquitto", "strace", "zstd", "faketime", "chromium", "firefox-esr", "npm")},
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "mke2fs": "e2fsprogs",
    "sfdisk": "fdisk",
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "openssl": "openssl",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "minisign": "minisign",
    "pg_ctlcluster": "postgresql",
}
"""Program -> package of the system, without which tests skip; `make test` installs them where it may, but for npm."""
DEAR = ("train", "slow", "peers", "old_python", "campaign")
SPREAD = ("tests/train/", "tests/export/test_export.py::test_models")
"""Where tests share nothing that is dear to make, but for what made_once keeps."""
SLOW = tuple(Path(__file__).with_name("slow.txt").read_text().split())
"""How the names begin of tests that take more than a second or two; `pytest --durations=60` shows which do."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: no program would feel a Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
if worker := os.environ.get("PYTEST_XDIST_WORKER", ""):
    # Workers share the cores out: threads of one that wait for those of another cost a fifth of the processor's time.
    cores, workers = sorted(os.sched_getaffinity(0)), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.sched_setaffinity(0, cores[int(worker.removeprefix("gw")) % len(cores) :: workers])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a foreign environment; two workers begin with the files that take longest, to end together."""
    for item in items:
        if "kept" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("peers"):
            item.add_marker(pytest.mark.peers if "peers" in item.path.name else pytest.mark.old_python)
        if "exported" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.train)
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    if "PYTEST_XDIST_WORKER" in os.environ:
        dear = {item.path for item in items if any(item.get_closest_marker(mark) for mark in DEAR)}
        items.sort(key=lambda item: item.path not in dear)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """A file's tests go to one worker, which makes their fixtures once; those of SPREAD go wherever there is time."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith(SPREAD) else nodeid.partition("::")[0]

    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line at the very end about what was skipped because a program of the system is missing."""
    where = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [tool for tool in TOOLS if shutil.which(tool, path=where) is None]
    words = {*missing, *(TOOLS[tool] for tool in missing)}
    reasons = [str(report.longrepr).lower() for report in terminalreporter.stats.get("skipped", [])]
    count = sum(any(word in reason for word in words) for reason in reasons)
    if count:
        line = f"{count} tests were skipped because these are not installed: {' '.join(missing)}"
        config.add_cleanup(lambda: terminalreporter.write_line(line, yellow=True))


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


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto that runs."""
    if not MOSQUITTO.is_file():
        pytest.skip("needs mosquitto")
    made = Broker(tmp_path / "broker")
    made.start()
    yield made
    made.stop()


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
def faces() -> Path:
    """The labelled faces, unpacked."""
    archive = _shared("data", "fer2013plus.zip")
    return made_once("faces", [archive], lambda folder: zipfile.ZipFile(archive).extractall(folder)) / "fer2013plus"


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

    def run(*words: object, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
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
    """A cache of fer-edge for environments that cannot move, such as a vendor's; `make clean` removes it."""
    folder = CACHE / "environments"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def calibration(faces: Path) -> Path:
    """256 labelled faces in class folders."""
    from fer_edge.bundle import LABELS
    from fer_edge.bundle.dataset import balanced, read_dataset

    def copy(folder: Path) -> None:
        for sample in balanced(read_dataset(faces).split("train"), 256, 7):
            assert sample.label is not None
            place = folder / LABELS[sample.label]
            place.mkdir(exist_ok=True)
            shutil.copyfile(sample.path, place / sample.path.name)

    return made_once("calibration", [faces.parent.name, ROOT / "bundle" / "dataset.py"], copy)


@pytest.fixture(scope="session")
def exported(bundle: Bundle, calibration: Path) -> Path:
    """The default model exported to everything whose tools are installed, by the command a person types."""
    for module in ("openvino", "tensorflow", "ethosu"):
        pytest.importorskip(module, reason="needs the openvino and ethos-u extras")
    words = ("default", "--target", "all", "--calibration", calibration, "--pictures", 128)
    return exported_once("exported", bundle, *words)


@pytest.fixture(scope="session")
def student() -> Path:
    """The bundle of the model for an Edge TPU with its TFLite file."""
    pytest.importorskip("tensorflow", reason="needs the edgetpu extra")
    return student_with_tflite()

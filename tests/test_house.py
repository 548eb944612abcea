"""The house's own rules: who may import whom, what the base install holds, what a wheel carries."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "bundle": set(),
    "devices": {"bundle"},
    "runtime": {"bundle", "devices"},
    "export": {"bundle", "devices", "runtime"},
    "train": {"bundle", "devices", "runtime", "export"},
    "benchmarks": {"bundle", "devices", "runtime", "export", "train"},
    "cli": {"bundle", "devices", "runtime", "export", "train", "benchmarks"},
}
TRAINING = ("torch", "timm", "tensorflow", "mlflow", "albumentations")


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(path: Path) -> list[str]:
    """Absolute names of everything a file imports, at any depth; ours begin with fer_edge."""
    package = ["fer_edge", *path.relative_to(ROOT).parent.parts]
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names += [stem, *(f"{stem}.{alias.name}" for alias in node.names)]
    return names


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_nothing_imports_upwards(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room, "errors", "files", "__version__"}
    for path in files(room):
        for name in imports(path):
            if name.startswith("fer_edge."):
                assert name.split(".")[1] in allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("room", ["bundle", "devices", "runtime"])
def test_the_device_side_never_imports_training_libraries(room: str) -> None:
    for path in files(room):
        assert not [n for n in imports(path) if n.split(".")[0] in TRAINING], path


def test_a_run_loads_no_training_library(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra")
    script = (
        "import sys\nfrom fer_edge.cli.main import main\nassert main(['run', '--source', 'demo:0.2']) == 0\n"
        f"found = [m for m in {(*TRAINING, 'matplotlib', 'onnx')!r} if m in sys.modules]\nassert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_backends_stand_alone() -> None:
    for path in (ROOT / "runtime" / "backends").glob("*.py"):
        if path.name != "__init__.py":
            assert not [n for n in imports(path) if n.startswith("fer_edge")], path


def test_backends_parse_on_python_3_6() -> None:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    old = next(iter(sorted(versions.glob("3.6.*/bin/python"))), None)
    if old is None:
        pytest.skip("no Python 3.6 on this machine")
    for path in (ROOT / "runtime" / "backends").glob("*.py"):
        if path.name != "__init__.py":
            compile_it = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
            done = subprocess.run([old, "-c", compile_it, path], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_modules_do_nothing_when_imported() -> None:
    """At module level only definitions, imports, constants, docstrings and the `__main__` guard."""
    idle = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.If)
    for room in MAY_IMPORT:
        for path in files(room):
            for node in ast.parse(path.read_text()).body:
                text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                assert text or isinstance(node, idle), f"{path.relative_to(ROOT)}:{node.lineno}"


def test_committed_text_names_no_registry_and_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    hosts = re.compile(
        "|".join(["pypi" + r"\.org", "files\\.python" + "hosted", "registry\\.npm" + "js", "/wo" + "rk/"])
    )
    for name in listed.stdout.split("\n"):
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".txt", ".json", "", ".yml", ".sh"}:
            assert not hosts.search(path.read_text(errors="ignore")), name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build", reason="needs the dev extra")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_product_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert not [n for n in names if "tests" in n or n.endswith(".db") or "build/" in n]
    for wanted in ("bundle/default/model.onnx", "bundle/default/bundle.json", "train/recipes/default.toml", "py.typed"):
        assert f"fer_edge/{wanted}" in names
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("METADATA"))).decode()
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    named = {re.split(r"[ <>=;]", line.split(": ")[1])[0] for line in base}
    assert named == {"numpy", "onnxruntime", "opencv-python-headless", "tomli", "tqdm"}


def test_wheel_runs_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """As a user would: a fresh venv, the wheel and what it asks for, then a picture source that needs no extra."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pins = ["-c", str(ROOT / "constraints.txt")]
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *pins, wheel], capture_output=True, text=True, timeout=540
    )
    if done.returncode:
        pytest.skip(f"pip could not install the base packages: {done.stderr.strip().splitlines()[-1]}")
    import cv2
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 240))
    for _ in range(10):
        writer.write(noise)
    writer.release()
    command = [tmp_path / "venv" / "bin" / "fer-edge", "run", "--source", "a.mp4", "--out", "s", "--video"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a.mp4: 10 frames" in done.stdout
    assert (tmp_path / "s" / "annotated.webm").is_file()
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True).stdout.lower()
    assert not [n for n in ("torch", "tensorflow", "matplotlib", "scikit-image", "mlflow") if n in listed]

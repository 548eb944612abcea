"""Building TensorRT engines, held against the documented interfaces of 8.2, 8.6 and 10; no Jetson was at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fer_edge.bundle import Artifact, Bundle, describe_file
from fer_edge.errors import DeviceFailed, DeviceNotFound
from fer_edge.runtime.engine import builder
from fer_edge.runtime.engine.cache import Engine, check_memory, engine_for
from fer_edge.runtime.engine.tools import BUILDER, Bindings, EngineTool, Trtexec, find_tool, gpu_capability
from support.children import FAKES
from support.old_pythons import bare_python

VERSIONS = {"tensorrt_8_2": "8.2.1.8", "tensorrt_8_6": "8.6.1", "tensorrt_10": "10.3.0"}


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"onnx")
    return path


@pytest.fixture
def exported(bundle: Bundle, tmp_path: Path, onnx_file: Path) -> tuple[Bundle, Artifact]:
    digest, size = describe_file(onnx_file)
    artifact = Artifact("model.onnx", "tensorrt", "float16", digest, size, report={"recipe": {"workspace_mib": 64}})
    return Bundle(tmp_path, replace(bundle.manifest, artifacts=(artifact,))), artifact


def with_bindings(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAKES / folder), str(FAKES)]))


@pytest.mark.parametrize("folder", VERSIONS)
def test_bindings_of_each_version(
    folder: str, onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_bindings(monkeypatch, folder)
    tool = find_tool(python=sys.executable)
    assert isinstance(tool, Bindings)
    assert tool.tensorrt == VERSIONS[folder]
    tool.build(onnx_file, tmp_path / "a.engine", "float16", 64)
    said = json.loads((tmp_path / "a.engine").read_text())
    assert said == {"version": VERSIONS[folder], "flags": ["FP16"], "workspace": 64 << 20}
    tool.build(onnx_file, tmp_path / "b.engine", "float32", 64)
    assert json.loads((tmp_path / "b.engine").read_text())["flags"] == []


def test_what_tensorrt_says_is_passed_on(onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_bindings(monkeypatch, "tensorrt_8_2")
    tool = find_tool(python=sys.executable)
    onnx_file.write_bytes(b"!")
    with pytest.raises(DeviceFailed, match="In node 3: unsupported operator Foo"):
        tool.build(onnx_file, tmp_path / "a.engine", "float16", 64)
    onnx_file.write_bytes(b"?")
    with pytest.raises(DeviceFailed, match="did not build the engine"):
        tool.build(onnx_file, tmp_path / "a.engine", "float16", 64)
    assert not list(tmp_path.glob("*.engine"))


@pytest.mark.parametrize("version", ["8.2.1", "8.5.2", "8.6.1", "10.3.0"])
def test_trtexec_of_each_version(
    version: str, onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", version)
    tool = find_tool(trtexec=str(FAKES / "trtexec"))
    assert isinstance(tool, Trtexec)
    assert tool.tensorrt == version
    tool.build(onnx_file, tmp_path / "a.engine", "float16", 64)
    assert "--fp16" in (tmp_path / "a.engine").read_text()
    onnx_file.write_bytes(b"!")
    with pytest.raises(DeviceFailed, match="Failed to parse onnx file"):
        tool.build(onnx_file, tmp_path / "b.engine", "float16", 64)


def test_trtexec_is_found_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", "8.2.1")
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    assert isinstance(find_tool(python=sys.executable), Trtexec)


def test_no_tensorrt_says_where_it_was_looked_for() -> None:
    with pytest.raises(DeviceNotFound, match="TensorRT was not found") as caught:
        find_tool()
    assert "trtexec" in str(caught.value)
    assert caught.value.exit_code == 3


def test_no_gpu_is_an_answer_and_not_a_crash() -> None:
    with pytest.raises(DeviceNotFound, match="no NVIDIA GPU"):
        gpu_capability()


def test_capability_is_asked_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def attribute(value: object, number: int, device: object) -> int:
        value._obj.value = {75: 5, 76: 3}[number]  # type: ignore[attr-defined]
        return 0

    driver = SimpleNamespace(cuInit=lambda flags: 0, cuDeviceGet=lambda d, i: 0, cuDeviceGetAttribute=attribute)
    monkeypatch.setattr(builder.ctypes, "CDLL", lambda name: driver)
    assert builder.capability() == "5.3"
    monkeypatch.setattr(driver, "cuInit", lambda flags: 100)  # CUDA_ERROR_NO_DEVICE
    with pytest.raises(RuntimeError, match="finds no GPU"):
        builder.capability()


class Counting:
    """A tool that counts its builds."""

    def __init__(self, tensorrt: str = "8.2.1") -> None:
        self.tensorrt, self.builds = tensorrt, 0

    def build(self, onnx: Path, engine: Path, precision: str, workspace_mib: int) -> None:
        self.builds += 1
        engine.write_bytes(b"engine %d" % self.builds)


def make(exported: tuple[Bundle, Artifact], tool: EngineTool, folder: Path, capability: str = "5.3") -> Engine:
    return engine_for(*exported, tool, capability, folder=folder, workspace_mib=64)


def test_an_engine_is_built_once(exported: tuple[Bundle, Artifact], tmp_path: Path) -> None:
    tool = Counting()
    first = make(exported, tool, tmp_path / "e")
    again = make(exported, tool, tmp_path / "e")
    assert (first.built, again.built, tool.builds) == (True, False, 1)
    assert first.path == again.path


@pytest.mark.parametrize("change", ["tensorrt", "capability", "graph", "damage", "note"])
def test_a_stale_engine_is_rebuilt(change: str, exported: tuple[Bundle, Artifact], tmp_path: Path) -> None:
    folder, tool, capability = tmp_path / "e", Counting(), "5.3"
    first = make(exported, tool, folder)
    if change == "tensorrt":
        tool.tensorrt = "8.6.1"
    elif change == "capability":
        capability = "7.2"
    elif change == "graph":
        exported = (exported[0], replace(exported[1], sha256="0" * 64))
    elif change == "damage":
        first.path.write_bytes(b"cut")
    else:
        first.path.with_suffix(".json").write_text("{")
    second = make(exported, tool, folder, capability)
    assert second.built
    assert second.path.read_bytes() == b"engine 2"
    left = [p.name for p in folder.glob("*.engine")]
    assert len(left) == (2 if change == "graph" else 1)  # another graph's engine is not ours to remove


def test_a_failed_build_leaves_nothing(exported: tuple[Bundle, Artifact], tmp_path: Path) -> None:
    class Failing(Counting):
        def build(self, onnx: Path, engine: Path, precision: str, workspace_mib: int) -> None:
            engine.write_bytes(b"half")
            raise DeviceFailed("out of memory")

    with pytest.raises(DeviceFailed):
        make(exported, Failing(), tmp_path / "e")
    assert not [p for p in (tmp_path / "e").iterdir() if p.suffix != ".lock"]


def meminfo(root: Path, total: int, available: int, swap: int) -> Path:
    (root / "proc").mkdir(exist_ok=True)
    text = f"MemTotal: {total} kB\nMemAvailable: {available} kB\nSwapFree: {swap} kB\nHugePages_Total: 0\n"
    (root / "proc/meminfo").write_text(text)
    return root


def test_a_nano_without_swap_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceFailed, match="2000 MiB free") as caught:
        check_memory(256, meminfo(tmp_path, 4_000_000, 2_048_000, 0))
    assert "mkswap" in caught.value.hint
    check_memory(256, meminfo(tmp_path, 4_000_000, 2_048_000, 4_194_304))
    check_memory(256, meminfo(tmp_path, 16_000_000, 1_000_000, 0))
    check_memory(256, tmp_path / "nowhere")


def test_builder_runs_on_python_3_6(onnx_file: Path, tmp_path: Path) -> None:
    old = bare_python("3.6") or pytest.skip("no Python 3.6 on this machine")
    spec = {"onnx": str(onnx_file), "engine": str(tmp_path / "a.engine"), "precision": "float16", "workspace_mib": 8}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    environment = {**os.environ, "PYTHONPATH": f"{FAKES / 'tensorrt_8_2'}:{FAKES}"}
    done = subprocess.run(
        [old, BUILDER, "build", tmp_path / "spec.json"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "a.engine").stat().st_size == json.loads(done.stdout)["bytes"]


@pytest.mark.parametrize("folder", VERSIONS)
def test_the_backend_of_each_version(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls and shapes as documented; what a GPU would compute is not shown by this."""
    from fer_edge.runtime.backends import trt

    for path in (FAKES, FAKES / folder):
        monkeypatch.syspath_prepend(path)
    for name in ("tensorrt", "tensorrt_shape"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import tensorrt_shape

    cuda = tensorrt_shape.CudaRuntime()
    monkeypatch.setattr(trt.ctypes, "CDLL", lambda name: cuda)
    (tmp_path / "a.engine").write_bytes(b"engine")
    backend = trt.open(str(tmp_path / "a.engine"), {})
    batch = np.full((2, 8, 8, 3), 200, np.uint8)
    assert backend.infer(batch).tolist() == [[200.0 + i for i in range(7)]] * 2
    assert backend.describe()["input"] == ["float32", 1, 8, 8, 3]
    assert len(cuda.held) == 2
    backend.close()
    backend.close()
    assert not cuda.held
    (tmp_path / "a.engine").write_bytes(b"another")
    with pytest.raises(ValueError, match="build it again"):
        trt.open(str(tmp_path / "a.engine"), {})
    with pytest.raises(MemoryError, match="out of memory"):
        trt.Cuda(cuda).allocate(1 << 21)


def test_no_cuda_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_edge.runtime.backends import trt

    def nowhere(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(trt.ctypes, "CDLL", nowhere)
    with pytest.raises(LookupError, match="no CUDA runtime"):
        trt._cuda_runtime()

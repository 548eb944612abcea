"""Backends in a process of their own: faults, restarts, old interpreters, and what is left behind (nothing)."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import Bundle
from fer_edge.errors import BundleDamaged, DeviceFailed, DeviceNotFound
from fer_edge.runtime.backends import open_backend
from fer_edge.runtime.inference.supervisor import SupervisedBackend
from fer_edge.runtime.inference.worker_client import RemoteBackend
from support.children import FAULTY_BACKEND, descriptors, gone, kill_the_parent, without_shared_memory
from support.old_pythons import old_python
from support.waiting import until

ROOT = Path(__file__).resolve().parents[3]
BACKENDS = ROOT / "runtime" / "backends"
CROP = np.full((1, 8, 8, 3), 3, np.uint8)


def faulty(how: str, call_s: float = 1.0) -> RemoteBackend:
    return RemoteBackend(FAULTY_BACKEND, Path(how), {}, call_s=call_s)


def kill(backend: RemoteBackend) -> None:
    os.kill(backend.pid, signal.SIGKILL)
    until(lambda: gone(backend.pid))


@pytest.fixture
def fine() -> Iterator[RemoteBackend]:
    backend = faulty("fine")
    yield backend
    backend.close()


def test_it_answers_and_ends(fine: RemoteBackend) -> None:
    assert fine.infer(np.stack([CROP[0]] * 3)).tolist() == [[3.0] * 7] * 3
    assert fine.describe()["python"] == ".".join(map(str, sys.version_info[:3]))
    fine.check()
    pid = fine.pid
    fine.close()
    fine.close()
    assert gone(pid)


def test_the_real_backend_says_the_same_in_its_own_process(bundle: Bundle) -> None:
    artifact = bundle.path(bundle.artifact("onnx", "int8"))
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    apart = RemoteBackend(BACKENDS / "ort.py", artifact, {"threads": 1})
    here = open_backend("onnxruntime", artifact, {"threads": 1})
    assert np.array_equal(apart.infer(crops), here.infer(crops))
    assert {**here.describe(), "python": apart.describe()["python"]} == apart.describe()
    apart.close()


def test_a_big_batch_crosses_in_pieces(fine: RemoteBackend) -> None:
    batch = np.zeros((16, 256, 256, 3), np.uint8)
    assert fine.infer(batch).shape == (16, 7)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("crash", "ended by SIGSEGV"),
        ("hang", "did not answer in time"),
        ("exit", "ended by exit code 7"),
        ("garbage", "something that is no answer"),
        ("memory", "out of memory"),
    ],
)
def test_a_fault_is_a_sentence(how: str, said: str) -> None:
    backend = faulty(how)
    pid = backend.pid
    with pytest.raises(DeviceFailed, match=said) as caught:  # noqa: PT012 - the first call may still be answered
        for _ in range(3):
            backend.infer(CROP)
    assert caught.value.exit_code == 4
    if how == "crash":
        assert caught.value.cause == "libfaulty: about to fall over"
    backend.close()
    assert gone(pid)


@pytest.mark.parametrize("share", [True, False], ids=["shared memory", "pipe"])
def test_pictures_cross_whole(share: bool) -> None:
    """Whatever their layout, and when a batch outgrows what was set aside for it and shrinks again."""
    backend = RemoteBackend(FAULTY_BACKEND, Path("fine"), {}, share=share)
    rng = np.random.default_rng(0)
    for count, side in ((1, 8), (7, 256), (1, 256), (16, 256), (2, 31)):
        batch = rng.integers(0, 256, (count, 3, side, side), np.uint8).transpose(0, 2, 3, 1)  # not contiguous
        assert backend.infer(batch)[0, 0] == np.float32(batch.mean())
    backend.close()


def test_where_the_kernel_offers_no_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    without_shared_memory(monkeypatch)
    backend = faulty("fine")
    assert backend.infer(CROP)[0, 0] == 3
    backend.close()


def test_stopped_in_the_middle_of_a_call() -> None:
    backend = faulty("hang", call_s=1)
    backend.infer(CROP)
    os.kill(backend.pid, signal.SIGSTOP)
    with pytest.raises(DeviceFailed, match="did not answer in time"):
        backend.infer(CROP)
    assert gone(backend.pid)


def test_a_dead_worker_is_noticed_while_nobody_is_there() -> None:
    """Between calls: it is brought back before the next face comes, and an absent fallback is an error at once."""
    clock = [0.0]
    backend = SupervisedBackend(lambda: faulty("fine"), StandIn, clock=lambda: clock[0])
    backend.check()
    assert isinstance(backend._backend, RemoteBackend)
    kill(backend._backend)
    backend.check()
    assert backend.health.degraded
    assert "SIGKILL" in backend.health.faults[0]
    clock[0] += 100
    backend.check()
    assert (backend.health.degraded, backend.health.restarts) == (False, 1)
    backend.close()
    alone = SupervisedBackend(lambda: faulty("fine"))
    assert isinstance(alone._backend, RemoteBackend)
    kill(alone._backend)
    with pytest.raises(DeviceFailed, match="SIGKILL"):
        alone.check()
    alone.close()


def test_a_talking_library_does_not_disturb() -> None:
    backend = faulty("talk")
    assert all(backend.infer(CROP)[0, 0] == 3 for _ in range(20))
    backend.close()


def test_what_cannot_be_opened() -> None:
    with pytest.raises(BundleDamaged, match="unreadable cannot be loaded by faulty: not a graph at all"):
        faulty("unreadable")
    with pytest.raises(DeviceNotFound, match="No module named 'vendor'"):
        faulty("absent")
    with pytest.raises(DeviceNotFound, match="/no/python cannot be started"):
        RemoteBackend(FAULTY_BACKEND, Path("fine"), {}, python="/no/python")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_killed_from_outside(how: signal.Signals, fine: RemoteBackend) -> None:
    os.kill(fine.pid, how)
    with pytest.raises(DeviceFailed, match=f"ended by {how.name}"):
        fine.infer(CROP)


def test_stopped_from_outside(fine: RemoteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_edge.runtime.inference import worker_client as remote

    monkeypatch.setattr(remote, "SILENCE_S", 0.3)
    os.kill(fine.pid, signal.SIGSTOP)
    with pytest.raises(DeviceFailed, match="has not answered"):
        until(fine.check)
    assert gone(fine.pid)


def test_the_worker_goes_with_its_parent() -> None:
    """Killed in the middle of a call, the parent cannot say good-bye; the kernel does."""
    script = (
        "import sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from fer_edge.runtime.inference.worker_client import RemoteBackend\n"
        f"b = RemoteBackend(Path({str(FAULTY_BACKEND)!r}), Path('hang'), {{}}, call_s=60)\n"
        "picture = np.zeros((1, 8, 8, 3), np.uint8)\nb.infer(picture)\nprint(b.pid, flush=True)\nb.infer(picture)\n"
    )
    worker = kill_the_parent(script)
    until(lambda: gone(worker))


def test_a_hundred_restarts_leave_nothing_behind() -> None:
    clock = [0.0]
    supervised = SupervisedBackend(lambda: faulty("exit"), clock=lambda: clock[0])
    before, pids = descriptors(), []
    for _ in range(100):
        clock[0] += 100
        supervised._device()
        assert isinstance(supervised._backend, RemoteBackend)
        pids.append(supervised._backend.pid)
        with pytest.raises(DeviceFailed, match="exit code 7"):
            supervised.infer(CROP)
    supervised.close()
    assert all(gone(pid) for pid in pids)
    assert supervised.health.restarts == 99
    assert len(supervised.health.faults) == 20
    assert descriptors() < before + 3


class Flaky:
    """Opens and answers while `there` is true."""

    there = True

    def __init__(self) -> None:
        if not self.there:
            raise DeviceNotFound("the stick is not there")

    def infer(self, batch: np.ndarray) -> np.ndarray:
        if not self.there:
            raise DeviceFailed("unplugged")
        return np.ones((len(batch), 7), np.float32)

    def describe(self) -> dict[str, object]:
        return {"backend": type(self).__name__}

    def close(self) -> None:
        pass


class StandIn(Flaky):
    there = True

    def infer(self, batch: np.ndarray) -> np.ndarray:
        return np.zeros((len(batch), 7), np.float32)


def test_fallback_is_visible_and_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    backend = SupervisedBackend(Flaky, StandIn, clock=lambda: clock[0])
    assert backend.infer(CROP)[0, 0] == 1
    monkeypatch.setattr(Flaky, "there", False)
    assert backend.infer(CROP)[0, 0] == 0
    standing = {"backend": "StandIn", "degraded": True, "restarts": 0, "last_fault": "unplugged"}
    assert backend.describe() == standing
    monkeypatch.setattr(Flaky, "there", True)
    assert backend.infer(CROP)[0, 0] == 0  # not yet its time
    clock[0] = 10
    assert backend.infer(CROP)[0, 0] == 1
    assert backend.describe() == {**standing, "backend": "Flaky", "degraded": False, "restarts": 1}
    assert backend.health.faults == ["unplugged"]


def test_without_a_fallback_it_fails_and_says_when_it_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    backend = SupervisedBackend(Flaky, clock=lambda: clock[0])
    monkeypatch.setattr(Flaky, "there", False)
    with pytest.raises(DeviceFailed, match="unplugged"):
        backend.infer(CROP)
    with pytest.raises(DeviceFailed, match="unplugged; tried again in"):
        backend.infer(CROP)
    waits = []
    for _ in range(12):
        start = backend._next_try
        clock[0] = start
        with pytest.raises(DeviceFailed, match="is not there"):
            backend.infer(CROP)
        waits.append(backend._next_try - start)
    assert waits[0] < 3
    assert 40 < waits[-1] < 75  # doubled up to a minute
    with pytest.raises(DeviceNotFound):
        SupervisedBackend(Flaky)


@pytest.fixture(scope="module")
def float_file(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model as a float TFLite file that takes 0..255, made from the twin."""
    pytest.importorskip("tensorflow", reason="needs the edgetpu extra")
    from fer_edge.export.graph import load_float32, read_stem, without_stem
    from fer_edge.export.tflite.convert import import_tensorflow
    from fer_edge.export.tflite.twin import Twin

    tf = import_tensorflow()
    graph = load_float32(bundle.path(bundle.reference))
    stem = read_stem(graph)
    twin = Twin(tf, without_stem(graph, stem))

    @tf.function(input_signature=[tf.TensorSpec((1, 112, 112, 3), tf.float32)], autograph=False)
    def forward(x: object) -> object:
        return twin((x - stem.mean) / stem.std)

    path = tmp_path_factory.mktemp("float") / "float.tflite"
    function = forward.get_concrete_function()
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], twin).convert())
    return path


@pytest.mark.parametrize("kind", ["int8", "float"])
def test_tflite_runtime_says_what_litert_says(kind: str, exported: Path, float_file: Path, kept: Path) -> None:
    """The library that people with a Coral have, in the interpreter that it needs."""
    python = old_python("3.10", kept, "tflite-runtime==2.14.0", "numpy<2")
    artifact = float_file if kind == "float" else exported / "bundle/edgetpu/model_int8.tflite"
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    apart = RemoteBackend(BACKENDS / "lite.py", artifact, {}, python=python)
    assert apart.describe()["library"] == "tflite_runtime"
    here = open_backend("tflite", artifact, {})
    assert here.describe()["library"] == "ai_edge_litert"
    most = 0.25 if kind == "int8" else 1e-3  # two steps of an int8 output, of 0.1 each
    assert np.abs(apart.infer(crops) - here.infer(crops)).max() < most
    apart.close()


def test_a_delegate_that_is_not_there(exported: Path) -> None:
    """Library absent, library of another kind: both a sentence, through the runtime's door and through the worker."""
    artifact = exported / "bundle/edgetpu/model_int8.tflite"
    with pytest.raises(DeviceNotFound, match=r"libedgetpu\.so\.1 cannot be loaded"):
        open_backend("tflite", artifact, {"delegate": "libedgetpu.so.1"})
    with pytest.raises(DeviceNotFound, match=r"libm\.so\.6 is no TFLite delegate"):
        RemoteBackend(BACKENDS / "lite.py", artifact, {"delegate": "libm.so.6"})


def test_tflite_says_the_same_in_its_own_process(exported: Path) -> None:
    artifact = exported / "bundle/edgetpu/model_int8.tflite"
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    apart = RemoteBackend(BACKENDS / "lite.py", artifact, {})
    assert np.array_equal(apart.infer(crops), open_backend("tflite", artifact, {}).infer(crops))
    apart.close()

"""`fer-edge run --device`: on a real clip, in a worker, with faults on the way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
FAULTY = Path(__file__).parent / "fakes" / "backends" / "faulty.py"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's own profile: LiteRT on the processor, in a worker."""
    path = tmp_path / "litert.toml"
    keys = ("name", "title", "backend", "target", "precision", "isolation")
    values = ("litert", "LiteRT", "tflite", "edgetpu", "int8", "process")
    path.write_text("".join(f'{k} = "{v}"\n' for k, v in zip(keys, values, strict=True)))
    return path


def test_a_clip_through_a_worker(own: Path, exported: Path, clip: Path, command: Command) -> None:
    words = ("run", "--source", clip, "--bundle", exported / "bundle", "--seconds", 2, "--json")
    apart = command(*words, "--device", own)
    assert apart.returncode == 0, apart.stderr
    said, plain = json.loads(apart.stdout), json.loads(command(*words).stdout)
    assert said["device"]["artifact"] == "edgetpu/model_int8.tflite"
    assert (said["device"]["backend"], said["device"]["degraded"]) == ("tflite", False)
    assert said["faces"] == plain["faces"] > 10
    assert max(said["expressions"], key=said["expressions"].get) == max(
        plain["expressions"], key=plain["expressions"].get
    )


def test_an_absent_device_fails_and_falls_back_only_when_told(exported: Path, clip: Path, command: Command) -> None:
    words = ("run", "--source", clip, "--bundle", exported / "bundle", "--seconds", 1, "--device", "coral")
    done = command(*words)
    assert done.returncode == 3
    assert "libedgetpu.so.1 cannot be loaded" in done.stderr
    assert "fer-edge doctor" in done.stderr
    done = command(*words, "--fallback", "cpu")
    assert done.returncode == 0, done.stderr
    assert "coral:       degraded: the processor stood in for it" in done.stdout
    assert "libedgetpu.so.1 cannot be loaded" in done.stdout
    done = command(*words, "--fallback", "cpu", "--out", "s")
    assert done.returncode == 0, done.stderr


def test_a_bundle_without_the_artifact_names_the_export(clip: Path, command: Command) -> None:
    done = command("run", "--source", clip, "--device", "rk3566")
    assert done.returncode == 2
    assert "has no artifact for rk3566" in done.stderr
    assert "--target rknn --precision int8 --chip rk3566" in done.stderr
    done = command("run", "--source", clip, "--device", "corral")
    assert done.returncode == 3
    assert "did you mean coral" in done.stderr


def test_an_interpreter_that_is_not_there(own: Path, exported: Path, clip: Path, command: Command) -> None:
    own.write_text(own.read_text() + 'interpreter = "python2.1"\n')
    done = command("run", "--source", clip, "--bundle", exported / "bundle", "--device", own)
    assert done.returncode == 3
    assert "needs the interpreter python2.1" in done.stderr

"""Google's compiler in a container, held against a fake of Docker's documented client."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.errors import DeviceNotFound
from fer_edge.export.targets.edgetpu import COMPILED, PLAIN, compile_with
from fer_edge.export.targets.edgetpu_docker import DOCKERFILE, build_image, compile_command

FAKES = Path(__file__).resolve().parents[1] / "fakes"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker is on PATH, the compiler is not."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").symlink_to(FAKES / "docker")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def test_a_file_goes_through_the_container(docker: None, student: Path, tmp_path: Path) -> None:
    said: list[str] = []
    build_image(said.append)
    (tmp_path / "edgetpu").mkdir()
    shutil.copy(student / PLAIN, tmp_path / PLAIN)
    report = compile_with(
        compile_command(tmp_path / PLAIN, tmp_path / "edgetpu"), tmp_path / PLAIN, tmp_path / COMPILED
    )
    assert report["compiled"] is True
    assert report["checked_by"] == "edgetpu_compiler 16.0.384591198"
    assert (tmp_path / COMPILED).is_file()
    assert len(said) == 1


def test_a_docker_that_does_not_run(docker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DOCKER", "no service")
    with pytest.raises(DeviceNotFound, match="Cannot connect to the Docker daemon"):
        build_image(lambda line: None)


def test_no_docker_is_said_before_anything_is_built(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="needs the edgetpu extra")
    words = ("export", "edgetpu", "--target", "edgetpu", "--compiler", "docker", "--out", "own")
    done = command(*words, PATH=str(tmp_path))
    assert done.returncode == 3, done.stderr
    assert "docker is not on PATH" in done.stderr
    assert not (tmp_path / "own").exists()


def test_the_image_is_for_the_one_machine_that_google_compiles_for() -> None:
    text = DOCKERFILE.read_text()
    assert "linux/amd64" in text
    assert text.rstrip().endswith('ENTRYPOINT ["edgetpu_compiler"]')

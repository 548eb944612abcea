"""Cases 04, 05, 06 and 16: video that was black, crashed, was called cut short or was taken for something else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.kiosks import Running
from support.waiting import until

Command = Callable[..., subprocess.CompletedProcess[str]]
Case = Callable[[int], Path]
INTERLACED = ("interlaced-h264.mp4", "interlaced-mpeg2.mpg")
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def faces(command: Command, source: object, **environment: str) -> tuple[int, int, dict[str, float]]:
    """Frames, faces and expressions of a run that must end well."""
    done = command("run", "--source", source, "--json", **environment)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    return summary["frames"], summary["faces"], summary["expressions"]


pytestmark = pytest.mark.usefixtures("yunet")  # the faces were counted with it


@pytest.mark.parametrize("name", INTERLACED)
def test_04_interlaced_video(name: str, command: Command, shared_case: Case) -> None:
    assert faces(command, shared_case(4) / name) == (30, 30, {"happy": 1.0})


@pytest.mark.parametrize("name", INTERLACED)
def test_04_interlaced_video_in_a_kiosk(name: str, shared_case: Case, tmp_path: Path) -> None:
    running = Running(tmp_path / "kiosk", str(shared_case(4) / name)).start()
    try:
        seen = until(lambda: (told := running.state())["faces"] and told, "a face in the kiosk")
        assert (seen["faces"], seen["shares"], seen["device"]["detector"]) == (1, {"happy": 1.0}, "yunet")
    finally:
        running.stop()


@pytest.mark.parametrize(("name", "environment"), [(b"caf\xe9.mp4", {}), ("clipé.mp4".encode(), C_LOCALE)])
def test_05_a_name_that_is_not_utf8(
    name: bytes, environment: dict[str, str], command: Command, shared_case: Case, tmp_path: Path
) -> None:
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    shutil.copy(shared_case(5) / "clip.mp4", path)
    assert faces(command, path, **environment)[:2] == (30, 30)


def test_05_the_report_of_such_a_picture(command: Command, shared_case: Case, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    path = os.fsdecode(os.fsencode(tmp_path) + b"/pic\xe9.jpg")
    shutil.copy(shared_case(5) / "face.jpg", path)
    assert command("run", "--source", path, "--out", "s").returncode == 0
    assert command("report", "s").returncode == 0
    assert "pic\ufffd.jpg" in (tmp_path / "s" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["vfr.mkv", "vfr.webm"])
def test_06_a_whole_file_of_variable_rate(name: str, command: Command, shared_case: Case) -> None:
    path = shared_case(6) / name
    assert faces(command, path)[:2] == (39, 39)
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size * 2 // 3)
    done = command("run", "--source", path)
    assert done.returncode == 2
    assert " of 6.0 s" in done.stderr


@pytest.mark.parametrize("name", ["12:30:05.mp4", "data:x.mp4", "concat:a.mp4"])
def test_16_names_with_a_colon(name: str, command: Command, shared_case: Case, tmp_path: Path) -> None:
    shutil.copy(shared_case(5) / "clip.mp4", tmp_path / name)
    assert faces(command, name)[:2] == (30, 30)


def test_16_a_folder_that_looks_like_a_camera(command: Command, shared_case: Case, tmp_path: Path) -> None:
    (tmp_path / "2024").mkdir()
    shutil.copy(shared_case(5) / "face.jpg", tmp_path / "2024")
    assert faces(command, "2024")[:2] == (1, 1)

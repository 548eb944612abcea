"""The command as a person meets it: another process, real files, exit codes, and never a traceback."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.cli.main import COMMANDS, main
from fer_edge.errors import FerEdgeError
from fer_edge.runtime.sources.demo import DemoSource
from fer_edge.runtime.storage.session import open_session

Command = Callable[..., subprocess.CompletedProcess[str]]
HEAVY = ("cv2", "numpy", "onnxruntime", "torch", "timm", "matplotlib", "skimage", "onnx", "albumentations")
HEAVY += ("tqdm", "polib")


def assert_clear(done: subprocess.CompletedProcess[str], code: int, says: str) -> None:
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 8, done.stderr


@pytest.mark.parametrize("verb", ["", *COMMANDS])
def test_help_imports_nothing_heavy(verb: str) -> None:
    script = (
        "import sys\nfrom fer_edge.cli.main import main\n"
        f"try: main({[w for w in (verb, '--help') if w]!r})\nexcept SystemExit as e: assert e.code == 0\n"
        f"found = [m for m in {HEAVY!r} if m in sys.modules]\nassert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (verb or "run") in done.stdout


def test_demo_runs_records_and_reports(command: Command, tmp_path: Path) -> None:
    done = command("run", "--source", "demo:2", "--out", "s", "--video")
    assert done.returncode == 0, done.stderr
    assert "demo: 60 frames" in done.stdout
    assert "frame 1/60" in done.stderr  # the live line, printed plainly when piped
    assert "\r" not in done.stderr
    assert open_session(tmp_path / "s").facts["ended"] == "source ended"
    assert command("report", "s").returncode == 0
    assert (tmp_path / "s" / "report.html").is_file()


def test_a_folder_of_pictures_is_told_picture_by_picture(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    (tmp_path / "p" / "deep").mkdir(parents=True)
    for name, frame in zip(("a.png", "deep/b.jpg"), DemoSource(0.1), strict=False):
        cv2.imwrite(str(tmp_path / "p" / name), frame.image)
    cv2.imwrite(str(tmp_path / "p" / "wall.png"), np.full((200, 300, 3), 120, np.uint8))
    done = command("run", "--source", "p", "--out", "s", "--video")
    assert done.returncode == 0, done.stderr
    assert "p: 3 pictures, 2 faces" in done.stdout
    assert "picture 1/3  a.png" in done.stderr
    assert command("report", "s").returncode == 0
    rows = list(csv.DictReader((tmp_path / "s" / "pictures.csv").read_text().splitlines()))
    assert [(r["picture"], r["faces"]) for r in rows] == [("a.png", "1"), ("deep/b.jpg", "1"), ("wall.png", "0")]
    rows = list(csv.DictReader((tmp_path / "s" / "observations.csv").read_text().splitlines()))
    assert [(r["picture"], r["time_s"]) for r in rows] == [("a.png", ""), ("deep/b.jpg", "")]
    page = (tmp_path / "s" / "report.html").read_text()
    assert page.count("data:image/jpeg") == 3
    assert "deep/b.jpg" in page
    assert "seconds" not in page.lower()
    assert (tmp_path / "s" / "annotated" / "deep" / "b.jpg.jpg").is_file()


def test_a_video_of_4k_takes_less_than_500_mb(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs the video extra")
    writer = cv2.VideoWriter(str(tmp_path / "k.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (3840, 2160))
    for frame in DemoSource(0.6):
        writer.write(cv2.resize(frame.image, (3840, 2160)))
    writer.release()
    words = [sys.executable, "-m", "fer_edge", "run", "--source", "k.mp4", "--out", "s", "--video"]
    script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2)\n"
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    done = subprocess.run([sys.executable, "-c", script, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 500


def test_two_people_are_two_people(command: Command, clips: Path, yunet: Path) -> None:
    clip = clips / "head-pose-face-detection-female-and-male.gif"
    done = command("run", "--source", clip, "--seconds", "2")
    assert " 2 people in " in done.stdout, done.stdout
    assert re.search(r"(?m)^face 1: +\d\.\d s: ", done.stdout)


def test_json_is_one_object(command: Command, clip: Path) -> None:
    done = command("run", "--source", clip, "--json", "--seconds", "1")
    result = json.loads(done.stdout)
    assert result["frames"] == 12
    assert result["faces"] > 5
    assert result["device"]["precision"] == "int8"
    assert set(result["stage_seconds"]) >= {"capture", "detect", "crop", "infer"}
    assert done.stderr == ""


def test_onnxruntime_leaves_no_trace_in_the_home(command: Command, clip: Path, tmp_path: Path) -> None:
    """Wheels from 1.29 on write a device id and a database below ~/.cache unless told not to."""
    done = command("run", "--source", clip, "--seconds", "0.5", FER_EDGE_CACHE="")
    assert done.returncode == 0, done.stderr
    home = tmp_path / "home"
    assert not [p for p in home.rglob("*") if p.is_file()] if home.exists() else True


def test_without_out_nothing_is_written(command: Command, clip: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert command("run", "--source", clip, "--seconds", "0.5").returncode == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def still(tmp_path: Path) -> Path:
    """A picture with no face."""
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 300, 3), 120, np.uint8))
    return tmp_path / "wall.png"


BAD = {
    "missing file": (["run", "--source", "no.mp4"], 2, "there is no file or folder no.mp4"),
    "directory as a video": (["run", "--source", "."], 2, "holds no picture"),
    "directory as a model": (["models", "add", "."], 2, "is not a file"),
    "directory as first weights": (["train", "--data", ".", "--out", "b", "--init", "."], 2, ""),
    "video without a place": (["run", "--video"], 2, "--video needs a place"),
    "unknown option": (["run", "--sorce", "x"], 2, "did you mean --source"),
    "unknown verb": (["walk"], 2, "invalid choice"),
    "unknown detector": (["run", "--detector", "mtcnn"], 2, "invalid choice"),
    "detector not fetched": (["run", "--source", "demo", "--detector", "yunet"], 3, "fer-edge models fetch"),
    "absent camera": (["run", "--source", "camera:63"], 3, "there is no camera 63"),
    "no bundle": (["run", "--source", "demo", "--bundle", "nowhere"], 2, "is not a bundle"),
    "no session": (["report", "nowhere"], 2, "is not a session"),
    "unknown part": (["report", "nowhere", "--only", "pdf"], 2, "there is no part pdf"),
    "unknown model": (["models", "fetch", "retinaface"], 2, "there is no model"),
    "unknown recipe": (["train", "--data", ".", "--recipe", "defalt", "--out", "b"], 2, "did you mean 'default'"),
    "negative threads": (["run", "--threads", "-1"], 2, "--threads must be positive"),
    "tiny detection": (["run", "--detect-width", "3"], 2, "at least 64"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(case: str, command: Command, tmp_path: Path) -> None:
    words, code, says = BAD[case]
    before = {p for p in tmp_path.rglob("*") if "home" not in p.parts}
    assert_clear(command(*words), code, says)
    assert {p for p in tmp_path.rglob("*") if "home" not in p.parts} == before  # nothing half-written


@pytest.mark.parametrize("case", BAD)
def test_json_is_an_object_on_failure_too(
    case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words, code, says = BAD[case]
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--json"]) == code
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert set(told) == {"error", "cause", "hint", "exit"}
    assert told["exit"] == code
    assert says in f"{told['error']} {told['cause']} {told['hint']}"
    assert told["error"] in err


def test_a_run_that_breaks_off_is_one_object(command: Command, clips: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copy(clips / "walk.mkv", tmp_path / "cut.mkv"))
    os.truncate(broken, broken.stat().st_size // 2)
    done = command("run", broken, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit"]) == (2, 2)
    assert told["frames"] > 10
    assert told["error"] in told["ended"]
    assert told["error"] in done.stderr


def test_the_source_by_its_place(command: Command, clip: Path) -> None:
    assert "12 frames" in command("run", clip, "--seconds", "1").stdout
    assert_clear(command("run", clip, "--source", "demo"), 2, "two sources were given")
    assert_clear(command("run", clip, "--show"), 2, "there is no window")


@pytest.mark.parametrize("words", [["--source", "demo"], ["demo"], ["--device", "cpu"], ["--detector", "auto"]])
def test_what_a_kiosk_takes_from_its_file_is_refused_as_an_option(words: list[str], command: Command) -> None:
    """Also where it is what the option is without being given: today it was not obeyed, unsaid."""
    assert_clear(command("run", "--config", "kiosk.toml", *words), 2, "does not go with --config")


def test_one_of_something_is_not_many(command: Command, clip: Path) -> None:
    said = command("run", clip, "--seconds", "0.08", "--threads", "1").stdout
    assert ": 1 frame, " in said
    assert "1 thread;" in said


def test_picture_without_a_face_leaves_no_session(command: Command, still: Path, tmp_path: Path) -> None:
    assert_clear(command("run", "--source", still, "--out", "s", "--video"), 2, "no face was found in wall.png")
    assert not (tmp_path / "s").exists()


def test_video_that_ends_at_once_leaves_no_session(command: Command, tmp_path: Path) -> None:
    (tmp_path / "head.gif").write_bytes(b"GIF89a\x10\x00\x10\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff;")
    assert_clear(command("run", "--source", "head.gif", "--out", "s"), 2, "head.gif")
    assert not (tmp_path / "s").exists()


def test_truncated_video_keeps_what_came_before(command: Command, clips: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copy(clips / "walk.mkv", tmp_path / "cut.mkv"))
    os.truncate(broken, broken.stat().st_size // 2)
    assert_clear(command("run", "--source", broken, "--out", "s"), 2, "cut short or damaged")
    session = open_session(tmp_path / "s")
    assert session.facts["frames"] > 10
    assert "ends after" in session.facts["ended"]


def test_out_that_cannot_be_written(command: Command, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_clear(command("run", "--source", clip, "--out", "file/s"), 2, "cannot write")
    if os.geteuid() == 0:
        assert_clear(command("run", "--source", clip, "--out", "/proc/s"), 2, "cannot write")


@pytest.mark.parametrize(("free", "begun"), [(40_000, False), (140_000, True)])
def test_full_disk_ends_clearly_and_keeps_the_store(
    free: int, begun: bool, command: Command, clip: Path, small_disk: Path
) -> None:
    (small_disk / "ballast").write_bytes(b"x" * (1536 * 1024 - free))
    assert_clear(command("run", "--source", clip, "--out", small_disk / "s"), 2, "cannot write")
    assert (small_disk / "s").exists() is begun
    if begun:  # whatever was committed can be read, and nothing else is there
        rows = list(open_session(small_disk / "s").observations())
        assert [o.frame for o in rows] == sorted(o.frame for o in rows)
        store = {"observations.db", "observations.db-wal", "observations.db-shm"}
        assert {p.name for p in (small_disk / "s").iterdir()} <= store


def test_second_run_into_one_folder_is_refused(command: Command, clip: Path, tmp_path: Path) -> None:
    assert command("run", "--source", clip, "--seconds", "0.5", "--out", "s").returncode == 0
    before = list(open_session(tmp_path / "s").observations())
    assert_clear(command("run", "--source", clip, "--out", "s"), 2, "already holds a session")
    assert list(open_session(tmp_path / "s").observations()) == before
    assert command("run", "--source", clip, "--seconds", "0.5", "--out", "s", "--replace").returncode == 0


def test_two_runs_into_one_folder(command: Command, tmp_path: Path) -> None:
    """With --replace the second took the first one's store away under its hands."""
    first = subprocess.Popen([sys.executable, "-m", "fer_edge", "run", "demo:600", "--out", str(tmp_path / "s")])
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not committed(tmp_path / "s"):
        time.sleep(0.1)
    for more in ([], ["--replace"]):
        assert_clear(command("run", "demo:1", "--out", "s", *more), 2, "another process is writing")
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=60) == 130
    assert open_session(tmp_path / "s").facts["ended"] == "interrupted"
    assert command("run", "demo:0.2", "--out", "s", "--replace").returncode == 0


def committed(folder: Path) -> bool:
    """Whether a run that goes on has put observations on the disk."""
    with suppress(OSError, sqlite3.Error, FerEdgeError):
        return any(True for _ in open_session(folder).observations())
    return False


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_a_readable_session(sent: signal.Signals, tmp_path: Path) -> None:
    words = ["run", "--source", "demo:600", "--out", str(tmp_path / "s"), "--video"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fer_edge", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not committed(tmp_path / "s"):
        time.sleep(0.1)
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    session = open_session(tmp_path / "s")
    assert len(list(session.observations())) > 0
    if sent is signal.SIGKILL:
        assert not (tmp_path / "s" / "annotated.mp4").exists()
    else:
        assert process.returncode == 128 + sent
        assert session.facts["ended"] == "interrupted"
        assert "frames/s" in out
        assert "ended:       interrupted" in out


def test_debug_shows_the_traceback(command: Command) -> None:
    done = command("run", "--source", "no.mp4", "--debug")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_bundle_check_and_show(command: Command, broken_bundle: Path) -> None:
    assert "ok: schema" in command("bundle", "check").stdout
    assert json.loads(command("bundle", "show", "--json").stdout)["labels"][0] == "angry"
    os.truncate(broken_bundle / "model.onnx", 100)
    assert_clear(command("bundle", "check", broken_bundle), 2, "model.onnx is truncated")


def test_a_list_of_devices_says_what_its_columns_are(command: Command) -> None:
    head, *rows = command("devices").stdout.splitlines()
    assert head.split() == ["DEVICE", "WHAT", "BACKEND", "PRICE", "(YEAR)", "HERE"]
    (cpu,) = [row for row in rows if row.startswith("cpu ")]
    assert head.index("BACKEND") == cpu.index("onnxruntime")


def test_models_list_and_add(command: Command, yunet_file: Path, tmp_path: Path) -> None:
    assert "absent" in command("models", "list").stdout
    added = command("models", "add", yunet_file, "--json")
    assert json.loads(added.stdout)[0]["path"].endswith(yunet_file.name)
    assert json.loads(command("models", "list", "--json").stdout)[0]["present"] is True
    (tmp_path / "other.onnx").write_bytes(b"x")
    assert_clear(command("models", "add", "other.onnx"), 2, "not a model that fer-edge knows")


def test_no_words_print_help(command: Command) -> None:
    done = command()
    assert done.returncode == 0
    assert "usage: fer-edge" in done.stdout


def on_a_terminal(words: list[str], folder: Path) -> str:
    """What a person sees: the command with a real terminal on standard error."""
    import pty

    main_end, other_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fer_edge", *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=other_end
    )
    os.close(other_end)
    seen = b""
    try:
        while block := os.read(main_end, 65536):
            seen += block
    except OSError:  # Linux answers EIO when the other end is closed
        pass
    assert process.wait(timeout=60) == 0
    return seen.decode()


def test_status_is_one_line_rewritten_on_a_terminal(tmp_path: Path) -> None:
    seen = on_a_terminal(["run", "--source", "demo:2"], tmp_path)
    assert seen.count("\n") == 1
    assert seen.count("\r") > 3
    assert "frame 1/60" in seen


def test_long_loops_show_a_bar_on_a_terminal_and_lines_when_piped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fer_edge.cli import output

    monkeypatch.setattr(output, "LINE_EVERY_S", 0.0)
    assert list(output.watch(range(3), desc="reading")) == [0, 1, 2]
    assert "reading: 3 of 3 in 0 s, about 0 s to go" in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(output.watch(range(3), desc="reading")) == [0, 1, 2]
    assert "\r" in capsys.readouterr().err

"""`fer-edge batch` as a person calls it: an archive, whoever works on it, however often it is ended."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fer_edge.runtime.batch.files import plan
from fer_edge.runtime.build import PipelineOptions
from fer_edge.runtime.run import analyze
from fer_edge.runtime.storage.session import open_session
from support.batches import CRASHES, QUICK, Command, Films, contents, table
from support.children import gone
from support.waiting import until


def test_an_archive_whatever_the_number_of_workers(command: Command, films: Films, tmp_path: Path) -> None:
    import pyarrow.dataset as ds

    folder = films("a.mp4", "deep/b.MP4", "c.mp4")
    (folder / "deep" / "broken.mp4").write_text("no film")
    (folder / "notes.txt").write_text("no film either")
    done = command("batch", "archive", "--out", "two", "--workers", 2, "--json", *QUICK)
    assert done.returncode == 1, done.stderr  # a file was set aside
    told = json.loads(done.stdout)
    assert (told["files"], told["analysed"], told["workers"], told["all"]["films"]) == (4, 4, 2, 3)
    assert [Path(file["source"]).name for file in told["set_aside"]] == ["broken.mp4"]
    assert "holds no video" in told["set_aside"][0]["fault"]
    assert "no videos by their names: 1" in done.stderr

    rows = ds.dataset(tmp_path / "two" / "observations", partitioning="hive").to_table().to_pylist()
    assert len(rows) == told["all"]["faces"] > 0
    expected = analyze(folder / "a.mp4", options=PipelineOptions(threads=1, detector="haar", detect_width=0))
    own = [row for row in rows if row["source"].endswith("a.mp4")]
    assert [(r["frame"], r["label"], r["left"]) for r in own] == [(o.frame, o.label, o.box[0]) for o in expected]
    session = open_session(tmp_path / "two" / "sessions" / own[0]["session"])
    assert [o.track for o in session.observations()] == [r["track"] for r in own]

    assert command("batch", "archive", "--out", "one", "--workers", 1, *QUICK).returncode == 1
    assert contents(tmp_path / "one") == contents(tmp_path / "two")

    again = command("batch", "archive", "--out", "one", *QUICK, "--json")
    assert (json.loads(again.stdout)["analysed"], json.loads(again.stdout)["earlier"]) == (0, 4)
    assert "--retry" in again.stderr
    films("deep/broken.mp4")
    mended = command("batch", "archive", "--out", "one", *QUICK, "--json")
    assert mended.returncode == 0, mended.stderr  # a file that was changed is another file
    assert (json.loads(mended.stdout)["analysed"], json.loads(mended.stdout)["set_aside"]) == (1, [])
    assert [len(same) for same in json.loads(mended.stdout)["copies"]] == [2]  # what it is mended with is c.mp4
    films("later.mp4")
    refused = command("batch", "archive", "--out", "one", "--smoother", "majority", *QUICK)
    assert refused.returncode == 2
    assert "was begun with smoother exponential, not majority" in refused.stderr


def test_a_file_that_crashes_the_decoder_is_set_aside(command: Command, films: Films, tmp_path: Path) -> None:
    films("poison.mp4", "once.mp4", "good.mp4")
    done = command("batch", "archive", "--out", "o", "--workers", 2, *QUICK, **CRASHES)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    states = {Path(row["source"]).name: (row["state"], row["fault"]) for row in table(tmp_path / "o")}
    assert states["good.mp4"] == states["once.mp4"] == ("done", "")
    state, fault = states["poison.mp4"]
    assert state == "set aside"
    assert "the worker died over it (signal 11, SIGSEGV)" in fault
    assert "poison.mp4" in done.stdout


@pytest.fixture
def held(films: Films, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a batch of a film and of one that is held, and waits until the one is done and the other begun."""
    films("a.mp4", "held.mp4")
    out, begun = tmp_path / "o", []

    def start() -> subprocess.Popen[str]:
        words = ["batch", "archive", "--out", "o", "--workers", "1", *map(str, QUICK)]
        own = {**os.environ, **CRASHES, "HOME": str(tmp_path / "home")}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        batch = subprocess.Popen([sys.executable, "-m", "fer_edge", *words], cwd=tmp_path, env=own, **pipes)
        begun.append(batch)
        until(
            lambda: batch.poll() is not None or (list(out.glob("sessions/a-*")) and list(out.glob("sessions/.held*")))
        )
        return batch

    yield start
    for batch in begun:
        batch.kill()
        batch.communicate()


def workers(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_batch_that_is_ended_goes_on(held: Callable[[], Any], command: Command, tmp_path: Path) -> None:
    """By Ctrl-C, and by a kill that nobody can feel; what is finished is neither lost nor done again."""
    out, batch = tmp_path / "o", held()
    (first,) = out.glob("sessions/a-*/observations.db")
    made = first.stat()
    batch.send_signal(signal.SIGINT)
    said, errors = batch.communicate()
    assert (batch.returncode, "Traceback" in errors) == (130, False), errors
    assert "interrupted; the same command goes on" in said
    assert not list(out.glob("sessions/.*"))

    batch = held()
    children = workers(batch.pid)
    busy = command("batch", "archive", "--out", "o", *QUICK)
    assert busy.returncode == 2
    assert "another fer-edge batch is at work" in busy.stderr
    batch.kill()
    until(lambda: all(gone(pid) for pid in children), "the workers of a killed batch end")

    (tmp_path / "archive" / "go").touch()
    done = command("batch", "archive", "--out", "o", *QUICK, "--json", **CRASHES)
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["analysed"], json.loads(done.stdout)["earlier"]) == (1, 1)
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    assert not list(out.glob("sessions/.*"))
    assert len(list(out.glob("sessions/held-*/record.json"))) == 1


def test_a_full_disk_ends_it_and_it_goes_on(command: Command, films: Films, small_disk: Path) -> None:
    films("a.mp4", "b.mp4", "c.mp4", "d.mp4")
    out, ballast = small_disk / "o", small_disk / "ballast"
    ballast.write_bytes(b"\0" * (1536 - 300) * 1024)  # a session takes 80 KiB, and twice that before it is closed
    full = command("batch", "archive", "--out", out, "--workers", 1, *QUICK)
    assert full.returncode == 2, full.stdout + full.stderr
    assert "the same command goes on from there" in full.stderr
    assert "Traceback" not in full.stderr
    finished = {path: path.stat().st_ino for path in out.glob("sessions/[!.]*/observations.db")}
    assert 0 < len(finished) < 4
    assert not list(out.glob("set-aside/*"))
    ballast.unlink()
    done = command("batch", "archive", "--out", out, *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["earlier"] == len(finished)
    assert {path: path.stat().st_ino for path in finished} == finished


def test_a_table_says_whose_films_they_are(command: Command, films: Films, tmp_path: Path) -> None:
    import pyarrow.dataset as ds

    films("a.mp4", "b.mp4")
    (tmp_path / "films.csv").write_text("path;subject;condition\narchive/a.mp4;P01;rest\narchive/b.mp4;02;film\n")
    done = command("batch", "films.csv", "archive/a.mp4", "--out", "o", *QUICK)
    assert done.returncode == 2
    assert "asked for twice, and differently" in done.stderr
    assert not (tmp_path / "o").exists()
    done = command("batch", "films.csv", "--out", "o", *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    assert {name: of["films"] for name, of in json.loads(done.stdout)["conditions"].items()} == {"film": 1, "rest": 1}
    rows = ds.dataset(tmp_path / "o" / "observations", partitioning="hive").to_table().to_pylist()
    assert {(row["subject"], row["condition"]) for row in rows} == {("P01", "rest"), ("02", "film")}


def test_an_archive_behind_a_url(command: Command, films: Films, tmp_path: Path) -> None:
    """A real server, whose folder is listed and whose files are fetched; what is fetched does not stay."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    pytest.importorskip("fsspec", reason="needs the batch extra")
    pytest.importorskip("aiohttp", reason="needs the kiosk extra")
    folder = films("a.mp4")
    (folder / "bad.mp4").write_text("no film")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        done = command("batch", f"{place}/*.mp4", "--out", "o", *QUICK, "--json")
        server.shutdown()
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["all"]["films"] == 1
    assert [file["source"] for file in told["set_aside"]] == [f"{place}/bad.mp4"]
    assert {row["source"] for row in table(tmp_path / "o")} == {f"{place}/a.mp4", f"{place}/bad.mp4"}
    assert told["set_aside"][0]["fault"] == f"{place}/bad.mp4 holds no video that can be read"
    assert not list((tmp_path / "o").rglob("*.mp4"))
    away = command("batch", f"{place}/a.mp4", "--out", "o2", *QUICK)
    assert away.returncode == 2
    assert f"{place}/a.mp4 cannot be read" in away.stderr


def test_folders_that_are_somebody_elses(command: Command, films: Films, tmp_path: Path) -> None:
    films("a.mp4")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "thesis.docx").touch()
    other = command("batch", "archive", "--out", "o", *QUICK)
    assert (other.returncode, "holds something else: thesis.docx" in other.stderr) == (2, True)
    held = os.open(tmp_path / "archive", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    on_itself = command("batch", "archive/a.mp4", "--out", "archive/a.mp4", *QUICK)
    os.close(held)
    assert (on_itself.returncode, "is a file, not a folder" in on_itself.stderr) == (2, True)


def test_a_file_is_the_same_by_whatever_name(films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = films("a.mp4", "b.mp4")
    (folder / "link.mp4").symlink_to("a.mp4")
    (folder / ".hidden.mp4").touch()
    monkeypatch.chdir(tmp_path)
    one = plan(["archive"], tmp_path / "o")
    other = plan([str(folder / "a.mp4"), "archive/*.mp4", "archive/./b.mp4"], tmp_path / "o")
    assert [file.key for file in one.files] == [file.key for file in other.files]
    assert [Path(file.source).name for file in one.files] == ["a.mp4", "b.mp4"]
    assert any("more than once, and taken once: 1" in line for line in one.notices)
    assert plan([str(tmp_path)], folder / "deep").files == one.files

"""`fer-edge batch --engine ray`: the same bytes as by processes of this machine, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fer_edge.errors import DeviceNotFound, UsageError
from fer_edge.runtime.batch.cluster import check_reachable
from fer_edge.runtime.batch.run import BatchOptions, run_batch
from fer_edge.runtime.build import PipelineOptions
from support.batches import CRASHES, QUICK, Command, Films, contents, table
from support.children import gone
from support.kiosks import free_port
from support.waiting import until

pytest.importorskip("ray", reason="needs the ray extra")
RAY = ("--engine", "ray", "--workers", 2, *QUICK)


def test_the_same_bytes_and_a_file_that_crashes_the_decoder(command: Command, films: Films, tmp_path: Path) -> None:
    folder = films("poison.mp4", "once.mp4", "a.mp4", "b.mp4")
    (folder / "broken.mp4").write_text("no film")
    done = command("batch", "archive", "--out", "r", "--json", *RAY, **CRASHES)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)  # and nothing of Ray's
    assert (told["workers"], told["analysed"], told["all"]["films"]) == (2, 5, 3)
    assert "Traceback" not in done.stderr
    assert "raylet" not in done.stderr
    faults = {Path(row["source"]).name: (row["state"], row["fault"]) for row in table(tmp_path / "r")}
    assert faults["once.mp4"] == faults["a.mp4"] == ("done", "")
    assert faults["poison.mp4"] == ("set aside", "the worker died over it")
    assert not list(tmp_path.glob("home/.ray*"))

    again = command("batch", "archive", "--out", "r", *QUICK, "--json")
    assert (json.loads(again.stdout)["earlier"], json.loads(again.stdout)["workers"]) == (5, 0)
    assert command("batch", "archive", "--out", "l", "--workers", 1, *QUICK, **CRASHES).returncode == 1
    one, other = contents(tmp_path / "r"), contents(tmp_path / "l")
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name]} == {
        "files.csv",
        "summary.json",
    }  # by which signal it died
    rows = [{k: v for k, v in row.items() if k != "fault"} for row in table(tmp_path / "r")]
    assert rows == [{k: v for k, v in row.items() if k != "fault"} for row in table(tmp_path / "l")]


def listening(pids: list[int]) -> set[str]:
    """The addresses, in hex, on which processes listen; of IPv4 in IPv6 the last part."""
    inodes = set()
    for pid in pids:
        with suppress(FileNotFoundError):  # a process that ended meanwhile, or closed a file
            inodes |= {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()]
    return {w[1].partition(":")[0][-8:] for w in lines if w[3] == "0A" and f"socket:[{w[9]}]" in inodes}


def family(pid: int) -> list[int]:
    """A process and all that came of it."""
    with suppress(FileNotFoundError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(one for child in children for one in family(int(child)))]
    return []


@pytest.fixture
def held(films: Films, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a batch of a film and of one that is held, and waits until the one is done and the other begun."""
    films("a.mp4", "held.mp4")
    out, begun = tmp_path / "o", []

    def start(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fer_edge", "batch", "archive", "--out", "o", *map(str, words)]
        own: dict[str, Any] = {"env": {**os.environ, **CRASHES, "HOME": str(tmp_path / "home")}, "text": True}
        own |= {"cwd": tmp_path, "start_new_session": True}
        batch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **own)
        begun.append(batch)
        until(
            lambda: batch.poll() is not None or (list(out.glob("sessions/a-*")) and list(out.glob("sessions/.held*")))
        )
        assert batch.poll() is None, batch.communicate()
        return batch

    yield start
    for batch in begun:
        batch.kill()
        batch.communicate()


def test_a_batch_that_is_ended_goes_on(held: Callable[..., Any], command: Command, tmp_path: Path) -> None:
    """By Ctrl-C, and by a kill that nobody can feel; what Ray began, the processes of this machine go on with."""
    out, batch = tmp_path / "o", held(*RAY)
    (first,) = out.glob("sessions/a-*/observations.db")
    made = first.stat()
    all_ = family(batch.pid)
    assert len(all_) > 4
    assert listening(all_) == {"0100007F"}
    os.killpg(batch.pid, signal.SIGINT)
    said, errors = batch.communicate()
    assert (batch.returncode, "Traceback" in errors) == (130, False), errors
    assert "interrupted; the same command goes on" in said
    assert not list(out.glob("sessions/.*"))
    until(lambda: all(gone(pid) for pid in all_), "a cluster ends with its batch")

    batch = held(*RAY)
    all_ = family(batch.pid)
    batch.kill()
    batch.communicate()
    until(lambda: all(gone(pid) for pid in all_), "a cluster ends with its batch that was killed")

    (tmp_path / "archive" / "go").touch()
    done = command("batch", "archive", "--out", "o", *QUICK, "--json", **CRASHES)
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["analysed"], json.loads(done.stdout)["earlier"]) == (1, 1)
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    assert not list(out.glob("sessions/.*"))


@pytest.fixture
def head(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A cluster of one machine that is there before the batch: its address for clients, and its first process."""
    client, log = free_port(), tmp_path / "head.log"
    words = (f"--port={free_port()}", f"--ray-client-server-port={client}", "--include-dashboard=false", "--num-cpus=2")
    words += (f"--object-store-memory={80 << 20}", "--disable-usage-stats", "--block")
    own = {**os.environ, **CRASHES, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "HOME": str(tmp_path / "home")}
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder, log.open("w") as file:
        begin = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", *words, f"--temp-dir={folder}"]
        first = subprocess.Popen(begin, env=own, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        until(lambda: first.poll() is not None or "--block" in log.read_text())
        yield f"ray://127.0.0.1:{client}", first.pid
        all_ = family(first.pid)
        first.terminate()
        first.wait(60)
        until(lambda: all(gone(pid) for pid in all_), "the cluster ends")


def test_a_cluster_that_is_there_and_a_worker_that_is_killed(
    head: tuple[str, int], held: Callable[..., Any], tmp_path: Path
) -> None:
    address, first = head
    batch = held("--engine", "ray", "--address", address, "--json", *QUICK)
    actors = [pid for pid in family(first) if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Actor")]
    assert actors
    for pid in actors:
        os.kill(pid, signal.SIGKILL)
    (tmp_path / "archive" / "go").touch()
    said, errors = batch.communicate()
    assert batch.returncode == 0, errors
    told = json.loads(said)
    assert (told["all"]["films"], told["analysed"], told["set_aside"]) == (2, 2, [])
    assert not list((tmp_path / "o").glob("sessions/.*"))


@pytest.mark.parametrize("address", ["ray://127.0.0.1:1", "127.0.0.1:1", "ray://nobody.invalid"])
def test_nobody_is_there(address: str) -> None:
    with pytest.raises(DeviceNotFound, match=f"no Ray cluster answers at {address}") as told:
        check_reachable(address)
    assert told.value.hint.startswith("ray status")


def test_no_cluster_on_this_machine(command: Command, films: Films, tmp_path: Path) -> None:
    films("a.mp4")
    done = command("batch", "archive", "--out", "o", "--address", "auto", *RAY, RAY_TMPDIR=str(tmp_path))
    assert done.returncode == 3, done.stderr
    assert "no Ray cluster answers at auto" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": "auto"}, "--address is of a Ray cluster"),
        ({"engine": "ray", "address": "ray://"}, "no address"),
        ({"engine": "ray", "address": "host"}, "no address"),
        ({"engine": "ray", "pipeline": PipelineOptions(device="coral")}, "work on the processor"),
    ],
)
def test_what_a_cluster_cannot_be(options: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        run_batch(BatchOptions((str(tmp_path),), tmp_path / "o", **options))  # type: ignore[arg-type]
    assert not (tmp_path / "o").exists()

"""`fer-edge batch --engine ray`: the same bytes as by processes of this machine, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fer_edge.errors import DeviceNotFound, UsageError
from fer_edge.runtime.batch.cluster import check_reachable
from fer_edge.runtime.batch.run import BatchOptions, run_batch
from fer_edge.runtime.build import PipelineOptions
from support.batches import CRASHES, QUICK, Command, Films, contents, table
from support.ray_clusters import LOOPBACK, RayCluster, ray_cluster
from support.waiting import PATIENCE_S, until

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


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Two processors, and workers whose decoder does as a film's name says."""
    with ray_cluster(2, **CRASHES) as made:
        yield made


def test_a_cluster_that_runs_already(cluster: RayCluster, command: Command, films: Films, tmp_path: Path) -> None:
    """By each kind of address the bytes of a batch without Ray; the cluster goes on, and keeps no worker."""
    films("a.mp4", "b.mp4", "c.mp4")
    assert command("batch", "archive", "--out", "l", "--workers", 1, *QUICK).returncode == 0
    for number, address in enumerate(("auto", *cluster.addresses)):
        words = ("--engine", "ray", "--address", address, "--json")
        done = command("batch", "archive", "--out", f"r{number}", *words, *QUICK, **cluster.environment)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), f"{address}: {done.stderr}"
        told = json.loads(done.stdout)
        assert (told["workers"], told["analysed"]) == (2, 3), address  # as many as it has processors
        assert contents(tmp_path / f"r{number}") == contents(tmp_path / "l"), address
        until(lambda: not cluster.actors(), "no worker is left")


def test_a_worker_of_it_that_is_killed_loses_no_film(
    cluster: RayCluster, command: Command, films: Films, tmp_path: Path
) -> None:
    folder = films("held.mp4", "a.mp4", "b.mp4")
    words = ("batch", "archive", "--engine", "ray", "--address", "auto", "--workers", 2, "--out", "r", "--json", *QUICK)
    batch = subprocess.Popen(
        [sys.executable, "-m", "fer_edge", *map(str, words)],
        cwd=tmp_path,
        env={**os.environ, **cluster.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(
        lambda: batch.poll() is not None or len(list(tmp_path.glob("r/sessions/[ab]-*"))) == 2,
        "the others are finished",
    )
    for pid in cluster.actors():
        os.kill(pid, signal.SIGKILL)
    (folder / "go").touch()
    out, err = batch.communicate(timeout=PATIENCE_S)
    assert (batch.returncode, "Traceback" in err) == (0, False), err
    assert json.loads(out)["analysed"] == 3
    assert command("batch", "archive", "--out", "l", "--workers", 1, *QUICK).returncode == 0
    assert contents(tmp_path / "r") == contents(tmp_path / "l")


@pytest.mark.parametrize(("place", "token"), [(0, "0" * 64), (0, ""), (1, "")], ids=["another", "none", "by client"])
def test_without_its_token_nobody_is_let_in(
    cluster: RayCluster, command: Command, films: Films, place: int, token: str, tmp_path: Path
) -> None:
    films("a.mp4")
    address, known = cluster.addresses[place], {**cluster.environment, "RAY_AUTH_TOKEN": token}
    if not token:
        known = {name: value for name, value in known.items() if not name.startswith("RAY_AUTH")}
    done = command("batch", "archive", "--out", "r", "--engine", "ray", "--address", address, *QUICK, **known)
    said = done.stderr.splitlines()[-3:]  # Ray's own come before, of which no setting keeps it
    assert (done.returncode, said[0].split(": ")[:2]) == (3, ["fer-edge", f"no Ray cluster answers at {address}"])
    assert "token" in said[1]
    assert not cluster.actors()


def test_what_answers_there_may_be_no_cluster(command: Command, films: Films, tmp_path: Path) -> None:
    """One that accepts and then says nothing, as behind many a forgotten tunnel."""
    films("a.mp4")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        done = command("batch", "archive", "--out", "r", "--engine", "ray", "--address", address, *QUICK, **LOOPBACK)
    assert done.returncode == 3, done.stderr
    assert f"\nfer-edge: no Ray cluster answers at {address}" in done.stderr

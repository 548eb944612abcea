"""The comparison with other packages: real ones where they install, and what happens where one does not."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.benchmarks.studies.peers.__main__ import main, spread
from fer_edge.benchmarks.studies.peers.child import CHUNK, ChildSession
from fer_edge.benchmarks.studies.peers.compare import PeerResult, ask_all, measure
from fer_edge.benchmarks.studies.peers.fer import FER, FER_KERAS
from fer_edge.benchmarks.studies.peers.known import ELSEWHERE, NO_WEIGHTS, PEERS
from fer_edge.benchmarks.studies.peers.npm import FACE_API_PEER, HUMAN_PEER
from fer_edge.benchmarks.studies.peers.ours import DEFAULT, DEFAULT_FLOAT, STUDENT
from fer_edge.benchmarks.studies.peers.peer import About, Peer, Session, folder_of
from fer_edge.benchmarks.studies.peers.table import COLUMNS, markdown
from fer_edge.bundle import LABELS
from fer_edge.bundle.dataset import Sample, read_dataset, read_image
from fer_edge.errors import DatasetError, DeviceFailed, DeviceNotFound, UsageError
from fer_edge.export.targets import environment

A_LABEL = 8
"""Test pictures of each label, disgust has seven."""
THEIRS = (FACE_API_PEER, HUMAN_PEER, FER, FER_KERAS)
OURS = (DEFAULT, DEFAULT_FLOAT, STUDENT)
IN_TURN = [p if p in (FACE_API_PEER, *OURS) else pytest.param(p, marks=pytest.mark.campaign) for p in THEIRS + OURS]
"""Of the others, `make test` installs the smallest."""
GREETING = (
    "import json, struct, sys\n"
    "body = json.dumps({'labels': sys.argv[1].split(), 'runtime': 'a child'}).encode()\n"
    "sys.stdout.buffer.write(struct.pack('<cI', b'D', len(body)) + body)\n"
)
"""A child that says what the protocol wants, and ends."""


@dataclass(frozen=True)
class ShortLived:
    """A peer whose child ends as soon as it is ready."""

    about: About

    def missing(self) -> str:
        return ""

    def prepare(self, say: object) -> None:
        pass

    def open(self) -> ChildSession:
        return ChildSession("short-lived", [sys.executable, "-c", GREETING, " ".join(LABELS)])


@cache
def why_not(peer: Peer, kept: Path) -> str:
    """Install a peer once for all runs of the tests; why that did not work, or nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_EDGE_CACHE", str(kept))
        if reason := peer.missing():
            return reason
        try:
            peer.prepare(print)
        except DeviceNotFound as error:
            return f"{error.message}: {error.cause}"
    return ""


def opened(peer: Peer, kept: Path) -> Session:
    if reason := why_not(peer, kept):
        pytest.skip(f"{peer.about.name} cannot be had here: {reason}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_EDGE_CACHE", str(kept))
        return peer.open()


@pytest.fixture(scope="module")
def few(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few test pictures of each label in folders, and one training picture because a data set has some."""
    folder = tmp_path_factory.mktemp("few")
    with (faces / "manifest.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["label"]]
    for label in LABELS:
        chosen = [r for r in rows if r["label"] == label and r["split"] == "test"][:A_LABEL]
        chosen += [next(r for r in rows if r["label"] == label and r["split"] == "train")]
        for row in chosen:
            place = folder / row["split"] / label
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(faces / row["path"], place)
    return folder


@pytest.fixture(scope="module")
def samples(few: Path) -> tuple[Sample, ...]:
    return read_dataset(few).split("test")


@pytest.fixture(scope="module", params=IN_TURN, ids=lambda peer: peer.about.name)
def session(request: pytest.FixtureRequest, kept: Path) -> Iterator[Session]:
    opened_one = opened(request.param, kept)
    yield opened_one
    opened_one.close()


def test_a_peer_knows_the_expressions_and_gives_them_in_our_order(
    session: Session, samples: tuple[Sample, ...]
) -> None:
    answers = ask_all(session, [read_image(s.path) for s in samples])
    truth = np.array([s.label for s in samples])
    said = answers.probabilities
    assert said.shape == (len(samples), 7)
    assert said.dtype == np.float32
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-3)
    assert answers.nanoseconds.shape == (len(samples),)
    assert (answers.nanoseconds > 0).all()
    assert (said.argmax(axis=1) == truth).mean() > 0.5, "chance is 1/7"
    happy = LABELS.index("happy")
    assert (said[truth == happy].argmax(axis=1) == happy).sum() > A_LABEL / 2
    for i, label in enumerate(LABELS):
        assert said[truth == i, i].mean() > 2 * said[truth != i, i].mean(), label


def test_a_session_takes_pictures_of_any_size_and_number(session: Session, samples: tuple[Sample, ...]) -> None:
    faces = np.stack([read_image(s.path) for s in samples[:5]])
    before = session.ask(faces).probabilities
    for height, width in ((31, 57), (1, 1), (200, 200), (48, 47)):
        picture = np.random.default_rng(0).integers(0, 255, (2, height, width, 3), np.uint8)
        said = session.ask(picture).probabilities
        np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-3)
    assert session.ask(faces[:0]).probabilities.shape == (0, 7)
    many = np.concatenate([faces] * (CHUNK // 5 + 1))
    again = session.ask(many).probabilities
    np.testing.assert_allclose(again, np.concatenate([before] * (len(many) // 5)), atol=1e-5)
    assert session.describe().count("1 thread") == 1


@pytest.mark.parametrize(
    "peer", [FACE_API_PEER, pytest.param(FER, marks=pytest.mark.campaign)], ids=lambda peer: peer.about.name
)
def test_a_killed_peer_is_one_sentence(peer: Peer, kept: Path) -> None:
    session = opened(peer, kept)
    assert isinstance(session, ChildSession)
    os.kill(session.pid, signal.SIGKILL)
    with pytest.raises(DeviceFailed, match=f"the peer {peer.about.name} ended by SIGKILL"):
        session.ask(np.zeros((CHUNK, 48, 48, 3), np.uint8))
    session.close()
    session.close()


def test_a_child_that_hangs_is_given_up() -> None:
    with pytest.raises(DeviceFailed, match="did not answer in time"):
        ChildSession("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], open_s=0.3)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise ImportError('libsomething.so is not there')", "ended by exit code 1"),
        ("print('Hello, I am no frame, but a banner')", "answered with something"),
        (GREETING, "knows other labels: joy, rage"),
        ('import sys; sys.stdout.buffer.write(b\'E\\x12\\0\\0\\0{"message": "oh!"}\')', "failed: oh!"),
    ],
)
def test_a_child_that_does_not_keep_to_the_frames(script: str, said: str) -> None:
    with pytest.raises(DeviceFailed, match=said) as caught:
        ChildSession("odd", [sys.executable, "-c", script, "joy rage"])
    if "libsomething" in script:
        assert "libsomething.so is not there" in caught.value.cause


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="cannot be started"):
        ChildSession("nobody", [tmp_path / "node"])


def test_what_is_no_batch_is_refused(kept: Path) -> None:
    session = opened(FACE_API_PEER, kept)
    for wrong in (np.zeros((48, 48, 3), np.uint8), np.zeros((1, 48, 48, 3), np.float32), np.zeros((1, 0, 4, 3), "u1")):
        with pytest.raises(UsageError, match="a batch must be uint8"):
            session.ask(wrong)
    session.close()


def test_without_node_the_row_says_so(monkeypatch: pytest.MonkeyPatch, samples: tuple[Sample, ...]) -> None:
    monkeypatch.setenv("PATH", "")
    rows = measure([FACE_API_PEER], samples[:2], 1, 1, say=print)
    assert rows[0].absent == "node and npm not on PATH"
    assert rows[0].accuracy is None
    assert "node and npm not on PATH" in markdown(rows)
    assert "Nothing could be measured." in markdown(rows)


def test_a_full_disk_leaves_no_environment_and_a_row_with_the_reason(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, samples: tuple[Sample, ...]
) -> None:
    monkeypatch.setenv("FER_EDGE_CACHE", str(small_disk))
    row = measure([FER], samples[:2], 1, 1, say=print)[0]
    assert row.absent.startswith("the environment fer-")
    assert row.p50_ms is None
    assert [p.name for p in (small_disk / "peers").iterdir() if not p.name.startswith(".")] == []


def test_an_environment_is_made_once(own_cache: Path) -> None:
    folder = folder_of("some")
    lines: list[str] = []
    step = [sys.executable, "-c", "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir(parents=True)", folder]
    environment.make(folder, [step], lines.append)
    environment.make(folder, [step], lines.append)
    assert lines == [f"preparing {folder}"]
    assert folder.is_relative_to(own_cache)


def test_a_step_that_fails_is_quoted_and_undone() -> None:
    folder = folder_of("some")
    script = "import sys; sys.exit('WARNING: old\\nERROR: no such package\\nA log is kept somewhere')"
    steps: environment.Steps = [[sys.executable, "-m", "venv", "--without-pip", folder], [sys.executable, "-c", script]]
    with pytest.raises(DeviceNotFound, match="the environment some could not be made") as caught:
        environment.make(folder, steps, print)
    assert caught.value.cause == "ERROR: no such package"
    assert not folder.exists()
    with pytest.raises(DeviceNotFound) as caught:
        environment.make(folder, [["no-such-program"]], print)
    assert "`no-such-program` cannot be started" in caught.value.cause


def test_a_base_python_is_this_one_or_one_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert environment.base_python([sys.version_info[:2]]) == sys.executable
    (tmp_path / "python3.99").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.base_python([(3, 98), (3, 99)]) == str(tmp_path / "python3.99")
    assert environment.base_python([(3, 98)]) == ""


def test_a_peer_that_ends_on_the_way_takes_nobody_with_it(samples: tuple[Sample, ...]) -> None:
    short = ShortLived(About("short-lived", "1", "none", 48, ""))
    rows = measure([short, DEFAULT, ELSEWHERE[0]], samples, 2, 5, say=print)
    assert [bool(row.absent) for row in rows] == [True, False, True]
    assert rows[0].absent.startswith("the peer short-lived ended by exit code 0")
    assert (rows[1].images, rows[1].pictures, rows[1].rounds) == (len(samples), 5, 2)
    assert rows[1].accuracy is not None
    assert rows[1].accuracy > 0.6
    assert rows[2].absent == NO_WEIGHTS


def test_nothing_to_measure_is_refused(samples: tuple[Sample, ...]) -> None:
    with pytest.raises(DatasetError, match="none of the pictures has a label"):
        measure([DEFAULT], [replace(s, label=None) for s in samples], say=print)
    with pytest.raises(UsageError, match="0 rounds"):
        measure([DEFAULT], samples, 0, say=print)


def test_limit_spreads_over_the_samples(samples: tuple[Sample, ...]) -> None:
    assert spread(samples, 0) == list(samples) == spread(samples, len(samples) + 1)
    assert {s.label for s in spread(samples, 14)} == set(range(7))
    assert len(spread(samples, 14)) == 14


def test_the_table_has_a_line_for_everyone() -> None:
    accuracy: dict[str, Any] = {"accuracy": 0.8584, "mean_recall": 0.8853, "images": 9}
    latency: dict[str, Any] = {"p50_ms": 3.456, "p90_ms": 4.0, "p50_range": (3.1, 3.9), "p90_range": (3.8, 4.4)}
    about = ("ours", "1", "MIT", 112, "as it is", "ort 1")
    done = PeerResult(*about, **accuracy, **latency, pictures=5, rounds=3)
    absent = PeerResult("theirs", "2", "MIT", 0, "", absent="npm error | code\nENOTFOUND " + "x" * 400)
    lines = markdown([done, absent]).splitlines()
    assert lines[2] == "| ours | 1 | MIT | 112 | 0.858 | 0.885 | 3.46 | 4.00 | 3.10 to 3.90 | ort 1 | as it is |"
    assert lines[3].startswith("| theirs | 2 | MIT | - | - | - | - | - | - | - | absent: npm error / code ENOTFOUND xx")
    assert lines[3].endswith("… |")
    assert {line.count("|") for line in lines[:4]} == {len(COLUMNS) + 1}
    assert "on the same 9 pictures" in lines[5]
    assert "3 rounds of 5 pictures" in lines[5]


@pytest.mark.campaign
def test_the_command_measures_all_that_can_be_had(few: Path, kept: Path, tmp_path: Path) -> None:
    ready = {peer.about.name for peer in (*OURS, *THEIRS) if not why_not(peer, kept)}
    words = ["--faces", few, "--limit", 21, "--rounds", 2, "--pictures", 6, "--json", tmp_path / "peers.json"]
    done = subprocess.run(
        [sys.executable, "-m", "fer_edge.benchmarks.studies.peers", *map(str, words)],
        cwd=tmp_path,
        env={**os.environ, "FER_EDGE_CACHE": str(kept)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "peers.json").read_text())["rows"]
    assert [row["name"] for row in rows] == [peer.about.name for peer in PEERS]
    assert {row["name"] for row in rows if not row["absent"]} == ready
    for row in rows:
        assert f"| {row['name']} | {row['version']} | {row['licence']} |" in done.stdout
        if not row["absent"]:
            assert row["images"] == 21
            assert 0 < row["p50_range"][0] <= row["p50_ms"] <= row["p50_range"][1]
            assert row["p50_ms"] <= row["p90_ms"]
    assert "latency: round 2 of 2" in done.stderr


def test_the_command_explains_a_wrong_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faces", str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err

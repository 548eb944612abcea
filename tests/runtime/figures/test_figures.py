"""Figures of a session: what was planted comes back, by the command, and nothing else does."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.runtime.figures.bootstrap import block_length, intervals
from fer_edge.runtime.sources.demo import (
    ANGRY,
    HEIGHT,
    SAD,
    WALL,
    WIDTH,
    camera_view,
    displacement,
    make_faces,
    sensor_grain,
)
from fer_edge.runtime.storage.session import StoreSink, open_session
from fer_edge.runtime.storage.session_tables import session_shares
from fer_edge.runtime.types import Frame
from support.front_door import run_verb
from support.planted import FPS, IMAGE, observation, plant

Command = Callable[..., tuple[int, str]]
PIECES = [
    ("neutral", 6.0), ("happy", 3.0), ("neutral", 3.0), ("sad", 2.0), ("", 4.0), ("neutral", 2.0), ("unsuitable", 2.0),
    ("uncertain", 1.0), ("happy", 1.0), ("neutral", 6.0),
]  # fmt: skip


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`fer-edge …` in the test's folder: exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    return partial(run_verb, capsys)


def figures(command: Command, folder: Path, *words: str) -> dict[str, Any]:
    code, said = command("report", folder, "--only", "figures", *words, "--json")
    assert code == 0, said
    path = next(p for p in json.loads(said)["outputs"] if p.endswith("figures.json"))
    return dict(json.loads(Path(path).read_text()))


def person(command: Command, folder: Path, *words: str) -> dict[str, Any]:
    (only,) = figures(command, folder, *words)["people"]
    return dict(only)


def test_planted_episodes_come_back_within_one_frame(command: Command, tmp_path: Path) -> None:
    told = person(command, plant(tmp_path / "s", PIECES))
    found = [(e["label"], e["start_s"], e["length_s"]) for e in told["episodes"]]
    planted, at = [], 0.0
    for label, seconds in PIECES:
        planted += [(label, at, seconds)] if label not in ("", "unsuitable") else []
        at += seconds
    assert [label for label, _, _ in found] == [label for label, _, _ in planted]
    for (_, start, length), (_, began, lasted) in zip(found, planted, strict=True):
        assert abs(start - began) <= 1 / FPS
        assert abs(length - lasted) <= 1 / FPS
    assert [e["onset"] for e in told["episodes"]] == [False, True, True, True, False, False, True, True]
    rows = list(csv.DictReader((tmp_path / "s" / "episodes.csv").read_text().splitlines()))
    assert [r["label"] for r in rows] == [label for label, _, _ in found]
    assert told["episodes"][1]["peak"] == 0.82
    pairs = {(t["before"], t["after"]): t["count"] for t in told["transitions"]}
    assert pairs == {("happy", "neutral"): 2, ("neutral", "happy"): 1, ("neutral", "sad"): 1, ("uncertain", "happy"): 1}


def test_planted_shares_come_back(command: Command, tmp_path: Path) -> None:
    told = person(command, plant(tmp_path / "s", PIECES))
    assert told["who"] == "face 1"
    assert told["seconds"] == 30.0
    assert told["coverage"]["value"] == pytest.approx(24 / 30)
    assert told["in_view"]["value"] == pytest.approx(26 / 30, abs=1e-4)
    share = {label: e["value"] for label, e in told["share"].items()}
    expected = {"neutral": 17 / 24, "happy": 4 / 24, "sad": 2 / 24, "uncertain": 1 / 24}
    assert share == {label: pytest.approx(expected.get(label, 0.0), abs=1e-4) for label in share}
    assert told["valence_index"]["value"] == pytest.approx(2 / 24, abs=1e-4)
    assert told["episodes_per_minute"]["happy"]["value"] == pytest.approx(2 / (24 / 60))
    assert told["episode_s"]["happy"]["value"] == pytest.approx(2.0)
    assert told["transitions_per_minute"]["value"] == pytest.approx(5 / (24 / 60))
    parts = np.array([17, 4, 2]) / 23
    assert told["entropy"]["value"] == pytest.approx(-(parts * np.log(parts)).sum() / np.log(7), abs=1e-3)
    expressive = 1 - (17 * 0.82 + 6 * 0.03 + 1 / 7) / 24
    assert told["expressivity"]["value"] == pytest.approx(expressive, abs=1e-3)


def test_intervals_hold_their_figure_and_what_was_never_seen_has_none(command: Command, tmp_path: Path) -> None:
    told = person(command, plant(tmp_path / "s", PIECES))
    for name in ("coverage", "in_view", "valence_index", "entropy", "expressivity", "transitions_per_minute"):
        figure = told[name]
        assert figure["low"] <= figure["value"] <= figure["high"], name
        assert figure["low"] < figure["high"], name
    assert told["share"]["disgust"] == {"value": 0.0, "low": None, "high": None}
    assert told["episode_s"]["disgust"] == {"value": None, "low": None, "high": None}
    short = person(command, plant(tmp_path / "short", [("happy", 3.0), ("sad", 3.0)]))
    assert short["share"]["happy"] == {"value": 0.5, "low": None, "high": None}


def test_shares_are_of_time_whatever_the_frame_rate(command: Command, tmp_path: Path) -> None:
    """Happy at 30 pictures a second, then as long sad at 5: half and half."""
    sink = StoreSink(tmp_path / "s", {"labels": list(LABELS), "source": "t"})
    times = [i / 30 for i in range(180)] + [6 + i / 5 for i in range(30)]
    for i, time_s in enumerate(times):
        sink.write(Frame(i, time_s, IMAGE), [observation(i, time_s, "happy" if time_s < 6 else "sad")])
    sink.close()
    told = figures(command, tmp_path / "s")
    assert told["finished"] is False
    assert told["people"][0]["share"]["happy"]["value"] == pytest.approx(0.5, abs=0.001)
    assert session_shares(open_session(tmp_path / "s")).expressions["sad"] == pytest.approx(0.5, abs=0.001)


def test_a_break_of_the_source_is_not_coverage(command: Command, tmp_path: Path) -> None:
    sink = StoreSink(tmp_path / "s", {"labels": list(LABELS), "source": "t"})
    for i in range(200):
        time_s = i / 10 + (20.0 if i >= 100 else 0.0)
        sink.write(Frame(i, time_s, IMAGE), [observation(i, time_s, "happy")])
    sink.close()
    told = person(command, tmp_path / "s")
    assert told["seconds"] == pytest.approx(40.0)
    assert told["coverage"]["value"] == pytest.approx(20.4 / 40)  # a frame stands for half a second at most
    assert [e["length_s"] for e in told["episodes"]] == pytest.approx([10.4, 10.0])


def test_faces_have_figures_of_their_own_and_who_flashed_up_has_none(command: Command, tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", [("happy", 20.0)], [("", 5.0), ("sad", 15.0)], [("", 9.0), ("angry", 0.3)])
    told = {p["who"]: p for p in figures(command, folder)["people"]}
    assert set(told) == {"face 1", "face 2"}
    assert told["face 2"]["coverage"]["value"] == pytest.approx(0.75)
    assert told["face 2"]["valence_index"]["value"] == -1.0


def test_reactions_and_latencies_after_markers(command: Command, tmp_path: Path) -> None:
    pieces = [piece for _ in range(6) for piece in (("neutral", 10.7), ("happy", 2.0), ("neutral", 7.3))]
    folder = plant(tmp_path / "s", pieces)
    lines = ["time_s,name", "1,nothing", *(f"{20 * i + 10},picture" for i in range(6))]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    assert command("study", "join", "s", "m.csv")[0] == 0
    told = person(command, folder, "--around", "4")
    means = {m["name"]: m for m in told["mean_reactions"]}
    assert means["picture"]["used"] == means["picture"]["markers"] == 6
    assert means["picture"]["latency_s"]["happy"]["value"] == pytest.approx(0.7, abs=1 / FPS)
    assert means["picture"]["change"]["happy"]["value"] == pytest.approx(0.79 * 2.0 / 4, abs=0.01)
    assert means["picture"]["change"]["sad"]["value"] == pytest.approx(0.0)
    assert set(means["picture"]["latency_s"]) == {"happy", "neutral"}
    assert (means["nothing"]["used"], means["nothing"]["change"]) == (
        0,
        {},
    )  # too little of the time before it was seen
    assert not any(r["overlaps"] for r in told["reactions"])


def test_times_that_run_backwards_are_told(command: Command, tmp_path: Path) -> None:
    sink = StoreSink(tmp_path / "s", {"labels": list(LABELS), "source": "t"})
    for i, time_s in enumerate([0.0, 0.1, 0.2, 0.1, 0.3]):
        sink.write(Frame(i, time_s, IMAGE), [observation(i, time_s, "happy")])
    sink.close()
    code, said = command("report", "s", "--only", "figures")
    assert code == 2
    assert "times run backwards in the session s: 0.200 s, then 0.100 s" in said


def test_pictures_have_no_figures(command: Command, tmp_path: Path) -> None:
    sink = StoreSink(tmp_path / "s", {"labels": list(LABELS), "source": "t"})
    sink.write(Frame(0, 0.0, IMAGE, "a.png"), [observation(0, 0.0, "happy")])
    sink.close()
    code, said = command("report", "s", "--only", "figures")
    assert code == 2
    assert "which have no time" in said
    assert command("report", "s", "--only", "csv,figures")[0] == 0


def test_nobody_there_is_a_record_of_nobody(command: Command, tmp_path: Path) -> None:
    assert figures(command, plant(tmp_path / "s", [("", 5.0)]))["people"] == []


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """A face that changes at random, 3 s a time on average: of 200 intervals of 95 %, 86 % to 100 % hold its share."""
    held = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        state, shown = 0, []
        for _ in range(300):
            state = 1 - state if random.random() < 1 / 3 else state
            shown.append(float(state))
        series = np.array(shown)
        found = intervals(series[:, None], lambda s: {"share": s[:, 0] / 300}, block_length(series), seed)
        held += found["share"][0] <= 0.5 <= found["share"][1]
    assert 0.86 <= held / 200 <= 1.0


def test_blocks_are_as_long_as_seconds_resemble_each_other() -> None:
    random = np.random.default_rng(1)
    alone = random.normal(size=600)
    alike = np.repeat(random.normal(size=30), 20)
    assert block_length(alone) <= 3
    assert block_length(alike) >= 10
    assert block_length(np.ones(600)) == 1


def test_a_film_of_real_faces_is_read_to_the_frame(command: Command, tmp_path: Path) -> None:
    """The demo's second portrait, each of its faces held for seconds we choose; only smoothed beginnings are late."""
    planted = [("neutral", 6.0, 2.0), ("sad", 8.0, 1.5), ("neutral", 6.0, 2.0), ("sad", 8.0, 2.0)]
    wall, moves, grain = cv2.imread(str(WALL)), [displacement(SAD), displacement(ANGRY)], sensor_grain()
    film = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (WIDTH, HEIGHT))
    for _, moment, seconds in planted:
        image = camera_view(make_faces(wall, moves, moment), grain, 240)
        for _ in range(round(seconds * 30)):
            film.write(image)
    film.release()
    code, said = command("run", "film.avi", "--out", "s")
    assert code == 0, said
    begun = [(label, sum(piece[2] for piece in planted[:i])) for i, (label, _, _) in enumerate(planted)]
    exact = [(e["label"], e["start_s"]) for e in person(command, tmp_path / "s", "--unsmoothed")["episodes"]]
    assert [label for label, _ in exact] == [label for label, _ in begun]
    assert [start for _, start in exact] == pytest.approx([start for _, start in begun], abs=1 / 30 + 1e-3)
    late = [(e["label"], e["start_s"]) for e in person(command, tmp_path / "s")["episodes"]]
    assert [label for label, _ in late] == [label for label, _ in begun]
    delays = [is_ - was for (_, is_), (_, was) in zip(late, begun, strict=True)]
    assert delays[0] == 0
    assert all(0 < delay < 1.0 for delay in delays[1:])

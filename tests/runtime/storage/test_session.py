"""Stores, videos and reports: what a run leaves behind, and what it leaves when something goes wrong."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from base64 import b64decode
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.errors import InputError, MissingExtra, OutputError, UsageError
from fer_edge.runtime.report import encoders
from fer_edge.runtime.report.annotate import annotate, free_place
from fer_edge.runtime.report.plots import curves, longest_gap, segments
from fer_edge.runtime.report.report import write_report
from fer_edge.runtime.report.video import VideoSink, find_video
from fer_edge.runtime.shares import ShareTally
from fer_edge.runtime.storage import store_path
from fer_edge.runtime.storage.session import StoreSink, open_session
from fer_edge.runtime.types import Frame, Observation

FACTS = {"labels": list(LABELS), "source": "test <&>", "started": "2026-01-01T00:00:00+00:00"}


def frame(index: int, size: tuple[int, int] = (120, 160)) -> Frame:
    return Frame(index, index / 10, np.full((*size, 3), index % 255, np.uint8))


def seen(index: int, label: str = "happy", track: int = 1) -> Observation:
    row = [0.05] * 7
    row[LABELS.index(label)] = 0.7
    return Observation(index, index / 10, track, label, 0.7, label, tuple(row), (10.0, 20.0, 50.0, 50.0))


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    sink = StoreSink(folder, FACTS)
    for i in range(40):
        sink.write(frame(i), [seen(i, "happy" if i < 30 else "sad")])
    sink.note({"frames": 40, "faces": 40, "ended": "source ended"})
    sink.close()
    return folder


def test_store_gives_back_what_it_took(session: Path) -> None:
    opened = open_session(session)
    assert opened.facts["source"] == "test <&>"
    assert opened.facts["frames"] == 40
    rows = list(opened.observations())
    assert rows[0] == seen(0)
    assert len(rows) == 40
    assert sorted(p.name for p in session.iterdir()) == ["observations.db"]


def test_a_session_is_not_overwritten_unasked(session: Path) -> None:
    with pytest.raises(UsageError, match="already holds a session"):
        StoreSink(session, FACTS)
    StoreSink(session, FACTS, replace=True).close()
    assert list(open_session(session).observations()) == []


def test_out_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        StoreSink(tmp_path / "file", FACTS)


def test_out_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        StoreSink(tmp_path / "file" / "session", FACTS)


def test_a_killed_writer_leaves_a_readable_store(tmp_path: Path) -> None:
    """What a second process sees while the first is writing is also what a kill or power cut would leave."""
    now = 0.0
    sink = StoreSink(tmp_path, FACTS, clock=lambda: now)
    for i in range(25):
        now = i / 10
        sink.write(frame(i), [seen(i)])
    assert len(list(open_session(tmp_path).observations())) == 21  # committed at 1.0 s and 2.0 s
    sink.close()


def test_full_disk_keeps_what_was_committed(small_disk: Path) -> None:
    sink = StoreSink(small_disk, FACTS)
    committed = 0

    def fill() -> None:
        nonlocal committed
        for i in range(200_000):
            sink.write(frame(i), [seen(i)])
            sink.commit()
            committed = i

    with pytest.raises(OutputError, match="full"):
        fill()
    with pytest.raises(OutputError):
        sink.close()
    kept = list(open_session(small_disk).observations())
    assert len(kept) == committed + 1 > 100
    assert kept == [seen(i) for i in range(len(kept))]
    with sqlite3.connect(store_path(small_disk)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_is_no_session(tmp_path: Path, session: Path) -> None:
    with pytest.raises(InputError, match="not a session"):
        open_session(tmp_path / "nowhere")
    store_path(session).write_bytes(store_path(session).read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        open_session(session)


@pytest.mark.parametrize("encoder", ["PyAvEncoder", "OpenCvEncoder"])
def test_video_has_every_frame_and_the_annotation(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if encoder == "PyAvEncoder":
        pytest.importorskip("av", reason="needs the video extra")
    monkeypatch.setattr("fer_edge.runtime.report.video.choose_encoder", lambda: getattr(encoders, encoder))
    sink = VideoSink(tmp_path, 10.0)
    for i in range(20):
        sink.write(frame(i, (121, 161) if i < 10 else (240, 320)), [seen(i)])  # an odd size, then a change of size
    assert find_video(tmp_path) is None
    sink.close()
    path = find_video(tmp_path)
    assert path is not None
    capture = cv2.VideoCapture(str(path))
    images = []
    while (got := capture.read())[0]:
        images.append(got[1])
    assert len(images) == 20
    assert images[0].shape == (120, 160, 3)
    yellow = images[0].astype(int)
    assert ((yellow[..., 2] - yellow[..., 0]) > 100).sum() > 100  # the box of "happy"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_video_on_a_full_disk_leaves_nothing_half_written(small_disk: Path) -> None:
    rng = np.random.default_rng(0)
    sink = VideoSink(small_disk, 30.0)

    def fill() -> None:
        for i in range(600):
            sink.write(Frame(i, i / 30, rng.integers(0, 255, (480, 640, 3), dtype=np.uint8)), [])
        sink.close()

    with pytest.raises(OutputError):
        fill()
    sink.abandon()
    assert list(small_disk.iterdir()) == []


def test_annotation_copies_and_stays_inside() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    far = Observation(0, 0, 1, "uncertain", 0.3, "sad", (1 / 7,) * 7, (-40.0, -40.0, 500.0, 500.0))
    assert annotate(image, [far]).any()
    assert not image.any()


def test_report_shows_all_three_and_needs_nothing_beside_it(session: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    sink = VideoSink(session, 10.0)
    for i in range(10):
        sink.write(frame(i), [seen(i)])
    sink.close()
    made = write_report(open_session(session))
    assert [p.name for p in made] == [
        "figures.json",
        "episodes.csv",
        "observations.csv",
        "windows.csv",
        "observations.jsonl",
        "timeline.png",
        "distribution.png",
        "report.html",
    ]
    page = made[-1].read_text()
    assert "test &lt;&amp;&gt;" in page
    embedded = re.findall(r'src="data:(\S+?);base64,([^"]+)"', page)
    ((kind, data),) = (one for one in embedded if one[0].startswith("video/"))
    assert {one[0] for one in embedded} == {kind, "image/jpeg"}
    assert b64decode(data) == find_video(session).read_bytes()  # type: ignore[union-attr]
    assert not re.search(r'(src|href)="(?!data:)', page)
    for picture in made[5:7]:
        assert cv2.imread(str(picture)).std() > 10
    assert "<span>75.0%</span>" in page


def test_tables_agree_with_the_store(session: Path) -> None:
    write_report(open_session(session), ("csv", "jsonl"))
    with (session / "observations.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (session / "observations.jsonl").read_text().splitlines()]
    assert len(rows) == len(lines) == 40
    assert rows[35]["label"] == lines[35]["label"] == "sad"
    assert float(rows[0]["p_happy"]) == lines[0]["probabilities"]["happy"] == 0.7
    assert lines[0]["box"] == {"left": 10, "top": 20, "width": 50, "height": 50}


def test_windows_are_the_published_winners_of_each_second(session: Path) -> None:
    write_report(open_session(session), ("windows",))
    rows = list(csv.DictReader((session / "windows.csv").read_text().splitlines()))
    assert [r["label"] for r in rows] == ["happy", "happy", "happy", "sad"]
    assert [float(r["start_s"]) for r in rows] == [0, 1, 2, 3]
    with sqlite3.connect(store_path(session)) as database:
        assert database.execute("SELECT label, share FROM windows WHERE start_s = 3").fetchall() == [("sad", 1.0)]


def test_shares_are_of_time_whatever_the_frame_rate_does() -> None:
    """Ten quick frames of one face, then a slow one of another, then none."""
    tally = ShareTally()
    for i in range(10):
        tally.add(i / 10, [(1, "happy")])
    tally.add(1.0, [(1, "sad"), (2, "sad")])
    tally.add(4.0, [])
    tally.add(5.0, [])
    shares = tally.shares()
    assert shares.seconds == pytest.approx(6)
    assert shares.without_face == pytest.approx(2 / 6)
    assert shares.expressions == pytest.approx({"sad": 6 / 7, "happy": 1 / 7})
    assert [(f.track, f.seconds) for f in shares.faces] == [(1, pytest.approx(4)), (2, pytest.approx(3))]
    assert shares.faces[0].expressions == pytest.approx({"sad": 3 / 4, "happy": 1 / 4})
    assert (shares.people, shares.at_once) == (2, 2)


@pytest.mark.parametrize("fps", [12.5, 25, 29.97])
def test_curves_break_only_where_something_is_missing(fps: float) -> None:
    times = [i / fps for i in range(700) if not 300 <= i < 400]
    seen_ = [replace(seen(0), time_s=t) for t in times]
    moments, values = curves(seen_, longest_gap(times))
    assert np.isnan(values[:, 0]).sum() == 1
    assert len(moments) < 250
    ((start, length, _), _) = segments(seen_, longest_gap(times))
    assert start + length == pytest.approx(299 / fps)


@pytest.mark.parametrize("side", [480, 2160])
def test_labels_of_a_group_do_not_cover_each_other(side: int) -> None:
    taken: list[tuple[int, int, int, int]] = []
    for n in range(12):
        box = (side * (0.1 + 0.04 * n), side * 0.3, side * 0.1, side * 0.1)
        taken.append(free_place(box, (side // 4, side // 25), (side, side * 16 // 9), taken))
    for one, other in combinations(taken, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_report_of_a_session_without_faces(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    StoreSink(tmp_path, FACTS).close()
    write_report(open_session(tmp_path))
    assert "no face was seen" in (tmp_path / "report.html").read_text()


def test_report_without_matplotlib_names_the_extra(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"(?s)matplotlib.*pip install .*\[report\]") as caught:
        write_report(open_session(session))
    assert caught.value.exit_code == 3
    assert [p.name for p in session.iterdir()] == ["observations.db"]


def test_segments_break_at_gaps_and_changes() -> None:
    found = segments([seen(0), seen(1), seen(2, "sad"), seen(30, "sad")], gap_s=0.5)
    assert [(round(s, 3), label) for s, _, label in found] == [(0.0, "happy"), (0.2, "sad"), (3.0, "sad")]

"""Markers and signals of a session: from a table, and from the keyboard before a camera."""

from __future__ import annotations

import csv
import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from fer_edge.runtime.sources.demo import DemoSource
from fer_edge.runtime.storage.lock import Claim
from fer_edge.runtime.storage.session import open_session
from support.front_door import run_verb
from support.ip_cameras import IpCamera
from support.studies import Capture, make_study


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Path:
    """A session `o` of the demo's first second."""
    monkeypatch.chdir(tmp_path)
    assert run_verb(capsys, "run", "demo:1", "--out", "o")[0] == 0
    return Path("o")


def test_a_table_of_markers_joins_a_session(session: Path, capsys: Capture) -> None:
    Path("m.csv").write_text("\ufefftime_s,name\n0.2,stimulus\n0.2,response\n0.95,stimulus\n")
    code, said = run_verb(capsys, "study", "join", "o", "m.csv", "--json")
    assert code == 0, said
    assert json.loads(said) == {"markers": 3, "signals": {}, "outside": 0}
    code, said = run_verb(capsys, "report", "o", "--only", "markers,signals,csv", "--json")
    assert [Path(p).name for p in json.loads(said)["outputs"]] == ["markers.csv", "observations.csv"]
    rows = list(csv.DictReader((session / "markers.csv").read_text().splitlines()))
    assert [(float(r["time_s"]), r["name"], r["source"], r["frame"]) for r in rows] == [
        (0.2, "stimulus", "csv:m.csv", "6"),
        (0.2, "response", "csv:m.csv", "6"),
        (0.95, "stimulus", "csv:m.csv", "28"),
    ]
    code, said = run_verb(capsys, "study", "join", "o", "m.csv")
    assert code == 2
    assert "joined to o already" in said
    assert len(open_session(session).markers()) == 3


def test_a_signal_is_joined_by_time(session: Path, capsys: Capture) -> None:
    lines = [f"{t / 10:.1f},{60 + t},{'' if t == 3 else 0.5}" for t in range(-3, 30) if not 5 <= t < 8]
    Path("heart.csv").write_text("time_s,heart_rate,skin\n" + "\n".join(lines) + "\n")
    code, said = run_verb(capsys, "study", "join", "o", "heart.csv", "--json")
    assert code == 0, said
    assert json.loads(said) == {"markers": 0, "signals": {"heart_rate": 8, "skin": 7}, "outside": 44}, "of 30 and of 29"
    assert run_verb(capsys, "report", "o", "--only", "signals")[0] == 0
    rows = {int(r["frame"]): r for r in csv.DictReader((session / "signals.csv").read_text().splitlines())}
    assert len(rows) == 30
    assert float(rows[0]["heart_rate"]) == 60
    assert float(rows[5]["heart_rate"]) == 61, "the newest sample then"
    assert float(rows[17]["heart_rate"]) == 64
    assert rows[21]["heart_rate"] == "", "the signal was lost for longer than two samples"
    assert float(rows[25]["heart_rate"]) == 68


def test_the_end_as_it_is_told_belongs_to_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Frames of thirtieths of a second add up to a little less than whole seconds, and to a little more."""
    monkeypatch.chdir(tmp_path)
    for seconds in (0.1, 0.2, 0.3, 0.7, 1.2):
        assert run_verb(capsys, "run", f"demo:{seconds}", "--out", f"o{seconds}")[0] == 0
        Path("m.csv").write_text(f"time_s,name\n{seconds},end\n")
        code, said = run_verb(capsys, "study", "join", f"o{seconds}", "m.csv")
        assert code == 0, said
        Path("n.csv").write_text(f"time_s,name\n{seconds + 0.001},late\n")
        code, said = run_verb(capsys, "study", "join", f"o{seconds}", "n.csv")
        assert (code, f"which goes from 0 to {seconds:.3f} s" in said) == (2, True), said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time_s,name\n0.5,a\n0.4,b\n", "line 3 goes back in time, from 0.5 s to 0.4 s"),
        ("time_s,name\n0.1,a\n7,b\n", "line 3 is at 7 s, outside the session, which goes from 0 to 1.000 s"),
        ("time_s,name\n-1,a\n", "line 2 is at -1 s, outside the session"),
        ("time_s,name\n1780000000.5,a\n", "its times count from 1970; take"),
        ("time_s,name\n2026-05-01 10:32:01,a\n", "has the time of day 2026-05-01 10:32:01"),
        ("time_s,name\n10:32,a\n", "time_s is seconds from the session's beginning"),
        ("time_s,name\nsoon,a\n", "has no number of seconds in time_s, but 'soon'"),
        ("time_s,name\n0.1,\n", "has no name"),
        ("time_s,name\n0.1,a,b\n", "has 3 columns, the first line 2"),
        ("time_s,rate\n0.1,high\n", "has no number in rate, but 'high'"),
        ("time_s,rate\n0.1,nan\n", "has no number in rate"),
        ("time_s,rate\n9,1\n", "outside the session"),
        ("time,name\n0.1,a\n", "needs a first line that names its columns"),
        ("time_s,name\n", "has no line below its first"),
        ("", "needs a first line"),
    ],
)
def test_a_wrong_table_changes_nothing(text: str, says: str, session: Path, capsys: Capture) -> None:
    Path("m.csv").write_text(text)
    code, said = run_verb(capsys, "study", "join", "o", "m.csv")
    assert code == 2
    assert says in said
    assert open_session(session).markers() == []
    assert open_session(session).signals() == {}


def test_a_session_that_is_recorded_and_one_of_before_there_were_markers(session: Path, capsys: Capture) -> None:
    Path("m.csv").write_text("time_s,name\n0.2,stimulus\n")
    claim = Claim(session)
    code, said = run_verb(capsys, "study", "join", "o", "m.csv")
    assert code == 2
    assert "another process is writing" in said
    claim.release()
    with sqlite3.connect(session / "observations.db") as database:
        database.executescript("DROP TABLE markers; DROP TABLE signals; DROP TABLE joined;")
    assert open_session(session).markers() == []
    assert run_verb(capsys, "study", "join", "o", "m.csv")[0] == 0
    assert [m.name for m in open_session(session).markers()] == ["stimulus"]


def test_keys_mark_what_happens_before_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    study = make_study(tmp_path, monkeypatch, capsys)
    settings = (study / "study.toml").read_text()
    (study / "study.toml").write_text(settings.replace("markers = []", 'markers = ["stimulus", "response"]'))
    shown = [cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in DemoSource(0.2)]
    camera = IpCamera(lambda number: shown[number % len(shown)], 0.1)
    person, terminal = pty.openpty()
    words = [
        "run",
        f"http://127.0.0.1:{camera.server_port}/",
        "--study",
        "s",
        "--subject",
        "P07",
        "--condition",
        "film",
    ]
    child = subprocess.Popen(
        [sys.executable, "-m", "fer_edge", *words], stdin=terminal, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    pressed: list[float] = []
    said = ""
    try:
        assert child.stderr
        for line in child.stderr:
            said += line
            if "keys that mark: 1: stimulus, 2: response" in line or ("marker" in line and len(pressed) < 3):
                pressed.append(time.monotonic())
                os.write(person, b"12x"[len(pressed) - 1 : len(pressed)])
            elif "marker" in line:
                os.write(person, b"\x03")  # Ctrl-C as the terminal makes it, or as a person elsewhere
                child.send_signal(2)
                break
        said += child.stderr.read()
        assert child.wait(60) == 0, said
    finally:
        child.kill()
        child.communicate()
        camera.switch_off()
        os.close(person)
        os.close(terminal)
    (folder,) = (study / "sessions").iterdir()
    session = open_session(folder)
    markers = session.markers()
    assert [(m.name, m.source) for m in markers] == [
        ("stimulus", "keyboard"), ("response", "keyboard"), ("x", "keyboard")
    ]  # fmt: skip
    began_s = session.facts["started_monotonic_ms"] / 1000
    for marker, at_s in zip(markers, pressed, strict=True):
        assert marker.time_s + began_s >= at_s - 0.002, "as early as it was pressed, on the same clock"
    assert session.facts["live"] is True

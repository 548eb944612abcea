"""`fer-edge study` and `run --study` through the real command."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.runtime.storage.lock import Claim
from fer_edge.runtime.storage.session import open_session
from fer_edge.runtime.study.codes import like_a_name
from fer_edge.runtime.types import Face, Track
from fer_edge.runtime.vision.seating import Seating
from support.front_door import run_verb
from support.studies import Capture, film, joined, make_study, refused, shown


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Path:
    return make_study(tmp_path, monkeypatch, capsys)


def test_a_session_joins_its_study(study: Path, capsys: Capture) -> None:
    before = time.time() * 1000
    summary = joined(capsys, "demo:0.5", "--subject", "P07", "--note", "second visit")
    assert summary["subjects"] == {"P07": summary["faces"]}
    session = open_session(Path(summary["outputs"]["session"]))
    assert session.folder.parent == study / "sessions"
    told = {name: session.facts[name] for name in ("study", "subjects", "condition", "note", "live")}
    assert told == {
        "study": "Smiles", "subjects": ["P07"], "condition": "film", "note": "second visit", "live": False
    }  # fmt: skip
    assert {o.subject for o in session.observations()} == {"P07"}
    assert before <= session.facts["started_wall_ms"] <= time.time() * 1000
    assert 0 < session.facts["started_monotonic_ms"] <= time.monotonic() * 1000
    (kept,) = shown(capsys)["sessions"]
    assert (kept["id"], kept["folder"]) == (session.facts["session"], session.folder.name)
    assert before <= kept["began_ms"] <= kept["ended_ms"]
    assert run_verb(capsys, "report", session.folder, "--only", "csv")[0] == 0
    assert (session.folder / "observations.csv").read_text().splitlines()[1].endswith(",P07")


def test_without_consent_nobody_is_recorded(study: Path, capsys: Capture) -> None:
    run = ("run", "demo:0.2", "--study", "s", "--condition", "film", "--subject")
    refused(capsys, "no consent of P08 is on record", *run, "P08")
    refused(capsys, "may be somebody's name", *run, "anna")
    settings = (study / "study.toml").read_text()
    (study / "form.txt").write_text("I agree to everything.\n")
    refused(capsys, "another one, and its version, 1, is the same", *run, "P07")
    refused(capsys, "its version, 1, is the same", "study", "consent", "s", "P07", "--witness", "M. Soto")
    (study / "study.toml").write_text(settings.replace('version = "1"', 'version = "2"'))
    refused(capsys, "P07 consented to version 1 of the form, and version 2 is in force", *run, "P07")
    assert run_verb(capsys, "study", "consent", "s", "P07", "--witness", "M. Soto")[0] == 0
    assert joined(capsys, "demo:0.2", "--subject", "P07")["subjects"]
    (study / "form.txt").unlink()
    refused(capsys, "cannot be read", *run, "P07")


def test_a_consent_says_to_which_text_when_and_before_whom(study: Path, capsys: Capture) -> None:
    words = ("study", "consent", "s", "P08", "--given", "2026-01-31T10:00+00:00", "--witness", "M. Soto")
    assert run_verb(capsys, *words)[0] == 0
    _, person = shown(capsys)["subjects"]
    assert (person["code"], person["version"], person["witness"]) == ("P08", "1", "M. Soto")
    assert person["given_ms"] == 1769853600000
    with sqlite3.connect(study / "study.db") as database:
        (content,) = database.execute("SELECT content FROM forms WHERE sha256 = ?", (person["form"],)).fetchone()
    assert content == b"I agree to be recorded.\n"
    refused(capsys, "in the future", *words[:5], "2999-01-01", "--witness", "M. Soto")
    refused(capsys, "needs a witness", "study", "consent", "s", "P08")
    assert len(shown(capsys)["subjects"]) == 2


@pytest.mark.parametrize(
    ("code", "name"),
    [("P07", False), ("anna", True), ("Ana", True), ("AB", False), ("subject-12", False), ("lopez1990", True)],
)
def test_what_may_be_a_name(code: str, name: bool) -> None:
    assert like_a_name(code) == name


def test_a_code_is_no_name_and_one_person(study: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    consent = ("study", "consent", "s")
    refused(capsys, "may be somebody's name", *consent, "anna", "--witness", "X")
    refused(capsys, "differs only in capital letters", *consent, "p07", "--witness", "X")
    refused(capsys, "no subject's code", *consent, "../x", "--witness", "X")
    refused(capsys, "no subject's code", *consent, "Ana López", "--witness", "X")
    refused(
        capsys, "differs only in capital", "run", "demo:0.2", "--study", "s", "--condition", "film", "--subject", "p07"
    )
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda asked: "n")
    refused(capsys, "may be somebody's name", *consent, "anna", "--witness", "X")
    monkeypatch.setattr("builtins.input", lambda asked: "y")
    assert run_verb(capsys, *consent, "anna", "--witness", "X")[0] == 0
    assert run_verb(capsys, *consent, "berta", "--witness", "X", "--yes")[0] == 0
    assert [s["code"] for s in shown(capsys)["subjects"]] == ["P07", "anna", "berta"]


def test_several_subjects_by_seat_and_by_order(study: Path, capsys: Capture, yunet: Path) -> None:
    assert run_verb(capsys, "study", "consent", "s", "P08", "--witness", "X")[0] == 0
    film("two.avi", [0, 3])
    two = ("two.avi", "--subject", "P08", "--subject", "P07")
    refused(capsys, "whose face is whose", "run", *two, "--study", "s", "--condition", "film")
    refused(capsys, "was given twice", "run", "two.avi", "--study", "s", "--condition", "film", *two[1:3] * 2)
    summary = joined(capsys, *two, "--assign", "seat")
    assert summary["subjects"] == {"P08": 10, "P07": 10}
    for o in open_session(Path(summary["outputs"]["session"])).observations():
        assert o.subject == ("P08" if o.box[0] < 240 else "P07")
    assert joined(capsys, *two, "--assign", "order")["subjects"] == {"P08": 10, "P07": 10}
    alone = joined(capsys, "two.avi", "--subject", "P07")
    assert alone["subjects"] == {"P07": 10, "": 10}, "whoever is beside the subject is nobody"
    code, said = run_verb(capsys, "run", "two.avi", "--study", "s", "--condition", "film", "--subject", "P07")
    assert code == 0
    assert "P07 in 10 frames; 10 faces beside them, nobody's" in said


def at(number: int, left: float, side: float = 50) -> Track:
    return Track(number, Face((left, 0, side, side), 1.0))


def test_a_seat_is_kept_and_taken_up_again() -> None:
    seats = Seating(("A", "B"))
    seats.see([at(1, 10), at(2, 110)], 200)
    seats.see([at(1, 10), at(2, 110), at(3, 20, 90)], 200)
    assert [seats.of(n) for n in (1, 2, 3)] == ["A", "B", ""]
    seats.see([at(2, 30), at(3, 20, 90)], 200)
    assert [seats.of(n) for n in (2, 3)] == ["B", ""], "decided when they were first seen"
    seats.see([at(2, 30), at(4, 10)], 200)
    assert seats.of(4) == "A"
    seats.see([at(1, 10), at(4, 60)], 200)
    assert [seats.of(n) for n in (1, 4)] == ["A", ""], "two in one seat: the earlier one's"
    alone = Seating(("A",))
    alone.see([at(1, 10, 40), at(2, 100, 60)], 200)
    assert [alone.of(n) for n in (1, 2)] == ["", "A"], "of two at once, the larger one"
    order = Seating(("A", "B"), "order")
    for number in (1, 2, 3):
        order.see([at(number, 10)], 200)
    assert [order.of(n) for n in (1, 2, 3)] == ["A", "B", ""]


def test_conditions_and_options_are_held(study: Path, capsys: Capture) -> None:
    run = ("run", "demo:0.2", "--subject", "P07")
    refused(capsys, "no condition 'flim'; did you mean film?", *run, "--study", "s", "--condition", "flim")
    refused(capsys, "and none was given", *run, "--study", "s")
    refused(capsys, "--subject belongs to --study", *run)
    refused(capsys, "do not go with --study", *run, "--study", "s", "--out", "o")
    refused(capsys, "needs a subject", "run", "demo:0.2", "--study", "s")
    refused(capsys, "is no study", *run, "--study", "nowhere")
    assert not Path("nowhere").exists()
    refused(capsys, "is a study already", "study", "init", "s")
    refused(capsys, "belongs to study consent", "study", "show", "s", "--witness", "X")
    refused(capsys, "no subject P09", "study", "show", "s", "P09")
    cv2.imwrite("still.png", np.zeros((99, 99, 3), np.uint8))
    refused(capsys, "is pictures", "run", "still.png", "--study", "s", "--condition", "film", "--subject", "P07")
    refused(capsys, "no file or folder", "run", "no.mp4", "--study", "s", "--condition", "film", "--subject", "P07")
    assert shown(capsys)["sessions"] == []
    (study / "study.toml").write_text("keep_dais = 3\n")
    refused(capsys, "line 1: keep_dais", "study", "show", "s")


def test_one_program_has_the_study(study: Path, capsys: Capture) -> None:
    claim = Claim(study)
    run = ("run", "demo:0.2", "--study", "s", "--condition", "film", "--subject", "P07")
    refused(capsys, "another process is writing the store in s", *run)
    refused(capsys, "another process", "study", "consent", "s", "P08", "--witness", "X")
    assert len(shown(capsys)["subjects"]) == 1
    claim.release()
    assert run_verb(capsys, *run)[0] == 0


def test_a_clock_that_was_put_back_is_told(study: Path, capsys: Capture) -> None:
    joined(capsys, "demo:0.2", "--subject", "P07")
    with sqlite3.connect(study / "study.db") as database:
        database.execute("UPDATE sessions SET ended_ms = ended_ms + 3600000")
    run = ("run", "demo:0.2", "--study", "s", "--condition", "film", "--subject", "P07")
    refused(capsys, "by this machine's clock is to come", *run)


def test_a_killed_session_is_known(study: Path, capsys: Capture) -> None:
    words = [sys.executable, "-m", "fer_edge", "run", "demo", "--study", "s", "--condition", "film", "--subject", "P07"]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not [*Path("s/sessions").glob("*/observations.db")] and child.poll() is None:
        time.sleep(0.02)
    child.kill()
    child.wait()
    (kept,) = shown(capsys)["sessions"]
    assert kept["ended_ms"] is None
    code, said = run_verb(capsys, "study", "show", "s")
    assert code == 0
    assert "unfinished" in said
    assert joined(capsys, "demo:0.2", "--subject", "P07")["faces"]


def test_a_full_disk_loses_nothing(study: Path, capsys: Capture, small_disk: Path) -> None:
    shutil.copytree(study, small_disk / "s", dirs_exist_ok=True)
    with pytest.raises(OSError, match="space"):
        (small_disk / "fill").write_bytes(bytes(1 << 22))
    code, said = run_verb(capsys, "study", "consent", small_disk / "s", "P08", "--witness", "X")
    assert code == 2
    assert "cannot write" in said
    (small_disk / "fill").unlink()
    code, said = run_verb(capsys, "study", "show", small_disk / "s", "--json")
    assert [s["code"] for s in json.loads(said)["subjects"]] == ["P07"]


def test_a_register_that_is_none(study: Path, capsys: Capture) -> None:
    (study / "study.db").write_bytes(b"no database at all" * 100)
    refused(capsys, "cannot be read", "study", "show", "s")
    refused(capsys, "cannot be read", "study", "consent", "s", "P08", "--witness", "X")
    (study / "study.db").unlink()
    with sqlite3.connect(study / "study.db") as database:
        database.execute("CREATE TABLE other (x)")
    refused(capsys, "of another program", "study", "show", "s")

"""`fer-edge study export`, `withdraw` and `expire`: what is handed over, and that nothing is left."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from fer_edge.runtime.storage.session import open_session
from support.front_door import run_verb
from support.studies import Capture, film, joined, make_study, refused, shown


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Path:
    return make_study(tmp_path, monkeypatch, capsys)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def everywhere(folder: Path, word: str) -> list[Path]:
    """Files below a folder with a word in their bytes, path or name; not as the beginning of the name of another
    session, which began in the same second: NAME-2."""
    found = re.compile(re.escape(word.encode()) + rb"(?!-\d)")
    files = [p for p in folder.rglob("*") if p.is_file()]
    return [p for p in files if found.search(p.read_bytes()) or found.search(bytes(p))]


def test_an_export_has_everything_of_one_and_nothing_of_others(study: Path, capsys: Capture, yunet: Path) -> None:
    assert run_verb(capsys, "study", "consent", "s", "Q11", "--witness", "X")[0] == 0
    film("two.avi", [0, 3])
    film("one.avi", [0])
    joined(capsys, "two.avi", "--subject", "P07", "--subject", "Q11", "--assign", "seat", "--video")
    joined(capsys, "one.avi", "--subject", "P07", "--video")
    joined(capsys, "one.avi", "--subject", "Q11")
    code, said = run_verb(capsys, "study", "export", "s", "P07", "out", "--json")
    assert code == 0, said
    done = json.loads(said)
    assert done["sessions"] == 2
    both, alone = sorted(Path("out/sessions").iterdir())
    assert [Path(path).parent.name for path in done["left_out"]] == [both.name]
    assert {r["subject"] for r in rows(both / "observations.csv")} == {"P07"}
    assert len(rows(both / "observations.csv")) == 10
    assert [f.name for f in alone.glob("annotated.*")]
    assert not [*both.glob("annotated.*")]
    about = json.loads(Path("out/subject.json").read_text())
    assert [c["witness"] for c in about["consents"]] == ["M. Soto"]
    assert next(Path("out/forms").iterdir()).read_text() == "I agree to be recorded.\n"
    assert everywhere(Path("out"), "Q11") == []
    assert Path("out").stat().st_mode & 0o077 == 0
    refused(capsys, "is there already", "study", "export", "s", "P07", "out")
    refused(capsys, "no subject P09", "study", "export", "s", "P09", "other")


def test_a_withdrawal_leaves_nothing(study: Path, capsys: Capture, tmp_path: Path) -> None:
    assert run_verb(capsys, "study", "consent", "s", "Q11", "--witness", "X")[0] == 0
    mine = Path(joined(capsys, "demo:0.2", "--subject", "P07")["outputs"]["session"]).parent
    other = Path(joined(capsys, "demo:0.2", "--subject", "Q11")["outputs"]["session"]).parent
    assert run_verb(capsys, "report", mine, "--only", "csv")[0] == 0
    for out in ("kept", "moved"):
        assert run_verb(capsys, "study", "export", "s", "P07", out)[0] == 0
    shutil.move("moved", "elsewhere")
    person, _ = shown(capsys)["subjects"]
    session = open_session(mine).facts["session"]
    with sqlite3.connect(study / "study.db") as database:
        ((subject,),) = database.execute("SELECT id FROM subjects WHERE code = 'P07'").fetchall()
    assert everywhere(study, session)
    refused(capsys, f"would remove 1 session ({mine.name})", "study", "withdraw", "s", "P07")
    assert mine.exists()
    code, said = run_verb(capsys, "study", "withdraw", "s", "P07", "--yes")
    assert code == 0, said
    assert "removed 1 session, 1 export and P07 with every consent" in said
    assert f"not there, so not removed: the export {tmp_path / 'moved'}" in said
    assert not mine.exists()
    assert not Path("kept").exists()
    assert Path("elsewhere").exists()
    for word in (session, subject, "P07", "M. Soto", mine.name):
        assert everywhere(study, word) == [], word
    assert [s["code"] for s in shown(capsys)["subjects"]] == ["Q11"]
    assert [s["folder"] for s in shown(capsys)["sessions"]] == [other.name]
    assert list(open_session(other).observations())
    refused(capsys, "no consent of P07", "run", "demo:0.2", "--study", "s", "--condition", "film", "--subject", "P07")
    refused(capsys, "no subject P07", "study", "withdraw", "s", "P07", "--yes")
    assert person["code"] == "P07"


def test_a_copy_is_found_and_the_subject_stays_until_it_is_gone(study: Path, capsys: Capture) -> None:
    mine = Path(joined(capsys, "demo:0.2", "--subject", "P07")["outputs"]["session"])
    shutil.copyfile(mine, study / "backup.db")
    code, said = run_verb(capsys, "study", "withdraw", "s", "P07", "--yes")
    assert code == 2
    assert "still in: s/backup.db" in said
    assert [s["code"] for s in shown(capsys)["subjects"]] == ["P07"]
    (study / "backup.db").unlink()
    assert run_verb(capsys, "study", "withdraw", "s", "P07", "--yes")[0] == 0


def test_what_people_wrote_themselves_is_told(study: Path, capsys: Capture) -> None:
    assert run_verb(capsys, "study", "consent", "s", "Q11", "--witness", "X")[0] == 0
    joined(capsys, "demo:0.2", "--subject", "Q11", "--note", "with p07's sister")
    (study / "diary.txt").write_text("Called P07 today. P070 was out.\n")
    code, said = run_verb(capsys, "study", "withdraw", "s", "P07", "--yes")
    assert code == 1
    assert "P07 is still written in the note of session" in said
    assert "P07 is still written in s/diary.txt" in said


def test_a_session_with_others_goes_as_a_whole_and_says_so(study: Path, capsys: Capture, yunet: Path) -> None:
    assert run_verb(capsys, "study", "consent", "s", "Q11", "--witness", "X")[0] == 0
    film("two.avi", [0, 3])
    joined(capsys, "two.avi", "--subject", "P07", "--subject", "Q11", "--assign", "order")
    refused(capsys, "in which Q11 took part too", "study", "withdraw", "s", "P07")
    assert run_verb(capsys, "study", "withdraw", "s", "P07", "--yes")[0] == 0
    assert shown(capsys)["sessions"] == []
    assert [(s["code"], s["sessions"]) for s in shown(capsys)["subjects"]] == [("Q11", 0)]


def test_old_sessions_expire_when_somebody_says_so(study: Path, capsys: Capture) -> None:
    old, new = (Path(joined(capsys, "demo:0.2", "--subject", "P07")["outputs"]["session"]).parent for _ in range(2))
    settings = (study / "study.toml").read_text()
    (study / "study.toml").write_text(settings.replace("keep_days = 0.0", "keep_days = 30"))
    with sqlite3.connect(study / "study.db") as database:
        database.execute("UPDATE sessions SET began_ms = began_ms - 31 * 86400000 WHERE folder = ?", (old.name,))
    code, said = run_verb(capsys, "study", "show", "s")
    assert "1 session older than 30 days: fer-edge study expire s --yes" in said
    refused(capsys, f"would remove 1 session ({old.name}) for good", "study", "expire", "s")
    code, said = run_verb(capsys, "study", "expire", "s", "--yes", "--json")
    assert code == 0
    assert json.loads(said)["sessions"] == [old.name]
    assert not old.exists()
    assert new.exists()
    assert shown(capsys)["due"] == 0


@pytest.mark.parametrize("state", ["killed", "gone"])
def test_a_session_that_is_not_whole_is_removed_too(state: str, study: Path, capsys: Capture) -> None:
    mine = Path(joined(capsys, "demo:0.2", "--subject", "P07")["outputs"]["session"])
    mine.write_bytes(b"half") if state == "killed" else mine.unlink()
    assert run_verb(capsys, "study", "withdraw", "s", "P07", "--yes")[0] == 0
    assert not mine.parent.exists()

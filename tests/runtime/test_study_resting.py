"""A subject's resting face: recorded once, kept in the study, taken off in all of the subject's sessions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fer_edge.runtime.storage.session import open_session
from fer_edge.runtime.types import Observation
from support.front_door import run_verb
from support.studies import Capture, film, joined, make_study, refused

RESTS, SMILES = 4, 13
"""Of the portraits: the mouth covered, which reads happy all the same, and a broad smile."""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, yunet: Path) -> Path:
    made = make_study(tmp_path, monkeypatch, capsys)
    assert run_verb(capsys, "study", "consent", "s", "Q11", "--witness", "X")[0] == 0
    film("rest.avi", [RESTS])
    return made


def test_it_is_kept_once_and_used_ever_after(study: Path, capsys: Capture) -> None:
    words = ("rest.avi", "--subject", "P07")
    assert joined(capsys, *words)["expressions"].get("happy", 0) > 0.5, "without it the face reads happy"
    first = joined(capsys, *words, "--resting", "first:0.5s")
    kept = Path(first["outputs"]["resting"])
    assert kept.parent == study / "resting"
    assert kept.stat().st_mode & 0o077 == 0
    later = joined(capsys, *words)
    assert later["expressions"]["neutral"] == 1
    assert later["resting"]["from"] == "the study's, of P07"
    assert later["resting"]["faces"] == 1
    profile = dict(zip(*(json.loads(kept.read_text())[k] for k in ("labels", "log_probabilities")), strict=True))
    assert later["resting"]["log_probabilities"] == pytest.approx(profile)
    assert "resting" not in later["outputs"]
    run = ("run", *words, "--study", "s", "--condition", "film")
    refused(capsys, "is kept in the study, and --resting would take another", *run, "--resting", "first:0.5s")
    refused(capsys, "--resting-save does not go with --study", *run, "--resting", "first:0.5s", "--resting-save", "me")
    profile_text = kept.read_text()
    kept.write_text(profile_text.replace('"model": "', '"model": "0'))
    refused(capsys, "P07: the resting face was made with another model", *run)
    kept.write_text("{")
    refused(capsys, "is not a resting face", *run)
    kept.write_text(profile_text)
    assert run_verb(capsys, "study", "export", "s", "P07", "out")[0] == 0
    assert Path("out/resting.json").read_text() == profile_text
    code, said = run_verb(capsys, "study", "withdraw", "s", "P07", "--yes")
    assert code == 0, said
    assert "the resting face" in said
    assert not kept.exists()


def most_of(seen: list[Observation], subject: str) -> str:
    """What a subject's face was read as in most frames; one on the border between two labels is not in all."""
    return Counter(o.raw_label for o in seen if o.subject == subject).most_common(1)[0][0]


def test_each_subject_has_its_own_and_nobody_has_one(study: Path, capsys: Capture) -> None:
    joined(capsys, "rest.avi", "--subject", "P07", "--resting", "first:0.5s")
    film("both.avi", [RESTS, RESTS])
    two = joined(capsys, "both.avi", "--subject", "Q11", "--subject", "P07", "--assign", "seat")
    session = open_session(Path(two["outputs"]["session"]))
    assert set(session.facts["resting"]["subjects"]) == {"P07"}, "whose it is, in numbers, for whoever puts it back"
    seen = list(session.observations())
    assert most_of(seen, "P07") == "neutral"
    assert most_of(seen, "Q11") == "happy"
    assert (two["resting"]["learnt"], two["resting"]["faces"], two["resting"]["left"]) == (1, 1, 1)
    alone = joined(capsys, "both.avi", "--subject", "P07")
    seen = list(open_session(Path(alone["outputs"]["session"])).observations())
    assert (most_of(seen, "P07"), most_of(seen, "")) == ("neutral", "happy")
    assert joined(capsys, "rest.avi", "--subject", "Q11")["resting"] is None


def test_a_smile_is_not_kept_for_a_resting_face(study: Path, capsys: Capture) -> None:
    film("smile.avi", [SMILES])
    run = ("run", "smile.avi", "--study", "s", "--condition", "film", "--subject", "P07", "--resting", "first:0.5s")
    code, said = run_verb(capsys, *run)
    assert code == 2
    assert "the resting face of P07 is not kept" in said
    assert [*study.glob("resting/*")] == []
    assert len([*study.glob("sessions/*/observations.db")]) == 1, "what was recorded is kept"


def reported(capsys: Capture, told: dict[str, Any]) -> dict[str, Any]:
    """The only person of a session's figures."""
    folder = Path(told["outputs"]["session"]).parent
    code, said = run_verb(capsys, "report", folder, "--only", "figures", "--json")
    assert code == 0, said
    (person,) = json.loads((folder / "figures.json").read_text())["people"]
    return dict(person)


def test_the_report_has_figures_with_it_and_without(study: Path, capsys: Capture) -> None:
    """Put back, it reads as the same film without: by every figure, to the decimals that a session keeps."""
    film("changes.avi", [RESTS], frames=30)
    film("rest.avi", [RESTS], frames=12)
    plain = reported(capsys, joined(capsys, "changes.avi", "--subject", "Q11"))
    assert plain["resting"] is None
    learnt = reported(capsys, joined(capsys, "changes.avi", "--subject", "P07", "--resting", "first:0.5s"))
    assert learnt["resting"]["from_s"] == 0.5
    later = reported(capsys, joined(capsys, "changes.avi", "--subject", "P07"))
    assert later["resting"]["from_s"] == 0.0
    assert later["resting"]["taken_off"]["share"] == later["share"]
    for one in (learnt, later):
        assert one["resting"]["taken_off"]["share"]["neutral"]["value"] == 1.0
        assert one["resting"]["put_back"]["share"]["neutral"]["value"] < 0.5
    for figure in ("valence_index", "entropy", "expressivity", "change", "coverage"):
        put_back = later["resting"]["put_back"][figure]["value"]
        assert put_back == pytest.approx(plain[figure]["value"], abs=1e-3), figure
    shares = later["resting"]["put_back"]["share"]
    assert {k: v["value"] for k, v in shares.items()} == {
        k: pytest.approx(v["value"], abs=1e-3) for k, v in plain["share"].items()
    }

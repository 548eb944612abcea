"""`fer-edge compare`: what it tells, writes, warns of and refuses."""

from __future__ import annotations

import csv
import json
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.runtime.comparison import exact
from fer_edge.runtime.comparison.tables import DICTIONARY
from support.compared import DAY_MS, MODEL, Planted, plant_study, random_shares
from support.front_door import run_verb
from support.source_rules import ROOT

Command = Callable[..., tuple[int, str]]
REST = {"from": "the study's", "log_probabilities": dict.fromkeys(LABELS, -2.0)}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`fer-edge …` in the test's folder: exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    return partial(run_verb, capsys)


def seven() -> list[Planted]:
    """Seven subjects, once in each condition; happier in the film, by a fifth of the time."""
    draw = np.random.default_rng(3)
    found = []
    for i in range(7):
        for j, condition in enumerate(("rest", "film")):
            shown = random_shares(draw, {"happy": 0.2 + 0.2 * j, "sad": 0.3}, 0.03)
            found.append(Planted(f"P{i}", condition, i + j / 4, shown))
    return found


def told(command: Command, *words: object) -> dict[str, Any]:
    code, said = command("compare", "s", *words, "--json")
    assert code == 0, said
    return dict(json.loads(said.splitlines()[-1]))


def refused(command: Command, says: str, *words: object, tries: str = "") -> None:
    code, said = command("compare", "s", *words)
    assert code == 2, said
    assert says in said
    assert tries in said


def of(found: dict[str, Any], kind: str, figure: str, label: str = "") -> list[dict[str, Any]]:
    return [c for c in found["contrasts"] if (c["kind"], c["figure"], c["label"]) == (kind, figure, label)]


def test_conditions_are_compared_by_subject(command: Command) -> None:
    plant_study(Path("s"), seven(), ("rest", "film"))
    found = told(command, "--figures", "share:happy,share:sad")
    assert (found["sessions"], found["subjects"], found["left_out"], found["warnings"]) == (14, 7, [], [])
    (happy,) = of(found, "conditions", "share", "happy")
    assert (happy["a"], happy["b"], happy["n_a"]) == ("rest", "film", 7)
    assert happy["estimate"] == pytest.approx(0.2, abs=0.05)
    assert happy["low"] < happy["estimate"] < happy["high"]
    assert happy["p"] == happy["least_p"] == 2 / 2**7
    assert happy["p_holm"] == 2 * happy["p"]
    assert happy["effect"] > 2
    code, said = command("compare", "s", "--figures", "share:happy,share:sad")
    assert code == 0
    assert "film against rest (the same subjects)" in said
    assert "beware" not in said


def test_what_can_show_nothing_is_said_and_has_no_p(command: Command) -> None:
    plant_study(Path("s"), [s for s in seven() if s.subject < "P5"], ("rest", "film"))
    found = told(command)
    (happy,) = of(found, "conditions", "share", "happy")
    assert (happy["p"], happy["p_holm"], happy["low"], happy["high"]) == (None, None, None, None)
    assert happy["least_p"] == 2 / 2**5
    assert any("of 5 subjects or fewer no p could be below 0.05" in line for line in found["warnings"])
    code, said = command("compare", "s")
    assert code == 0
    assert "beware: conditions: 10 of 10 have neither p nor interval" in said


def test_too_many_figures_for_so_few_subjects_is_said(command: Command) -> None:
    plant_study(Path("s"), seven(), ("rest", "film"))
    found = told(command)
    assert any("none of them can be below 0.05" in line for line in found["warnings"])
    assert of(found, "conditions", "share", "fear")[0]["p"] is None, "never shown: no test, and no part of the family"


def test_a_subject_over_sessions(command: Command) -> None:
    weeks = [Planted("P7", "film", 7.0 * i, {"happy": 0.2 + 0.05 * i}) for i in range(6)]
    other = [Planted("P8", "film", 0.3 + 7 * i, {"sad": 0.3}) for i in range(3)]
    plant_study(Path("s"), [*weeks, *other], ("film",))
    found = told(command, "--subject", "P7", "--figures", "share")
    (happy,) = of(found, "trend", "share", "happy")
    assert happy["estimate"] == pytest.approx(0.05)
    assert (happy["low"], happy["high"], happy["effect"]) == (pytest.approx(0.05), pytest.approx(0.05), 1.0)
    assert happy["p"] == pytest.approx(2 / 720)
    assert (happy["n_a"], happy["mean_a"], happy["mean_b"]) == (6, pytest.approx(0.2), pytest.approx(0.45))
    assert {c["subject"] for c in found["contrasts"]} == {"P7"}
    code, said = command("compare", "s", "--subject", "P7", "--figures", "share:happy")
    assert code == 0
    assert "P7 over 6 sessions in film, change in a week" in said
    few = of(told(command, "--subject", "P8"), "trend", "share", "sad")
    assert [(c["n_a"], c["p"]) for c in few] == [(3, None)]


def test_films_are_in_no_trend(command: Command) -> None:
    films = [Planted("P7", "film", 7.0 * i, {"happy": 0.1 * i}, facts={"live": False}) for i in range(6)]
    plant_study(Path("s"), films, ("film",))
    found = told(command)
    assert found["contrasts"] == []
    assert any("it is not known when they were filmed" in line for line in found["warnings"])


def test_groups_by_a_table(command: Command) -> None:
    draw = np.random.default_rng(0)
    sad = [random_shares(draw, {"sad": 0.2 + 0.2 * (i % 2)}, 0.03) for i in range(12)]
    plant_study(Path("s"), [Planted(f"P{i:02}", "film", i, sad[i]) for i in range(12)], ("film",))
    lines = [f"P{i:02},{'ab'[i % 2]}" for i in range(12)]
    Path("g.csv").write_text("\n".join(["subject,group", *lines]))
    found = told(command, "--groups", "g.csv", "--figures", "share:sad")
    (one,) = of(found, "groups", "share", "sad")
    assert (one["condition"], one["a"], one["b"], one["n_a"], one["n_b"]) == ("film", "a", "b", 6, 6)
    assert one["estimate"] == pytest.approx(0.2, abs=0.05)
    assert one["p"] == pytest.approx(2 / 924)
    for bad, says in (
        ("p00,a", "line 2: the study has P00, which p00 differs from in capital letters"),
        ("Q99,a", "line 2: the study has no subject Q99"),
        ("P00,a\nP00,b", "line 3: P00 was there already"),
        ("P00,a\nP01,", "line 3: it needs a subject and a group"),
        ("P00,a\nP01,a", "fewer than two groups"),
    ):
        Path("g.csv").write_text(f"subject,group\n{bad}\n")
        refused(command, says, "--groups", "g.csv")
    Path("g.csv").write_text("code;group\nP00;a\n")
    refused(command, "its first line is not subject,group", "--groups", "g.csv")


def test_sessions_that_overlap_are_refused_and_can_be_left_out(command: Command) -> None:
    sessions = seven()
    late = replace(sessions[0], condition="film", day=sessions[0].day + 5 / DAY_MS * 1000)
    plant_study(Path("s"), [*sessions, late], ("rest", "film"))
    refused(command, "two sessions of P0 overlap", tries=f"fer-edge compare s --leave-out {late.folder}")
    assert told(command, "--leave-out", late.folder)["sessions"] == 14


def test_codes_that_differ_by_capitals_and_strange_stores_are_refused(command: Command) -> None:
    sessions = seven()
    sessions[3] = replace(sessions[3], facts={"subjects": ["p1"]})
    plant_study(Path("s"), sessions, ("rest", "film"))
    refused(command, "P1 and p1 differ only in capital letters")
    sessions[3] = replace(sessions[3], facts={"subjects": ["P6"]})
    plant_study(Path("t"), sessions, ("rest", "film"))
    code, said = command("compare", "t")
    assert code == 2
    assert f"the session {sessions[3].folder} says it is of P6, and the study's register says P1" in said


def test_different_models_are_refused_and_one_can_be_chosen(command: Command) -> None:
    sessions = seven()
    other = {"artifact_sha256": "b" * 64, "bundle": "planted 2"}
    sessions += [Planted("P0", "film", 20.0, {"happy": 0.9}, facts=other)]
    plant_study(Path("s"), sessions, ("rest", "film"))
    refused(command, "the sessions were made by 2 different models", tries=f"fer-edge compare s --model {MODEL[:12]}")
    found = told(command, "--model", MODEL[:12])
    assert found["sessions"] == 14
    assert [one["why"] for one in found["left_out"]] == ["another model made it"]


def test_with_and_without_a_resting_face_is_refused_and_put_back(command: Command) -> None:
    sessions = seven()
    sessions[1] = replace(sessions[1], facts={"resting": REST})
    plant_study(Path("s"), sessions, ("rest", "film"))
    says = "the resting face of P0 was taken off in 1 of 2 sessions, and not in"
    refused(command, says, tries="fer-edge compare s --without-resting")
    assert told(command, "--without-resting")["sessions"] == 14
    numbers = {**REST, "log_probabilities": dict.fromkeys(LABELS, -1.0)}
    plant_study(Path("t"), [replace(s, facts={"resting": [REST, numbers][i % 2]}) for i, s in enumerate(seven())])
    code, said = command("compare", "t")
    assert code == 2
    assert "are held against different resting faces" in said


def test_a_resting_face_of_some_subjects_is_told_between_groups(command: Command) -> None:
    sessions = [replace(s, facts={"resting": REST}) if s.subject < "P3" else s for s in seven()]
    plant_study(Path("s"), sessions, ("rest", "film"))
    Path("g.csv").write_text("subject,group\nP0,a\nP1,a\nP3,b\nP4,b\n")
    assert not [w for w in told(command)["warnings"] if "resting" in w], "with itself each subject does compare"
    assert any("was taken off of 3 subjects and not of P3" in w for w in told(command, "--groups", "g.csv")["warnings"])


def test_other_smoothing_is_told(command: Command) -> None:
    sessions = seven()
    sessions[0] = replace(sessions[0], facts={"smoother": "majority"})
    plant_study(Path("s"), sessions, ("rest", "film"))
    assert any("differ in their smoothing (exponential, majority)" in w for w in told(command)["warnings"])


def test_what_cannot_be_used_is_left_out_and_told(command: Command) -> None:
    short = Planted("P1", "film", 30.0, {"happy": 0.5}, frames=12)
    broken = Planted("P1", "film", 31.0, {"happy": 0.5}, unfinished=True)
    gone = Planted("P1", "film", 32.0, {"happy": 0.5})
    study = plant_study(Path("s"), [*seven(), short, broken, gone], ("rest", "film"))
    for file in (study.sessions / gone.folder).iterdir():
        file.unlink()
    left = {one["session"]: one["why"] for one in told(command)["left_out"]}
    assert left == {
        short.folder: "the face was read for 6.0 s, which is less than 10 s",
        broken.folder: "it was broken off, or goes on",
        gone.folder: "its folder is gone",
    }
    code, said = command("compare", "s")
    assert code == 0
    assert f"left out: {short.folder}, P1: the face was read for 6.0 s" in said


def test_wrong_words_are_refused(command: Command) -> None:
    plant_study(Path("s"), seven(), ("rest", "film"))
    refused(command, "there is no figure shares; did you mean share?", "--figures", "shares")
    refused(command, "there is no figure share:joy", "--figures", "share:joy")
    refused(command, "there is no figure change:happy", "--figures", "change:happy")
    refused(command, "has no subject P9", "--subject", "P9")
    refused(command, "--groups does not go with --subject", "--subject", "P1", "--groups", "g.csv")
    refused(command, "the study has no condition 'sleep'", "--condition", "sleep")
    refused(command, "has no session to compare", "--model", "c")
    refused(command, "the study s has no session 2026", "--leave-out", "2026")
    code, said = command("compare", "nowhere")
    assert code == 2
    assert "is no study" in said


def test_tables_their_dictionary_and_plots(command: Command) -> None:
    plant_study(Path("s"), seven(), ("rest", "film"))
    found = told(command, "--out", "c", "--parquet")
    names = {Path(path).name for path in found["outputs"]}
    tables = {f"{table}.{kind}" for table in (*DICTIONARY, "dictionary") for kind in ("csv", "parquet")}
    assert names == {*tables, "comparison.json", "differences.png", "trends.png"}
    assert stat.S_IMODE(Path("c").stat().st_mode) == 0o700
    about = list(csv.DictReader(Path("c/dictionary.csv").read_text().splitlines()))
    for table in DICTIONARY:
        rows = list(csv.reader(Path(f"c/{table}.csv").read_text().splitlines()))
        assert rows[0] == [row["column"] for row in about if row["table"] == table]
        assert len(rows) > 1
    values = list(csv.DictReader(Path("c/values.csv").read_text().splitlines()))
    happy = [r for r in values if (r["figure"], r["label"], r["condition"]) == ("share", "happy", "film")]
    assert len(happy) == 7
    assert all(float(r["low"]) <= float(r["value"]) <= float(r["high"]) for r in happy)
    parquet = pytest.importorskip("pyarrow.parquet")
    same = parquet.read_table("c/values.parquet").to_pylist()
    assert [f"{r['value']}" for r in same if r["value"] is not None] == [r["value"] for r in values if r["value"]]
    refused(command, "c is there already", "--out", "c", tries="--replace")
    assert told(command, "--out", "c", "--replace", "--no-plots")["outputs"]
    assert not Path("c/trends.png").exists()
    Path("mine").mkdir()
    refused(command, "mine is there already, and is no comparison", "--out", "mine", "--replace")


def test_the_page_of_outputs_has_its_fields(command: Command) -> None:
    plant_study(Path("s"), seven(), ("rest", "film"))
    found = told(command)
    page = (ROOT / "docs" / "output.md").read_text(encoding="utf-8").split("\n## `compare`\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", page, flags=re.M)) == set(found)
    assert all(set(c) == set(DICTIONARY["contrasts"]) for c in found["contrasts"])


def test_who_withdraws_takes_the_comparison_along(command: Command) -> None:
    plant_study(Path("s"), seven(), ("rest", "film"))
    told(command, "--out", "c", "--no-plots")
    code, said = command("study", "withdraw", "s", "P3", "--yes")
    assert code == 0, said
    assert not Path("c").exists()
    code, said = command("study", "withdraw", "s", "P4", "--yes")
    assert code == 0
    assert "not there" not in said, "what went with P3 is not missed"
    told(command, "--out", "c", "--no-plots")
    Path("c").rename("s/moved")
    code, said = command("study", "withdraw", "s", "P5", "--yes")
    assert code == 2
    assert "s/moved/comparison.json" in said, "a copy in the study is found"


def test_paired_and_unpaired_are_what_enumeration_gives() -> None:
    v = exact.paired([0.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, -0.5])
    assert v.p == pytest.approx(4 / 64)
    v = exact.unpaired([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0])
    assert (v.p, v.estimate) == (pytest.approx(2 / 70), 4.0)
    with pytest.raises(ValueError, match="two subjects"):
        exact.paired([1.0], [2.0])
    v = exact.trend(range(5), [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (v.p, v.low, v.estimate) == (pytest.approx(2 / 120), 1.0, 1.0)
    assert exact.holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draw = np.random.default_rng(5)
    held: dict[str, int] = {"paired": 0, "unpaired": 0, "trend": 0}
    for _ in range(400):
        a, b = draw.normal(size=(2, 7))
        for name, v, truth in (
            ("paired", exact.paired(a, a + b + 0.4), 0.4),
            ("unpaired", exact.unpaired(a, b + 0.4), 0.4),
            ("trend", exact.trend(range(7), a + 0.2 * np.arange(7)), 0.2),
        ):
            assert v.low is not None
            assert v.high is not None
            held[name] += v.low <= truth <= v.high
    assert all(0.92 <= n / 400 <= 1.0 for n in held.values()), held

"""Languages: catalogues that are whole, people who are spoken to in theirs, and programs that never notice."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import string
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fer_edge import language
from fer_edge.bundle import LABELS
from fer_edge.language import CATALOGUES, ENGLISH, languages, speaking, tr, trn, wished
from fer_edge.runtime.report.annotate import told
from support.compared import Planted, plant_study
from support.front_door import run_verb
from support.messages import messages
from support.planted import observation, plant
from support.source_rules import ROOT

polib = pytest.importorskip("polib")

Command = Callable[..., subprocess.CompletedProcess[str]]
PIECES = [("neutral", 2.0), ("happy", 2.0), ("unsuitable", 1.0), ("uncertain", 1.0)]
SPANISH = {"angry": "enojo", "disgust": "asco", "fear": "miedo", "happy": "alegría", "neutral": "neutral"}
SPANISH |= {"sad": "tristeza", "surprise": "sorpresa"}


def gaps(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.fixture(params=[name for name in languages() if name != ENGLISH])
def catalogue(request: pytest.FixtureRequest) -> Any:
    return polib.pofile(str(CATALOGUES / f"{request.param}.po"))


def test_a_catalogue_has_every_message_and_no_other(catalogue: Any) -> None:
    wanted = messages()
    assert len(wanted) > 300, "or this test looks at nothing"
    there = {entry.msgid: entry.msgid_plural for entry in catalogue}
    assert {m: form for m, form in wanted.items() if m not in there} == {}, "without a translation"
    assert [m for m in there if m not in wanted] == [], "no longer said"
    assert {m: form for m, form in there.items() if form != wanted[m]} == {}
    assert len(there) == len(catalogue), "one of them stands there twice"


def test_a_catalogue_is_translated_with_every_gap(catalogue: Any) -> None:
    for entry in catalogue:
        forms = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
        assert entry.translated(), entry.msgid
        assert not entry.obsolete, entry.msgid
        for form in forms:
            assert gaps(form) == gaps(entry.msgid), entry.msgid
            assert not re.search(r"emoci|emotion|<", form, re.IGNORECASE), form
            assert form == form.strip()


def test_what_the_model_says_in_spanish() -> None:
    with speaking("es"):
        assert {label: tr(label) for label in LABELS} == SPANISH
        assert told(observation(0, 0.0, "unsuitable")) == "no legible: pequeño"
        assert (trn(1, "person", "people"), trn(2000, "person", "people")) == ("1 persona", "2,000 personas")
        assert (tr("session"), tr("no such message"), tr("")) == ("sesión", "no such message", "")
    assert tr("angry") == "angry"


def test_every_word_of_a_page_is_in_the_catalogue() -> None:
    """Text outside of a message would stay English."""
    pages = [*ROOT.glob("runtime/report/*.html"), *ROOT.glob("runtime/web/*.html")]
    assert len(pages) == 3
    own = r"<!doctype html>|<(style|script)\b.*?</\1>|<!--.*?-->|\{\{.*?\}\}"
    for page in pages:
        text = re.sub(own, " ", page.read_text(), flags=re.DOTALL | re.IGNORECASE)
        texts = re.findall(r'(?:aria-label|title|alt)="([^"]*)"', text) + re.findall(r">([^<>]*)<", text)
        words = [word for text in texts for word in re.findall(r"[^\W\d_]{2,}", re.sub(r"&\w+;|/api/state", "", text))]
        assert words == [], page.name


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A language more, by one file."""
    folder = Path(shutil.copytree(CATALOGUES, tmp_path / "locale"))
    text = (folder / "es.po").read_text().replace('"enojo"', '"raiva"').replace("Language: es", "Language: pt_BR")
    (folder / "pt_BR.po").write_text(text)
    monkeypatch.setattr(language, "CATALOGUES", folder)
    yield
    language._catalogue.cache_clear()


def test_a_language_is_one_file(another: None) -> None:
    assert languages() == ("en", "es", "pt_BR")
    assert wished("pt-BR", {}) == wished(None, {"LANG": "pt_BR.UTF-8"}) == "pt_BR"
    with speaking("pt_BR"):
        assert tr("angry") == "raiva"


@pytest.mark.parametrize(
    ("environment", "speaks"),
    [
        ({}, "en"),
        ({"LANG": "es_MX.UTF-8"}, "es"),
        ({"LANG": "es"}, "es"),
        ({"LANG": "es_ES@euro", "LC_ALL": ""}, "es"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "est"}, "en"),
        ({"LC_MESSAGES": "es_MX", "LANG": "en_US"}, "es"),
        ({"LC_ALL": "C.UTF-8", "LANG": "es_MX.UTF-8", "LC_MESSAGES": "es_MX"}, "en"),
    ],
)
def test_the_locale_chooses(environment: dict[str, str], speaks: str) -> None:
    assert wished(None, environment) == speaks


def test_a_run_speaks_the_locales_language_and_keeps_its_json(command: Command, tmp_path: Path) -> None:
    run = ("run", "demo:0.4", "--detector", "haar")
    spanish = command(*run, LC_ALL="es_MX.UTF-8")
    assert spanish.returncode == 0, spanish.stderr
    assert "demo: 12 cuadros, 1 persona en " in spanish.stdout
    assert re.search(r"^expresiones: \w.* del tiempo con un rostro", spanish.stdout, re.MULTILINE)
    assert "dispositivo: onnxruntime" in spanish.stdout
    assert "device:" in command(*run, "--lang", "en", LC_ALL="es_MX.UTF-8").stdout
    found = [command(*run, "--json", "--out", tmp_path / name, "--lang", name).stdout for name in ("en", "es")]
    english, other = (timeless(json.loads(text)) for text in found)
    assert set(english["expressions"]) <= {*LABELS, "uncertain", "unsuitable"}
    assert other == english
    kept = [rows(tmp_path / name / "observations.db") for name in ("en", "es")]
    assert kept[0] == kept[1]


def timeless(told: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from run to run."""
    varies = ("seconds", "frames_per_second", "stage_seconds", "outputs", "device")
    return {key: value for key, value in told.items() if key not in varies}


def rows(database: Path) -> dict[str, Any]:
    """Every table's columns, and the observations."""
    with sqlite3.connect(database) as store:
        tables = dict(store.execute("SELECT name, sql FROM sqlite_master"))
        return {**tables, "rows": store.execute("SELECT * FROM observations").fetchall()}


def test_an_unknown_language_is_refused(command: Command) -> None:
    done = command("report", "nowhere", "--lang", "tlh")
    assert done.returncode == 2
    assert "there is no language tlh" in done.stderr
    assert "en, es" in done.stderr
    kiosk = command("run", "--config", "k.toml", "--lang", "es")
    assert "--set web.lang=es" in kiosk.stderr


def test_errors_and_exit_codes_know_no_language(command: Command) -> None:
    english, spanish = (command("report", "nowhere", "--json", "--lang", name) for name in ("en", "es"))
    assert (spanish.returncode, spanish.stdout, spanish.stderr) == (
        english.returncode,
        english.stdout,
        english.stderr,
    )


def test_a_report_speaks_and_its_tables_do_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    folder = plant(tmp_path / "s", PIECES)
    found, said = {}, {}
    for name in ("en", "es"):
        code, said[name] = run_verb(capsys, "report", folder, "--lang", name)
        assert code == 0, said[name]
        found[name] = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert said["es"] == said["en"], "paths"
    assert found["es"].keys() == found["en"].keys()
    differ = {name for name, data in found["es"].items() if data != found["en"][name]}
    assert differ == {"report.html", "timeline.png", "distribution.png"}
    english, spanish = (found[name]["report.html"].decode() for name in ("en", "es"))
    assert '<html lang="es">' in spanish
    assert '<html lang="en">' in english
    for words in ("Expresiones vistas en", "alegría", "rostro 1", "no legible", "Índice de valencia", "Distribución"):
        assert words in spanish
        assert words not in english
    assert run_verb(capsys, "report", folder, "--json", "--lang", "es") == run_verb(capsys, "report", folder, "--json")


def test_a_comparison_speaks_and_its_tables_do_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    shows = {"rest": {"happy": 0.2}, "film": {"happy": 0.5}}
    sessions = [Planted(f"P{i}", c, i + j / 4, shows[c]) for i in range(3) for j, c in enumerate(shows)]
    plant_study(tmp_path / "s", sessions, ("rest", "film"))
    found, said = {}, {}
    for name in ("en", "es"):
        code, said[name] = run_verb(capsys, "compare", tmp_path / "s", "--out", tmp_path / name, "--lang", name)
        assert code == 0, said[name]
        found[name] = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert "6 sesiones de 3 participantes" in said["es"]
    assert "atención: " in said["es"]
    assert "proporción alegría" in said["es"]
    assert "film frente a rest (los mismos participantes)" in said["es"]
    assert not {"beware", "against", "share", "sessions"} & set(said["es"].split())
    differ = {name for name, data in found["es"].items() if data != found["en"][name]}
    assert differ == {"differences.png", "trends.png"}
    as_json = [run_verb(capsys, "compare", tmp_path / "s", "--json", "--lang", name)[1] for name in ("en", "es")]
    assert as_json[0] == as_json[1]
    assert json.loads(as_json[0])["warnings"]

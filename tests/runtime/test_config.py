"""The kiosk's configuration: every key documented and held, three layers, the declaration, and the command."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from fer_edge.cli.main import main as door
from fer_edge.errors import UsageError
from fer_edge.runtime.config import KioskConfig, load_config, read_config, reloadable
from fer_edge.runtime.config.declaration import EXCEPTIONS, KINDS, PROHIBITED
from fer_edge.runtime.config.keys import Entry, entries, value_of
from fer_edge.runtime.config.page import BEGIN, END, main, tables, write_into
from fer_edge.runtime.config.rendering import first_toml
from fer_edge.runtime.masking import masked
from fer_edge.runtime.rules.rule import Rule
from fer_edge.toml_schema import allowed, fit, from_text, toml_value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = Path(__file__).resolve().parents[2] / "docs" / "config.md"
PLACE = '[place]\nname = "Town hall"\nkind = "museum"\npurpose = "how a show is liked"\ndeclared = 2026-11-25\n'
KEYS = entries()
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """A file with a declaration in its first five lines, and what the test says from line 6 on."""

    def written(text: str = "", place: str = PLACE) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(place + text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """`fer-edge config …` in an environment without variables of ours: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def called(*words: object) -> tuple[int, str, str]:
        code = door(["config", *map(str, words)])
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return code, out.out, out.err

    return called


def run_python(script: str, folder: Path | None = None) -> str:
    """What it printed, errors too; it must not fail."""
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout
    return done.stdout


# Every key


@pytest.mark.parametrize("entry", KEYS.values(), ids=list(KEYS))
def test_every_key_is_documented_and_its_default_fits(entry: Entry) -> None:
    about = entry.key
    assert re.fullmatch(r"[^\n]{5,}[^.\n]", about.doc)
    assert f"| `{entry.name}` | {about.doc}" in tables()
    assert about.low < about.high
    if entry.hint in (int, float):
        assert about.unit or entry.name == "port"
    if entry.default is not None:
        given = str(entry.default) if isinstance(entry.default, Path) else entry.default
        assert fit(entry.hint, entry.key, given, Path("/")) == entry.default


@pytest.mark.parametrize("entry", KEYS.values(), ids=list(KEYS))
def test_every_key_refuses_what_it_cannot_be(entry: Entry, write: Callable[[str], Path]) -> None:
    """In the file with its line, in the environment and as a flag; and takes the ends of its range."""
    about = entry.key
    wrong = {bool: ['"true"', "1"], int: ["1.0", '"1"', "true"], float: ["nan", "inf", '"1"', "true"]}.get(
        entry.hint, ["1", "true", '"a\\nb"', '"\\u0000"']
    )
    wrong += ["[1]", "{ a = 1 }"]
    if entry.hint in (int, float):
        kind = entry.hint
        wrong += [str(kind(about.high + 1)), str(kind(about.low - 1))]
        for end in (about.low, about.high):
            assert fit(kind, about, from_text(kind, str(kind(end)))) == end
    if about.choices:
        wrong.append('"x"')
    elif entry.hint is str:
        wrong.append(f'"{"x" * int(about.high + 1)}"')
    for value in wrong:
        path = write(f"\n[{entry.section}]\n# a comment\n{entry.name} = {value}\n", "")
        (problem,) = [p for p in read_config(path, {}).problems if p.key == entry.full]
        assert problem.where == f"{path}, line 4"
        assert f"must be {allowed(entry.hint, entry.key)}, not " in problem.what
    if entry.hint is not str or about.choices:
        text = "\x00" if entry.hint in (Path, Path | None) else "?"
        for layer in ({"environment": {entry.variable: text}}, {"flags": [f"{entry.full}={text}"]}):
            seen = read_config(write(), layer.get("environment", {}), layer.get("flags", ()))  # type: ignore[arg-type]
            assert seen.config is None
            assert allowed(entry.hint, entry.key) in seen.errors[0].what


def test_names_that_other_parts_have_too() -> None:
    from fer_edge.runtime.inference.open_device import FALLBACKS
    from fer_edge.runtime.vision.detectors import NAMES
    from fer_edge.runtime.vision.smoothing import open_smoother

    assert KEYS["model.detector"].key.choices == NAMES
    assert KEYS["model.fallback"].key.choices == FALLBACKS
    for name in KEYS["model.smoother"].key.choices:
        assert open_smoother(name, ["a"]).name == name


# What is refused

WRONG = {
    "unknown key": ("[mqtt]\nhots = 1", "line 7: mqtt.hots is not a key of [mqtt]; did you mean host?"),
    "unknown section": ("[mqt]\nhost = 1", "line 6: [mqt] is no section; did you mean [mqtt]?"),
    "key of another section": ("[web]\ntopic = 1", "web.topic is not a key of [web]; topic belongs below [mqtt]"),
    "section as a value": ("[place.name]\na = 1", "is not valid TOML"),
    "list of tables": ("[[mqtt]]\nhost = 1", "line 6: mqtt must be a table, [mqtt]"),
    "dotted": ("[mqtt]\nhost.name = 1", "line 7: mqtt.host must be one line of up to 200 characters, not a table"),
    "not TOML": ("[mqtt]\n\nhost = broker", "line 8: is not valid TOML"),
    "never closed": ('[mqtt]\n\nhost = """\nport = 1', "line 8: is not valid TOML"),
    "twice": ("[mqtt]\nport = 1\nport = 2", "line 8: is not valid TOML"),
    "one size only": ("[source]\nheight = 0", "source.width needs the other one too"),
    "tiny detection": ("[model]\ndetect_width = 63", "line 7: model.detect_width must be 0 or at least 64, not 63"),
    "topic": ('[mqtt]\ntopic = "a/#"', "line 7: mqtt.topic cannot be a topic: + and # are wildcards"),
    "prefix": ('[mqtt]\ndiscovery_prefix = "/a"', "line 7: mqtt.discovery_prefix cannot be a topic"),
    "password without a name": ('[mqtt]\npassword_file = "p"', "line 7: mqtt.password_file needs mqtt.user"),
    "no address": ('[web]\nlisten = "everywhere"', "line 7: web.listen must be an address of this machine"),
    "open page": ('[web]\nlisten = "0.0.0.0"', "line 7: web.listen 0.0.0.0 is open to other machines and needs"),
    "open page of version 6": ('[web]\nlisten = "::"', "line 7: web.listen :: is open to other machines and needs"),
    "preview": ("[privacy]\npreview = true", "line 7: privacy.preview shows faces and needs web.token_file"),
    "button": ('[privacy]\npause_button = "17"', "must be a GPIO chip and line such as gpiochip0:17, not \"17\""),
    "no notice": ('[privacy]\nnotice = ""', "line 7: privacy.notice must be one line of 1 to 1000 characters"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(case: str, write: Callable[[str], Path]) -> None:
    text, says = WRONG[case]
    path = write(text)
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        load_config(path, {})
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_key_outside_of_sections(write: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"line 1: level stands in no section; it belongs below \[log\]"):
        load_config(write(PLACE, 'level = "info"\n'), {})


def test_every_problem_is_told_at_once(write: Callable[[str], Path]) -> None:
    path = write('[mqtt]\nport = 0\n[wbe]\n[log]\nlevel = "loud"\nlvel = 1')
    seen = read_config(path, {"FER_EDGE_WEB_PORT": "x"}, ["work.max_faces=0"])
    assert len(seen.errors) == 6
    with pytest.raises(UsageError, match=r"\(and 5 more\)"):
        load_config(path, {"FER_EDGE_WEB_PORT": "x"}, ["work.max_faces=0"])


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = " + b"[" * 100_000])
def test_files_that_are_no_text_of_ours(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(UsageError, match=r"c\.toml"):
        load_config(tmp_path / "c.toml", {})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        load_config(tmp_path / "c.toml", {})
    assert caught.value.hint == f"fer-edge config init {tmp_path / 'c.toml'}"
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path, {})


@pytest.mark.parametrize("seed", range(100))
def test_a_file_damaged_by_chance_is_refused_or_read_and_nothing_else(seed: int, tmp_path: Path) -> None:
    draw, path = random.Random(seed), tmp_path / "c.toml"
    text = bytearray(first_toml(KioskConfig().place).replace("\n#", "\n").encode())
    for _ in range(draw.randint(1, 20)):
        at = draw.randrange(len(text))
        if draw.random() < 0.5:
            text[at] = draw.choice(b"=[]{}\"'#\n\\ .,0aZ\xff")
        else:
            del text[at : at + draw.randint(1, 200)]
    path.write_bytes(text)
    seen = read_config(path, {})
    assert seen.errors  # nothing was declared
    assert all(p.where.startswith(str(path)) for p in seen.problems)
    assert "\n" not in str(seen.first_error()).split("\n  try: ")[0]


# Warnings

WARNED = {
    "password in clear text": ('[mqtt]\nhost = "b"\nuser = "u"\npassword_file = "p"', "mqtt.tls", "clear text"),
    "idle ca_file": ('[mqtt]\nca_file = "c"', "mqtt.ca_file", "has no effect"),
    "single people": ("[privacy]\nleast_group = 1", "privacy.least_group", "alone"),
    "never a group": ("[work]\nmax_faces = 2", "work.max_faces", "ever told"),
    "any age": ("[store]\nkeep_days = 0", "store.keep_days", "any age"),
    "everything": ("[store]\nkeep_days = 0\nkeep_mib = 0", "store.keep_days", "disk is full"),
    "open with a token": ('[web]\nlisten = "0.0.0.0"\ntoken_file = "t"', "web.listen", "clear text"),
}
QUIET = {
    "broker on this machine": '[mqtt]\nhost = "localhost"\nuser = "u"\npassword_file = "p"',
    "encrypted": '[mqtt]\nhost = "b"\ntls = true\nuser = "u"\npassword_file = "p"\nca_file = "c"',
    "page of this machine": '[web]\nlisten = "::1"',
    "no page": '[web]\nlisten = "0.0.0.0"\nport = 0',
    "preview with a token": '[privacy]\npreview = true\n[web]\ntoken_file = "t"',
}


@pytest.mark.parametrize("case", WARNED)
def test_what_is_warned_of_is_still_read(case: str, write: Callable[[str], Path]) -> None:
    text, key, says = WARNED[case]
    (problem,) = read_config(write(text), {}).problems
    assert (problem.key, problem.serious) == (key, False)
    assert says in problem.what
    assert load_config(write(text), {}) != load_config(write(), {})


@pytest.mark.parametrize("case", QUIET)
def test_what_is_fine(case: str, write: Callable[[str], Path]) -> None:
    assert read_config(write(QUIET[case]), {}).problems == ()


# Layers


def test_file_then_environment_then_flags(write: Callable[[str], Path]) -> None:
    path = write('[mqtt]\nhost = "file"\nport = 1\nuser = "file"\ntls = true')
    environment = {
        "FER_EDGE_MQTT_HOST": "variable",
        "FER_EDGE_MQTT_PORT": "2",
        "FER_EDGE_CACHE": "x",
        "FER_EDGE_SHARED": "y",
    }
    flags = ["mqtt.host=first", "mqtt.host=a=b", "mqtt.tls=false", "store.keep_days=3"]
    seen = read_config(path, environment, flags)
    config = load_config(path, environment, flags)
    assert seen.config == config
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.user) == ("a=b", 2, "file")
    assert config.mqtt.tls is False
    assert type(config.store.keep_days) is float
    origins = {full: str(origin) for full, origin in seen.origins.items() if not full.startswith("place")}
    assert origins == {
        "mqtt.host": "flag --set mqtt.host",
        "mqtt.port": "environment FER_EDGE_MQTT_PORT",
        "mqtt.user": "file line 9",
        "mqtt.tls": "flag --set mqtt.tls",
        "store.keep_days": "flag --set store.keep_days",
    }


@pytest.mark.parametrize(
    ("environment", "flags", "says"),
    [
        ({"FER_EDGE_MQTT_HOTS": "x"}, [], "environment FER_EDGE_MQTT_HOTS: is the variable of no key; did you mean"),
        ({"FER_EDGE_MQT_HOST": "x"}, [], "did you mean FER_EDGE_MQTT_HOST?"),
        ({"FER_EDGE_MQTT_PORT": "many"}, [], 'environment FER_EDGE_MQTT_PORT: mqtt.port must be a whole number from 1'),
        ({}, ["mqtt.hots=1"], "mqtt.hots is no key; did you mean mqtt.host?"),
        ({}, ["mqtt.host"], "has no value: --set mqtt.host=VALUE"),
        ({}, ["web.listen=0.0.0.0"], "flag --set web.listen: web.listen 0.0.0.0 is open to other machines"),
        ({"FER_EDGE_PLACE_DECLARED": "today"}, [], "must be a date such as 2026-01-31"),
    ],
)  # fmt: skip
def test_wrong_variables_and_flags(
    environment: dict[str, str], flags: list[str], says: str, write: Callable[[str], Path]
) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        load_config(write(), environment, flags)


def test_a_declaration_may_come_from_the_environment(write: Callable[..., Path]) -> None:
    said = {"NAME": "x", "KIND": "home", "PURPOSE": "y", "DECLARED": "2026-01-31"}
    config = load_config(write("", ""), {f"FER_EDGE_PLACE_{name}": value for name, value in said.items()})
    assert config.place.declared == date(2026, 1, 31)


def test_where_relative_paths_start(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = write('[store]\nfolder = "kept"\n[mqtt]\nca_file = ""\n')
    config = load_config(Path("../config.toml"), {"FER_EDGE_WEB_TOKEN_FILE": "token"})
    assert path.parent == tmp_path
    assert config.store.folder.resolve() == tmp_path / "kept"
    assert config.web.token_file == tmp_path / "here" / "token"
    assert config.mqtt.ca_file is None


# Declaration


@pytest.mark.parametrize("missing", ["name", "kind", "purpose", "declared"])
def test_without_a_declaration_nothing_starts(missing: str, write: Callable[..., Path]) -> None:
    place = "".join(line + "\n" for line in PLACE.splitlines() if not line.startswith(missing))
    with pytest.raises(UsageError, match=f"place.{missing} is missing: where the kiosk stands"):
        load_config(write("", place), {})
    if missing != "declared":
        with pytest.raises(UsageError, match=f"place.{missing}"):
            load_config(write("", place + f'{missing} = "{"" if missing == "kind" else " "}"'), {})


@pytest.mark.parametrize("kind", KINDS)
def test_work_and_education_are_refused_unless_excepted(kind: str, write: Callable[..., Path]) -> None:
    place = PLACE.replace("museum", kind)
    for exception in ("", *EXCEPTIONS):
        seen = read_config(write(f'purpose_exception = "{exception}"\n', place), {})
        if kind in PROHIBITED and not exception:
            (error,) = seen.errors
            assert (error.key, error.where) == ("place.kind", f"{seen.path}, line 3")
            assert "Art. 5(1)(f) of the EU AI Act" in error.what
            assert "not legal advice" in error.what
            with pytest.raises(UsageError, match=f"{kind} is refused"):
                load_config(seen.path, {})
        else:
            assert not seen.errors
            assert bool(seen.warnings) == bool(exception)
            assert load_config(seen.path, {}).place.kind == kind
        if exception:
            assert ("answer for" if kind in PROHIBITED else "no effect") in seen.warnings[0].what


# Reloading


@pytest.mark.parametrize("entry", KEYS.values(), ids=list(KEYS))
def test_each_key_is_taken_or_needs_a_restart(entry: Entry, write: Callable[[str], Path]) -> None:
    other: Any = {bool: not entry.default, date | None: date(2026, 1, 1)}.get(entry.hint, "other")
    if entry.hint in (int, float):
        other = entry.key.low if entry.default != entry.key.low else entry.key.low + 1
    other = next((c for c in entry.key.choices if c != entry.default), other)
    other = {"pause_button": "gpiochip0:17", "url": "https://hooks.example/x", "lang": "es"}.get(entry.name, other)
    old, new = KioskConfig(), read_config(write(place=""), {}, [f"{entry.full}={toml_text(other)}"]).config
    assert new is not None
    now, later = reloadable(old, new)
    (change,) = now if entry.key.reload else later
    told = (entry.full, entry.default) if old.rule == new.rule else ("rule.name", ())  # the first rule that there is
    assert (change.key, change.old, change.new) == (*told, value_of(new, told[0]))
    assert not (later if entry.key.reload else now)
    assert reloadable(new, new) == ((), ())


def toml_text(value: object) -> str:
    return toml_value(value).strip('"')


def test_what_a_running_kiosk_takes() -> None:
    taken = {full for full, entry in KEYS.items() if entry.key.reload}
    assert {"store.keep_days", "privacy.least_group", "work.cpu_percent", "work.infer_fps", "log.level"} <= taken
    assert not taken & {"store.folder", "source.what", "model.device", "web.port", "mqtt.host"}


# The command


def test_init_writes_every_key_and_check_is_content(call: Call, tmp_path: Path) -> None:
    text = 'A "hall"'
    words = ["--place", text, "--kind", "museum", "--purpose", "how a show is liked"]
    assert call("init", "c.toml", *words)[0] == 0
    first = (tmp_path / "c.toml").read_text()
    assert max(map(len, first.splitlines())) <= 120
    config = load_config(tmp_path / "c.toml", {})
    assert (config.place.name, config.place.declared) == (text, datetime.now().astimezone().date())
    all_on = re.sub(r"(?m)^#(?=[a-z_]+ = |\[\[)", "", first)
    given = tomllib.loads(all_on)
    tables = [(section, body[0] if isinstance(body, list) else body) for section, body in given.items()]
    assert {f"{section}.{name}" for section, body in tables for name in body} == set(KEYS)
    assert config.rule == ()
    (tmp_path / "all.toml").write_text(all_on.replace('name = ""\n# a label', 'name = "r"\n# a label'))
    with_rule = load_config(tmp_path / "all.toml", {}, ["rule.what=sad"])
    assert replace(with_rule, rule=()) == config
    assert with_rule.rule == (Rule("r", "sad"),)
    assert config.mqtt.topic == "fer-edge-{kiosk}"
    assert call("check", "c.toml", "--set", "store.folder=kept") == (0, "c.toml: ok\n", "")
    assert not (tmp_path / "kept").exists()  # looking leaves nothing behind


def test_init_overwrites_only_when_told(call: Call, tmp_path: Path) -> None:
    words = ["init", "c.toml", "--kind", "home", "--purpose", "p", "--place"]
    assert call(*words, "one")[0] == 0
    code, _, err = call(*words, "two")
    assert code == 2
    assert "is there already" in err
    assert load_config(tmp_path / "c.toml", {}).place.name == "one"
    code, out, _ = call(*words, "two", "--replace", "--json")
    assert (code, json.loads(out)) == (0, {"out": "c.toml"})
    assert load_config(tmp_path / "c.toml", {}).place.name == "two"


INIT = {
    "nothing declared": ([], "--place, --kind, --purpose missing"),
    "no purpose": (["--place", "x", "--kind", "home"], "--purpose missing"),
    "blank": (["--place", " ", "--kind", "home", "--purpose", "p"], "place.name is missing"),
    "too long": (["--place", "x" * 101, "--kind", "home", "--purpose", "p"], "one line of up to 100 characters"),
    "work": (["--place", "x", "--kind", "workplace", "--purpose", "p"], "Art. 5(1)(f)"),
    "school": (["--place", "x", "--kind", "education", "--purpose", "p"], "Art. 5(1)(f)"),
    "option of another": (["--set", "web.port=1"], "--set belongs to config check"),
}


@pytest.mark.parametrize("case", INIT)
def test_init_refuses_and_writes_nothing(
    case: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, says = INIT[case]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    code, out, err = call("init", "c.toml", *words)
    assert (code, out) == (2, "")
    assert says in err
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".toml")]


def test_an_exception_is_written_down(call: Call, tmp_path: Path) -> None:
    words = ["--place", "x", "--kind", "workplace", "--purpose", "p", "--exception", "safety"]
    assert call("init", "c.toml", *words)[0] == 0
    assert load_config(tmp_path / "c.toml", {}).place.purpose_exception == "safety"
    code, out, _ = call("check", "c.toml", "--set", "store.folder=kept")
    assert code == 0
    assert re.search(r"warning: c\.toml, line \d+: place\.purpose_exception safety is what you answer for", out)


def on_a_terminal(answers: str, folder: Path) -> tuple[int, str]:
    """`config init c.toml` with a real terminal at its standard input, and what it said."""
    import pty

    main_end, other_end = pty.openpty()
    words = [sys.executable, "-m", "fer_edge", "config", "init", "c.toml"]
    process = subprocess.Popen(words, cwd=folder, stdin=other_end, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.close(other_end)
    os.write(main_end, answers.encode())
    said = process.communicate(timeout=60)[0].decode()
    os.close(main_end)
    return process.returncode, said


def test_init_asks_at_a_terminal(tmp_path: Path) -> None:
    code, said = on_a_terminal("Town hall\nschool\nhome\n\nto try it\n", tmp_path)
    assert code == 0, said
    assert "Where will the kiosk stand?" in said
    assert said.count("What sort of place is that?") == 2  # school is no answer
    assert said.count("What will its figures be used for?") == 2  # nor is none
    place = load_config(tmp_path / "c.toml", {}).place
    assert (place.name, place.kind, place.purpose) == ("Town hall", "home", "to try it")


def test_init_explains_what_is_prohibited_and_asks_for_the_reason(tmp_path: Path) -> None:
    code, said = on_a_terminal("Plant 4\nworkplace\nalarms\n\n", tmp_path)
    assert code == 2
    assert said.count("Art. 5(1)(f)") == 2
    assert not (tmp_path / "c.toml").exists()
    code, said = on_a_terminal("Plant 4\nworkplace\nalarms\nsafety\n", tmp_path)
    assert code == 0, said
    assert load_config(tmp_path / "c.toml", {}).place.purpose_exception == "safety"
    (tmp_path / "c.toml").unlink()
    code, said = on_a_terminal("Plant 4\n\x04", tmp_path)  # Ctrl-D
    assert code == 2
    assert "nothing was answered" in said


def test_show_is_a_file_of_the_same_meaning(call: Call, write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write('[mqtt]\nhost = "b"\nuser = "ü € \\" \\\\"\n[store]\nkeep_mib = 1e3\nfolder = "kept"\n')
    code, out, err = call("show", path, "--set", "web.port=0")
    assert (code, err) == (0, "")
    assert 'host = "b"  # from file line 7' in out
    assert "port = 0  # from flag --set web.port" in out
    assert "interval_s = 10.0\n" in out
    (tmp_path / "shown.toml").write_text(out)
    config = load_config(path, {}, ["web.port=0"])
    assert load_config(tmp_path / "shown.toml", {}) == config
    shown = json.loads(call("show", path, "--json")[1])
    assert shown["origins"]["mqtt.host"] == {"layer": "file", "line": 7}
    assert shown["values"]["store"]["folder"] == str(tmp_path / "kept")
    assert shown["values"]["mqtt"]["ca_file"] is None
    assert {f"{s}.{n}" for s, body in shown["values"].items() for n in body} == {
        full for full in KEYS if not full.startswith("rule.")
    }
    assert shown["values"]["rule"] == []


def test_show_without_a_declaration_says_so(call: Call, write: Callable[..., Path]) -> None:
    code, out, err = call("show", write("", ""))
    assert code == 0
    assert "# declared is not set" in out
    assert "does not start" in err
    code, out, err = call("show", write("[web]\nport = -1"))
    assert (code, out) == (2, "")
    assert "web.port must be" in err


def test_secrets_are_not_read_and_not_shown(tmp_path: Path, write: Callable[[str], Path]) -> None:
    """Every file that the commands open is written down; the secrets are not among them, nor in what is printed."""
    for name in ("password", "token"):
        (tmp_path / name).write_text(f"the-{name}-itself")
        (tmp_path / name).chmod(0o600)
    path = write(
        '[mqtt]\nhost = "b"\nuser = "u"\ntls = true\npassword_file = "password"\n[web]\ntoken_file = "token"\n'
        '[source]\nwhat = "rtsp://me:the-camera@cam/1?key=the-key"\n[store]\nfolder = "kept"\n'
    )
    script = (
        "import sys\nopened = []\n"
        "sys.addaudithook(lambda event, about: opened.append(str(about[0])) if event == 'open' else None)\n"
        "from fer_edge.cli.main import main as door\n"
        f"codes = [door(['config', w, {str(path)!r}, *j]) for w in ('show', 'check') for j in ([], ['--json'])]\n"
        f"assert {str(path)!r} in opened\n"
        "assert not [name for name in opened if name.endswith(('/password', '/token'))], opened\n"
        "print(codes)\n"
    )
    said = run_python(script, tmp_path)
    assert said.endswith("[0, 0, 0, 0]\n")
    assert "the-" not in said
    assert 'what = "rtsp://***@cam/1?***"' in said
    assert "source.what may hold a password" in said  # the file can be read by everybody


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://cam/1", "rtsp://cam/1"),
        ("rtsp://a:b@cam/1", "rtsp://***@cam/1"),
        ("rtsp://a:p@s/s@cam/1", "rtsp://***@cam/1"),
        ("http://cam/v?user=a&pwd=b", "http://cam/v?***"),
        ("camera:0", "camera:0"),
        ("me@home?.mp4", "me@home?.mp4"),
    ],
)
def test_passwords_in_addresses(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_a_password_is_not_in_an_error(write: Callable[[str], Path]) -> None:
    seen = read_config(write(f'[source]\nwhat = "rtsp://me:secret@cam/{"x" * 1000}"'), {})
    assert "secret" not in str(seen.errors[0])


def check(call: Call, path: Path, *words: str) -> tuple[int, dict[str, str]]:
    """What `config check` finds: key -> sentence, the warnings in brackets."""
    code, out, _ = call("check", path, "--json", *words)
    found = json.loads(out)
    assert found["ok"] is (code == 0)
    assert (code == 2) is bool(found["errors"])
    return code, {
        **{p["key"]: p["what"] for p in found["errors"]},
        **{f"({p['key']})": p["what"] for p in found["warnings"]},
    }


def test_check_looks_at_files(call: Call, write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write(
        '[store]\nfolder = "kept"\n[mqtt]\nuser = "u"\ntls = true\npassword_file = "p"\nca_file = "ca"\n'
        '[web]\ntoken_file = "t"\n'
    )
    code, found = check(call, path)
    assert code == 2
    assert set(found) == {"mqtt.password_file", "mqtt.ca_file", "web.token_file"}
    assert "cannot be found" in found["mqtt.ca_file"]
    for name in ("p", "ca", "t"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o644)
    code, found = check(call, path)
    assert code == 0
    assert set(found) == {"(mqtt.password_file)", "(web.token_file)"}  # a certificate is no secret
    assert "everybody" in found["(web.token_file)"]
    (tmp_path / "p").chmod(0o640)
    (tmp_path / "t").write_text("")
    (tmp_path / "ca").unlink()
    (tmp_path / "ca").mkdir()
    code, found = check(call, path)
    assert "is empty" in found["web.token_file"]
    assert "cannot be read" in found["mqtt.ca_file"]
    assert "mqtt.password_file" not in str(found)


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("demo:6000", 2, "not a demo length"),
        ("camera:x", 2, "not a camera"),
        ("film.mp4", 0, "there is no file"),  # on a stick, perhaps, that is not mounted yet
        ("config.toml", 0, "holds no video"),
        ("demo:5", 0, ""),
        ("rtsp://127.0.0.1:9/x", 0, ""),
    ],
)
def test_check_looks_at_the_source(call: Call, write: Callable[[str], Path], what: str, code: int, said: str) -> None:
    """And the kiosk itself ends at once with what is wrong with a name."""
    path = write()
    given = ("--set", f"source.what={what}", "--set", f"store.folder={path.parent / 'kept'}")
    found = check(call, path, *given)
    key = "source.what" if code else "(source.what)"
    assert (found[0], set(found[1])) == (code, {key} if said else set())
    assert said in found[1].get(key, "")
    if code:
        assert door(["run", "--config", str(path), *given]) == 2


def test_check_looks_at_the_store(call: Call, write: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, found = check(call, write('[store]\nfolder = "file/kept"\n'))
    assert (code, set(found)) == (2, {"store.folder"})
    assert "is a file" in found["store.folder"]


def test_a_store_that_this_user_may_not_write(tmp_path: Path) -> None:
    """Asked by a child that is not root, since root may write everywhere; the place is behind a locked folder, too."""
    (tmp_path / "locked").mkdir(mode=0o500)
    place = tmp_path / "locked" / "kept"
    script = (
        "import os\nfrom pathlib import Path\nfrom fer_edge.runtime.config.host_checks import _folder\n"
        "os.chdir('/')\nif os.geteuid() == 0:\n    os.setgid(65534)\n    os.setuid(65534)\n"
        f"print([p.what for p in _folder(Path({str(place)!r}))])\n"
    )
    assert f"{place} cannot be written by" in run_python(script)


def test_check_looks_at_device_and_bundle(call: Call, write: Callable[[str], Path], broken_bundle: Path) -> None:
    path = write('[store]\nfolder = "kept"\n')
    code, found = check(call, path, "--set", "model.device=corla")
    assert (code, set(found)) == (2, {"model.device"})
    assert "did you mean coral" in found["model.device"]
    code, found = check(call, path, "--set", "model.device=openvino", "--set", "model.precision=float16")
    assert code == 2
    assert set(found) <= {"model.precision", "model.device"}
    os.truncate(broken_bundle / "model.onnx", 100)
    code, found = check(call, path, "--set", f"model.bundle={broken_bundle}")
    assert (code, set(found)) == (2, {"model.bundle"})
    assert "truncated" in found["model.bundle"]
    assert check(call, path, "--set", "model.bundle=edgetpu") == (0, {})


def test_check_for_people(call: Call, write: Callable[[str], Path]) -> None:
    path = write('[store]\nfolder = "kept"\nkeep_days = 0\n[web]\nlisten = "0.0.0.0"\n')
    code, out, err = call("check", path)
    assert (code, err) == (2, "")
    assert f"wrong: {path}, line 10: web.listen 0.0.0.0 is open to other machines and needs web.token_file\n" in out
    assert f"warning: {path}, line 8: store.keep_days is 0" in out
    assert out.endswith(f"{path}: 1 wrong, warnings: 1\n")
    assert "  try: head -c 24 /dev/urandom" in out


def test_options_of_init_belong_to_init(call: Call, write: Callable[[str], Path]) -> None:
    code, _, err = call("check", write(), "--place", "x")
    assert code == 2
    assert "--place belongs to config init" in err


# The page


def test_the_page_holds_every_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert write_into(page) == page, "run the command that docs/config.md names"
    (tmp_path / "page.md").write_text(f"a\n{BEGIN}\nold\n{END}\nb\n")
    main(["--write", str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text() == f"a\n{BEGIN}\n{tables()}\n{END}\nb\n"
    main([])
    assert capsys.readouterr().out == tables() + "\n"
    with pytest.raises(UsageError, match="has no"):
        write_into("no marks")


def test_reading_needs_nothing_heavy(write: Callable[[str], Path]) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom fer_edge.runtime.config import load_config\n"
        f"load_config(Path({str(write())!r}), {{}})\n"
        "found = [m for m in ('cv2', 'numpy', 'onnxruntime', 'torch', 'paho') if m in sys.modules]\n"
        "assert not found, found\n"
    )
    run_python(script)


def test_a_wrong_value_hides_no_other_error(write: Callable[[str], Path], tmp_path: Path) -> None:
    """Of values, rules, this machine and TOML itself, all at once; and nothing that only follows from another error."""
    from fer_edge.runtime.config.host_checks import check_config

    path = write('[work]\ntarget_fps = "ten"\n[mqtt]\nuser = 5\npassword_file = "gone"\n[web]\nlisten = "0.0.0.0"\n')
    result = check_config(path, {})
    assert result.config is None
    assert [p.key for p in result.errors] == ["work.target_fps", "mqtt.user", "web.listen", "mqtt.password_file"]
    assert "cannot be found" in result.errors[-1].what
    path = write("[work]\ntarget_fps = \nmax_faces = 1000\n[mqtt]\nhost = broker\nport = 1883\nport = 1884\n")
    whole = [(p.key, p.where.rpartition(" ")[2]) for p in check_config(path, {}).errors]
    assert whole == [("", "7"), ("", "10"), ("", "12"), ("work.max_faces", "8")]
    path = write("[work\ntarget_fps = 5\n[mqtt]\nhost = broker\n")
    assert [p.where.rpartition(" ")[2] for p in check_config(path, {}).errors] == ["6", "9"]
    path = write('[work]\ntarget_fps = [1,\n[mqtt]\nhost = "x"\n', "")
    assert len(check_config(path, {}).errors) == 1

"""What the command line says of itself: examples in each help, completion in a real shell, and docs/output.md."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fer_edge.cli.examples import EXAMPLES
from fer_edge.cli.main import COMMANDS, build_parser
from fer_edge.runtime.storage.session import _connect
from support.histories import FRAME, seen, store
from support.made_once import ROOT

PAGE = ROOT / "docs" / "output.md"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_help_ends_with_examples_that_its_verb_understands(verb: str) -> None:
    parser, chosen = build_parser(verb)
    for line in EXAMPLES[verb]:
        assert line in chosen.format_help()
        program, *words = shlex.split(line.partition(" > ")[0])
        assert program == "fer-edge"
        assert parser.parse_args(words).verb == verb


def test_bash_completes_verbs_options_choices_and_files(command: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    (tmp_path / "fer-edge.bash").write_text(command("completion", "bash").stdout)
    (tmp_path / "clip.mp4").touch()
    for typed, offered in (
        (["ben"], "benchmark"),
        (["run", "--detect-w"], "--detect-width"),
        (["run", "--precision", "fl"], "float16"),
        (["run", "cli"], "clip.mp4"),
    ):
        words = " ".join(["fer-edge", *typed])
        script = (
            "source ./fer-edge.bash; "
            f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; COMP_LINE='{words}'; COMP_POINT={len(words)}; "
            'f=$(complete -p fer-edge | sed "s/.*-F \\([^ ]*\\) .*/\\1/"); $f fer-edge; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path)
        assert offered in done.stdout.split(), done.stderr


LABELS = "angry,disgust,fear,happy,neutral,sad,surprise"


def documented(heading: str) -> dict[str, str]:
    """Field -> what is said of it, of the table below a heading of docs/output.md."""
    part = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*?) ?\|$", part, flags=re.M))


def assert_documented(heading: str, fields: Any) -> None:
    """Every field is in the table, and every row of it is a field, but for what is there only sometimes."""
    known = documented(heading)
    assert set(fields) <= set(known), heading
    assert {name for name, words in known.items() if not words.startswith("only ")} <= set(fields), heading


def test_docs_output_has_every_field_of_a_run_and_its_tables(command: Callable[..., Any], tmp_path: Path) -> None:
    assert_documented("`run`", json.loads(command("run", "demo:0.5", "--out", "s", "--json").stdout))
    assert_documented("A failure", json.loads(command("run", "no.mp4", "--json").stdout))
    told = json.loads(command("report", "s", "--only", "csv,jsonl", "--json").stdout)
    assert_documented("`report`", told)
    files = {Path(name).suffix: Path(name).read_text() for name in map(str, [tmp_path / n for n in told["outputs"]])}
    header = files[".csv"].splitlines()[0].split(",")
    assert_documented("A session's table: observations.csv", {re.sub(r"^p_.*", "p_LABEL", name) for name in header})
    assert_documented("A session's table: observations.jsonl", json.loads(files[".jsonl"].splitlines()[0]))
    database = _connect(tmp_path / "s")
    columns = [row[1] for row in database.execute("PRAGMA table_info(observations)")]
    assert_documented("A session's store: observations.db", columns)
    assert_documented("A session's facts", [row[0] for row in database.execute("SELECT key FROM session")])


def test_docs_output_has_every_field_of_a_batch(command: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the batch extra")
    (tmp_path / "broken.mp4").write_text("no film")
    told = json.loads(command("batch", "broken.mp4", "--out", "b", "--detector", "haar", "--json").stdout)
    assert_documented("`batch`", told)
    kept = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert list(told)[: len(kept)] == list(kept)


def test_docs_output_has_every_field_of_a_study(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "form.txt").write_text("I agree.")
    assert_documented(
        "`study init`", json.loads(command("study", "init", "s", "--consent", "form.txt", "--json").stdout)
    )
    consent = command("study", "consent", "s", "P07", "--witness", "X", "--json").stdout
    assert_documented("`study consent`", json.loads(consent))
    summary = json.loads(command("run", "demo:0.2", "--study", "s", "--subject", "P07", "--json").stdout)
    assert_documented("`study show`", json.loads(command("study", "show", "s", "--json").stdout))
    database = _connect(Path(tmp_path, summary["outputs"]["session"]).parent)
    facts = [row[0] for row in database.execute("SELECT key FROM session")]
    assert set(facts) == set(documented("A session's facts"))
    (tmp_path / "m.csv").write_text("time_s,name\n0.1,stimulus\n")
    folder = Path(summary["outputs"]["session"]).parent
    assert_documented("`study join`", json.loads(command("study", "join", folder, "m.csv", "--json").stdout))
    assert_documented("`study export`", json.loads(command("study", "export", "s", "P07", "o", "--json").stdout))
    assert_documented(
        "`study withdraw`", json.loads(command("study", "withdraw", "s", "P07", "--yes", "--json").stdout)
    )


def test_docs_output_has_every_field_of_a_kiosks_tables(command: Callable[..., Any], tmp_path: Path) -> None:
    kept = store(tmp_path / "kept", keep_probabilities=True)
    for track in range(4):
        kept.write(FRAME, [seen(track)])
    kept.close()
    assert_documented("`data show`", json.loads(command("data", "show", "kept", "--json").stdout))
    for heading, words in (("observations", []), ("aggregates", ["--aggregate", "15"])):
        lines = command("data", "export", "kept", "-", "--format", "jsonl", *words).stdout.splitlines()
        fields = {re.sub(r"^share_.*", "share_LABEL", name) for name in json.loads(lines[0])}
        assert_documented(f"A kiosk's table: {heading}", fields)
    assert_documented("`data export`", json.loads(command("data", "export", "kept", "a.csv", "--json").stdout))
    assert_documented("`data wipe`", json.loads(command("data", "wipe", "kept", "--yes", "--json").stdout))


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("`devices`", ["devices"]),
        ("`doctor`", ["doctor"]),
        ("`models list`", ["models", "list"]),
        ("`bundle check`", ["bundle", "check"]),
        ("`bundle show`", ["bundle", "show"]),
        ("`bundle import`", ["bundle", "import", ROOT / "bundle/default/model.onnx", "--labels", LABELS, "--out", "b"]),
        ("`config check`", ["config", "check", "no.toml"]),
        ("`config init`", ["config", "init", "k.toml", "--place", "x", "--kind", "museum", "--purpose", "y"]),
        ("`completion`", ["completion", "bash"]),
    ],
)
def test_docs_output_has_every_field_of_a_small_verb(
    heading: str, words: list[str], command: Callable[..., Any]
) -> None:
    told = json.loads(command(*words, "--json").stdout)
    for row in told if isinstance(told, list) else [told]:
        assert_documented(heading, row)


def test_docs_output_has_every_field_of_models_brought(command: Callable[..., Any], yunet: Path) -> None:
    for words in (["fetch", "yunet"], ["add", yunet]):  # it is there already: nothing is fetched
        (row,) = json.loads(command("models", *words, "--json").stdout)
        assert_documented("`models fetch`", row)

"""Every command that an error or the doctor suggests can be pasted: the shell reads it, and so does fer-edge."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from fer_edge import installation
from fer_edge.cli.main import COMMANDS, build_parser
from fer_edge.errors import UsageError
from support.source_rules import ROOT
from support.suggestions import ALL, is_command

FILLED = ("7", "apply", "check", "show", "default")
"""What may stand in the place of a value: a number, an action, a name."""


def fault_of(text: str) -> str:
    """Why a suggestion cannot be pasted, or an empty string."""
    line = text.replace("{python}", "PYTHON")
    if "…" in line or "..." in line:
        return "something is left out"
    read = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True)
    if read.returncode:
        return read.stderr.strip()
    for part in re.split(r"&&|\|\|?|;", line):
        words = shlex.split(part, comments=True)
        if words[:1] == ["fer-edge"]:
            return parse_fault(words[1:])
        if [w for w in words if w.endswith((",", ":")) and w != "03e7:" and w[0] != "s"]:
            return "prose follows the command"
    return ""


def parse_fault(words: list[str]) -> str:
    if words[0] == "WORD":  # as calibration_faces is told
        return ""
    if words[0] not in COMMANDS:
        return f"there is no verb {words[0]}"
    parser, _ = build_parser(words[0])
    why = ""
    for filled in FILLED:
        try:
            _, rest = parser.parse_known_args([filled if w in ("N", "WORD") else w for w in words])
        except (SystemExit, UsageError) as end:
            if isinstance(end, SystemExit) and not end.code:
                return ""
            why = "fer-edge does not parse it"
        else:
            return f"fer-edge does not know {rest}" if rest else ""
    return why


def test_some_were_found() -> None:
    commands = [t for _, t in ALL if is_command(t)]
    assert len(ALL) > 300
    assert len(commands) > 100


@pytest.mark.parametrize("text", sorted({t for _, t in ALL if is_command(t)}))
def test_it_can_be_pasted(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    where = [place for place, t in ALL if t == text]
    assert fault_of(text) == "", (where, text, capsys.readouterr().err)


@pytest.mark.parametrize("origin", ["checkout", "wheel", "gone"])
def test_what_is_missing_is_installed_as_this_was(origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fer-edge` may be on no index: a place that is there is named, else the packages themselves."""
    wheel = tmp_path / "fer_edge-1-py3-none-any.whl"
    if origin == "wheel":
        wheel.touch()
    if origin != "checkout":
        monkeypatch.setattr(installation, "CHECKOUT", tmp_path)
        monkeypatch.setattr(installation, "_came_from", lambda: wheel)
        monkeypatch.setattr(installation.metadata, "requires", lambda name: ["av>=13; extra == 'video'", "numpy"])
    words = shlex.split(installation.pip_install("video"))
    wanted = {"checkout": f"{ROOT.resolve()}[video]", "wheel": f"fer-edge[video] @ {wheel.as_uri()}", "gone": "av>=13"}
    assert words[-1] == wanted[origin]
    assert words[0] == "uv" or words[1:4] == ["-m", "pip", "install"]

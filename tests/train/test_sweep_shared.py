"""One sweep by two processes at once, through a real PostgreSQL, as two machines would share it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fer_edge.errors import MissingExtra, UsageError
from fer_edge.train.sweep import storage
from support.databases import PASSWORD, postgresql
from support.labelled import class_folders

pytestmark = pytest.mark.train
QUEUE = """
import json, sys
from fer_edge.train.recipe import load_recipe
from fer_edge.train.sweep.study import Outcome, sweep
ran = []
grid = {"dropout": (0.0, 0.1, 0.2, 0.3, 0.4), "augment": ("none", "v1")}
sys.stdin.readline()
sweep(load_recipe("tiny"), grid, lambda r, n: ran.append(n) or Outcome(0.5), study="q", storage=sys.argv[1])
print(json.dumps(ran))
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    for package in ("optuna", "psycopg", "torch"):
        pytest.importorskip(package, reason="needs the postgresql extra")
    with postgresql() as address:
        yield address


def test_two_that_begin_at_once_share_the_queue_of_an_empty_database(url: str) -> None:
    """Both make the tables and both queue every point; each point is run once all the same."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", QUEUE, url], **pipes) for _ in range(2)]
    for process in both:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    ran = [name for process in both for name in json.loads(process.communicate()[0])]
    assert [process.returncode for process in both] == [0, 0]
    assert len(set(ran)) == len(ran) == 10


def test_two_commands_share_one_sweep(url: str, command: Callable[..., Any], tmp_path: Path) -> None:
    class_folders(tmp_path / "d", each=3, suffixes=[".png"])
    (tmp_path / "r.toml").write_text("size = 32\nbatch = 8\nepochs = 1\n")
    words = ["sweep", "--data", "d", "--recipe", "r.toml", "--backbones", "mobilenetv3_small_100", "--storage", url]
    words += ["--grid", '{"dropout": [0.0, 0.2, 0.3]}', "--json", "--out"]
    own: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "HOME": str(tmp_path)}, "text": True}
    run = [sys.executable, "-m", "fer_edge", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen([*run, name], **pipes, **own) for name in ("one", "two")]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    trained = Counter(p.parent.name for out in ("one", "two") for p in (tmp_path / out).glob("*/outcome.json"))
    assert sorted(trained.values()) == [1, 1, 1]
    assert max(len(json.loads(out)["runs"]) for out, _ in said) == 3
    again = command(*words, "one")
    assert len(json.loads(again.stdout)["runs"]) == 3
    assert sum(len(list((tmp_path / out).glob("*/outcome.json"))) for out in ("one", "two")) == 3


@pytest.mark.parametrize("wrong", ["password", "port", "kind"])
def test_a_database_that_cannot_be_had(wrong: str, url: str) -> None:
    other = {
        "password": (PASSWORD, "guessed"),
        "port": (url.rpartition(":")[2], "1/x"),
        "kind": ("postgresql", "abacus"),
    }
    with pytest.raises(UsageError, match="cannot be opened") as told:
        storage.open_storage(url.replace(*other[wrong]))
    assert PASSWORD not in str(told.value)
    assert "guessed" not in str(told.value)


def test_without_its_driver(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="psycopg"):
        storage.open_storage(url)

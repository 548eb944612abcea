"""One sweep by two processes at once, through a real PostgreSQL, as two machines would share it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.databases import postgresql

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

"""Case 02: one NaN from the model, and the store never writes again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.kiosks import free_port

ON_DISK = 14
"""When the store stopped, so many were."""
WAIT = """for _ in {1..150}; do
  curl -s http://127.0.0.1:18081/metrics | grep -qE 'observations_total ([6-9][0-9]|[0-9]{3})' && break; sleep 1
done"""
"""In place of the case's 40 seconds, which on a busy machine are few."""


def test_one_nan(shared_case: Callable[[int], Path]) -> None:
    case = shared_case(2)
    script = (case / "run.sh").read_text().replace("sleep 40", WAIT).replace("18081", str(free_port()))
    (case / "run.sh").write_text(script)
    environment = {**os.environ, "FER": f"{sys.executable} -m fer_edge", "FER_EDGE_MODEL_TUNE": "false"}
    said = subprocess.run(
        ["bash", "run.sh"], cwd=case, env=environment, capture_output=True, text=True, timeout=300
    ).stdout
    assert "run: rc=0" in said
    told = {name: float(value) for name, value in re.findall(r"^(fer_edge_store_\w+) (\S+)$", said, re.M)}
    assert told["fer_edge_store_waiting"] < 30  # those of the second at hand; three quarters of all are NaN
    assert "(NaN)" in said
    stored = int(re.findall(r"^observations: +([\d,]+)", said, re.M)[0].replace(",", ""))
    assert stored >= told["fer_edge_store_observations_total"] > ON_DISK

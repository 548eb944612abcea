"""Case 02: one NaN from the model, and the store never writes again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def test_one_nan(shared_case: Callable[[int], Path]) -> None:
    environment = {**os.environ, "FER": f"{sys.executable} -m fer_edge"}
    said = subprocess.run(
        ["bash", "run.sh"], cwd=shared_case(2), env=environment, capture_output=True, text=True, timeout=180
    ).stdout
    assert "run: rc=0" in said
    told = {name: float(value) for name, value in re.findall(r"^(fer_edge_store_\w+) (\S+)$", said, re.M)}
    assert told["fer_edge_store_waiting"] < 30  # those of the second at hand; three quarters of all are NaN
    assert "(NaN)" in said
    stored = int(re.findall(r"^observations: +([\d,]+)", said, re.M)[0].replace(",", ""))
    assert stored >= told["fer_edge_store_observations_total"] > 14

"""Case 09: on a busy machine, cropping took 25 to 130 times as long, because a BLAS split each face over every core."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

pytestmark = pytest.mark.slow


def test_cropping_on_a_busy_machine_takes_what_it_takes_with_one_thread(shared_case: Callable[[int], Path]) -> None:
    script = shared_case(9) / "run.sh"
    env = {"PATH": "/usr/bin:/bin", "FER": f"{sys.executable} -m fer_edge"}
    done = subprocess.run(["bash", script], capture_output=True, text=True, timeout=300, env=env)
    found = re.findall(r"=(unset|1) crop ([\d.]+) ms", done.stdout)
    assert len(found) == 6, done.stdout + done.stderr
    default, one = (median(float(ms) for kind, ms in found if kind == wanted) for wanted in ("unset", "1"))
    assert default < 2 * one + 0.5, done.stdout

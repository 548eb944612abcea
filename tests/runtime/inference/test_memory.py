"""What an opened graph keeps in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fer_edge.bundle import Bundle
from fer_edge.runtime.inference.classifier import choose_artifact

OPENED = """
import re, sys
from pathlib import Path
import numpy, onnxruntime
from fer_edge.runtime.backends import open_backend
def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = anonymous()
backend = open_backend("onnxruntime", Path(sys.argv[1]), {"threads": 1})
print(anonymous() - before)
backend.infer(numpy.zeros((1, 112, 112, 3), numpy.uint8))
"""


def test_weights_are_in_memory_once(bundle: Bundle) -> None:
    """As the kernels want them, and not as they were stored besides: that was 2.3 times the file, and is 1.3."""
    if sys.platform != "linux" or not Path("/proc/self/status").exists():
        pytest.skip("needs Linux's figures of memory")
    file = bundle.path(choose_artifact(bundle))
    done = subprocess.run([sys.executable, "-c", OPENED, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0.5 * file.stat().st_size < int(done.stdout) < 1.7 * file.stat().st_size

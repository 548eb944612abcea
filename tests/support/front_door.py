"""The command line in the test's own process: no interpreter to start."""

from __future__ import annotations

import signal

import pytest
from fer_edge.cli.main import main


def run_verb(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Exit code of `fer-edge …` and what it printed on both streams."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        code = main([str(word) for word in words])
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    return code, said.out + said.err

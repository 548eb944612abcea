"""Case 01: a kiosk that comes back after a short power cut is shown as offline for good."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.brokers import MOSQUITTO, Broker, Listener
from support.kiosks import Running, free_port
from support.waiting import until

KEEPALIVE_S = 45
"""What the broker waits for a client of 30 s that has vanished."""


def test_online_after_a_power_cut(shared_case: Callable[[int], Path], tmp_path: Path) -> None:
    if not MOSQUITTO.is_file():
        pytest.skip("needs mosquitto")
    case, broker, port = shared_case(1), Broker(tmp_path / "broker"), free_port()
    broker.start()
    hole = subprocess.Popen([sys.executable, case / "hole.py", str(port), str(broker.port)])
    running = Running(tmp_path / "kiosk", "demo:60", f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\ninterval_s = 5')
    heard = Listener(broker, "fer-edge/#")
    try:
        for end in (signal.SIGKILL, signal.SIGTERM):
            running.start()
            until(lambda: heard.of("fer-edge/status")[-1:] == ["online"] and heard.of("fer-edge/state"))
            if end is signal.SIGTERM:
                time.sleep(KEEPALIVE_S + 5)
                late = Listener(broker, "fer-edge/status")
                until(lambda late=late: late.heard)
                late.close()
                assert late.of("fer-edge/status") == ["online"]
                until(lambda: running.ask("/healthz")["condition"] == "ok")  # a busy machine may miss a second
            running.stop(end)
            heard.heard.clear()
    finally:
        running.stop(signal.SIGKILL)
        hole.kill()
        hole.wait()
        heard.close()
        broker.stop()

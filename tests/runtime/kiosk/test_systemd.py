"""What systemd is told while it does not listen."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from fer_edge.runtime.kiosk.systemd import Notifier


def test_a_systemd_that_is_busy_costs_no_frames(tmp_path: Path) -> None:
    """The watchdog is fed at the first frame after it listens again, and nothing waits until then."""
    place, now = str(tmp_path / "notify"), [0.0]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(place)
        systemd.setblocking(False)
        notifier = Notifier({"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "2000000"}, lambda: now[0])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others, suppress(BlockingIOError):
            others.setblocking(False)
            while True:
                others.sendto(b"others", place)
        notifier.alive()
        with suppress(BlockingIOError):
            while systemd.recv(100) == b"others":
                pass
        notifier.alive()
        assert systemd.recv(100) == b"WATCHDOG=1"

"""A frame rate and a processor cap that hold, and what systemd hears."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from fer_edge.runtime.kiosk.rate_limit import MAX_REST_S, RateLimit
from fer_edge.runtime.kiosk.systemd import Notifier


def simulate(limit: RateLimit, now: list[float], worked: list[float], work_s: float, frames: int) -> float:
    """Frames a second over the last half of some frames, each taking `work_s` of the processor."""
    times = []
    for _ in range(frames):
        now[0] += work_s
        worked[0] += work_s
        now[0] += limit.rest_s()
        times.append(now[0])
    half = times[frames // 2 :]
    return (len(half) - 1) / (half[-1] - half[0])


@pytest.mark.parametrize(
    ("fps", "cap", "work_s", "wanted"), [(10, 0, 0.02, 10), (0, 0.25, 0.02, 12.5), (30, 0.5, 0.05, 10)]
)
def test_rate_and_cap_hold(fps: float, cap: float, work_s: float, wanted: float) -> None:
    now, worked = [0.0], [0.0]
    limit = RateLimit(fps, cap, lambda: now[0], lambda: worked[0])
    assert simulate(limit, now, worked, work_s, 600) == pytest.approx(wanted, rel=0.08)
    assert simulate(limit, now, worked, work_s / 2, 600) >= wanted  # lighter work, no fewer frames
    if cap:
        assert limit.share <= 1.1 * cap


def test_no_cap_starves_the_kiosk() -> None:
    now, worked = [0.0], [0.0]
    limit = RateLimit(0, 0.001, lambda: now[0], lambda: worked[0])
    assert simulate(limit, now, worked, 0.1, 100) >= 1 / (MAX_REST_S + 0.2)
    free = RateLimit(0, 0, lambda: now[0], lambda: worked[0])
    assert simulate(free, now, worked, 0.1, 20) == pytest.approx(10, rel=0.01)


def test_what_systemd_hears(tmp_path: Path) -> None:
    place, now = tmp_path / "notify", [0.0]
    told = {"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.settimeout(5)
        notifier = Notifier(told, lambda: now[0])
        assert notifier.watchdog_s == 30
        notifier.ready()
        for _ in range(100):  # ten seconds: twice is enough
            notifier.alive()
            now[0] += 0.1
        notifier.reloading()
        notifier.stopping()
        notifier.status("two\nlines")
        heard = [systemd.recv(1000).decode() for _ in range(6)]
    assert heard[:3] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert heard[3].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[4:] == ["STOPPING=1", "STATUS=two"]
    notifier.ready()  # systemd is gone: nothing happens
    silent = Notifier({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
    assert silent.watchdog_s == 0
    silent.ready()


def test_a_systemd_that_does_not_listen_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is full: words are lost, the kiosk goes on."""
    monkeypatch.setattr("fer_edge.runtime.kiosk.systemd.SEND_S", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        sent = 50
        for _ in range(sent):
            notifier.ready()
        systemd.setblocking(False)
        heard = 0
        with suppress(BlockingIOError):
            while systemd.recv(100):
                heard += 1
        assert 0 < heard < sent  # the queue was full


def test_an_abstract_socket() -> None:
    name = f"@fer-edge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:])
        systemd.settimeout(5)
        Notifier({"NOTIFY_SOCKET": name}).ready()
        assert systemd.recv(100) == b"READY=1"

"""Notifies systemd: ready, alive, status. The protocol is one datagram with lines (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

SEND_S = 0.5


class Notifier:
    """Sends to the socket that systemd names in the environment; without one every call does nothing."""

    def __init__(
        self, environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._alive_s = clock, float("-inf")
        self._place = environment.get("NOTIFY_SOCKET", "")
        stated = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(stated) / 1e6 if stated.isdigit() and ours else 0.0
        """Seconds after which systemd kills a service that was silent; 0 without a watchdog."""

    def ready(self) -> None:
        """The service does its work."""
        self._send("READY=1")

    def alive(self) -> None:
        """A frame went all the way; systemd's watchdog begins to count anew. Said four times in its time at most."""
        now = self._clock()
        due = self.watchdog_s and now - self._alive_s >= self.watchdog_s / 4
        if due and self._send("WATCHDOG=1", wait_s=0.0):  # else at the next frame: waiting each time would cost frames
            self._alive_s = now

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._send(f"STATUS={text.splitlines()[0] if text else ''}")

    def reloading(self) -> None:
        """The configuration is read anew; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send("STOPPING=1")

    def _send(self, text: str, wait_s: float = SEND_S) -> bool:
        """Whether it was taken."""
        if not self._place:
            return False
        address = "\0" + self._place[1:] if self._place.startswith("@") else self._place
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
                client.settimeout(wait_s)  # a full queue blocks, and would stop the kiosk
                client.sendto(text.encode(), address)
        except OSError:
            return False  # systemd went away or is busy; the daemon's work does not depend on it
        return True

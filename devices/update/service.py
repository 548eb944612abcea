"""The kiosk's service: started again, and watched until it is healthy or is not."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ...errors import DeviceNotFound, UsageError

UNIT = "fer-edge.service"
POLL_S = 0.5
AGAIN_S, HEALTHY_S = 300.0, 60.0
"""What a start, and a question about health, may take."""


class Service(Protocol):
    """What an update needs of it."""

    def restart(self) -> None:
        """Start it anew with the current release; a start that fails shows in `trouble`."""

    def trouble(self) -> str:
        """Why it is not healthy, in a sentence; empty when it is."""

    def starts(self) -> int:
        """How often it was started again since it was first; one that crashes all the time looks well in between."""


class SystemdService:
    """As systemd sees it: READY was said (the unit is Type=notify), and it stays up and is not degraded.

    A kiosk that was degraded before the first restart may be so afterwards: no update mends a broker that is away.
    """

    def __init__(self, unit: str = UNIT) -> None:
        self._unit = unit
        self._ill: tuple[str, ...] = ()

    def restart(self) -> None:
        """See Service; returns when READY was said, or the start failed."""
        if not self._ill:
            before = self._show().get("StatusText", "")
            self._ill = ("failed", "starting") if before.startswith("degraded") else ("failed", "starting", "degraded")
        for words in (("daemon-reload",), ("reset-failed", self._unit), ("restart", self._unit)):
            _systemctl(*words)

    def trouble(self) -> str:
        """See Service."""
        seen = self._show()
        state = f"{seen.get('ActiveState', 'unknown')} ({seen.get('SubState', '')})"
        if seen.get("ActiveState") != "active":
            return f"{self._unit} is {state}: {seen.get('StatusText') or seen.get('Result', '')}"
        told = seen.get("StatusText", "")
        return told if told.startswith(self._ill or ("failed", "starting", "degraded")) else ""

    def starts(self) -> int:
        """See Service."""
        return int(self._show().get("NRestarts") or 0)

    def _show(self) -> dict[str, str]:
        names = "ActiveState,SubState,Result,StatusText,NRestarts"
        lines = _systemctl("show", self._unit, f"--property={names}").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


@dataclass(frozen=True)
class CommandService:
    """Commands of one's own, where there is no systemd: one starts it anew, one exits with 0 when it is healthy.

    Raises:
        UsageError: one of them is not there, before anything is changed.
    """

    again: str
    healthy: str
    healthy_s: float = HEALTHY_S

    def __post_init__(self) -> None:
        """Look for both programs."""
        for command in (self.again, self.healthy):
            try:
                words = shlex.split(command)
            except ValueError as error:
                raise UsageError(f"{command!r} is no command: {error}", hint="fer-edge update --help") from None
            if not words or shutil.which(words[0]) is None:
                raise UsageError(f"{command!r} cannot be run: there is no such program", hint=f"command -v {command}")

    def restart(self) -> None:
        """See Service."""
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                shlex.split(self.again), stdout=subprocess.DEVNULL, timeout=AGAIN_S, start_new_session=True, check=False
            )

    def trouble(self) -> str:
        """See Service."""
        words = shlex.split(self.healthy)
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=self.healthy_s, start_new_session=True, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{self.healthy} did not answer within {self.healthy_s:g} s"
        said = (done.stdout + done.stderr).strip().splitlines()
        return "" if done.returncode == 0 else (said[-1] if said else f"{self.healthy} exits with {done.returncode}")

    def starts(self) -> int:
        """See Service; commands do not tell."""
        return 0


def wait_until_healthy(service: Service, limit_s: float, hold_s: float) -> str:
    """Empty when it became healthy in time and stayed so, else the reason.

    Args:
        limit_s: for it to become healthy.
        hold_s: it must then stay so, without being started again; shorter than a crash needs would prove nothing.
    """
    end, why = time.monotonic() + limit_s, "it was not asked"
    while time.monotonic() < end:
        why = service.trouble()
        if not why:
            break
        time.sleep(POLL_S)
    else:
        return why
    starts, end = service.starts(), time.monotonic() + hold_s
    while time.monotonic() < end:
        time.sleep(POLL_S)
        if why := service.trouble():
            return why
        if service.starts() > starts:
            return "it ended and was started again"
    return ""


def _systemctl(*words: str) -> str:
    """What it says. In a session of its own, like all of these: a terminal's Ctrl-C must not end a going back."""
    try:
        done = subprocess.run(
            ["systemctl", *words], capture_output=True, text=True, timeout=300, start_new_session=True, check=False
        )
    except FileNotFoundError:
        raise DeviceNotFound(
            "systemctl is not here",
            cause="the kiosk is not a systemd service",
            hint="the same command with --restart CMD --healthy CMD",
        ) from None
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout

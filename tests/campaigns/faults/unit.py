"""The rules of packaging/fer-edge.service that a supervisor needs; read from it, so that they are what is shipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

UNIT = Path(__file__).resolve().parents[3] / "packaging" / "fer-edge.service"


@dataclass(frozen=True)
class Rules:
    """What systemd.service(5) calls them; seconds.

    Attributes:
        prevent: exit codes after which it is not started again.
        environment: of the service.
        powerless: the service has no capability, so that file modes bind root too.
    """

    restart: str
    restart_s: float
    prevent: frozenset[int]
    start_s: float
    stop_s: float
    watchdog_s: float
    umask: int
    environment: dict[str, str]
    powerless: bool


def read_rules(path: Path = UNIT) -> Rules:
    """The rules of a unit file; raises KeyError when one is missing."""
    pairs = [line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    last = {key: value for key, _, value in pairs}
    words = [word for key, _, value in pairs if key == "Environment" for word in value.split()]
    return Rules(
        restart=last["Restart"],
        restart_s=float(last["RestartSec"]),
        prevent=frozenset(int(word) for word in last["RestartPreventExitStatus"].split()),
        start_s=float(last["TimeoutStartSec"]),
        stop_s=float(last["TimeoutStopSec"]),
        watchdog_s=float(last["WatchdogSec"]),
        umask=int(last["UMask"], 8),
        environment={name: value for name, _, value in (word.partition("=") for word in words)},
        powerless=not last["CapabilityBoundingSet"],
    )

"""Faults of the camera, the broker, the disk and the clock."""

from __future__ import annotations

import random
import signal
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from fer_edge.runtime.backoff import FIRST_WAIT_S, JITTER, MAX_WAIT_S
from fer_edge.runtime.storage import kiosk_path

from . import ledger
from .bench import Bench
from .fault import OPEN_SOURCE_S, STEADY_GAP_S, Fault, Over, latest_attempt
from .kit import CLOCK, DEADLINE_S, FAKETIME, SPARED, TWO

GONE_S = 5.0
HANGS_S = (2.0, 5.0)
ATTEMPT_S = 1.0
"""An attempt that is refused: an interpreter, OpenCV and one connection."""
DOWN_S, SILENT_S = 10.0, (0.7, 2.0)
REFUSED_S = (1.0, 4.0)
"""For how long a disk takes nothing, from when the kiosk has said so."""
DAY_S = 86_400
HEARD_MS = 1000
"""By how much the jump that was noticed may differ from the one that was made: the time between two observations."""


def gone(bench: Bench, chance: random.Random) -> Over:
    """Switched off for five seconds."""
    bench.camera.switch_off()
    sleep(GONE_S)
    bench.camera.switch_on()
    return Over(monotonic())


def one_gone(bench: Bench, chance: random.Random) -> Over:
    """One of two switched off for five seconds: the other's picture comes all the while."""
    lost = spared_lost(bench)
    over = gone(bench, chance)
    assert spared_lost(bench) == lost, "the other camera was lost too"
    return over


def spared_lost(bench: Bench) -> int:
    """How often the camera that nothing is done to was lost."""
    return bench.said().count(f"source {SPARED} lost")


def hang(bench: Bench, chance: random.Random) -> Over:
    """It sends nothing, on old connections and new ones."""
    bench.camera.flowing.clear()
    sleep(chance.uniform(*HANGS_S))
    bench.camera.flowing.set()
    return Over(monotonic())


def other_resolution(bench: Bench, chance: random.Random) -> Over:
    """It goes on with pictures of another size."""
    bench.camera.change_resolution()
    return Over(monotonic())


def broker_down(bench: Bench, chance: random.Random) -> Over:
    """Silent first, so that snapshots are on their way that it never reads; then ended, and away for ten seconds."""
    assert bench.broker.process is not None
    silent_s, process = chance.uniform(*SILENT_S), bench.broker.process
    process.send_signal(signal.SIGSTOP)
    sleep(silent_s)
    process.send_signal(signal.SIGTERM)  # before it goes on, so that it ends without reading
    process.send_signal(signal.SIGCONT)
    bench.broker.stop()
    sleep(DOWN_S - silent_s)
    bench.broker.start()
    return Over(monotonic())


def disk_full(bench: Bench, chance: random.Random) -> Over:
    """Filled to the last byte by a file of somebody else's. SQLite's log is cut first, or it would be written over."""
    assert bench.mounted, "there is no small disk"
    with closing(sqlite3.connect(kiosk_path(bench.store), timeout=5)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ballast = bench.state / "ballast"
    fill(ballast)
    try:
        bench.until(lambda: bench.supervisor.condition == "degraded", "the full disk was not noticed")
        sleep(chance.uniform(*REFUSED_S))
        assert bench.supervisor.condition == "degraded", "it is ok on a full disk"
    finally:
        ballast.unlink()
    return Over(monotonic())


def fill(ballast: Path) -> None:
    """Write until there is no room."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def read_only(bench: Bench, chance: random.Random) -> Over:
    """Nothing in the state's folder may be written; the daemon has no power that would override that."""
    with locked(bench.state):
        bench.until(lambda: bench.supervisor.condition == "degraded", "the read-only folder was not noticed")
        sleep(chance.uniform(*REFUSED_S))
        assert bench.supervisor.condition == "degraded", "it is ok with a read-only folder"
    return Over(monotonic())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, nobody has leave to write there."""
    paths = [folder, *folder.rglob("*")]
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    for path, mode in before.items():
        path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in before.items():
            if path.exists():
                path.chmod(mode)


def clock_jump(bench: Bench, chance: random.Random) -> Over:
    """Set by a day, either way, and back again."""
    days = chance.choice((1, -1))
    known = len(ledger.clock_events(bench.store))
    for step, seconds in ((days, days * DAY_S), (-days, 0)):
        bench.set_clock(seconds)
        bench.flows(2)
        seen = bench.until(partial(_jumps, bench, known), "the jump is not in the store", 10)
        assert len(seen) == 1, f"jumps of {seen} ms were noticed"
        assert abs(seen[0] - step * DAY_S * 1000) < HEARD_MS, f"a jump of {seen} ms was noticed"
        known += 1
    return Over(monotonic())


def _jumps(bench: Bench, known: int) -> list[int]:
    """Those that were noticed beyond the known ones, milliseconds."""
    return ledger.clock_events(bench.store)[known:]


def no_faketime() -> str:
    """Why the daemon's clock cannot be set here."""
    return "" if FAKETIME.is_file() else "no libfaketime, which sets the clock of one process"


FAULTS = (
    Fault(
        "camera gone for 5 s",
        gone,
        15.0,
        "5 s, the last wait between two attempts, opening",
        latest_attempt(GONE_S, FIRST_WAIT_S, MAX_WAIT_S, JITTER, ATTEMPT_S) + OPEN_SOURCE_S + STEADY_GAP_S,
        camera=True,
    ),
    Fault(
        "camera hang",
        hang,
        9.0,
        "up to 5 s of hanging, opening",
        max(HANGS_S[1], DEADLINE_S + FIRST_WAIT_S * (1 + JITTER)) + OPEN_SOURCE_S + STEADY_GAP_S,
        camera=True,
    ),
    Fault(
        "one of two cameras gone for 5 s",
        one_gone,
        STEADY_GAP_S,
        "none: the other goes on",
        camera=True,
        kit=TWO,
    ),
    Fault("camera resolution change", other_resolution, STEADY_GAP_S, "none", told=False),
    Fault("broker down 10 s", broker_down, STEADY_GAP_S, "none"),
    Fault("disk full", disk_full, STEADY_GAP_S, "none: they wait in memory"),
    Fault("read-only state folder", read_only, STEADY_GAP_S, "none: they wait in memory"),
    Fault("clock jump of a day", clock_jump, STEADY_GAP_S, "none", told=False, kit=CLOCK, needs=no_faketime),
)

"""The kiosk's store: nothing acknowledged is lost, whatever happens to disk, clock and process, and wiped is wiped."""

from __future__ import annotations

import csv
import gc
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time as clock
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.errors import InputError, MissingExtra, OutputError, UsageError
from fer_edge.runtime.storage import batch, export, kiosk_path
from fer_edge.runtime.storage.clock import boot_id, clock_synchronised
from fer_edge.runtime.storage.export import ExportOptions, export_history, time_text
from fer_edge.runtime.storage.groups import groups
from fer_edge.runtime.storage.history import History
from fer_edge.runtime.storage.lock import Claim
from fer_edge.runtime.storage.query import HistoryRow, reading, rows, summary
from fer_edge.runtime.storage.retention import RetentionLimits
from fer_edge.runtime.storage.schema import APPLICATION, VERSION
from fer_edge.runtime.storage.wipe import traces, wipe
from fer_edge.runtime.vision.quality_gate import UNSUITABLE
from support.front_door import run_verb
from support.histories import DAY, FRAME, NOON, Time, put, seen, store
from support.waiting import until

ROOM = Path(__file__).resolve().parents[2]
Call = Callable[..., tuple[int, str]]


def kept(folder: Path) -> list[HistoryRow]:
    with reading(folder) as database:
        return list(rows(database))


def tracks(folder: Path) -> list[int]:
    return [row.track for row in kept(folder)]


def fill(folder: Path, count: int, time: Time | None = None, **more: object) -> None:
    time = time or Time()
    sink = store(folder, time, **more)
    for i in range(count):
        sink.write(FRAME, [seen(i // 10, LABELS[i % 7])])
        time.passes(0.1)
    sink.close()


def ask(folder: Path, *statements: str) -> list[tuple[object, ...]]:
    """What the last of some statements says, of the database itself."""
    with closing(sqlite3.connect(kiosk_path(folder))) as database, database:
        return [database.execute(statement).fetchall() for statement in statements][-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def sink(folder: Path, time: Time) -> Iterator[History]:
    """A store by that clock, which keeps no row longer than ten days."""
    it = store(folder, time, limits=RetentionLimits(days=10, mib=0))
    yield it
    it.close()


def retain(sink: History) -> None:
    """Have everything leave that may."""
    while sink.retain():
        pass


def test_gives_back_what_it_took_and_no_more(sink: History, time: Time, folder: Path) -> None:
    sink.write(FRAME, [seen(1, "happy"), seen(2, "sad")])
    time.passes(0.25)
    time.ok = False
    sink.write(FRAME, [seen(2, "uncertain")])
    assert sink.state().acknowledged == 0
    assert sink.commit()
    assert sink.state().acknowledged == 3
    sink.close()
    first, second, third = kept(folder)
    assert first == HistoryRow(1, round(NOON * 1000), True, 1, 1, "happy", 0.7, None)
    assert (second.track, second.label, second.wall_ms) == (2, "sad", first.wall_ms)
    assert (third.wall_ms, third.clock_ok) == (first.wall_ms + 250, False)
    with reading(folder) as database:
        columns = {name for _, name, *_ in database.execute("PRAGMA table_info(observations)")}
        assert not columns & {"box", "frame", "box_left"}
        assert database.execute("SELECT run, boot FROM runs").fetchall() == [(1, boot_id())]


def test_probabilities_are_kept_only_when_asked_for(folder: Path) -> None:
    fill(folder, 3, keep_probabilities=True)
    told = kept(folder)[1].probabilities
    assert told is not None
    assert list(told) == list(LABELS)
    assert told["disgust"] == pytest.approx(0.7)


def test_only_the_owner_may_read(folder: Path) -> None:
    old = os.umask(0)
    try:
        sink = store(folder)
        put(sink, 1)
        assert folder.stat().st_mode & 0o077 == 0
        assert [p.name for p in folder.iterdir() if p.stat().st_mode & 0o077] == []
        sink.close()
    finally:
        os.umask(old)


def test_the_thread_commits_by_itself_and_readers_see_it(folder: Path) -> None:
    with closing(History(folder, commit_s=0.01)) as sink:
        sink.write(FRAME, [seen()])
        until(lambda: sink.state().acknowledged == 1)
        assert len(kept(folder)) == 1
        assert summary(folder).closed is False
    assert summary(folder).closed is True


def test_taking_an_observation_does_not_wait_for_the_disk(sink: History, folder: Path) -> None:
    with sink._disk:  # as while a commit is under way
        sink.write(FRAME, [seen(), seen(2)])
        assert sink.state().waiting == 2
    sink.close()
    assert len(kept(folder)) == 2


def test_a_commit_reaches_the_disk_before_it_is_acknowledged(folder: Path, tmp_path: Path) -> None:
    """What `synchronous=FULL` is for, seen from outside: after the row was written to the log, the log is synced."""
    log = tmp_path / "calls"
    script = (
        "import os, pathlib, sys\nfrom fer_edge.runtime.storage.history import History\n"
        "from support.histories import FRAME, seen\n"
        "s = History(pathlib.Path(sys.argv[1]), start=False)\ns.commit()\n"
        "os.path.exists('/begin')\ns.write(FRAME, [seen()])\nassert s.commit()\n"
        "os.path.exists('/done')\n"
    )
    trace = ["strace", "-f", "-y", "-o", log, "-e", "trace=stat,newfstatat,pwrite64,fsync,fdatasync"]
    try:
        done = subprocess.run([*trace, sys.executable, "-c", script, folder], cwd=ROOM, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs strace")
    if done.returncode:
        pytest.skip("strace may not trace here")
    lines = log.read_text().splitlines()
    begin, end = (next(i for i, line in enumerate(lines) if name in line) for name in ("/begin", "/done"))
    calls = [line for line in lines[begin:end] if "kiosk.db-wal" in line and "stat" not in line.split("(")[0]]
    assert "pwrite64" in calls[0]
    assert "sync(" in calls[-1]


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_writer_loses_nothing_it_acknowledged(folder: Path, seed: int) -> None:
    """Three kills at random moments, on the same store; each time every acknowledged row is there, in order."""
    chance = random.Random(seed)
    for run in range(1, 4):
        acknowledged = write_and_die(folder, chance.randint(1, 60))
        mine = [row.track for row in kept(folder) if row.run == run]
        assert len(mine) >= acknowledged > 0
        assert mine == list(range(len(mine)))
    sink = store(folder)
    assert sink.commit()
    assert sink.state().set_aside == ""
    sink.close()
    assert ask(folder, "PRAGMA integrity_check") == [("ok",)]


def write_and_die(folder: Path, commits: int) -> int:
    """Have a process write as fast as it can, kill it after so many commits; what it said last was acknowledged."""
    words = [sys.executable, "-c", _WRITER, folder]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOM) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(commits)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    return int([line for line in said if line.endswith("\n")][-1])


_WRITER = """
import pathlib, sys, time
from fer_edge.runtime.storage.history import History
from support.histories import FRAME, seen
store = History(pathlib.Path(sys.argv[1]), commit_s=0.001)
said = 0
for track in range(10**9):
    while store.state().waiting > 1000:
        time.sleep(0.0001)  # what is dropped because the disk is slow is no part of this test
    store.write(FRAME, [seen(track)])
    if store.state().acknowledged > said:
        said = store.state().acknowledged
        print(said, flush=True)
"""


def test_the_second_process_is_refused(sink: History, folder: Path) -> None:
    script = (
        "import pathlib, sys; from fer_edge.runtime.storage.history import History\nHistory(pathlib.Path(sys.argv[1]))"
    )
    other = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True)
    assert other.returncode == 1
    assert f"UsageError: another process is writing the store in {folder}" in other.stderr
    sink.close()
    Claim(folder).release()


def damage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def damage_pages(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 200)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def drop_tables(path: Path) -> None:
    ask(path.parent, "DROP TABLE observations")


@pytest.mark.parametrize("harm", [damage_header, damage_pages, cut_short, drop_tables])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(folder: Path, harm: Callable[[Path], None]) -> None:
    fill(folder, 3000)
    ask(folder, "INSERT INTO about VALUES ('open', '1')")  # as a kill leaves it
    harm(kiosk_path(folder))
    sink = store(folder)
    assert put(sink, 7)
    assert sink.state().set_aside == "kiosk.damaged-1.db"
    sink.close()
    assert tracks(folder) == [7]
    told = summary(folder)
    assert [e.kind for e in told.events] == ["damaged"]
    assert "kiosk.damaged-1.db" in told.set_aside


def test_damage_found_while_running_loses_nothing_that_waits(sink: History, folder: Path) -> None:
    assert put(sink, *range(3000))
    ask(folder, "PRAGMA wal_checkpoint(TRUNCATE)")
    damage_pages(kiosk_path(folder))
    sink._let_go()  # so that pages come from the file and not from SQLite's memory
    sink.write(FRAME, [seen(4000), seen(4001)])
    while not sink.commit():
        assert sink.state().waiting == 2
        assert "malformed" in sink.state().trouble
    assert sink.state().set_aside
    sink.close()
    assert tracks(folder) == [4000, 4001]


def test_only_the_newest_damaged_file_is_kept(folder: Path) -> None:
    for _ in range(3):
        fill(folder, 10)
        damage_header(kiosk_path(folder))
    fill(folder, 10)
    assert summary(folder).set_aside == ["kiosk.damaged-3.db"]


def fill_up(ballast: Path) -> None:
    """Leave no byte free on a disk."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_is_survived(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MAX_WAITING", 500)
    folder, ballast = small_disk / "store", small_disk / "ballast"
    sink = store(folder)
    assert put(sink, 0)
    fill_up(ballast)
    track = 0
    while sink.commit():
        for _ in range(200):
            sink.write(FRAME, [seen(track := track + 1)])
    before = sink.state().acknowledged
    for _ in range(1000):
        sink.write(FRAME, [seen(track := track + 1)])
        assert sink.state().waiting <= 500
    assert not sink.commit()
    assert "full" in sink.check()
    dropped = sink.state().dropped
    assert before + 500 + dropped == track + 1
    ballast.unlink()
    assert sink.commit()
    assert sink.state().trouble == ""
    sink.close()
    assert tracks(folder) == [*range(before), *range(track - 499, track + 1)]
    assert [(e.kind, e.amount) for e in summary(folder).events] == [("dropped", dropped)]
    assert ask(folder, "PRAGMA integrity_check") == [("ok",)]


def remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


def test_a_read_only_folder_at_the_start_is_survived(small_disk: Path) -> None:
    remount(small_disk, "ro")
    sink = store(small_disk / "store")
    assert not put(sink, 1)
    assert "Read-only" in sink.state().trouble
    remount(small_disk, "rw")
    assert sink.commit()
    assert sink.state() == type(sink.state())("", 1, 1, 0, 0, "")
    sink.close()


def test_a_store_that_became_read_only_between_two_runs(small_disk: Path) -> None:
    fill(small_disk / "store", 10)
    remount(small_disk, "ro")
    sink = store(small_disk / "store")
    assert not put(sink, 1)
    assert sink.state().trouble
    assert len(kept(small_disk / "store")) == 10  # reading goes on
    with pytest.raises(OutputError, match="1 observation could not be written"):
        sink.close()
    remount(small_disk, "rw")
    fill(small_disk / "store", 1)
    assert len(kept(small_disk / "store")) == 11


def test_a_store_that_becomes_read_only_while_it_is_written(folder: Path) -> None:
    """As when the kernel stops writing to a failing card; a write to SQLite's mapped file would end us (SIGBUS)."""
    done = subprocess.run([sys.executable, "-c", _FROZEN, folder], capture_output=True, text=True, cwd=ROOM)
    subprocess.run(["chattr", "-i", folder, *folder.iterdir()], capture_output=True)
    if "may not" in done.stdout:
        pytest.skip("needs a file system and the right to make files immutable")
    assert done.stdout.splitlines() == ["False Read-only", "False Read-only", "True"], done.stderr
    assert done.returncode == 0
    assert tracks(folder) == [1, 2]


_FROZEN = """
import pathlib, subprocess, sys
from support.histories import FRAME, seen, store
folder = pathlib.Path(sys.argv[1])
sink = store(folder)
sink.write(FRAME, [seen(1)])
assert sink.commit()
files = [folder, *folder.iterdir()]
if subprocess.run(["chattr", "+i", *files]).returncode:
    sys.exit(print("may not"))
sink.write(FRAME, [seen(2)])
for _ in range(2):
    print(sink.commit() or sink.retain(), "Read-only" if "Read-only" in sink.check() else sink.check(), flush=True)
subprocess.run(["chattr", "-i", *files], check=True)
print(sink.commit() and sink.check() == "")
sink.close()
"""


def test_a_file_that_is_removed_under_it_is_begun_anew(sink: History, folder: Path) -> None:
    put(sink, 1)
    for path in folder.iterdir():
        path.unlink()
    assert put(sink, 2)
    sink.close()
    assert tracks(folder) == [2]


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_a_day(sink: History, time: Time, folder: Path, days: int) -> None:
    for track in range(20):
        if track == 10:
            time.wall += days * DAY
        sink.write(FRAME, [seen(track)])
        time.passes(0.1)
    sink.close()
    told = kept(folder)
    assert [row.track for row in told] == list(range(20))
    assert [row.seq for row in told] == list(range(1, 21))
    (event,) = summary(folder).events
    assert (event.kind, event.amount) == ("clock", days * 86_400_000)


def test_a_clock_that_went_back_while_it_was_off(folder: Path) -> None:
    fill(folder, 5)
    fill(folder, 5, Time(NOON - DAY))
    (event,) = summary(folder).events
    assert event.run == 2
    assert event.amount == pytest.approx(-86_399_900, abs=1)


def test_the_kernel_says_whether_the_clock_is_synchronised() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "import ctypes; b = (ctypes.c_long * 99)(); ctypes.CDLL(None).adjtimex(b); print(b[3])"],
        capture_output=True,
        text=True,
    ).stdout
    assert clock_synchronised() is (int(shown) < 16_000_000)


def test_rows_leave_by_age_in_bounded_batches(sink: History, time: Time, folder: Path) -> None:
    for day in range(30):
        put(sink, *[day] * 400)
        time.passes(DAY)
    assert sink.retain()
    assert len(kept(folder)) == 12_000 - 5000
    retain(sink)
    assert set(tracks(folder)) == set(range(20, 30))


def test_rows_of_an_unset_clock_leave_with_those_after_them(sink: History, time: Time, folder: Path) -> None:
    time.wall, time.ok = 1000.0, False  # a board without a battery boots in 1970
    put(sink, 0)
    assert not sink.retain()
    assert len(kept(folder)) == 1
    time.wall, time.ok = NOON, True
    put(sink, 1)
    sink.retain()
    assert tracks(folder) == [0, 1]  # 56 years old by its stamp, a moment in truth
    time.passes(11 * DAY)
    put(sink, 2)
    sink.retain()
    assert tracks(folder) == [2]


def test_nothing_leaves_by_the_word_of_a_clock_that_is_not_synchronised(
    sink: History, time: Time, folder: Path
) -> None:
    put(sink, 1)
    time.wall, time.ok = NOON + 1000 * DAY, False
    sink.retain()
    assert len(kept(folder)) == 1


def test_a_kiosk_that_never_knows_the_time_keeps_no_longer(sink: History, time: Time, folder: Path) -> None:
    time.ok = False
    for track in range(20):
        put(sink, track)
        time.passes(DAY)
    sink.retain()
    assert tracks(folder) == list(range(10, 20))


def test_rows_leave_by_size_and_the_file_stays_small(folder: Path) -> None:
    sink = store(folder, limits=RetentionLimits(days=0, mib=1), keep_probabilities=True)
    largest = 0
    for begin in range(0, 60_000, 2000):
        put(sink, *range(begin, begin + 2000))
        retain(sink)
        largest = max(largest, kiosk_path(folder).stat().st_size)
    told = tracks(folder)
    assert told == list(range(60_000 - len(told), 60_000))  # the newest, without a gap
    assert 1000 < len(told) < 30_000
    sink.limits = RetentionLimits(days=0, mib=0.25)
    retain(sink)
    sink.close()
    assert largest < 1.5 * (1 << 20)
    assert kiosk_path(folder).stat().st_size < 0.3 * (1 << 20)
    assert summary(folder).rows < len(told)


def test_runs_and_events_do_not_pile_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_edge.runtime.storage.retention.KEPT_EVENTS", 5)
    limits = RetentionLimits(days=1, mib=0)
    for run in range(20):
        fill(folder, 1, Time(NOON - run * DAY), limits=limits)
    sink = store(folder, Time(NOON + 5 * DAY), limits=limits)
    put(sink, 1)
    retain(sink)
    sink.retain()
    sink.close()
    told = summary(folder)
    assert told.runs == 1
    assert len(told.events) == 5


def make_first(folder: Path) -> None:
    """A store of version 1, by hand."""
    folder.mkdir()
    with closing(sqlite3.connect(kiosk_path(folder))) as database, database:
        database.execute(
            "CREATE TABLE observations (seq INTEGER PRIMARY KEY AUTOINCREMENT, time_s REAL NOT NULL,"
            " run INTEGER NOT NULL, track INTEGER NOT NULL, label TEXT NOT NULL, confidence REAL NOT NULL)"
        )
        table = [(NOON + i / 8, 1 + i // 50, i, LABELS[i % 7], 0.5) for i in range(100)]
        insert = "INSERT INTO observations (time_s, run, track, label, confidence) VALUES (?, ?, ?, ?, ?)"
        database.executemany(insert, table)
        database.execute("DELETE FROM observations WHERE seq > 90")  # seq 91 to 100 may not come again
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute("PRAGMA user_version = 1")


def test_a_store_of_version_1_is_brought_to_date(folder: Path) -> None:
    make_first(folder)
    fill(folder, 2, Time(NOON + DAY))
    told = kept(folder)
    assert told[89] == HistoryRow(90, round((NOON + 89 / 8) * 1000), False, 2, 89, LABELS[5], 0.5, None)
    assert [row.seq for row in told] == [*range(1, 91), 101, 102]
    assert told[-1].run == 3
    for pragma, value in (("user_version", VERSION), ("auto_vacuum", 2), ("integrity_check", "ok")):
        assert ask(folder, f"PRAGMA {pragma}") == [(value,)]
    new, made = folder.with_name("new"), "SELECT name, sql FROM sqlite_master"
    fill(new, 1)
    assert set(ask(folder, made)) == set(ask(new, made))  # a migrated store is no special case


def test_a_store_of_version_2_is_of_one_camera_without_a_name(folder: Path) -> None:
    fill(folder, 2)
    with closing(sqlite3.connect(kiosk_path(folder))) as database:
        database.execute("ALTER TABLE observations DROP COLUMN camera")
        database.execute("PRAGMA user_version = 2")
    sink = store(folder, Time(NOON + DAY))
    sink.of("door").write(FRAME, [seen()])
    sink.close()
    assert [row.camera for row in kept(folder)] == ["", "", "door"]
    new, made = folder.with_name("new"), "SELECT name, sql FROM sqlite_master"
    fill(new, 1)
    assert set(ask(folder, made)) == set(ask(new, made))


def test_a_migration_that_fails_leaves_the_old_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_first(folder)

    def give_up(database: sqlite3.Connection) -> None:
        database.execute("DROP TABLE observations")
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("fer_edge.runtime.storage.schema.MIGRATIONS", {1: give_up})
        sink = store(folder)
        assert not sink.commit()
        assert "disk I/O error" in sink.state().trouble
    assert sink.commit()
    sink.close()
    assert len(kept(folder)) == 90


def test_a_store_of_the_future_and_a_foreign_file_are_left_alone(folder: Path) -> None:
    fill(folder, 1)
    ask(folder, "PRAGMA user_version = 99")
    sink = store(folder)
    assert not sink.commit()
    assert "newer fer-edge" in sink.state().trouble
    with pytest.raises(InputError, match="newer fer-edge"):
        kept(folder)
    ask(folder, "PRAGMA application_id = 7")
    assert not sink.commit()
    assert "not a kiosk's store" in sink.state().trouble
    assert [p.name for p in folder.glob("*damaged*")] == []


# ---------------------------------------------------------------- reading, exporting, wiping


@pytest.fixture
def week(folder: Path, time: Time) -> Path:
    """Two hours a day for seven days: ten rows an hour, tracks of ten rows; the label says the day."""
    sink = store(folder, time, keep_probabilities=True)
    for day in range(7):
        for row in range(20):
            sink.write(FRAME, [seen(day * 2 + row // 10, LABELS[day])])
            time.passes(360)
        time.passes(DAY - 7200)
    sink.close()
    return folder


def test_csv_jsonl_and_parquet_hold_the_same(week: Path, tmp_path: Path) -> None:
    span = (round((NOON + DAY) * 1000), round((NOON + 3 * DAY) * 1000))
    for kind in ("csv", "jsonl"):
        assert export_history(ExportOptions(week, tmp_path / f"a.{kind}", kind, span)).lines == 40
    with (tmp_path / "a.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert table[0]["time"] == lines[0]["time"] == time_text(span[0]) == "2026-05-29T20:26:40.000Z"
    assert {row["label"] for row in table} == {"disgust", "fear"}
    assert lines[0]["probabilities"]["disgust"] == pytest.approx(0.7)
    assert [int(r["seq"]) for r in table] == [r["seq"] for r in lines] == list(range(21, 61))
    parquet = pytest.importorskip("pyarrow.parquet")
    export_history(ExportOptions(week, tmp_path / "a.parquet", "parquet", span))
    columns = parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert columns["seq"] == [r["seq"] for r in lines]
    assert columns["confidence"] == [r["confidence"] for r in lines]
    assert columns["clock_ok"] == [True] * 40


def test_parquet_without_pyarrow(week: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="pyarrow"):
        export_history(ExportOptions(week, tmp_path / "a.parquet", "parquet"))
    assert list(tmp_path.glob("*a*")) == []
    assert set(export.FORMATS) == {"csv", "jsonl", "parquet"}


def test_aggregates_withhold_small_groups(folder: Path, tmp_path: Path) -> None:
    time = Time(NOON - NOON % 3600)
    sink = store(folder, time)
    for faces in (3, 1, 2):
        for face in range(faces):
            sink.write(FRAME, [seen(face, "happy"), seen(face, "sad" if face else "happy")])
        time.passes(900)
    sink.close()
    with reading(folder) as database:
        told, withheld = groups(database, 15, 2)
    assert [(g.faces, g.observations) for g in told] == [(3, 6), (2, 4)]
    assert withheld == 1
    assert told[0].shares == pytest.approx({"happy": 4 / 6, "sad": 2 / 6})
    done = export_history(ExportOptions(folder, tmp_path / "a.csv", minutes=15, least=2))
    assert (done.lines, done.withheld) == (2, 1)
    with (tmp_path / "a.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["from", "to", "camera", "clock_ok", "faces", "observations", "share_happy", "share_sad"]
    assert table[1]["share_sad"] == "0.25"
    assert table[0]["to"] < table[1]["from"]


def test_faces_that_were_not_read_make_no_group(folder: Path) -> None:
    sink = store(folder, Time())
    sink.write(FRAME, [seen(1, "happy"), seen(2, UNSUITABLE), seen(3, UNSUITABLE)])
    sink.close()
    with reading(folder) as database:
        assert groups(database, 15, 2) == ([], 1)
        (told,), _ = groups(database, 15, 1)
    assert told.shares == pytest.approx({UNSUITABLE: 2 / 3, "happy": 1 / 3})


def test_one_person_before_each_of_three_cameras_is_no_group(folder: Path) -> None:
    """Stamped in the same millisecond, with the same and with other track numbers; a group is told of its camera."""
    time = Time()
    sink = store(folder, time)
    for first in (1, 1, 1):
        for number, camera in enumerate(("door", "hall", "stairs")):
            sink.of(camera).write(FRAME, [seen(first + number, "sad"), seen(9, UNSUITABLE)])
        time.passes(20)
    sink.commit()
    with reading(folder) as database:
        assert groups(database, 15, 2) == ([], 3)
    sink.of("hall").write(FRAME, [seen(n, "happy") for n in (1, 2, 3)])
    sink.of("door").write(FRAME, [seen(1, "sad")])
    sink.close()
    with reading(folder) as database:
        (told,), withheld = groups(database, 15, 3)
    assert (told.camera, told.faces, told.observations, told.shares) == ("hall", 3, 3, {"happy": 1.0})
    assert withheld == 2


def test_one_person_who_returns_is_never_exported(folder: Path, tmp_path: Path) -> None:
    """Three tracks in a stretch are no three people; moments with three at once are told, and only those."""
    time = Time()
    sink = store(folder, time)
    for track in range(10):
        sink.write(FRAME, [seen(track, "sad")])
        time.passes(20)
    sink.commit()
    with reading(folder) as database:
        assert groups(database, 15, 3) == ([], 1)
    sink.write(FRAME, [seen(n, "happy") for n in (20, 21, 22)])
    sink.close()
    with reading(folder) as database:
        (told,), _ = groups(database, 15, 3)
    assert (told.faces, told.observations, told.shares) == (3, 3, {"happy": 1.0})


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    clock.tzset()
    yield
    monkeypatch.undo()
    clock.tzset()


@pytest.mark.parametrize(("day", "hours"), [("2026-06-01", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
@pytest.mark.usefixtures("berlin")
def test_days_are_those_of_the_local_clock(folder: Path, day: str, hours: int) -> None:
    midnight = datetime.fromisoformat(day).timestamp()
    begin, end = round(midnight * 1000), round((midnight + 3600 * hours) * 1000)
    time = Time(midnight - 600)
    sink = store(folder, time)
    for place, (seconds, label) in enumerate([(-600, "sad"), (1800, "happy"), (3600 * hours - 1, "sad"), (0, "fear")]):
        time.wall = midnight + (seconds if place < 3 else 3600 * hours)
        time.monotonic += 1
        sink.write(FRAME, [seen(2 * place, label), seen(2 * place + 1, label)])
    sink.close()
    with reading(folder) as database:
        (told,), _ = groups(database, 1440, 2, (begin, end))
        days, _ = groups(database, 1440, 2)
        (cut,), _ = groups(database, 1440, 2, (begin, begin + 7_200_000))
        halves, _ = groups(database, 720, 2, (begin, end))
        quarters, _ = groups(database, 15, 2, (begin, end))
    assert (told.from_ms, told.to_ms, told.faces, told.shares) == (begin, end, 4, {"happy": 0.5, "sad": 0.5})
    assert [(g.from_ms, g.to_ms) for g in days[1:2]] == [(begin, end)]
    assert [g.to_ms for g in days[:-1]] == [g.from_ms for g in days[1:]]
    assert (cut.from_ms, cut.to_ms, cut.shares) == (begin, begin + 7_200_000, {"happy": 1.0})
    assert [g.shares for g in halves] == [{"happy": 1.0}, {"sad": 1.0}]
    assert halves[1].to_ms == end
    assert {g.to_ms - g.from_ms for g in quarters} == {900_000}


def test_reading_pages_through_more_than_one_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_edge.runtime.storage.query.PAGE", 7)
    fill(folder, 100)
    assert [row.seq for row in kept(folder)] == list(range(1, 101))


def everything(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.iterdir() if p.is_file())


def text_of(row: HistoryRow) -> bytes:
    """As SQLite writes a stamp of our days and the label after it."""
    return row.wall_ms.to_bytes(6, "big") + row.label.encode()


def test_wiping_everything_overwrites_the_very_bytes(week: Path, tmp_path: Path) -> None:
    told = kept(week)
    assert all(text_of(row) in everything(week) for row in told)
    damage_header(Path(week / "kiosk.damaged-1.db").write_bytes(everything(week)) and week / "kiosk.damaged-1.db")
    others = [tmp_path / "database", tmp_path / "aside"]
    os.link(kiosk_path(week), others[0])  # other names of the same bytes on the disk
    os.link(week / "kiosk.damaged-1.db", others[1])
    assert wipe(week).rows == len(told) == 140
    assert list(week.iterdir()) == []
    for other in others:
        assert set(other.read_bytes()) == {0}


def test_wiping_what_is_older_leaves_the_rest_and_no_trace(week: Path) -> None:
    told = kept(week)
    before = round((NOON + 3 * DAY) * 1000)
    done = wipe(week, before, now_ms=round((NOON + 8 * DAY) * 1000))
    assert done.rows == 60
    assert done.searched == kiosk_path(week).stat().st_size
    assert kept(week) == told[60:]
    left = everything(week)
    assert not [row for row in told[:60] if text_of(row) in left]
    assert all(text_of(row) in left for row in told[60:])
    fill(week, 1, Time(NOON + 9 * DAY))
    assert kept(week)[-1].seq == 141


def test_wiping_after_a_kill_overwrites_the_log_too(sink: History, time: Time, folder: Path, tmp_path: Path) -> None:
    for track in range(100):
        sink.write(FRAME, [seen(track)])
        time.passes(1)
    sink.commit()
    told = kept(folder)
    killed = Path(shutil.copytree(folder, tmp_path / "killed"))  # as a kill would leave it
    sink.close()
    os.link(killed / "kiosk.db-wal", tmp_path / "log")
    size = (tmp_path / "log").stat().st_size
    assert text_of(told[0]) in (tmp_path / "log").read_bytes()
    assert wipe(killed, told[50].wall_ms, now_ms=round(time.wall * 1000)).rows == 50
    assert kept(killed) == told[50:]
    assert not [row for row in told[:50] if text_of(row) in everything(killed)]
    assert (tmp_path / "log").read_bytes()[:size] == bytes(size)


def test_the_search_finds_what_a_plain_delete_leaves(week: Path) -> None:
    """The proof can fail: rows deleted without overwriting are recognised in the file, all of them."""
    gone: dict[str, list[int]] = {}
    for row in kept(week)[:40]:
        gone.setdefault(row.label, []).append(row.wall_ms)
    ask(week, "PRAGMA secure_delete = OFF", "DELETE FROM observations WHERE seq <= 40")
    ask(week, "PRAGMA wal_checkpoint(TRUNCATE)")
    texts = {label: np.array(stamps, np.int64) for label, stamps in gone.items()}
    assert traces(kiosk_path(week), texts, {}) >= 30
    assert traces(kiosk_path(week), {"happy": np.array([5], np.int64)}, {}) == 0


def test_wiping_a_damaged_store_and_a_full_disk(small_disk: Path) -> None:
    folder = small_disk / "store"
    fill(folder, 3000)
    damage_pages(kiosk_path(folder))
    fill_up(small_disk / "ballast")
    assert wipe(folder).rows is None
    assert list(folder.iterdir()) == []


def test_wiping_is_refused_while_a_kiosk_runs(week: Path) -> None:
    sink = store(week)
    with pytest.raises(UsageError, match="another process"):
        wipe(week)
    sink.close()
    assert len(kept(week)) == 140


# ---------------------------------------------------------------- the command


@pytest.fixture
def data(capsys: pytest.CaptureFixture[str]) -> Call:
    """`fer-edge data …` in this process."""
    return partial(run_verb, capsys, "data")


def test_data_show(data: Call, week: Path, tmp_path: Path) -> None:
    code, said = data("show", week)
    assert code == 0
    assert "140, in 1 run\n" in said
    assert "30 days, up to 512 MiB" in said
    told = json.loads(data("show", week, "--json")[1])
    assert told["first_ms"] == round(NOON * 1000)
    assert told["bytes"] == kiosk_path(week).stat().st_size
    code, said = data("show", tmp_path)
    assert code == 2
    assert "holds no kiosk's store" in said


def test_data_export(data: Call, week: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    assert data("export", week, "--out", out, "--since", "2026-05-29T20:26:40Z")[1].startswith(f"{out}: 120 lines")
    before = out.read_bytes()
    code, said = data("export", week, out)
    assert (code, out.read_bytes()) == (2, before)
    assert "--replace" in said
    code, said = data("export", week, "--out", out, "--aggregate", 1440, "--least", 3, "--replace")
    assert code == 0
    assert "withheld" in said
    to = ["--out", out]
    for wrong in (["export", week], ["export", week, *to, "--since", "yesterday"], ["show", week, *to]):
        assert data(*wrong)[0] == 2
    assert data("export", week, "--out", tmp_path / "a.csv" / "b")[0] == 2


def test_data_export_to_standard_output(week: Path, command: Callable[..., Any], tmp_path: Path) -> None:
    piped = command("data", "export", week, "-", "--json")
    assert command("data", "export", week, tmp_path / "a.csv").returncode == 0
    assert piped.stdout.splitlines() == (tmp_path / "a.csv").read_text().splitlines()
    assert json.loads(piped.stderr) == {"out": "-", "lines": 140, "withheld": 0}


def test_data_wipe_needs_a_yes(data: Call, week: Path) -> None:
    code, said = data("wipe", week)
    assert code == 2
    assert "nothing was removed" in said
    assert len(kept(week)) == 140
    code, said = data("wipe", week, "--before", "2026-05-31T20:26:40+00:00", "--yes")
    assert (code, said.split(";")[0]) == (0, "removed 60 observations")
    told = json.loads(data("wipe", week, "--yes", "--json")[1])
    assert told == {"removed": 80, "searched_bytes": 0, "recordings": 0, "absent": []}
    assert data("wipe", week, "--yes")[0] == 2


def test_its_cache_stays_small(sink: History) -> None:
    """2 MB of pages, which SQLite keeps by default, fill over days and look like a leak."""
    sink.commit()
    assert sink._database is not None
    assert sink._database.execute("PRAGMA cache_size").fetchone() == (-256,)


def test_asking_for_the_clock_leaves_nothing_behind() -> None:
    """It is asked at every frame; looking the call up each time made classes that only the collector removes."""
    clock_synchronised()
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(200):
            clock_synchronised()
        assert len(gc.get_objects()) - before < 100
    finally:
        gc.enable()

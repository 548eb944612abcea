"""The fault campaign's own tests: one round of the quick faults, and whether it would see what it looks for."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest
from fer_edge.runtime.backoff import Backoff
from fer_edge.runtime.storage import kiosk_path
from support.brokers import MOSQUITTO
from support.waiting import until

from campaigns.faults.__main__ import prepare
from campaigns.faults.bench import Bench
from campaigns.faults.campaign import all_faults, lanes_of, summary, table
from campaigns.faults.fault import Fault, Over, latest_attempt
from campaigns.faults.kit import PLAIN
from campaigns.faults.ledger import longest_gap_s, missing_numbers
from campaigns.faults.rounds import Outcome, Stalls, one_round
from campaigns.faults.supervisor import Rules, Supervisor, read_rules

RULES = Rules("always", 0.05, frozenset({2}), 30.0, 1.0, 0.5, 0o077, {}, powerless=False)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, clips: Path, yunet_file: Path) -> Iterator[Bench]:
    """One kiosk for every round here."""
    pytest.importorskip("aiohttp", reason="needs the kiosk extra")
    pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
    if not MOSQUITTO.is_file():
        pytest.skip("needs mosquitto")
    folder = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_EDGE_CACHE", "")  # so that what `prepare` sets is taken back
        prepare(folder)
        made = Bench(folder / "bench", PLAIN)
        yield made
        made.close()


def round_of(bench: Bench, fault: Fault) -> Outcome:
    return one_round(bench, fault, random.Random(7), Stalls())


@pytest.mark.parametrize(
    "name", ["camera resolution change", "worker SIGSEGV", "SIGKILL during writes", "broken config"]
)
def test_a_round_of_the_quick_faults(bench: Bench, name: str) -> None:
    fault = next(f for f in all_faults() if f.name.startswith(name))
    outcome = round_of(bench, fault)
    assert outcome.broken == ""  # a gap that is too long is no fault of the kiosk's on a busy machine
    assert outcome.lost == 0
    assert outcome.gap_s > 0


def test_what_is_lost_is_seen(bench: Bench) -> None:
    def steal(bench: Bench, chance: random.Random) -> Over:
        with closing(sqlite3.connect(kiosk_path(bench.store), timeout=10)) as database, database:
            database.execute("DELETE FROM observations WHERE seq IN (SELECT seq FROM observations LIMIT 1000)")
        return Over(monotonic())

    outcome = round_of(bench, Fault("theft", steal, 60.0, "", told=False))
    assert outcome.lost > 0
    assert "lost" in outcome.wrong
    assert "theft: " in table(summary([Fault("theft", steal, 60.0, "")], [outcome], {}, 1))


def test_a_gap_is_seen_and_does_not_hide_a_damaged_store(bench: Bench) -> None:
    aside = bench.store / "kiosk.damaged-1.db"

    def stop(bench: Bench, chance: random.Random) -> Over:
        aside.touch()
        os.kill(bench.supervisor.pid, signal.SIGSTOP)
        sleep(2)
        os.kill(bench.supervisor.pid, signal.SIGCONT)
        return Over(monotonic())

    try:
        outcome = round_of(bench, Fault("stop", stop, 0.0, "", told=False))
    finally:
        aside.unlink()
    assert outcome.gap_s >= 1.9
    assert "without observations" in outcome.wrong
    assert aside.name in outcome.broken
    assert aside.name in outcome.wrong


def service(folder: Path, text: str, rules: Rules = RULES) -> Supervisor:
    """Python lines as a service that can `tell` systemd."""
    head = "import os, socket, sys, time\n" + (
        "def tell(w): socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(w, os.environ['NOTIFY_SOCKET'])\n"
    )
    supervisor = Supervisor([sys.executable, "-c", head + text], rules, folder, {})
    supervisor.start()
    return supervisor


def test_the_supervisor_starts_again_as_the_unit_says(tmp_path: Path) -> None:
    rules = read_rules()
    assert (rules.restart, rules.prevent, rules.powerless) == ("always", frozenset({2}), True)
    assert rules.watchdog_s > 25 > rules.restart_s > 0
    again = service(tmp_path, "tell(b'READY=1\\nSTATUS=ok'); sys.exit(4)")
    until(lambda: len(again.since(0, "ready")) >= 2)
    again.stop()
    for_good = service(tmp_path, "sys.exit(2)")
    for_good._thread.join(30)
    assert not for_good._thread.is_alive()
    assert [e.kind for e in for_good.events] == ["start", "exit"]


def test_the_supervisor_kills_what_is_silent(tmp_path: Path) -> None:
    silent = service(tmp_path, "tell(b'READY=1'); time.sleep(60)")
    until(lambda: silent.since(0, "exit"))
    assert [e.kind for e in silent.events[:4]] == ["start", "ready", "silent", "exit"]
    silent.stop()
    patient = replace(RULES, watchdog_s=2.0)
    awake = service(tmp_path, "tell(b'READY=1')\nwhile True: tell(b'WATCHDOG=1'); time.sleep(0.05)", patient)
    begun = monotonic()
    until(lambda: awake.since(begun + 2.5, "watchdog"))
    assert not awake.since(0, "silent")
    awake.stop()


def test_no_backoff_is_later_than_documented() -> None:
    chance = random.Random(1)
    bound = latest_attempt(5.0, 0.5, 60.0, 0.2, 0.3)
    seen = []
    for _ in range(2000):
        backoff, now = Backoff(chance=chance.uniform), 0.0
        while (now := now + backoff.next_s()) <= 5.0:
            now += chance.uniform(0, 0.3)
        seen.append(now)
    assert max(seen) <= bound
    assert max(seen) > 0.7 * bound  # and it is no empty promise


def test_what_is_documented_is_what_the_code_adds_up_to() -> None:
    for fault in all_faults():
        assert fault.design_s <= fault.gap_s <= fault.design_s + 1, fault.name


def test_a_clock_that_was_set_is_no_gap(tmp_path: Path) -> None:
    with closing(sqlite3.connect(kiosk_path(tmp_path))) as database, database:
        database.execute("CREATE TABLE observations (seq INTEGER PRIMARY KEY, wall_ms INTEGER)")
        database.execute("CREATE TABLE events (event INTEGER PRIMARY KEY, kind TEXT, amount INTEGER)")
        stamps = [1000, 1100, 86_401_200, 86_403_700, 86_403_800]
        database.executemany("INSERT INTO observations (wall_ms) VALUES (?)", [(s,) for s in stamps])
        database.execute("INSERT INTO events (kind, amount) VALUES ('clock', 86400000)")
    assert longest_gap_s(tmp_path, 0) == 2.5
    assert longest_gap_s(tmp_path, 4) == pytest.approx(0.1)


def test_a_snapshot_that_never_came_is_missing() -> None:
    assert missing_numbers(['{"sequence": 3}', '{"sequence": 5}', '{"sequence": 5}']) == [4]
    assert missing_numbers([]) == []


def test_every_fault_is_in_one_lane() -> None:
    suffered = [fault.name for lane in lanes_of(all_faults()) for group in lane for fault in group]
    assert sorted(suffered) == sorted(fault.name for fault in all_faults())
    assert all(len({fault.kit for fault in group}) == 1 for lane in lanes_of(all_faults()) for group in lane)


def test_a_rule_that_changed_is_read(tmp_path: Path) -> None:
    unit = tmp_path / "a.service"
    unit.write_text(Path(read_rules.__defaults__[0]).read_text().replace("RestartSec=5", "RestartSec=7"))  # type: ignore[index]
    assert read_rules(unit) == replace(read_rules(), restart_s=7.0)

"""What was recorded, and what waits for the broker, goes after `keep_days` and by a wipe; the sign tells what lies."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from fer_edge.runtime.config import KioskConfig
from fer_edge.runtime.keeping.keeper import KeepDays, Keeper
from fer_edge.runtime.keeping.places import Places, places_of, remember
from fer_edge.runtime.kiosk.page import notice_of
from fer_edge.runtime.mqtt.queue import OfflineQueue
from fer_edge.runtime.status.snapshot import state_json
from fer_edge.runtime.storage.history import History
from fer_edge.runtime.web.page_values import told_parts
from support.front_door import run_verb
from support.snapshots import SEEN
from support.waiting import until

DAY = 86400.0
NOW = datetime(2026, 11, 28, 12).timestamp()
Keep = Callable[..., Keeper]


def recording(folder: Path, days_ago: float, changed_days_ago: float | None = None, film: bool = True) -> Path:
    """A recorded session that began so long ago, and whose folder was changed then."""
    session = folder / datetime.fromtimestamp(NOW - days_ago * DAY).strftime("%Y%m%d-%H%M%S")
    session.mkdir(parents=True)
    (session / "observations.db-wal").write_bytes(b"neutral")
    if film:
        (session / ".annotated.77.part.mp4").write_bytes(b"film")  # of an encoder that was killed
    changed = NOW - (days_ago if changed_days_ago is None else changed_days_ago) * DAY
    os.utime(session, (changed, changed))
    return session


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A kiosk's store; recordings go to another disk."""
    folder = tmp_path / "state" / "store"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    return tmp_path / "disk" / "sessions"


@pytest.fixture
def keep(store: Path, sessions: Path) -> Iterator[Keep]:
    """Begins a keeper; recordings stay 7 days and observations 30."""
    held: list[Keeper] = []

    def begin(folder: Path = sessions, days: float = 7, **more: object) -> Keeper:
        settings: dict[str, object] = {"clock": lambda: NOW, "clock_ok": lambda: True, **more}
        held.append(Keeper(store, lambda: KeepDays(30, days, folder), **settings))  # type: ignore[arg-type]
        return held[-1]

    yield begin
    for keeper in held:
        keeper.close()


def test_old_recordings_go_at_the_start_and_nothing_else(sessions: Path, keep: Keep) -> None:
    """By their name and their date: a report that was made later, or a copy, makes no recording younger."""
    old = [recording(sessions, 88), recording(sessions, 9, 1), recording(sessions, 1, 9)]
    young, mine = recording(sessions, 6), sessions / "holiday"
    mine.mkdir()
    os.utime(mine, (1000, 1000))
    shutil.copytree(old[0], sessions / "copy")
    (sessions / "20260101-120000").symlink_to(mine)
    keep(days=0).close()
    assert all(session.exists() for session in old)
    keep().close()
    assert not any(session.exists() for session in old)
    assert {p.name for p in sessions.iterdir()} == {young.name, "holiday", "copy", "20260101-120000"}


def test_recordings_go_while_it_runs_but_not_the_one_that_is_written(sessions: Path, keep: Keep) -> None:
    now = [NOW]
    one, other = recording(sessions, 1), recording(sessions, 1.5)
    keep(clock=lambda: now[0], every_s=0.01, spare=lambda: [other])
    now[0] += 6.2 * DAY
    until(lambda: not one.exists())
    assert other.exists()


def test_relative_folders_are_no_others(
    tmp_path: Path, store: Path, sessions: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = recording(sessions, 9)
    own = Path("disk/sessions")
    keep(own, spare=lambda: [own / made.name]).close()
    assert made.exists()
    remember(store, own)
    recording(store.parent / "sessions", 9)
    remember(store, store.parent / "sessions")
    assert len(places_of(Path("state/store"), own).recordings()) == 2


def test_recordings_go_that_lie_where_the_configuration_does_not_say_any_more(
    tmp_path: Path, store: Path, sessions: Path, keep: Keep
) -> None:
    first = recording(sessions, 88)
    remember(store, sessions)
    second = recording(tmp_path / "second", 1)
    keep(tmp_path / "second").close()
    assert second.exists()
    assert not first.exists()
    assert set(places_of(store).recorded) == {sessions, tmp_path / "second"}  # the second had one at the start


def test_a_recording_of_a_clock_that_was_wrong_does_not_stay_for_ever(sessions: Path, keep: Keep) -> None:
    future = recording(sessions, -4000)
    keep(clock_ok=lambda: False).close()  # or it is this clock that is wrong
    assert future.stat().st_mtime > NOW
    keep().close()
    assert future.stat().st_mtime == NOW
    keep(clock=lambda: NOW + 7.1 * DAY).close()
    assert not future.exists()


def test_what_cannot_be_removed_is_said(sessions: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    old = recording(sessions, 88)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert str(old) in until(keep().check)


def queue_of(store: Path, *days_ago: float) -> OfflineQueue:
    queue = OfflineQueue(store.parent / "queue.db", 10)
    for days in days_ago:
        queue.put(state_json(replace(SEEN, wall_s=NOW - days * DAY)))
    return queue


def test_what_waits_for_a_broker_goes_too(store: Path, keep: Keep) -> None:
    from fer_edge.runtime.mqtt.publisher import MqttPublisher
    from fer_edge.runtime.mqtt.settings import MqttSettings

    queue_of(store, 40, 31, 29).close()
    broker = MqttPublisher(MqttSettings("127.0.0.1", 1), store.parent / "queue.db")
    keep(forget={store.parent / "queue.db": broker.forget_before}).close()
    assert (broker.state().queued, broker.state().dropped) == (1, 2)
    broker.stop()
    keep().close()  # no broker is configured any more, and what was last written is young
    assert places_of(store).backlog()
    keep(clock=lambda: os.stat(store.parent / "queue.db").st_mtime + 31 * DAY).close()
    assert places_of(store).backlog() == []


def tree(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kept", ["store and recordings", "recordings"])
def test_a_wipe_takes_everything(
    tmp_path: Path, store: Path, sessions: Path, capsys: pytest.CaptureFixture[str], kept: str
) -> None:
    """Also where the store is gone, and where the recordings of an older version lie, which nobody wrote down."""
    if kept != "recordings":
        History(store, start=False).close()
        (store / "kiosk.damaged-1.db-wal").write_bytes(b"neutral")
    queue_of(store, 1).close()
    remember(store, sessions)
    made = [recording(sessions, 88), recording(sessions, 1), recording(store.parent / "sessions", 2)]
    (made[0] / "link").symlink_to(tmp_path / "mine")
    (store.parent / "sessions" / "20260101-120000").mkdir()  # of another program
    (tmp_path / "mine").write_text("mine")
    data = partial(run_verb, capsys, "data", "wipe", store)
    code, said = data()
    assert code == 2
    assert all(str(session) in said for session in made)
    assert len(tree(tmp_path)) > 5
    code, said = data("--yes", "--json")
    assert json.loads(said) == {"removed": 0, "recordings": 3, "searched_bytes": 0, "absent": []}
    assert tree(tmp_path) == {tmp_path / "mine", store.parent / "recorded.json"}
    assert (tmp_path / "mine").read_text() == "mine"
    assert [p.name for p in (store.parent / "sessions").iterdir()] == ["20260101-120000"]
    assert data("--yes")[0] == 2


def test_a_wipe_of_what_is_older(store: Path, sessions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    History(store, start=False).close()
    remember(store, sessions)
    old, young = recording(sessions, 8), recording(sessions, 1)
    shutil.rmtree(sessions.parent / "gone", ignore_errors=True)
    remember(store, sessions.parent / "gone")
    before = datetime.fromtimestamp(NOW - 2 * DAY).isoformat()
    code, said = run_verb(capsys, "data", "wipe", store, "--before", before, "--yes")
    assert code == 0
    assert "0 observations and 1 recording;" in said
    assert f"recorded in it: {sessions.parent / 'gone'}" in said  # a disk that is not plugged in
    assert (old.exists(), young.exists()) == (False, True)


def test_a_wipe_names_what_it_cannot_take(
    store: Path, sessions: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    History(store, start=False).close()
    remember(store, sessions)
    session = recording(sessions, 1)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("fer_edge.runtime.storage.wipe._zero", refuse)
    code, said = run_verb(capsys, "data", "wipe", store, "--yes")
    assert code == 2
    assert str(session / ".annotated.77.part.mp4") in said
    assert "nothing of the store was removed" in said


@pytest.mark.parametrize(
    ("record", "film", "told", "untold"),
    [
        ({}, None, {"no_picture"}, {"earlier"}),
        ({}, True, {"earlier_pictures", "earlier_kept", "no_more_pictures"}, {"no_picture", "recorded_figures"}),
        ({}, False, {"earlier_figures", "no_picture"}, {"no_more_pictures"}),
        ({"keep_days": 0.0}, False, {"earlier_unbounded"}, {"earlier_kept"}),
        ({"on": True}, True, {"recorded_figures", "earlier_pictures", "no_more_pictures"}, {"no_picture"}),
        ({"on": True}, False, {"recorded_figures", "no_picture"}, {"earlier"}),
        ({"on": True, "video": True}, True, {"recorded_pictures"}, {"earlier", "no_picture", "no_more_pictures"}),
    ],
)
def test_the_sign_tells_what_lies(
    store: Path, sessions: Path, record: dict[str, object], film: bool | None, told: set[str], untold: set[str]
) -> None:
    """Also when the configuration allows no recordings, or none with pictures, any more."""
    config = KioskConfig()
    settings = replace(config.record, folder=sessions.parent / "new", **record)  # type: ignore[arg-type]
    config = replace(config, store=replace(config.store, folder=store), record=settings)
    if film is not None:
        remember(store, sessions)
        recording(sessions, 1, film=film)
    parts = told_parts(notice_of(config))
    assert told <= parts
    assert not untold & parts


def test_a_damaged_list_is_no_reason_to_stop(store: Path) -> None:
    (store.parent / "recorded.json").write_text('{"x": ')
    assert places_of(store) == Places(store, ())

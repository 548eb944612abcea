"""`fer-edge fleet` with real publishers and a real broker: the table, pausing, and inventories that are wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from fer_edge.fleet import broker as fleet_broker
from fer_edge.fleet import orders
from fer_edge.runtime.mqtt.settings import MqttSettings
from fer_edge.runtime.status.health import Condition
from support.brokers import Broker, Listener
from support.front_door import run_verb
from support.stand_ins import StandIn
from support.waiting import until

pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
Fleet = Callable[..., tuple[int, str]]
NAMES = ("foyer", "hall", "shop")


@pytest.fixture
def kiosks(broker: Broker, tmp_path: Path) -> Iterator[dict[str, StandIn]]:
    """Three that run."""
    with ExitStack() as steps:
        made = {}
        for name in NAMES:
            settings = MqttSettings("127.0.0.1", broker.port, topic=name, interval_s=0)
            made[name] = StandIn(tmp_path / name, settings)
            steps.callback(made[name].stop)
        yield made


@pytest.fixture
def fleet(broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fleet:
    """The command, with an inventory of them and of one that was never there."""
    text = f'[broker]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    for name in (*NAMES, "attic"):
        text += f'[[kiosk]]\nname = "{name}"\ngroups = ["{"private" if name == "shop" else "museum"}"]\n'
    (tmp_path / "fleet.toml").write_text(text)

    def call(action: str, *words: object) -> tuple[int, str]:
        return run_verb(capsys, "fleet", action, *words, "--inventory", tmp_path / "fleet.toml")

    return call


def rows(said: str) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(said)}


def test_one_table_of_all(kiosks: dict[str, StandIn], fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    kiosks["hall"].tell(Condition.DEGRADED, "the camera is gone")
    until(lambda: all(k.publisher.state().delivered and not k.publisher.state().queued for k in kiosks.values()))
    kiosks["shop"].stop()
    monkeypatch.setattr(fleet_broker, "HEAR_S", 0.5)
    code, said = fleet("status", "--json")
    found = rows(said)
    assert (code, list(found)) == (0, [*NAMES, "attic"])
    assert {name: row["health"] for name, row in found.items()} == {
        "foyer": "ok", "hall": "degraded", "shop": "offline", "attic": "never seen",
    }  # fmt: skip
    assert found["hall"]["reason"] == "the camera is gone"
    foyer = found["foyer"]
    assert (foyer["version"], foyer["model"], foyer["temperature_c"]) == ("0.1.0", "default 2", 55.0)
    assert abs(foyer["seen_s"]) < 300
    text = fleet("status")[1]
    assert re.search(r"foyer +ok +\d+ \w+ ago +0\.1\.0 +default 2 +55 +40%", text), text
    assert "hall: the camera is gone" in text
    assert "1 of 4 kiosks well" in text
    assert list(rows(fleet("status", "shop", "foyer", "--json")[1])) == ["foyer", "shop"]
    assert list(rows(fleet("status", "museum", "--json")[1])) == ["foyer", "hall", "attic"]


def test_cameras_of_a_kiosk_are_one_row_the_worst(broker: Broker, fleet: Fleet, tmp_path: Path) -> None:
    with ExitStack() as steps:
        for camera, condition in (("door", Condition.OK), ("window", Condition.FAILED)):
            settings = MqttSettings("127.0.0.1", broker.port, topic=f"foyer/{camera}", interval_s=0)
            made = StandIn(tmp_path / camera, settings)
            steps.callback(made.stop)
            made.tell(condition, "no frame" if condition is Condition.FAILED else "")
            until(lambda made=made: made.publisher.state().delivered and not made.publisher.state().queued)
        assert rows(fleet("status", "foyer", "--json")[1])["foyer"]["health"] == "failed"


def test_some_or_all_are_paused_and_say_so(
    kiosks: dict[str, StandIn], fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: all(k.publisher.state().delivered for k in kiosks.values()))
    code, said = fleet("pause", "shop")
    assert (code, kiosks["shop"].snapshot.paused, kiosks["foyer"].snapshot.paused) == (0, True, False), said
    assert "shop  paused" in said
    kiosks["hall"].obeys = False
    monkeypatch.setattr(fleet_broker, "HEAR_S", 0.5)
    monkeypatch.setattr(orders, "HEAR_S", 0.5)
    monkeypatch.setattr(orders, "CONFIRM_S", 1.0)
    code, said = fleet("pause", "--json")
    told = rows(said)
    assert code == 1
    assert {name: row["trouble"] for name, row in told.items()} == {
        "foyer": "", "shop": "", "hall": "it does not say that it is paused",
        "attic": "never seen: nobody there would take it",
    }  # fmt: skip
    kiosks["hall"].obeys = True
    assert fleet("resume", *NAMES)[0] == 0
    assert not any(kiosk.snapshot.paused for kiosk in kiosks.values())


@pytest.mark.parametrize(
    "answer",
    ["", "{", "[]", "null", "{}", '{"health": 1}', '{"health": {"condition": "fine"}, "time": "x", "paused": false}',
     '{"health": {"condition": "ok"}, "time": "2026-01-01T00:00:00", "paused": false}',
     '{"health": {"condition": "ok"}, "time": "2026-01-01T00:00:00+00:00", "paused": 1}',
     '{"health": {"condition": "ok"}, "time": "2026-01-01T00:00:00+00:00", "paused": false, "machine": []}',
     "9" * 9000, "[" * 60000],
    ids=range(12),
)  # fmt: skip
def test_a_kiosk_that_answers_wrongly_is_named(broker: Broker, fleet: Fleet, answer: str) -> None:
    with closing(Listener(broker, "none")) as other:
        for topic, text in (("foyer/state", answer or "\xff"), ("foyer/status", "online")):
            other.client.publish(topic, text, qos=1, retain=True).wait_for_publish(60)
    code, said = fleet("status", "foyer", "--json")
    assert code == 0
    assert rows(said)["foyer"]["health"] == "unreadable"
    assert rows(said)["foyer"]["reason"].startswith("its state is no snapshot")


def test_what_a_kiosk_says_moves_no_cursor_and_is_a_figure(broker: Broker, fleet: Fleet) -> None:
    """Whoever has a kiosk's key may write any words into its row, and into no other."""
    said = {
        "health": {"condition": "degraded", "reason": "\x1b[2Jall\nhall  ok\ud800" + "x" * 9000},
        "machine": {"version": "\x1b]0;title\x07", "model": ["\r"], "temperature_c": float("nan"), "disk_used": 1e99},
        "time": "2026-01-01T00:00:00+00:00",
        "paused": False,
    }
    with closing(Listener(broker, "none")) as other:
        other.client.publish("foyer/state", json.dumps(said), qos=1, retain=True).wait_for_publish(60)
        other.client.publish("foyer/status", "online", qos=1, retain=True).wait_for_publish(60)
    code, text = fleet("status", "foyer")
    assert code == 0
    assert all(c.isprintable() for line in text.splitlines() for c in line)
    assert len(text.splitlines()) == 4  # head, row, reason, sum
    assert len(text) < 1000
    row = rows(fleet("status", "foyer", "--json")[1])["foyer"]
    assert (row["temperature_c"], row["disk_used"]) == (None, None)


ONE = '[[kiosk]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no [[kiosk]]"),
        ("[[kiosk]]", "a [[kiosk]] has no name"),
        (ONE + ONE, "a is the name of two kiosks"),
        (ONE + '[[kiosk]]\nname = "b"\ntopic = "a"', "b and a share the topic a"),
        (ONE + '[[kiosk]]\nname = "b"\ntopic = "a/b"', "b and a share the topic a"),
        ('[[kiosk]]\nname = "b"\ntopic = "a/b/c"\n' + ONE, "b and a share the topic a"),
        (ONE + '[[kiosk]]\nname = "b"\ngroups = ["a"]', "a is a kiosk's name and a group of b"),
        ('[[kiosk]]\nname = "a b"', "line 2: kiosk[0].name must be up to 64 letters"),
        ('[[kiosk]]\nname = "a"\ntopic = "#"', "the topic of a cannot be a topic"),
        ('[[kiosk]]\nname = "a"\nscrape = "host"', "kiosk[0].scrape must be HOST:PORT"),
        ('[[kiosk]]\nname = "a"\nshh = "host"', "is not a key of"),
        ("[broker]\nport = 0\n" + ONE, "broker.port must be a whole number from 1 to 65535"),
        ("kiosk = 1", "kiosk must be a list of tables"),
        ("[[kiosk]", "is not valid TOML"),
    ],
)
def test_an_inventory_that_is_wrong_is_one_clear_error(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.toml").write_text(text)
    code, told = run_verb(capsys, "fleet", "status", "--inventory", tmp_path / "fleet.toml")
    assert (code, said in told) == (2, True), told


def test_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "fleet.toml"
    for text, words, code, said in (
        (None, ("status",), 2, "cannot be read"),
        (ONE, ("status",), 2, "has no [broker]"),
        (ONE, ("status", "b"), 2, "has no kiosk or group b"),
        (ONE, ("pause",), 2, "has no [broker]"),
        ('[broker]\nhost = "127.0.0.1"\nport = 9\n' + ONE, ("status",), 3, "no broker at 127.0.0.1:9"),
        ('[prometheus]\nurl = "http://127.0.0.1:9"\n' + ONE, ("status",), 3, "no Prometheus at"),
        (ONE, ("wipe",), 2, "nothing was removed: this would remove all that a kept"),
        (ONE, ("wipe", "--yes"), 1, "its inventory has no ssh"),
        (ONE, ("update",), 2, "takes a payload or a bundle"),
        (ONE, ("update", tmp_path / "no"), 2, "is not there"),
        (ONE, ("update", tmp_path), 2, "a cannot be reached over SSH"),
        (ONE, ("init",), 2, "takes the file to write"),
        (ONE, ("init", place), 2, "is there already"),
    ):
        place.write_text(text) if text else place.unlink(missing_ok=True)
        given, told = run_verb(capsys, "fleet", *words, "--inventory", place)
        assert (given, said in told) == (code, True), told


def test_the_first_inventory_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is, and with every example switched on."""
    place = tmp_path / "fleet.toml"
    assert run_verb(capsys, "fleet", "init", place)[0] == 0
    text = place.read_text()
    place.write_text(re.sub(r"(?m)^#(?=\[|[a-z_]+ = )", "", text))
    code, told = run_verb(capsys, "fleet", "targets", "--inventory", place)
    assert code == 0
    assert json.loads(told) == [{"targets": ["foyer.local:8080"], "labels": {"kiosk": "foyer"}}]

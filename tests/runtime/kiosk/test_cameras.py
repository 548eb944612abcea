"""Several cameras in one kiosk: each has its health, rows, topics and part of the page, and one's death is its own."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sqlite3
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest
from fer_edge.runtime.sources import open_source
from support.brokers import MOSQUITTO, Broker, Listener
from support.chromium import Browser, chromium
from support.ip_cameras import IpCamera
from support.kiosks import Running
from support.waiting import until

pytest.importorskip("aiohttp", reason="needs the kiosk extra")
NAMES = ("door", "hall")
Make = Callable[..., Running]


@pytest.fixture(scope="module")
def pictures(clip: Path) -> list[bytes]:
    """One person, as JPEG after JPEG."""
    return [cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in open_source(str(clip))]


class Cameras(dict[str, IpCamera]):
    """IP cameras by name, each behind its own port."""

    def __init__(self, pictures: list[bytes]) -> None:
        super().__init__()
        self._pictures = pictures
        for name in NAMES:
            self.plug_in(name)

    def plug_in(self, name: str, port: int = 0) -> None:
        self[name] = IpCamera(lambda number: self._pictures[number % len(self._pictures)], 0.1, port=port)

    def unplug(self, name: str) -> int:
        camera = self.pop(name)
        camera.switch_off()
        return camera.server_port

    def urls(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{camera.server_port}/" for name, camera in self.items()}


@pytest.fixture
def cameras(pictures: list[bytes]) -> Iterator[Cameras]:
    made = Cameras(pictures)
    yield made
    for name in list(made):
        made.unplug(name)


@pytest.fixture
def kiosk(tmp_path: Path, yunet: Path, cameras: Cameras) -> Iterator[Make]:
    held: list[Running] = []

    def make(lines: str = "") -> Running:
        held.append(Running(tmp_path / "kiosk", cameras.urls(), lines))
        patient = held[-1].config.read_text().replace("deadline_s = 1", "deadline_s = 60")  # a busy machine's second
        held[-1].config.write_text(patient)
        return held[-1]

    yield make
    for running in held:
        running.stop(signal.SIGKILL)


def condition(running: Running, camera: str) -> str:
    return str(running.state(camera)["health"]["condition"])


def all_well(running: Running) -> Running:
    """Wait until every camera sees its person."""
    until(lambda: all(condition(running, name) == "ok" and running.state(name)["faces"] == 1 for name in NAMES))
    return running


def capture_processes(running: Running) -> list[int]:
    assert running.process is not None
    tasks = Path(f"/proc/{running.process.pid}/task").glob("*/children")
    found = [int(child) for task in tasks for child in task.read_text().split()]
    return [pid for pid in found if b"camera_child" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def rows(running: Running) -> Counter[str]:
    """Observations on disk, by camera."""
    with closing(sqlite3.connect(running.folder / "state" / "store" / "kiosk.db")) as database:
        return Counter(dict(database.execute("SELECT camera, count(*) FROM observations GROUP BY camera")))


def test_a_capture_process_that_is_killed(kiosk: Make) -> None:
    running = all_well(kiosk().start().ready())
    killed, spared = capture_processes(running)
    os.kill(killed, signal.SIGKILL)
    lost = until(lambda: re.search(r"source (\w+) lost", running.log()))[1]
    (other,) = set(NAMES) - {lost}
    frames = running.state(other)["frames"]
    until(lambda: running.log().count(f"source {lost} delivering") == 2)
    until(lambda: running.state(other)["frames"] > frames + 5)
    all_well(running)
    assert f"source {other} lost" not in running.log()
    assert spared in capture_processes(running)
    reopened = dict(re.findall(r'fer_edge_source_reopened_total{camera="(\w+)"} (\d)', running.ask("/metrics")))
    assert reopened == {lost: "1", other: "0"}
    assert running.stop() == 0
    assert set(rows(running)) == set(NAMES)
    assert "Traceback" not in running.log()


def test_a_camera_that_is_unplugged_for_longer_than_a_lone_one_may_be(kiosk: Make, cameras: Cameras) -> None:
    running = all_well(kiosk("[work]\ngive_up_s = 15\n").start().ready())
    port = cameras.unplug("door")
    until(lambda: condition(running, "door") == "failed")
    frames, beats, before = running.state("hall")["frames"], running.told().count("WATCHDOG=1"), rows(running)
    assert running.ask("/healthz")["condition"] == "degraded"
    assert running.ask("/healthz")["reason"].startswith("door: ")
    until(lambda: running.state("hall")["frames"] > frames + 20)
    until(lambda: running.told().count("WATCHDOG=1") > beats + 1)
    assert condition(running, "hall") == "ok"
    until(lambda: rows(running)["hall"] > before["hall"])
    assert 'fer_edge_health{camera="door",condition="failed"} 1.0' in running.ask("/metrics")
    assert 'fer_edge_health{camera="hall",condition="ok"} 1.0' in running.ask("/metrics")
    cameras.plug_in("door", port)
    all_well(running)
    for name in NAMES:
        cameras.unplug(name)
    assert running.process is not None
    assert running.process.wait(60) == 4  # the last one's death is the kiosk's


def test_people_before_different_cameras_are_no_group(kiosk: Make, command: Callable[..., Any]) -> None:
    """One person before each of two cameras, where two may be told of."""
    running = kiosk()
    running.config.write_text(running.config.read_text().replace("least_group = 1", "least_group = 2"))
    running.start().ready()
    until(lambda: running.rows() > 20 and set(rows(running)) == set(NAMES))
    told = [running.state(name) for name in NAMES]
    assert [(s["faces"], s["shares"], s["window"], s["stages_ms"]) for s in told] == [(None, {}, {}, {})] * 2
    assert "expression" not in running.ask("/metrics")
    assert running.ask("/api/timeline?camera=door") == running.ask("/api/timeline?camera=hall") == {"columns": []}
    assert running.stop() == 0
    out = running.folder / "out.csv"
    for least, names in ((2, set()), (1, set(NAMES))):
        words = ("--aggregate", 60, "--least", least, "--out", out, "--replace")
        assert command("data", "export", running.folder / "state" / "store", *words).returncode == 0
        assert {row["camera"] for row in csv.DictReader(out.read_text().splitlines())} == names


def test_who_asks_has_to_say_of_which_camera(kiosk: Make) -> None:
    running = all_well(kiosk().start().ready())
    for path in ("/api/state", "/api/state?camera=stairs", "/api/timeline"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            running.ask(path)
        assert refused.value.code == 404
        assert "?camera=door, ?camera=hall" in refused.value.read().decode()
        refused.value.close()
    assert running.ask("/api/pause", {"paused": True}) == {"paused": True}
    until(lambda: all(running.state(name)["paused"] for name in NAMES))


def test_each_camera_is_a_device_of_the_broker(kiosk: Make, tmp_path: Path, cameras: Cameras) -> None:
    if not MOSQUITTO.is_file():
        pytest.skip("needs mosquitto")
    broker = Broker(tmp_path / "broker")
    broker.start()
    listener = Listener(broker, "#")
    running = kiosk(f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntopic = "kiosk"\ninterval_s = 0.2\n')
    try:
        all_well(running.start().ready())
        until(lambda: all(listener.of(f"kiosk/{name}/status") == ["online"] for name in NAMES))
        until(lambda: all(listener.of(f"kiosk/{name}/state") for name in NAMES))
        assert {json.loads(text)["camera"] for text in listener.of("kiosk/door/state")} == {"door"}
        configs = [json.loads(text) for topic, text, _ in listener.heard if topic.endswith("/config") and text]
        devices = {(c["device"]["name"], c["device"]["identifiers"][0]) for c in configs}
        assert {name for name, _ in devices} == {"fer-edge door", "fer-edge hall"}
        assert len({identity for _, identity in devices}) == 2
        assert len({c["unique_id"] for c in configs}) == len(configs)
        cameras.unplug("door")
        until(lambda: json.loads(listener.of("kiosk/door/state")[-1])["health"]["condition"] == "degraded")
        until(lambda: json.loads(listener.of("kiosk/hall/state")[-1])["health"]["condition"] == "ok")
        listener.client.publish("kiosk/hall/pause/set", "ON", qos=1)  # one room's wish for privacy is the kiosk's
        until(lambda: all(json.loads(listener.of(f"kiosk/{name}/state")[-1])["paused"] for name in NAMES))
        assert running.stop() == 0
        until(lambda: all(listener.of(f"kiosk/{name}/status")[-1] == "offline" for name in NAMES))
    finally:
        listener.close()
        broker.stop()


@pytest.mark.skipif(chromium() is None, reason="needs Chromium")
@pytest.mark.parametrize("path", ["/", "/?kiosk=1"])
def test_each_camera_has_its_part_of_the_page(kiosk: Make, cameras: Cameras, tmp_path: Path, path: str) -> None:
    running = all_well(kiosk().start().ready())
    browser = Browser(tmp_path / "chromium")
    try:
        browser.open(f"http://127.0.0.1:{running.port}{path}")
        browser.sees("#condition", "ok")
        heads = browser.js("[...document.querySelectorAll('.now h2')].map(one => one.textContent)")
        assert heads == ["Expressions now · door", "Expressions now · hall"]
        for mark in ("#count", "#count-hall"):
            browser.sees(mark, "1 person in view")
        ids = browser.js("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert len(ids) == len(set(ids))
        cameras.unplug("hall")
        browser.sees("#health-hall", "hall is degraded")
        browser.sees("#condition", "degraded")
        until(lambda: browser.text("#health") == "", "the other is well; a busy machine may miss a second")
        for width in (320, 1280):
            browser.open(f"http://127.0.0.1:{running.port}{path}", width=width)
            browser.sees("#count", "1 person in view")
            assert browser.js("document.documentElement.scrollWidth") == width
    finally:
        browser.close()

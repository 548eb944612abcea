"""An adversary who reads every output of a kiosk that may tell of three people at once, and shall learn of no one."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
import urllib.request
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fer_edge.runtime.mqtt.discovery import discovery_messages
from fer_edge.runtime.mqtt.settings import MqttSettings
from fer_edge.runtime.sources import open_source
from support.brokers import MOSQUITTO, Broker, Listener
from support.front_door import run_verb
from support.hooks import SECRET, Receiver
from support.kiosks import Running
from support.waiting import until

pytest.importorskip("aiohttp", reason="needs the kiosk extra")
FPS = 10
CLOCKWORK = ("time", "frames", "sequence", "sender")
"""What differs from snapshot to snapshot whoever is there: the time, pictures that came, the snapshot's own numbers."""
SNAPSHOTS = 8


def film(path: Path, there: bool) -> Path:
    """Nobody, or one person who comes and goes four times; in the same grain."""
    chance = np.random.default_rng(3)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FPS, (640, 480))
    for number, frame in enumerate(islice(open_source("demo:9"), 0, None, 3)):
        grain = chance.integers(90, 110, frame.image.shape, np.uint8)
        video.write(frame.image if there and number % 20 < 12 else grain)
    video.release()
    return path


def views(texts: list[str]) -> set[str]:
    """Different snapshots, without what tells of the clock alone."""
    told = [json.loads(text) for text in texts]
    healthy = [t for t in told if t["health"]["condition"] == "ok"]
    return {json.dumps({k: v for k, v in t.items() if k not in CLOCKWORK}) for t in healthy}


def metric_views(texts: list[str]) -> set[str]:
    """Different answers of /metrics; of counters of the clock's kind only that they are there."""
    counted = r"(?m)^(fer_edge_(?:frames_total|time_seconds|broker_delivered_total|broker_queued)) .*$"
    return {re.sub(counted, r"\1", text) for text in texts if 'health{condition="ok"} 1.0' in text}


def entity_views(states: set[str]) -> set[str]:
    """What Home Assistant shows of these states."""
    environment = pytest.importorskip("jinja2.sandbox").ImmutableSandboxedEnvironment()
    messages = discovery_messages(MqttSettings("h", topic="kiosk"), ("happy", "sad"), "Kiosk", {})
    templates = [json.loads(text)["value_template"] for _, text in messages if text]
    return {environment.from_string(t).render(value_json=json.loads(s)) for t in templates for s in states}


def read_events(running: Running, into: list[str]) -> None:
    """Server-sent events, as a page takes them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/api/events", timeout=60) as stream:
        for line in stream:
            if line.startswith(b"data: {"):
                into.append(line[6:].decode())
            if len(into) >= SNAPSHOTS:
                return


def rules(folder: Path, hook: Receiver) -> str:
    """As soon as they may tell, and everybody: of what one person would show at once if one were told of."""
    (folder / "secret").write_text(SECRET)
    outlets = "page = true\nmqtt = true\nwebhook = true\nfor_s = 0\nover_s = 0.1\ncool_down_s = 1\n"
    told = [("happy", "above", 0.34), ("neutral", "below", 0.66), ("valence_index", "below", -0.34)]
    lines = [
        f'[[rule]]\nname = "r{n}"\nwhat = "{what}"\nwhen = "{when}"\nthreshold = {threshold}\n{outlets}'
        for n, (what, when, threshold) in enumerate(told)
    ]
    return "".join(lines) + f'[webhook]\nurl = "{hook.url}"\nsecret_file = "{folder / "secret"}"\n'


def everything_told(running: Running, broker: Broker, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """All that leaves the kiosk over some seconds, by output, and how many faces it stored meanwhile."""
    running.start(("--set", "privacy.least_group=3")).ready()
    mqtt, events, pages, metrics = Listener(broker), list[str](), list[str](), list[str]()
    until(lambda: running.state()["health"]["condition"] == "ok")
    reader = threading.Thread(target=read_events, args=(running, events))
    reader.start()
    while reader.is_alive():
        pages.append(json.dumps(running.ask("/api/state")))
        metrics.append(running.ask("/metrics"))
        time.sleep(0.1)
    until(lambda: running.rows() or "nobody" in str(running.folder))
    running.stop()
    rows, out = running.rows(), running.folder / "out.csv"
    words = ("--aggregate", 0.05, "--least", 3, "--out", out)
    assert run_verb(capsys, "data", "export", running.folder / "state" / "store", *words)[0] == 0
    told = {
        "page": views(pages),
        "events": views(events),
        "mqtt": views(mqtt.of("kiosk/state") + mqtt.of("kiosk/history")),
        "rules": set(mqtt.of("kiosk/rule")) | {line for line in running.log().splitlines() if "rule r" in line},
    }
    mqtt.close()
    home = entity_views(told["mqtt"])
    return {**told, "metrics": metric_views(metrics), "home": home, "export": out.read_text(), "rows": rows}


def test_whether_one_person_is_there_and_how_they_look_is_in_no_output(
    tmp_path: Path, yunet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever an adversary computes from equal views is as good as a coin; speeds and counts of faces would differ."""
    if not MOSQUITTO.is_file():
        pytest.skip("needs mosquitto")
    broker = Broker(tmp_path / "broker")
    broker.start()
    worlds, hook = [], Receiver()
    try:
        for name in ("nobody", "somebody"):
            lines = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntopic = "kiosk"\ninterval_s = 0.5\n'
            lines += rules(tmp_path, hook)
            running = Running(tmp_path / name, str(film(tmp_path / f"{name}.mp4", name == "somebody")), lines)
            try:
                worlds.append(everything_told(running, broker, capsys))
            finally:
                running.stop(signal.SIGKILL)
    finally:
        broker.stop()
        hook.close()
    nobody, somebody = worlds
    assert (nobody.pop("rows"), somebody.pop("rows") > 3) == (0, True)
    for output in nobody:
        assert nobody[output] == somebody[output], output
        assert len(nobody[output]) == 1 or output in ("home", "export", "rules"), output
    assert (hook.tries, somebody["rules"]) == (0, set())
    assert not any(word in str(somebody) for word in ("crop", "happy", "uncertain", "observations_total"))

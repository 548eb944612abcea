"""The kiosk as systemd and people meet it: one command in a process of its own, on a real clip."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import pytest
from fer_edge.bundle import LABELS
from fer_edge.runtime.kiosk.page import addresses
from fer_edge.runtime.report.video import find_video
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.storage.session import open_session
from fer_edge.runtime.web.settings import known_host
from support.brokers import MOSQUITTO, Broker, Listener
from support.front_door import run_verb
from support.kiosks import Running, cache_with, free_port
from support.waiting import until

pytest.importorskip("aiohttp", reason="needs the kiosk extra")
pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
Make = Callable[..., Running]


@pytest.fixture
def kiosk(tmp_path: Path, clip: Path, yunet: Path) -> Iterator[Make]:
    held: list[Running] = []

    def make(source: object = clip, lines: str = "", **more: str) -> Running:
        held.append(Running(tmp_path / "kiosk", str(source), lines, **more))
        return held[-1]

    yield make
    for running in held:
        running.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, clip: Path, yunet_file: Path) -> Iterator[Running]:
    """One kiosk that runs, for tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("shared")
    with cache_with(yunet_file, folder / "cache"):
        running = Running(folder / "kiosk", str(clip)).start().ready()
    yield running
    running.stop(signal.SIGKILL)


def test_from_start_to_end(kiosk: Make) -> None:
    running = kiosk().start().ready()
    state = until(lambda: (s := running.state())["health"]["condition"] == "ok" and s["shares"] and s)
    assert (state["faces"], state["device"]["detector"]) == (1, "yunet")
    assert {"detect", "crop", "infer", "smooth", "publish"} <= set(state["stages_ms"])
    until(lambda: "WATCHDOG=1" in running.told())
    metrics = running.ask("/metrics")
    assert 'fer_edge_health{condition="ok"} 1.0' in metrics
    written = until(running.stored)
    assert running.stop() == 0
    assert running.rows() >= written
    assert not list(running.folder.glob("state/store/*-wal"))  # closed, not left
    assert f"the page is at http://127.0.0.1:{running.port}/" in running.log()
    assert running.log().count("\n") < 10  # a log that grows with every frame wears the card out
    assert "Traceback" not in running.log()


def test_a_camera_out_of_focus(kiosk: Make, tmp_path: Path, command: Callable[..., Any]) -> None:
    """Its faces are told as unsuitable and nothing else; that nobody is read makes the device no less well."""
    film = tmp_path / "soft.mp4"
    video = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"mp4v"), 10, (640, 480))
    for frame in islice(open_source("demo:3"), 0, None, 3):
        video.write(cv2.GaussianBlur(frame.image, (0, 0), 14))
    video.release()
    running = kiosk(film).start().ready()
    state = until(lambda: (s := running.state())["health"]["condition"] == "ok" and s["shares"] and s)
    assert state["shares"] == state["window"] == {"unsuitable": 1.0}
    assert re.search(r'(?m)^fer_edge_expressions_total{label="unsuitable"} [1-9]', running.ask("/metrics"))
    beats = running.told().count("WATCHDOG=1")
    until(lambda: running.told().count("WATCHDOG=1") > beats)
    until(running.stored)
    assert running.stop() == 0
    out = tmp_path / "rows.csv"
    assert command("data", "export", running.folder / "state" / "store", out).returncode == 0
    assert {row["label"] for row in csv.DictReader(out.read_text().splitlines())} == {"unsuitable"}


def test_ctrl_c_ends_it_well(kiosk: Make) -> None:
    running = kiosk().start().ready()
    assert running.stop(signal.SIGINT) == 0
    assert not list(running.folder.glob("state/store/*-wal"))  # closed, not left


def test_sighup_takes_what_it_can(kiosk: Make, clip: Path) -> None:
    running = kiosk().start().ready()
    assert running.process is not None
    until(lambda: running.state()["faces"] == 1)
    running.write(str(clip), "[model]\nthreads = 1\n", least_group=2)
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.state()["faces"] is None)
    assert not running.state()["shares"]
    assert "privacy.least_group is now 2" in running.log()
    assert "model.threads changed, which needs a restart" in running.log()
    running.config.write_text("[privacy]\nleast_group = -3\n")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "the old one stays" in running.log())
    assert "line 2" in running.log()
    until(lambda: running.state()["health"]["condition"] == "ok")
    until(lambda: running.told().count("READY=1") >= 3)
    assert running.told().count("READY=1") == 3  # once at the start, once after each reload


def test_a_pause_holds_over_a_restart(kiosk: Make) -> None:
    running = kiosk().start().ready()
    until(lambda: running.state()["shares"])
    assert running.ask("/api/pause", {"paused": True}) == {"paused": True}
    until(lambda: running.state()["paused"])
    before = until(lambda: (s := running.state())["window"] == {} and s)["frames"]
    alive = running.told().count("WATCHDOG=1")
    until(lambda: running.told().count("WATCHDOG=1") > alive + 1)
    assert running.state()["frames"] == before  # it lives, and looks at nothing
    assert running.stop() == 0
    running.start()
    assert running.state()["paused"]
    running.ask("/api/pause", {"paused": False})
    until(lambda: running.state()["shares"])
    assert not (running.folder / "state" / "paused").exists()


def test_a_session_on_request(kiosk: Make, tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    running = kiosk(lines=f'[record]\non = true\nfolder = "{folder}"\nvideo = true').start().ready()
    until(lambda: running.state()["shares"])
    running.ask("/api/record", {"recording": True})
    until(lambda: running.state()["recording"])
    begun = running.state()["frames"]
    until(lambda: running.state()["frames"] > begun + 8)
    running.ask("/api/record", {"recording": False})
    until(lambda: not running.state()["recording"])
    (session,) = folder.iterdir()
    seen = list(open_session(session).observations())
    assert seen
    assert seen[0].frame < 3  # counted from the recording's own first frame, which may be between two inferences
    assert open_session(session).facts["ended"] == "stopped on request"
    until(lambda: find_video(session))
    assert folder.stat().st_mode & 0o777 == 0o700


def test_markers_from_page_and_broker_are_in_the_session(kiosk: Make, tmp_path: Path, broker: Broker) -> None:
    """Whole, in order, at the time at which they were sent; and none where no session is recorded."""
    folder = tmp_path / "sessions"
    mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntopic = "kiosk"\n'
    running = kiosk(lines=f'[record]\non = true\nfolder = "{folder}"\n{mqtt}').start().ready()
    listener = Listener(broker)
    until(lambda: running.state()["shares"] and listener.of("kiosk/state"))
    for body, code in (({"name": "early"}, 409), ({"name": " "}, 422), ({"name": 7}, 422), ({}, 422)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            running.ask("/api/mark", body)
        assert refused.value.code == code
        refused.value.close()
    running.ask("/api/record", {"recording": True})
    until(lambda: running.state()["recording"])
    begun = running.state()["frames"]
    until(lambda: running.state()["frames"] > begun + 3)
    sent = [time.monotonic()]
    assert running.ask("/api/mark", {"name": " estímulo "}) == {"name": "estímulo"}
    until(lambda: running.state()["markers"] == 1)
    sent.append(time.monotonic())
    listener.client.publish("kiosk/mark/set", "respuesta ñ", qos=1)
    listener.client.publish("kiosk/mark/set", b"two\nlines", qos=1)
    listener.client.publish("kiosk/mark/set", "x" * 61, qos=1)
    listener.client.publish("kiosk/mark/set", "later", qos=1)
    until(lambda: running.state()["markers"] == 3)
    sent.append(time.monotonic())
    listener.close()
    running.ask("/api/record", {"recording": False})
    until(lambda: not running.state()["recording"])
    assert running.state()["markers"] == 0
    (place,) = folder.iterdir()
    session = open_session(place)
    found = session.markers()
    assert [(m.name, m.source) for m in found] == [
        ("estímulo", "page"), ("respuesta ñ", "mqtt"), ("later", "mqtt")
    ]  # fmt: skip
    apart = found[1].time_s - found[0].time_s
    assert 0 <= apart <= sent[2] - sent[0]
    assert 0 <= found[0].time_s <= found[2].time_s <= max(time_s for _, time_s, _ in session.frames()) + 1


def test_nothing_of_anybody_is_left_after_a_wipe(kiosk: Make, tmp_path: Path, command: Any) -> None:
    """A kiosk is killed while it records, with every place in use; then the whole tree is searched, not a list."""
    folder = tmp_path / "disk" / "sessions"
    old = folder / "20200101-120000"
    old.mkdir(parents=True)
    (old / "annotated.mp4").write_bytes(b"film")
    lines = f'[record]\non = true\nfolder = "{folder}"\nvideo = true\n[mqtt]\nhost = "127.0.0.1"\nport = 1\n'
    running = kiosk(lines=lines).start().ready()
    assert not old.exists()
    running.ask("/api/record", {"recording": True})
    until(lambda: list(folder.glob("*/.annotated*")) and running.rows())
    running.stop(signal.SIGKILL)
    store, mine = running.folder / "state" / "store", {running.config, running.folder / "log"}
    for place in (folder, store, store.parent / "queue.db"):
        assert [p for p in (place, *place.rglob("*")) if p.is_file()], place
    running.write(str(tmp_path))  # the configuration does not say any more where sessions were recorded
    said = command("data", "wipe", store, "--yes")
    assert said.returncode == 0, said.stderr
    assert "and 1 recording;" in said.stdout
    left = {p for place in (folder.parent, running.folder) for p in place.rglob("*") if p.is_file()} - mine
    assert left == {store.parent / "recorded.json"}


def test_nobody_records_where_it_is_not_allowed(shared: Running) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        shared.ask("/api/record", {"recording": True})
    assert refused.value.code == 404
    refused.value.close()


def test_the_broker_pauses_and_records(kiosk: Make, tmp_path: Path) -> None:
    if not MOSQUITTO.is_file():
        pytest.skip("needs mosquitto")
    broker = Broker(tmp_path / "broker")
    broker.start()
    listener = Listener(broker, "#")
    running = kiosk(lines=f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntopic = "kiosk"\ninterval_s = 0.2\n')
    try:
        running.start().ready()
        until(lambda: listener.frames())
        listener.client.publish("kiosk/pause/set", "ON", qos=1)
        until(lambda: json.loads(listener.of("kiosk/state")[-1])["paused"])
        listener.client.publish("kiosk/pause/set", "OFF", qos=1)
        until(lambda: not json.loads(listener.of("kiosk/state")[-1])["paused"])
        announced = {topic.split("/")[-2] for topic, text, _ in listener.heard if topic.endswith("/config") and text}
        assert "pause" in announced
        assert "record" not in announced  # not allowed here
        assert running.stop() == 0
        until(lambda: listener.of("kiosk/status")[-1] == "offline")
    finally:
        listener.close()
        broker.stop()


def test_a_camera_that_is_not_there(kiosk: Make) -> None:
    running = kiosk("camera:63").start()
    assert running.state()["health"]["condition"] == "starting"
    assert running.process is not None
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "the configuration is what it was" in running.log())
    assert "READY=1" not in running.told()
    assert running.stop() == 0


def test_a_camera_that_never_comes_ends_it(kiosk: Make) -> None:
    """For systemd to start it again."""
    running = kiosk("camera:63", "[work]\ngive_up_s = 2\n").start()
    assert running.process is not None
    assert running.process.wait(60) == 4
    assert "READY=1" not in running.told()
    assert "camera:63" in running.log()


def test_an_absent_device_is_3_and_says_what_to_do(kiosk: Make) -> None:
    running = kiosk(lines='[model]\ndevice = "coral"\n').start()
    assert running.process is not None
    assert running.process.wait(60) in (2, 3)  # 2 where the default bundle has no artifact for it
    assert "try: " in running.log()
    assert "Traceback" not in running.log()


REFUSED = {
    "kind = 'workplace'": "Art. 5(1)(f)",
    "kind = 'education'": "Art. 5(1)(f)",
    "purpose = ''": "place.purpose",
    "declared = 'yesterday'": "declared",
}


@pytest.mark.parametrize("line", REFUSED)
def test_it_does_not_start_without_a_place_that_may_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    running = Running(tmp_path / "kiosk", "demo")
    key = line.split()[0]
    lines = [line if old.startswith(f"{key} =") else old for old in running.config.read_text().splitlines()]
    running.config.write_text("\n".join(lines))
    code, said = run_verb(capsys, "run", "--config", running.config)
    assert code == 2
    assert REFUSED[line] in said
    assert not (running.folder / "state").exists()


def test_what_does_not_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", tmp_path / "none.toml"]
    for words, told in (
        (config, f"try: fer-edge config init {tmp_path}/none.toml"),
        ([*config, "--out", tmp_path], "--out does not go with --config"),
        (["--set", "work.target_fps=3"], "--set belongs to --config"),
    ):
        code, said = run_verb(capsys, "run", *words)
        assert code == 2
        assert told in said


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [("web.port={port}", 2, "store"), ("store.folder={folder}/other/store", 4, "cannot listen")],  # 4: tried again
)
def test_two_at_once(shared: Running, yunet: Path, change: str, code: int, said: str, tmp_path: Path) -> None:
    words = ["--set", change.format(port=free_port(), folder=shared.folder)]
    command = [sys.executable, "-m", "fer_edge", "run", "--config", shared.config, *words]
    first_start = {"FER_EDGE_CACHE": str(tmp_path)} if code == 2 else {"FER_EDGE_MODEL_TUNE": "false"}
    second = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **first_start})
    assert second.returncode == code
    assert said in second.stderr
    assert "timing what is installed" not in second.stderr, "it would disturb the one that runs"
    until(lambda: shared.state()["health"]["condition"] == "ok")


def test_the_end_of_a_file_is_the_end(kiosk: Make, clip: Path, tmp_path: Path) -> None:
    source, short = open_source(str(clip)), tmp_path / "short.avi"
    frames = [frame.image for frame in islice(source, 20)]
    file = cv2.VideoWriter(str(short), cv2.VideoWriter.fourcc(*"MJPG"), source.fps, frames[0].shape[1::-1])
    for image in frames:
        file.write(image)
    file.release()
    source.close()
    running = kiosk(short)
    running.config.write_text(running.config.read_text().replace("loop = true", "loop = false"))
    running.start()
    assert running.process is not None
    assert running.process.wait(60) == 0
    assert running.rows() >= 1  # a slow machine skips all frames but the last


def test_flags_and_environment_override(kiosk: Make) -> None:
    other = free_port()
    running = kiosk(FER_EDGE_PRIVACY_LEAST_GROUP="5")
    running.port = other
    running.start(("--set", f"web.port={other}")).ready()
    state: dict[str, Any] = until(lambda: (s := running.state())["frames"] > 5 and s)
    assert state["faces"] in (None, 0)


def test_the_preview_is_for_those_with_the_token(kiosk: Make, tmp_path: Path) -> None:
    running = kiosk()
    (tmp_path / "token").write_text("a-token-that-is-long-enough\n")
    text = running.config.read_text().replace("[privacy]", "[privacy]\npreview = true")
    running.config.write_text(text.replace("[web]", f'[web]\ntoken_file = "{tmp_path}/token"'))
    running.start().ready()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{running.port}/preview", timeout=10)
    refused.value.close()
    assert refused.value.code == 401
    headers = {"Authorization": "Bearer a-token-that-is-long-enough"}
    request = urllib.request.Request(f"http://127.0.0.1:{running.port}/preview", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as stream:
        assert b"\xff\xd8\xff" in stream.read(2000)


def test_where_the_page_is() -> None:
    assert addresses("127.0.0.1", 80) == ["http://127.0.0.1:80/"]
    assert addresses("::1", 80) == ["http://[::1]:80/"]
    for listen in ("0.0.0.0", "::"):
        *_, name = found = addresses(listen, 8080)
        assert name == f"http://{socket.gethostname()}.local:8080/"
        assert all(known_host(place.split("/")[2], ()) for place in found)


def test_prometheus_takes_its_metrics(shared: Running) -> None:
    """By Prometheus' own checker; every expression is there, seen or not."""
    if shutil.which("promtool") is None:
        pytest.skip("needs prometheus")
    until(lambda: shared.state()["shares"])
    text = shared.ask("/metrics")
    said = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    for name in ("expression_share", "expression_share_minute", "expressions_total"):
        assert set(re.findall(rf'(?m)^fer_edge_{name}{{label="(\w+)"}} ', text)) == {*LABELS, "uncertain", "unsuitable"}


def test_page_and_sign_tell_people(shared: Running) -> None:
    for path in ("/", "/sign"):
        page = shared.ask(path)
        assert "A camera and a computer (AI) recognise facial expressions here." in page
        assert "Test bench" in page

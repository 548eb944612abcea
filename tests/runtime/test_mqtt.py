"""What leaves the kiosk: MQTT to a real mosquitto that is killed and restarted, and metrics that Prometheus reads."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fer_edge.bundle import LABELS
from fer_edge.errors import InputError, MissingExtra
from fer_edge.runtime.mqtt import delivery
from fer_edge.runtime.mqtt.discovery import discovery_messages
from fer_edge.runtime.mqtt.publisher import MqttPublisher
from fer_edge.runtime.mqtt.queue import OfflineQueue
from fer_edge.runtime.mqtt.settings import MqttSettings, topic_of
from fer_edge.runtime.status.health import Condition, Health
from fer_edge.runtime.status.prometheus import Metric, metrics_text, single
from fer_edge.runtime.status.snapshot import Snapshot, state_json
from support.brokers import MOSQUITTO, Broker, Hole, Listener
from support.snapshots import SEEN, moment, publish
from support.waiting import until

Make = Callable[..., Any]


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as steps:
        yield steps


@pytest.fixture
def broker(tmp_path: Path, cleanup: ExitStack) -> Broker:
    if not MOSQUITTO.is_file():
        pytest.skip("needs mosquitto")
    pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
    broker = Broker(tmp_path / "broker")
    cleanup.callback(broker.stop)
    return broker


@pytest.fixture
def listen(broker: Broker, cleanup: ExitStack) -> Make:
    """Somebody who listens; the broker is started for the first."""

    def make(**more: Any) -> Listener:
        if broker.process is None:
            broker.start()
        return cleanup.enter_context(closing(Listener(broker, **more)))

    return make


@pytest.fixture
def publisher(broker: Broker, tmp_path: Path, cleanup: ExitStack) -> Make:
    """A started one that publishes everything and tries again soon."""

    def make(
        on_command: Callable[[str, bool], None] = lambda n, o: None,
        clock: Callable[[], float] = time.monotonic,
        **more: Any,
    ) -> MqttPublisher:
        settings = {"host": "127.0.0.1", "port": broker.port, "topic": "kiosk", "interval_s": 0, **more}
        queue = tmp_path / "queue.db"
        made = MqttPublisher(MqttSettings(**settings), queue, on_command, waits_s=(0.05, 0.2), clock=clock)
        cleanup.callback(made.stop)
        made.start()
        return made

    return make


def test_birth_state_and_farewell(listen: Make, publisher: Make) -> None:
    early, kiosk = listen(), publisher()
    kiosk.publish(SEEN)
    until(lambda: early.of("kiosk/state") and early.of("kiosk/status") == ["online"])
    told = json.loads(early.of("kiosk/state")[0])
    assert told["health"] == {"condition": "ok", "reason": ""}
    assert told["shares"] == {"happy": 0.6667, "uncertain": 0.3333}
    assert told["time"] == "2026-05-28T20:26:40.500+00:00"
    assert told["sequence"] == 1
    late = listen()
    until(lambda: len(late.heard) == 2)
    assert {(topic, retain) for topic, _, retain in late.heard} == {("kiosk/state", True), ("kiosk/status", True)}
    until(lambda: kiosk.state().delivered == 1)
    assert kiosk.check() == ""
    kiosk.stop()
    until(lambda: early.of("kiosk/status") == ["online", "offline"])


_KIOSK = """
import pathlib, sys
from fer_edge.runtime.mqtt.publisher import MqttPublisher
from fer_edge.runtime.mqtt.settings import MqttSettings
from support.snapshots import publish
settings = MqttSettings("127.0.0.1", int(sys.argv[1]), topic="kiosk", interval_s=0)
kiosk = MqttPublisher(settings, pathlib.Path(sys.argv[2]))
kiosk.start()
publish(kiosk, range(int(sys.argv[3])))
print("published", flush=True)
while kiosk.state().queued != len(kiosk._queue) or kiosk._inbox:
    pass
print("queued", flush=True)
sys.stdin.read()
"""


def killed_kiosk(broker: Broker | Hole, queue: Path, count: int, before: Callable[[], None] = lambda: None) -> None:
    """A kiosk in a process of its own, which publishes and is then killed."""
    words = [sys.executable, "-c", _KIOSK, str(broker.port), str(queue), str(count)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=Path(__file__).resolve().parents[1], **pipes) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "published\n"
        assert child.stdout.readline() == "queued\n"
        before()
        child.kill()


def test_the_last_will_speaks_for_a_killed_kiosk(broker: Broker, listen: Make, tmp_path: Path) -> None:
    listener = listen()
    killed_kiosk(broker, tmp_path / "q.db", 1, lambda: until(lambda: listener.frames() == [0]))
    until(lambda: listener.of("kiosk/status") == ["online", "offline"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_broker_that_dies_and_returns_gets_everything_once_and_in_order(
    broker: Broker, listen: Make, publisher: Make, how: signal.Signals
) -> None:
    listener, kiosk = listen(), publisher()
    for begin in range(0, 75, 25):
        publish(kiosk, range(begin, begin + 5))
        until(lambda begin=begin: listener.frames() == list(range(begin + 5)) and kiosk.state().queued == 0)
        if how is signal.SIGKILL:
            broker.save()
        broker.stop(how)
        until(lambda: not kiosk.state().connected)
        publish(kiosk, range(begin + 5, begin + 25))
        until(lambda: f"no broker at 127.0.0.1:{broker.port}" in kiosk.check())
        assert kiosk.state().queued == 20
        broker.start()
        until(lambda begin=begin: len(listener.frames()) >= begin + 25)
        until(lambda: kiosk.state().queued == 0)
    assert listener.frames() == list(range(75))
    assert kiosk.check() == ""
    assert kiosk.state().dropped == 0


def test_what_waited_for_the_broker_never_comes_as_what_is_so_now(
    broker: Broker, listen: Make, publisher: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after an outage, not after a restart, and not behind a link that hung while the connection stood."""
    monkeypatch.setattr(delivery, "OLD_S", 200.0)  # a hundred times as long, which a busy machine never is late
    queue = OfflineQueue(tmp_path / "queue.db", 99)
    for number in range(3):
        queue.put(state_json(moment(number)))
    queue.close()
    ahead_s = [0.0]
    listener, kiosk = listen(), publisher(clock=lambda: time.monotonic() + ahead_s[0])
    until(lambda: listener.frames() == [0, 1, 2] and kiosk.state().queued == 0)  # else they come a second time
    broker.stop()
    until(lambda: not kiosk.state().connected)
    publish(kiosk, range(3, 9))
    broker.start()
    until(lambda: listener.frames() == list(range(9)))
    assert broker.process is not None
    until(lambda: kiosk.state().queued == 0)
    broker.process.send_signal(signal.SIGSTOP)
    for number in range(9, 15):
        kiosk.publish(moment(number))
        until(lambda: not kiosk._inbox)
        ahead_s[0] += 75
    broker.process.send_signal(signal.SIGCONT)
    until(lambda: listener.frames() == list(range(15)))
    kiosk.publish(moment(15))
    until(lambda: 15 in listener.frames())
    # Of the link that hung, 9 was on its way already; 13 and 14 were published in the last 200 seconds.
    assert listener.frames("state") == [2, 8, 9, 13, 14, 15]
    assert listener.frames("history") == [0, 1, 3, 4, 5, 6, 7, 10, 11, 12]
    late = listen()
    until(lambda: late.of("kiosk/state"))
    assert [topic for topic, _, retained in late.heard if retained and "history" in topic] == []
    assert json.loads(late.of("kiosk/state")[0])["frames"] == 15


def test_the_queue_survives_a_restart(listen: Make, publisher: Make) -> None:
    for begin in (0, 10):
        kiosk = publisher()
        publish(kiosk, range(begin, begin + 10))
        kiosk.stop()
    listener, kiosk = listen(), publisher()
    kiosk.publish(moment(20))
    until(lambda: len(listener.frames()) >= 21)
    assert listener.frames() == list(range(21))
    told = [json.loads(text)["sequence"] for text in (*listener.of("kiosk/state"), *listener.of("kiosk/history"))]
    assert sorted(told) == list(range(1, 22))


def test_the_queue_survives_a_kill(broker: Broker, listen: Make, publisher: Make, tmp_path: Path) -> None:
    killed_kiosk(broker, tmp_path / "queue.db", 30)
    listener = listen()
    publisher()
    until(lambda: len(listener.frames()) >= 30)
    assert listener.frames() == list(range(30))


def test_a_full_queue_drops_the_oldest_and_counts_them(listen: Make, publisher: Make) -> None:
    kiosk = publisher(queue_size=5)
    publish(kiosk, range(12))
    until(lambda: kiosk.state().dropped == 7)
    assert kiosk.state().queued == 5
    listener = listen()
    until(lambda: kiosk.state().queued == 0)
    kiosk.publish(moment(99))
    until(lambda: 99 in listener.frames())
    assert set(listener.frames()) <= {7, 8, 9, 10, 11, 99}


def test_commands(listen: Make, publisher: Make) -> None:
    listener = listen()
    commands: list[tuple[str, bool]] = []

    def on_command(name: str, on: bool) -> None:
        commands.append((name, on))
        raise ValueError("a command that fails must not end the publisher")

    listener.client.publish("kiosk/record/set", "ON", qos=1, retain=True).wait_for_publish(10)
    kiosk = publisher(on_command)
    kiosk.publish(SEEN)
    until(lambda: listener.frames())  # the subscription went out before it
    for word in ("ON", "perhaps", "O" * 100_000):
        listener.client.publish("kiosk/pause/set", word, qos=1)
    for topic, word in [("other", "ON"), ("pause", "off"), ("record", "ON")]:
        listener.client.publish(f"kiosk/{topic}/set", word, qos=1)
    until(lambda: ("record", True) in commands)
    assert commands == [("pause", True), ("pause", False), ("record", True)]
    assert kiosk.state().connected


def test_a_session_that_the_broker_holds_open_is_taken_over(
    broker: Broker, listen: Make, publisher: Make, tmp_path: Path, cleanup: ExitStack
) -> None:
    """A kiosk that comes back before the broker missed it is not called offline by its former self, ever."""
    listener, hole = listen(), Hole(broker)
    cleanup.callback(hole.close)

    def told() -> bool:
        return listener.frames() == [0] and listener.of("kiosk/status") == ["online"]

    killed_kiosk(hole, tmp_path / "queue.db", 1, lambda: until(told))
    assert (listener.of("kiosk/status"), hole.ended) == (["online"], 0)
    kiosk = publisher(port=hole.port)
    until(lambda: hole.ended == 1, "the old session's end")
    until(lambda: kiosk.state().connected and listener.of("kiosk/status")[-1] == "online")
    assert kiosk.check() == ""


@pytest.mark.parametrize(("word", "retain"), [("offline", True), ("offline", False), ("", True)])
def test_who_calls_a_working_kiosk_offline_is_contradicted(
    listen: Make, publisher: Make, word: str, retain: bool
) -> None:
    listener, kiosk = listen(), publisher()
    kiosk.publish(SEEN)
    until(listener.frames)
    listener.client.publish("kiosk/status", word, qos=1, retain=retain)
    until(lambda: listener.of("kiosk/status") == ["online", word, "online"])
    late = listen()
    until(lambda: ("kiosk/status", "online", True) in late.heard)
    kiosk.stop()
    until(lambda: listener.of("kiosk/status")[-1] == "offline")


def another(broker: Broker, queue: Path, cleanup: ExitStack) -> MqttPublisher:
    """A second kiosk that uses the same topic."""
    settings = MqttSettings("127.0.0.1", broker.port, topic="kiosk", interval_s=0)
    made = MqttPublisher(settings, queue, waits_s=(0.05, 0.2))
    cleanup.callback(made.stop)
    made.start()
    return made


@pytest.mark.parametrize("copied", [False, True])
def test_two_kiosks_on_one_topic_say_so(
    broker: Broker,
    listen: Make,
    publisher: Make,
    tmp_path: Path,
    cleanup: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    copied: bool,
) -> None:
    """Two copies of one card have the same name for the broker, too, which would end their connections in turn."""
    if copied:
        monkeypatch.setattr("fer_edge.runtime.mqtt.publisher.client_id", lambda place, topic: "fer-edge-copy")
    listener, first = listen(), publisher()
    second = another(broker, tmp_path / "second.db", cleanup)

    def both_say() -> bool:
        for kiosk in (first, second):
            kiosk.publish(SEEN)
        return all("another kiosk publishes to kiosk" in kiosk.check() for kiosk in (first, second))

    until(both_say)
    second.stop()
    until(lambda: listener.of("kiosk/status")[-2:] == ["offline", "online"])
    assert first.state().connected


def test_entities_that_are_no_more_are_taken_away(
    broker: Broker, listen: Make, publisher: Make, tmp_path: Path, cleanup: ExitStack
) -> None:
    """After a change of model, and all of them when discovery is off; another's entities stay."""
    listener = listen(topic="homeassistant/#")

    def shown() -> set[str]:
        return {topic.split("/", 3)[3] for topic, text in {t: x for t, x, _ in listener.heard}.items() if text}

    foreign = "homeassistant/sensor/kiosk/other/config"
    listener.client.publish(foreign, '{"name": "by hand"}', qos=1, retain=True)
    odd = json.dumps({"name": "Smile", "origin": {"name": "fer-edge"}})  # by an earlier version
    listener.client.publish("homeassistant/sensor/kiosk/happy/smile/config", odd, qos=1, retain=True).wait_for_publish(
        9
    )
    common = {"faces/config", "health/config", "device/config", "pause/config", "record/config", "other/config"}
    for labels, more in [(("happy", "contempt"), {}), (("happy", "sad"), {}), ((), {"discovery": False})]:
        settings = MqttSettings("127.0.0.1", broker.port, topic="kiosk", **more)
        kiosk = MqttPublisher(settings, tmp_path / "q.db", labels=labels)
        cleanup.callback(kiosk.stop)
        kiosk.start()
        wanted = {f"{label}/config" for label in labels} | (common if labels else {"other/config"})
        until(lambda wanted=wanted: shown() == wanted, str(wanted))
        kiosk.stop()


_PAHO_LEAVES = pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
"""paho leaves the socket of a failed handshake to the reference count, which closes it."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, a certificate for localhost and one for another name."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]  # RSA takes a second to make
    for name in ("ca", "stranger"):
        subject = ["-subj", f"/CN={name}", "-days", "2", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        openssl("req", "-x509", *key, *subject)
    for name in ("localhost", "elsewhere"):
        (folder / f"{name}.cnf").write_text(f"subjectAltName=DNS:{name}\n")
        openssl("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", "req.pem")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.cnf"]
        openssl("x509", "-req", "-in", "req.pem", "-out", f"{name}.pem", *signed)
    return folder


@pytest.fixture
def encrypted(broker: Broker, tmp_path: Path, keys: Path, cleanup: ExitStack) -> Callable[..., Broker]:
    """A started broker with the certificate for a name; `broker` says whether there can be one."""

    def make(name: str, lines: str = "allow_anonymous true") -> Broker:
        made = Broker(tmp_path / name, f"{lines}\ncertfile {keys}/{name}.pem\nkeyfile {keys}/{name}.key")
        cleanup.callback(made.stop)
        made.start()
        return made

    return make


@_PAHO_LEAVES
def test_tls_with_a_password(
    tmp_path: Path, encrypted: Callable[..., Broker], keys: Path, publisher: Make, cleanup: ExitStack
) -> None:
    import ssl

    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "kiosk", "secret"], check=True, capture_output=True)
    guarded = encrypted("localhost", f"allow_anonymous false\npassword_file {passwords}")
    trust = ssl.create_default_context(cafile=keys / "ca.pem")
    listener = cleanup.enter_context(closing(Listener(guarded, trust=trust, user="kiosk")))
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("secret\n")
    wrong.write_text("guess\n")
    common = {"host": "localhost", "port": guarded.port, "tls": True, "user": "kiosk"}
    for more, said in [
        ({"ca_file": keys / "stranger.pem", "password_file": right}, "CERTIFICATE_VERIFY_FAILED"),
        ({"ca_file": keys / "ca.pem", "password_file": wrong}, "refused us: Not authorized"),
    ]:
        kiosk = publisher(**common, **more)
        kiosk.publish(moment(1))
        until(lambda kiosk=kiosk, said=said: said in kiosk.check())
        assert "guess" not in kiosk.check()
        kiosk.stop()
    assert listener.heard == []
    publish(publisher(**common, ca_file=keys / "ca.pem", password_file=right), range(2, 40))
    until(lambda: len(listener.frames()) == 40)
    assert listener.frames() == [1, 1, *range(2, 40)]


@_PAHO_LEAVES
def test_a_certificate_for_another_name_is_not_trusted(
    encrypted: Callable[..., Broker], keys: Path, publisher: Make
) -> None:
    other = encrypted("elsewhere")
    kiosk = publisher(host="localhost", port=other.port, tls=True, ca_file=keys / "ca.pem")
    until(lambda: "Hostname mismatch" in kiosk.check())


def test_a_broker_that_never_answers_blocks_nobody(publisher: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kiosk = publisher(port=silent.getsockname()[1])
        peer, _ = silent.accept()
        publish(kiosk, range(5))
        kiosk.stop(0.2)
        peer.close()
    assert not kiosk._thread.is_alive()
    assert publisher().state().queued == 5


def test_a_broker_that_talks_nonsense_is_tried_again(publisher: Make) -> None:
    chance = random.Random(0)
    with socket.create_server(("127.0.0.1", 0)) as strange:
        kiosk = publisher(port=strange.getsockname()[1])
        for _ in range(8):
            peer, _ = strange.accept()
            with peer:
                peer.sendall(chance.randbytes(chance.randint(1, 60)))
        assert kiosk._thread.is_alive()
    assert not kiosk.state().connected


def test_reconnecting_leaves_no_descriptor_behind(broker: Broker, publisher: Make) -> None:
    broker.start()
    kiosk = publisher()
    counts = []
    for _ in range(6):
        until(lambda: kiosk.state().connected)
        counts.append(len(os.listdir("/proc/self/fd")))
        broker.stop(signal.SIGKILL)
        until(lambda: not kiosk.state().connected)
        broker.start()
    assert max(counts[1:]) <= counts[0] + 1  # the broker's own start may be under way
    assert [t.name for t in threading.enumerate()].count("mqtt") == 1


def test_one_snapshot_an_interval_and_each_change(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
    now = 0.0
    kiosk = MqttPublisher(MqttSettings("127.0.0.1", 1, interval_s=10), tmp_path / "q.db", clock=lambda: now)
    for second in range(25):
        now = float(second)
        kiosk.publish(replace(SEEN, paused=second >= 13))
    kiosk.stop(0)
    queue = OfflineQueue(tmp_path / "q.db", 100)
    assert len(queue) == 4  # 0, 10, 13 for the pause, 23
    queue.close()


def test_wrong_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for topic in ("", "a/#", "+", "$SYS/a", "/a", "a/", "a//b", "a\nb"):
        with pytest.raises(ValueError, match="cannot be a topic"):
            topic_of(topic)
    pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
    with pytest.raises(InputError, match="cannot be read"):
        MqttPublisher(MqttSettings("localhost", password_file=tmp_path / "none"), tmp_path / "q.db")
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(InputError, match="is no certificate"):
        MqttPublisher(MqttSettings("localhost", tls=True, ca_file=tmp_path / "ca.pem"), tmp_path / "q.db")
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(MissingExtra, match="paho-mqtt"):
        MqttPublisher(MqttSettings("localhost"), tmp_path / "q.db")


# ---------------------------------------------------------------- the queue


def numbers(queue: OfflineQueue) -> list[str]:
    """Everything in it, oldest first."""
    found, last = [], 0
    while (message := queue.after(last)) is not None:
        last, text = message
        found.append(text)
    return found


def test_queue_goes_on_in_memory_on_a_full_disk_and_comes_back(small_disk: Path) -> None:
    now = 0.0
    queue = OfflineQueue(small_disk / "q.db", 100_000, clock=lambda: now)
    put = 0
    while not queue.trouble:
        queue.put(str(put := put + 1).zfill(400))
    assert put > 100
    assert "full" in queue.trouble
    queue.put(str(put := put + 1).zfill(400))
    assert [int(text) for text in numbers(queue)] == list(range(1, put + 1))
    for number in range(1, put - 10):
        queue.remove(number)
    now = 31.0
    queue.put(str(put := put + 1).zfill(400))
    assert queue.trouble == ""
    queue.close()
    again = OfflineQueue(small_disk / "q.db", 100_000)
    assert [int(text) for text in numbers(again)] == list(range(put - 11, put + 1))
    again.put("next")
    message = again.after(put)
    assert message is not None
    assert message[0] == put + 1
    again.close()


def test_only_the_owner_may_read_the_queue(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        queue = OfflineQueue(tmp_path / "q.db", 10)
        queue.put("a")
        assert [p.name for p in tmp_path.glob("q.db*") if p.stat().st_mode & 0o077] == []
        queue.close()
    finally:
        os.umask(old)


def test_a_damaged_queue_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "q.db").write_bytes(b"this was a database" * 1000)
    queue = OfflineQueue(tmp_path / "q.db", 10)
    queue.put("a")
    assert queue.trouble == ""
    queue.close()
    again = OfflineQueue(tmp_path / "q.db", 10)
    assert numbers(again) == ["a"]
    again.close()


def test_a_queue_whose_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    queue = OfflineQueue(tmp_path / "file" / "q.db", 2)
    for text in "abc":
        queue.put(text)
    assert "memory only" in queue.trouble
    assert (numbers(queue), queue.dropped) == (["b", "c"], 1)
    queue.close()


# ---------------------------------------------------------------- what is said


def test_a_snapshot_names_no_face() -> None:
    told = json.loads(state_json(replace(SEEN, fps=float("nan"), latency_ms=float("inf"), faces=None)))
    assert set(told) == {
        *("camera", "time", "clock_ok", "health", "faces", "shares", "window", "frames", "dropped", "fps", "stages_ms"),
        *("latency_ms", "device", "machine", "paused", "recording", "rules", "markers"),
    }
    assert told["fps"] is told["latency_ms"] is told["faces"] is None


def test_home_assistant_learns_of_us_and_understands_our_state(listen: Make, publisher: Make) -> None:
    listener = listen(topic="homeassistant/#")
    publisher()
    until(lambda: len(listener.heard) == 14)
    known = (*LABELS, "uncertain", "unsuitable", "faces", "health", "device")
    topics = {topic for topic, _, _ in listener.heard}
    assert topics == {
        *(f"homeassistant/sensor/kiosk/{key}/config" for key in known),
        *(f"homeassistant/switch/kiosk/{key}/config" for key in ("pause", "record")),
    }
    late = listen(topic="homeassistant/#")
    until(lambda: len(late.heard) == 14)
    assert all(retained for _, _, retained in late.heard)


def rendered(key: str, snapshot: Snapshot, field: str = "value_template", labels: Sequence[str] = LABELS) -> str:
    """What Home Assistant makes of a state, by the same template engine."""
    sandbox = pytest.importorskip("jinja2.sandbox")
    messages = discovery_messages(MqttSettings("h", topic="kiosk"), labels, "Entrance", {"version": "1"})
    (message,) = [json.loads(text) for topic, text in messages if topic.endswith(f"/{key}/config")]
    state = json.loads(state_json(snapshot))
    return str(sandbox.ImmutableSandboxedEnvironment().from_string(message[field]).render(value_json=state))


def test_templates_give_what_the_entities_show() -> None:
    shown = {"happy": "75.0", "fear": "0.0", "faces": "3", "health": "ok", "device": "CPU", "record": "OFF"}
    assert {key: rendered(key, SEEN) for key in shown} == shown
    assert rendered("happy", replace(SEEN, window={})) == "None"  # which Home Assistant shows as unknown
    assert rendered("faces", replace(SEEN, faces=None)) == "None"
    assert rendered("pause", replace(SEEN, paused=True)) == "ON"
    failed = replace(SEEN, health=Health(Condition.DEGRADED, 'no "frame"'))
    told = json.loads(rendered("health", failed, "json_attributes_template"))
    assert told == {"condition": "degraded", "reason": 'no "frame"'}
    assert json.loads(rendered("device", SEEN, "json_attributes_template"))["threads"] == 2


ODD = (
    "it's",
    "very happy",
    "very_happy",
    "happy/smile",
    "überrascht",
    "a+b",
    "#",
    'say "x"',
    "\\",
    "faces",
    "}}",
    "😀",
)


def test_any_label_becomes_an_entity_that_home_assistant_takes() -> None:
    messages = discovery_messages(MqttSettings("h", topic="kiosk"), ODD, "Entrance", {})
    topics = [topic for topic, _ in messages]
    assert len(set(topics)) == len(ODD) + 5
    assert [
        t for t in topics if not re.fullmatch(r"homeassistant/[a-z_]+/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config", t)
    ] == []
    for number, (label, topic) in enumerate(zip(ODD, topics, strict=False)):
        key, share = topic.split("/")[3], number / 100
        assert rendered(key, replace(SEEN, window={label: share}), labels=ODD) == str(float(number)), label


def test_discovery_has_the_documented_fields() -> None:
    settings = MqttSettings("h", topic="house/Entrance 1")
    messages = {
        topic.split("/")[1:4:2] and topic: json.loads(text)
        for topic, text in discovery_messages(settings, LABELS, "Entrance", {"version": "0.1", "model": "Pi 4"})
    }
    assert len({m["unique_id"] for m in messages.values()}) == len(messages) == 12
    for topic, told in messages.items():
        node = topic.split("/")[2]
        assert set(node) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
        assert told["availability_topic"] == "house/Entrance 1/status"
        assert (told["payload_available"], told["payload_not_available"]) == ("online", "offline")
        assert told["device"]["identifiers"] == [node]
        assert told["device"]["model"] == "Pi 4"
        assert told["origin"]["name"] == "fer-edge"
        if topic.startswith("homeassistant/switch/"):
            assert told["command_topic"].startswith("house/Entrance 1/")
            assert (told["payload_on"], told["payload_off"]) == ("ON", "OFF")
    (health,) = [told for told in messages.values() if told["name"] == "Health"]
    assert health["options"] == ["starting", "ok", "degraded", "failed"]
    assert MqttSettings("h", topic="a/b").node != MqttSettings("h", topic="a_b").node


# ---------------------------------------------------------------- Prometheus


def parsed(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus_client")
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in parser.text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples
            samples[key] = sample.value
    return samples


_BY_LABEL = ("fer_edge_expression_share_minute", "fer_edge_expressions_total")


def test_metrics_say_what_the_snapshot_says() -> None:
    told = parsed(metrics_text([replace(SEEN, told={"happy": 7})], labels=["happy", "sad"]))
    assert told["fer_edge_expressions_total", (("label", "happy"),)] == 7
    assert told["fer_edge_expressions_total", (("label", "sad"),)] == 0
    assert told["fer_edge_expression_share", (("label", "sad"),)] == 0  # and not absent, for the sake of averages
    assert told["fer_edge_faces", ()] == 3
    assert told["fer_edge_expression_share", (("label", "happy"),)] == pytest.approx(2 / 3)
    assert told["fer_edge_expression_share_minute", (("label", "sad"),)] == 0.25
    assert told["fer_edge_frames_total", ()] == 100
    assert told["fer_edge_frames_dropped_total", ()] == 7
    assert told["fer_edge_stage_seconds", (("stage", "infer"),)] == pytest.approx(0.0205)
    assert told["fer_edge_latency_seconds", ()] == pytest.approx(0.0315)
    health = {c.value: told["fer_edge_health", (("condition", c.value),)] for c in Condition}
    assert health == {"starting": 0, "ok": 1, "degraded": 0, "failed": 0}
    (device,) = [dict(labels) for name, labels in told if name == "fer_edge_device_info"]
    assert device["backend"] == "onnxruntime"


def test_averages_over_time_are_shares_of_that_time(tmp_path: Path) -> None:
    """By Prometheus itself: neutral and sad for twenty scrapes, then happy for four, and once nothing is told."""
    if shutil.which("promtool") is None:
        pytest.skip("needs prometheus")
    pair = replace(SEEN, window={"neutral": 0.5, "sad": 0.5}, told={"neutral": 10, "sad": 10})
    happy = replace(SEEN, window={"happy": 1.0}, told={"neutral": 10, "sad": 10, "happy": 5})
    scraped = [pair] * 20 + [happy] * 4 + [replace(happy, window={}, told=None)]
    texts = [parsed(metrics_text([snapshot], labels=LABELS)) for snapshot in scraped]
    series = {key: [str(text.get(key, "_")) for text in texts] for key in texts[0] if key[0].startswith(_BY_LABEL)}
    assert len(series) == 2 * len(LABELS)

    def case(expression: str, value: float) -> str:
        return f"- {{expr: '{expression}', eval_time: 24m, exp_samples: [{{labels: '{{}}', value: {value}}}]}}"

    lines = [
        "tests:",
        "- interval: 1m",
        "  input_series:",
        *(
            f"  - {{series: '{name}{{label=\"{dict(by)['label']}\"}}', values: '{' '.join(values)}'}}"
            for (name, by), values in series.items()
        ),
        "  promql_expr_test:",
        "  " + case("sum(avg_over_time(fer_edge_expression_share_minute[25m]))", 1),
        "  " + case('sum(avg_over_time(fer_edge_expression_share_minute{label="happy"}[25m]))', 4 / 24),
        "  " + case('sum(max_over_time(fer_edge_expressions_total{label="happy"}[25m]))', 5),
    ]
    (tmp_path / "rules.yml").write_text("\n".join(lines) + "\n")
    said = subprocess.run(["promtool", "test", "rules", tmp_path / "rules.yml"], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


def test_metrics_leave_out_what_is_not_told_and_escape_what_is_odd() -> None:
    odd = 'a "quoted"\\ name\nof two lines'
    quiet = replace(SEEN, faces=None, shares={}, window={}, latency_ms=None, device={"device": odd}, fps=float("nan"))
    more = [single("store_dropped_total", "Lost.", 4, counter=True), Metric("none", "Nothing.")]
    text = metrics_text([quiet], more, LABELS)
    told = parsed(text)
    names = {name for name, _ in told}
    untold = {"expression_share", "expression_share_minute", "expressions_total", "faces", "latency_seconds", "none"}
    assert not names & {f"fer_edge_{name}" for name in untold}
    assert ("fer_edge_device_info", (("device", odd),)) in told
    assert told["fer_edge_store_dropped_total", ()] == 4
    assert text.endswith("\n")

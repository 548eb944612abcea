"""The fleet's broker as packaging/fleet has it: a key a kiosk, and each may do what is its own."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from fer_edge.errors import InputError
from fer_edge.runtime.config import read_config
from fer_edge.runtime.mqtt.settings import MqttSettings, trust_of
from support.brokers import MOSQUITTO, Broker, Listener
from support.kiosks import PLACE
from support.source_rules import ROOT
from support.stand_ins import StandIn
from support.waiting import until

FLEET = ROOT / "packaging" / "fleet"
NAMES = ("centre", "foyer", "hall", "stolen")
pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
pytestmark = pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
"""paho leaves the socket of a failed handshake to the reference count, which closes it."""


def keys_sh(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FLEET / "keys.sh", *words], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, the broker's key and some kiosks'; one of these was revoked."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("keys")
    for words in (("init", "localhost"), *(("make", name) for name in NAMES), ("revoke", "stolen")):
        done = keys_sh(folder, *words)
        assert done.returncode == 0, done.stderr
    assert all(key.stat().st_mode & 0o077 == 0 for key in folder.glob("*.key"))
    return folder


@pytest.fixture
def closing_all() -> Iterator[ExitStack]:
    with ExitStack() as steps:
        yield steps


@pytest.fixture
def guarded(keys: Path, tmp_path: Path, closing_all: ExitStack) -> Broker:
    """mosquitto with the packaged configuration, but for its port and places."""
    if not MOSQUITTO.is_file():
        pytest.skip("needs mosquitto")
    shutil.copy(FLEET / "mosquitto.acl", keys)
    lines = (FLEET / "mosquitto.conf").read_text().replace("/etc/mosquitto/fleet", str(keys))
    lines = lines.replace("listener 8883\n", "").replace("#crlfile", "crlfile")
    broker = Broker(tmp_path / "broker", lines)
    closing_all.callback(broker.stop)
    broker.start()
    return broker


def settings(broker: Broker, keys: Path, name: str, topic: str = "", **more: Any) -> MqttSettings:
    """A kiosk's, which logs in with the key of that name."""
    own = {"cert_file": keys / f"{name}.crt", "key_file": keys / f"{name}.key"}
    common = {"tls": True, "ca_file": keys / "ca.crt", "topic": topic or name, "interval_s": 0}
    return MqttSettings("localhost", broker.port, **{**common, **own, **more})


def kiosk(
    closing_all: ExitStack, folder: Path, broker: Broker, keys: Path, name: str, topic: str = "", **more: Any
) -> StandIn:
    made = StandIn(folder / f"{name}-{topic}", settings(broker, keys, name, topic, **more))
    closing_all.callback(made.stop)
    return made


def listener(closing_all: ExitStack, broker: Broker, keys: Path, name: str, topic: str = "#") -> Listener:
    trust = trust_of(settings(broker, keys, name))
    return closing_all.enter_context(closing(Listener(broker, topic, trust=trust)))


def test_each_kiosk_may_do_what_is_its_own(guarded: Broker, keys: Path, tmp_path: Path, closing_all: ExitStack) -> None:
    """The broker acknowledges what it throws away; so what comes after it shows that it did not come."""
    centre = listener(closing_all, guarded, keys, "centre")
    foyer = kiosk(closing_all, tmp_path, guarded, keys, "foyer")
    hall = kiosk(closing_all, tmp_path, guarded, keys, "hall")
    impostor = kiosk(closing_all, tmp_path, guarded, keys, "hall", topic="foyer")
    until(lambda: impostor.publisher.state().delivered)
    for stand_in in (foyer, hall):
        stand_in.tell(reason="after it")
    until(lambda: all(any("after it" in text for text in centre.of(f"{n}/state")) for n in ("foyer", "hall")))
    assert len({json.loads(text)["sender"] for text in centre.of("foyer/state")}) == 1  # foyer's alone
    nodes = {topic.split("/")[2] for topic, _, _ in centre.heard if topic.startswith("homeassistant/")}
    assert nodes == {"foyer", "hall"}
    spy = listener(closing_all, guarded, keys, "hall")
    spy.client.publish("foyer/pause/set", "ON", qos=1).wait_for_publish(60)
    spy.client.publish("hall/pause/set", "ON", qos=1).wait_for_publish(60)
    until(lambda: hall.snapshot.paused)
    assert not foyer.snapshot.paused
    centre.client.publish("foyer/record/set", "ON", qos=1).wait_for_publish(60)
    centre.client.publish("foyer/pause/set", "ON", qos=1).wait_for_publish(60)
    until(lambda: foyer.snapshot.paused)
    until(lambda: any(topic == "hall/state" for topic, _, _ in spy.heard))
    assert {topic.split("/")[0] for topic, _, _ in spy.heard} == {"hall", "homeassistant"}
    assert not any(topic == "foyer/record/set" for topic, _, _ in centre.heard)


def test_who_has_no_key_of_the_fleet_stays_outside(
    guarded: Broker, keys: Path, tmp_path: Path, closing_all: ExitStack
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert keys_sh(other, "init", "localhost").returncode == keys_sh(other, "make", "foyer").returncode == 0
    centre = listener(closing_all, guarded, keys, "centre")
    foreign = {"cert_file": other / "foyer.crt", "key_file": other / "foyer.key"}
    outside = [
        kiosk(closing_all, tmp_path, guarded, keys, "foyer", "none", cert_file=None, key_file=None),
        kiosk(closing_all, tmp_path, guarded, keys, "foyer", "foreign", **foreign),
        kiosk(closing_all, tmp_path, guarded, keys, "stolen"),
    ]
    for stand_in in outside:
        until(lambda stand_in=stand_in: stand_in.publisher.check())
        assert not stand_in.publisher.state().delivered
    kiosk(closing_all, tmp_path, guarded, keys, "hall")
    until(lambda: centre.of("hall/state"))
    assert {topic.split("/")[0] for topic, _, _ in centre.heard} <= {"hall", "homeassistant"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("make", "a/b"), "letters, digits"),
        (("make", "homeassistant"), "letters, digits"),
        (("make", "foyer"), "foyer.key is there already"),
        (("revoke", "nobody"), "there is no nobody.crt"),
        (("what",), "init BROKER, make NAME or revoke NAME"),
    ],
)
def test_what_keys_sh_refuses(keys: Path, words: tuple[str, ...], said: str) -> None:
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    done = keys_sh(keys, *words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before


def test_a_key_that_does_not_fit_is_one_clear_error(keys: Path, tmp_path: Path) -> None:
    pair = {"cert_file": keys / "foyer.crt", "key_file": keys / "hall.key"}
    with pytest.raises(InputError, match="are no pair"):
        trust_of(MqttSettings("localhost", tls=True, ca_file=keys / "ca.crt", **pair))
    assert isinstance(trust_of(MqttSettings("h", tls=True, **{**pair, "key_file": keys / "foyer.key"})), ssl.SSLContext)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('tls = true\ncert_file = "a.crt"', "mqtt.key_file is missing"),
        ('tls = true\nkey_file = "a.key"', "mqtt.cert_file is missing"),
        ('cert_file = "a.crt"\nkey_file = "a.key"', "mqtt.cert_file has no effect"),
    ],
)
def test_what_the_configuration_says_of_keys(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "c.toml").write_text(f'{PLACE}[mqtt]\nhost = "localhost"\n{lines}\n')
    problems = [f"{p.key} {p.what}" for p in read_config(tmp_path / "c.toml", {}).problems]
    assert any(said in problem for problem in problems), problems

"""Cases 12 to 14: what Home Assistant is told by a kiosk with odd labels, with another model, and by two kiosks."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.brokers import Broker, Listener
from support.kiosks import Running
from support.waiting import until

Case = Callable[[int], Path]
Start = Callable[..., Running]
TOPIC = re.compile(r"homeassistant/[a-z_]+/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config")


@pytest.fixture
def start(broker: Broker, tmp_path: Path) -> Iterator[Start]:
    """A kiosk of that name that shows the demo."""
    held: list[Running] = []

    def make(name: str, more: str = "", title: str = "Kiosk") -> Running:
        lines = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntopic = "fer-edge"\ninterval_s = 2\n{more}'
        words = ("--set", f"web.title={title}", "--set", "privacy.least_group=3")
        held.append(Running(tmp_path / name, "demo:60", lines).start(words))
        return held[-1]

    yield make
    for running in held:
        running.stop(signal.SIGKILL)


@pytest.fixture
def heard(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker, "#")
    yield listener
    listener.close()


def entities(heard: Listener) -> dict[str, str]:
    """Discovery topic -> its newest message, if it is not empty."""
    newest = {topic: text for topic, text, _ in heard.heard if topic.startswith("homeassistant/")}
    return {topic: text for topic, text in newest.items() if text}


@pytest.mark.parametrize(("name", "labels"), [("bundle-odd", 7), ("bundle-plus", 4)])
def test_labels_that_home_assistant_refuses(
    shared_case: Case, start: Start, heard: Listener, name: str, labels: int
) -> None:
    environment = pytest.importorskip("jinja2.sandbox").ImmutableSandboxedEnvironment()
    bundle = shared_case(12) / name
    start("kiosk", f'[model]\nbundle = "{bundle}"')
    until(lambda: heard.of("fer-edge/state"))
    told = entities(heard)
    assert [topic for topic in told if not TOPIC.fullmatch(topic)] == []
    shares = {t: json.loads(text) for t, text in told.items() if json.loads(text).get("unit_of_measurement") == "%"}
    assert len(shares) == labels + 2
    names = [*json.loads((bundle / "bundle.json").read_text())["labels"], "uncertain", "unsuitable"]
    state = {"window": {label: place / 100 for place, label in enumerate(names)}}
    shown = {environment.from_string(m["value_template"]).render(value_json=state) for m in shares.values()}
    assert shown == {str(float(place)) for place in range(labels + 2)}


def test_ghosts_of_another_model(shared_case: Case, start: Start, heard: Listener) -> None:
    bundle = shared_case(13) / "bundle-contempt"
    first = start("kiosk", f'[model]\nbundle = "{bundle}"')
    until(lambda: any("/contempt/" in topic for topic in entities(heard)))
    first.stop()
    second = start("kiosk")
    until(lambda: len(entities(heard)) == 13 and not any("/contempt/" in topic for topic in entities(heard)))
    second.stop()
    start("kiosk", "discovery = false")
    until(lambda: not entities(heard))


def test_two_kiosks_on_one_topic(start: Start, heard: Listener) -> None:
    kiosks = [start("entrance", title="Entrance"), start("exit", title="Exit")]
    for kiosk in kiosks:
        until(lambda kiosk=kiosk: "another kiosk publishes to fer-edge" in kiosk.state()["health"]["reason"])
        assert kiosk.ask("/healthz")["condition"] == "degraded"
        assert "another kiosk" in kiosk.log()
    kiosks[1].stop()
    until(lambda: heard.of("fer-edge/status")[-2:] == ["offline", "online"])

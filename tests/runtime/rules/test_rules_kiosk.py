"""Rules of a kiosk that runs: log, page, broker and webhook are told; a webhook that hangs holds up nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.brokers import Broker, Listener
from support.hooks import SECRET, Receiver
from support.kiosks import Running
from support.waiting import until

pytest.importorskip("aiohttp", reason="needs the kiosk extra")
pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
SMILE = '[[rule]]\nname = "smile"\nwhat = "happy"\nfor_s = 0.5\ncool_down_s = {}\n'
Make = Callable[..., Running]


@pytest.fixture
def kiosk(tmp_path: Path, clip: Path, yunet: Path) -> Iterator[Make]:
    held: list[Running] = []
    (tmp_path / "secret").write_text(SECRET + "\n")

    def make(lines: str, hook: Receiver) -> Running:
        webhook = f'[webhook]\nurl = "{hook.url}"\nsecret_file = "{tmp_path / "secret"}"\ntimeout_s = 1\n'
        held.append(Running(tmp_path / "kiosk", str(clip), lines + webhook))
        return held[-1].start()

    yield make
    for running in held:
        running.stop(signal.SIGKILL)


def test_all_who_are_to_be_told_are(kiosk: Make, broker: Broker) -> None:
    """A man who smiles all the time, alone: so with a least group of one, as the configuration says here."""
    there, listener = Receiver(), Listener(broker)
    outlets = "page = true\nmqtt = true\nwebhook = true\n"
    mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntopic = "kiosk"\n'
    quiet = '[[rule]]\nname = "fright"\nwhat = "fear"\nfor_s = 0.5\npage = true\nmqtt = true\nwebhook = true\n'
    running = kiosk(SMILE.format(3600) + outlets + quiet + mqtt, there).ready()
    try:
        until(lambda: running.state()["rules"] and there.told and listener.of("kiosk/rule"))
        (shown,) = running.state()["rules"]
        assert there.told == [shown] == [json.loads(text) for text in listener.of("kiosk/rule")]
        assert (shown["rule"], shown["what"], shown["when"], shown["threshold"]) == ("smile", "happy", "above", 0.5)
        assert shown["value"] > 0.5
        assert set(shown) == {
            *("rule", "camera", "time", "clock_ok", "what", "when"),
            *("threshold", "value", "for_s", "baseline_s"),
        }, "no picture, box or track"
        assert "rule smile: happy above 0.5 for 0.5 s" in running.log()
        assert "rule fright" not in running.log()
    finally:
        listener.close()
        there.close()
    assert running.stop() == 0


def test_a_webhook_that_hangs_is_said_and_frames_go_on(kiosk: Make) -> None:
    there = Receiver(silent=True)
    running = kiosk(SMILE.format(1) + "webhook = true\n", there).ready()
    try:
        until(lambda: "did not answer within 1 s" in running.state()["health"]["reason"])
        seen = running.state()["frames"]
        until(lambda: running.state()["frames"] > seen + 30)
        assert running.state()["health"]["condition"] == "degraded"
        assert "/hook" not in running.log()
        assert running.stop() == 0
    finally:
        there.close()


def test_a_label_that_the_bundle_does_not_have_ends_the_start(kiosk: Make) -> None:
    there = Receiver()
    running = kiosk(SMILE.format(1).replace("happy", "glad") + "webhook = true\n", there)
    until(running.ended)
    assert running.stop() == 2
    assert "rule smile: the bundle does not know glad: it has angry" in running.log()
    assert "Traceback" not in running.log()
    there.close()

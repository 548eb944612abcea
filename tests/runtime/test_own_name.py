"""Two kiosks never share topics: not of one image, not a copied card on another board, not two on a machine."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from fer_edge.runtime.mqtt.own_name import own_name
from support.brokers import Broker, Listener
from support.kiosks import Running
from support.waiting import until

STATE = Path("/var/lib/fer-edge/store")


def machine(root: Path, machine_id: str, serial: str = "") -> Path:
    """A system's root with the files by which it is known."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/machine-id").write_text(machine_id)
    if serial:
        place = root / "sys/firmware/devicetree/base"
        place.mkdir(parents=True)
        (place / "serial-number").write_bytes(serial.encode() + b"\0")
    return root


def test_each_machine_board_and_folder_has_another_name_and_keeps_it(tmp_path: Path) -> None:
    one = machine(tmp_path / "one", "a" * 32 + "\n", "10000000abcd")
    same_image = machine(tmp_path / "two", "b" * 32 + "\n", "10000000dcba")
    copied_card = machine(tmp_path / "three", "a" * 32 + "\n", "10000000ffff")
    not_booted = machine(tmp_path / "four", "uninitialized\n", "10000000eeee")
    other = Path("/srv/store")
    names = [own_name(STATE, root) for root in (one, same_image, copied_card, not_booted)] + [own_name(other, one)]
    assert len(set(names)) == 5
    assert own_name(STATE, one) == names[0]
    assert all(len(name) == 8 and int(name, 16) >= 0 and name not in "a" * 32 for name in names)


@pytest.mark.parametrize("word", [None, "", "uninitialized\n"])
def test_a_machine_without_a_name_goes_by_its_host_name(
    tmp_path: Path, word: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path if word is None else machine(tmp_path, word)
    names = set()
    for host in ("raspberrypi", "kiosk-2"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        names.add(own_name(STATE, root))
    assert len(names) == 2


def test_two_kiosks_that_nobody_told_apart(broker: Broker, tmp_path: Path) -> None:
    """One configuration twice, as two cards of one image have it: two topics, two devices, and neither complains."""
    pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
    listener = Listener(broker, "#")
    lines = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntopic = "fer-edge-{{kiosk}}"\ninterval_s = 0.5\n'
    kiosks = [Running(tmp_path / name, "demo:60", lines).start() for name in ("one", "two")]
    try:
        for running in kiosks:
            until(lambda running=running: running.state()["health"]["condition"] == "ok")

        def topics() -> set[str]:
            return {topic for topic, text, _ in listener.heard if topic.endswith("/state") and '"ok"' in text}

        until(lambda: len(topics()) == 2)
        assert all(topic.startswith("fer-edge-") for topic in topics())
        nodes = {topic.split("/")[2] for topic, _, _ in listener.heard if topic.startswith("homeassistant/")}
        assert nodes == {topic.removesuffix("/state") for topic in topics()}
        assert all(node in "".join(k.log() for k in kiosks) for node in nodes)
        assert not any("another kiosk" in running.log() for running in kiosks)
    finally:
        listener.close()
        for running in kiosks:
            running.stop(signal.SIGKILL)

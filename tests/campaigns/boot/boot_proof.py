"""The proof, step by step; each stands on the one before, so the first that fails ends it (`pytest -x`).

Times are limits for a hang, not measurements: an emulated processor is 20 to 100 times slower than the board.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import default_bundle
from numpy.typing import NDArray

from .card import HOSTNAME, USER
from .faces import crops
from .machine import SMALL_MIB, Machine, boot_file

REAL = bool(os.environ.get("FER_EDGE_BOOT_IMAGE"))
FIRST_BOOT_S, BOOT_S, READY_S, UPDATE_S = 600, 240, 300, 1800
RELEASE = "readlink /opt/fer-edge/current"
STORE = "/var/lib/fer-edge/store"
COUNT = f'python3 -c "import sqlite3; print(sqlite3.connect(\\"{STORE}/kiosk.db\\").execute(\\"{{}}\\").fetchone()[0])"'
"""Any query on the kiosk's store, read beside the kiosk."""


def rows(machine: Machine) -> int:
    """Observations in the store."""
    return int(machine.shell.run(COUNT.format("select count(*) from observations"), 60))


def wait_until_ready(machine: Machine, limit_s: int = READY_S) -> None:
    """Until systemd has had READY=1 from the daemon: a service of type notify is active then, and no sooner."""
    waiting = f"timeout {limit_s} sh -c 'until systemctl is-active --quiet fer-edge; do sleep 2; done'"
    answer = machine.shell.ask(waiting, limit_s + 30)
    if answer.code:
        pytest.fail("the daemon was not READY in time:\n" + journal(machine))


def wait_for_more(machine: Machine, than: int, limit_s: int = 180) -> int:
    """Until the store has more observations than before."""
    query = COUNT.format(f"select count(*) > {than} from observations")
    waiting = f'for i in $(seq {limit_s // 4}); do [ "$({query})" = 1 ] && break; sleep 4; done'
    machine.shell.run(waiting, limit_s * 3)
    return rows(machine)


def journal(machine: Machine) -> str:
    """What the daemon told in this boot, the end of it."""
    return machine.shell.ask("journalctl -b -u fer-edge -o cat --no-pager | tail -n 40").text


def shown(machine: Machine, name: str) -> str:
    """A property of the service."""
    return machine.shell.run(f"systemctl show -P {name} fer-edge").strip()


def switch_on(machine: Machine) -> None:
    """Start, and wait for a shell and the end of booting."""
    machine.start()
    machine.shell.greet(BOOT_S)
    machine.shell.ask("systemctl is-system-running --wait", BOOT_S)


def test_first_boot_installs_without_a_network_and_starts_again(machine: Machine) -> None:
    assert "systemd.run=" in boot_file(machine.card, "cmdline.txt") or REAL
    machine.start()  # there is no network device in this machine at all
    machine.off(FIRST_BOOT_S)
    told = machine.serial.read_text(errors="replace")
    assert "reboot: Restarting system" in told, told[-3000:]
    assert re.search(r"fer-edge [0-9a-f]{16} is installed", told), told[-3000:]
    assert "systemd.run=" not in boot_file(machine.card, "cmdline.txt")


def test_daemon_reaches_ready_on_the_second_boot_which_installs_nothing(machine: Machine) -> None:
    switch_on(machine)
    wait_until_ready(machine)
    assert shown(machine, "NRestarts") == "0", journal(machine)
    again = machine.shell.run("journalctl -b --no-pager -o cat | grep -c 'is installed' || true").strip()
    assert again == "0"
    assert machine.shell.run("ls -d /opt/fer-edge/releases/* | wc -l").strip() == "1"


def test_settings_of_the_card_are_in_effect_and_no_secret_is_left(machine: Machine) -> None:
    assert machine.shell.run("hostname").strip() == HOSTNAME
    assert machine.shell.run(f"stat -c '%a %U' /home/{USER}/.ssh/authorized_keys").strip() == f"600 {USER}"
    assert machine.shell.run("ls /boot/firmware | grep -c -e '^fer-edge$' -e firstrun.sh || true").strip() == "0"


def test_faces_through_the_camera_become_observations(machine: Machine) -> None:
    count = wait_for_more(machine, 0)
    assert count > 0, journal(machine)
    assert wait_for_more(machine, count) > count, journal(machine)


def test_camera_is_exact_and_inference_equals_x86(machine: Machine, work: Path) -> None:
    machine.shell.run("systemctl stop fer-edge", 60)
    machine.shell.run("mkdir -p /run/stick && mount -o ro,noload /dev/vdb /run/stick")
    said: dict[str, dict[str, object]] = {}
    for name in ("model.onnx", "onnx/model_int8.onnx"):
        command = (
            "PYTHONPATH=/opt/fer-edge/current/site python3 /run/boot-proof/check.py /run/boot-proof/frames.bgr "
            f"/opt/fer-edge/current/bundle/{name} /run/stick/crops.npy"
        )
        said[name] = json.loads(machine.shell.run(command, 300).strip().splitlines()[-1])
        assert said[name]["machine"] == "aarch64"
        assert said[name]["exactly_shown"] == [True] * 5
    errors = {name: float(np.abs(np.asarray(answer["logits"]) - here(name)).max()) for name, answer in said.items()}
    (work / "inference.json").write_text(json.dumps({"largest_difference": errors, "guest": said}, indent=1))
    assert errors["model.onnx"] <= 1e-4, errors
    labels = [
        np.asarray(said["onnx/model_int8.onnx"]["logits"]).argmax(1).tolist(),
        here("onnx/model_int8.onnx").argmax(1).tolist(),
    ]
    assert labels[0] == labels[1], errors
    machine.shell.run("systemctl start fer-edge", READY_S)
    wait_until_ready(machine)


def here(name: str) -> NDArray[np.float64]:
    """Logits of the same crops on this machine."""
    import onnxruntime

    session = onnxruntime.InferenceSession(default_bundle() / name, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    return np.stack([session.run(None, {feed: crop[None]})[0][0] for crop in crops()]).astype(np.float64)


def test_a_hang_ends_by_the_watchdog_and_it_is_healthy_again(machine: Machine) -> None:
    before, restarts = rows(machine), int(shown(machine, "NRestarts"))
    process = shown(machine, "MainPID")
    machine.shell.run(f"kill -STOP {process}")  # every thread stands still, as in a driver that never returns
    machine.shell.run(f"timeout 150 sh -c 'while kill -0 {process} 2>/dev/null; do sleep 1; done'", 180)
    told = machine.serial.read_text(errors="replace")
    assert re.search(r"fer-edge\.service: (Watchdog timeout|Failed with result 'watchdog')", told), told[-2000:]
    machine.shell.run("sleep 6")  # RestartSec
    wait_until_ready(machine)
    assert int(shown(machine, "NRestarts")) == restarts + 1
    assert wait_for_more(machine, before) > before, journal(machine)


def test_a_power_cut_leaves_a_store_that_is_whole(machine: Machine) -> None:
    before = rows(machine)  # committed, for another process reads them
    release = machine.shell.run(RELEASE)
    machine.cut()
    switch_on(machine)
    wait_until_ready(machine)
    assert machine.shell.run(COUNT.format("pragma integrity_check")).strip() == "ok"
    assert rows(machine) >= before
    assert machine.shell.run(RELEASE) == release
    assert wait_for_more(machine, rows(machine)) > before
    assert machine.shell.run(f"ls {STORE} | grep -c damaged || true").strip() == "0"


def test_an_update_with_a_broken_bundle_goes_back_by_itself(machine: Machine) -> None:
    release = machine.shell.run(RELEASE)
    machine.shell.run("mkdir -p /run/stick && mount -o ro,noload /dev/vdb /run/stick")
    answer = machine.shell.ask("fer-edge update apply /run/stick/broken --unsigned", UPDATE_S)
    assert answer.code == 1, answer.text
    assert machine.shell.run(RELEASE) == release, answer.text
    wait_until_ready(machine)
    before = rows(machine)
    assert wait_for_more(machine, before) > before, journal(machine)
    machine.shell.run("systemctl poweroff")
    machine.off(120)


def test_it_observes_in_the_memory_of_a_pi_zero_2_w(machine: Machine) -> None:
    machine.cut()  # where the steps before were left out, it is on
    machine.memory_mib = SMALL_MIB
    switch_on(machine)
    assert int(machine.shell.run("awk '/MemTotal/ {print $2}' /proc/meminfo")) < SMALL_MIB * 1024
    wait_until_ready(machine)
    before = rows(machine)
    assert wait_for_more(machine, before) > before, journal(machine)
    assert shown(machine, "NRestarts") == "0", journal(machine)
    assert machine.shell.run("journalctl -b -k -o cat --no-pager | grep -c 'Out of memory' || true").strip() == "0"
    machine.shell.run("systemctl poweroff")
    machine.off(120)

"""The doctor on recorded trees: what the kernel, the firmware and the vendors' packages leave on a board."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.devices.doctor import Finding, State, examine
from fer_edge.devices.doctor.software import ask, find_library
from fer_edge.devices.profile import find_profile

Command = Callable[..., subprocess.CompletedProcess[str]]


def put(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def coral(root: Path, ids: str = "18d1:9302", speed: str = "5000") -> None:
    place = "sys/bus/usb/devices/2-1"
    vendor, product = ids.split(":")
    for name, text in (
        ("idVendor", vendor),
        ("idProduct", product),
        ("speed", speed),
        ("busnum", "2"),
        ("devnum", "7"),
    ):
        put(root, f"{place}/{name}", text + "\n")
    put(root, "dev/bus/usb/002/007")


def healthy_coral(root: Path) -> Path:
    coral(root)
    put(root, "lib/udev/rules.d/60-libedgetpu1-std.rules", 'SUBSYSTEM=="usb",ATTRS{idVendor}=="18d1",GROUP="plugdev"\n')
    put(root, "usr/lib/aarch64-linux-gnu/libedgetpu.so.1.0", "ELF")
    (root / "usr/lib/aarch64-linux-gnu/libedgetpu.so.1").symlink_to("libedgetpu.so.1.0")
    put(root, "dev/video0")
    put(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n")
    put(root, "sys/class/thermal/thermal_zone0/temp", "51540\n")
    put(root, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.5\0")
    put(root, "sys/devices/platform/soc/soc:firmware/get_throttled", "0\n")
    put(root, "run/systemd/timesync/synchronized")
    return root


def look(device: str, root: Path) -> dict[str, Finding]:
    return {f.name: f for f in examine(find_profile(device), root, root)}


def test_a_healthy_board_has_no_problem(tmp_path: Path) -> None:
    found = look("coral", healthy_coral(tmp_path))
    assert not [f for f in found.values() if f.state is State.PROBLEM]
    assert found["libedgetpu.so.1"].seen == "/usr/lib/aarch64-linux-gnu/libedgetpu.so.1.0"
    assert found["temperature"].seen == "52 degrees"
    assert found["throttling"].seen == "none since boot"
    assert found["interpreter"].state is State.UNCHECKED
    assert all(f.fix == "" for f in found.values() if f.state is not State.PROBLEM)


CASES: list[tuple[str, str, Callable[[Path], object]]] = [
    (
        "device",
        "not found; looked for USB 1a6e:089a, USB 18d1:9302",
        lambda r: put(r, "sys/bus/usb/devices/2-1/idVendor", "1"),
    ),
    ("usb speed", "USB 2, 480 Mbit/s", lambda r: put(r, "sys/bus/usb/devices/2-1/speed", "480\n")),
    ("udev rule", "none names the vendor 18d1 or 1a6e", lambda r: next((r / "lib/udev/rules.d").glob("*")).unlink()),
    ("libedgetpu.so.1", "is a link to nothing", lambda r: (r / "usr/lib/aarch64-linux-gnu/libedgetpu.so.1.0").unlink()),
    ("libedgetpu.so.1", "not in any", lambda r: (r / "usr/lib/aarch64-linux-gnu/libedgetpu.so.1").rename(r / "x")),
    ("governor", "powersave", lambda r: put(r, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave")),
    ("temperature", "83 degrees", lambda r: put(r, "sys/class/thermal/thermal_zone1/temp", "83200")),
    ("throttling", "now: under-voltage, throttled", lambda r: put(r, THROTTLED, "50005")),
    ("throttling", "since boot: under-voltage", lambda r: put(r, THROTTLED, "0x10000")),
    ("clock", "not synchronised", lambda r: (r / "run/systemd/timesync/synchronized").unlink()),
]
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


@pytest.mark.parametrize(("name", "seen", "spoil"), CASES, ids=[f"{c[0]} {i}" for i, c in enumerate(CASES)])
def test_each_problem_has_one_command(name: str, seen: str, spoil: Callable[[Path], object], tmp_path: Path) -> None:
    root = healthy_coral(tmp_path)
    spoil(root)
    found = look("coral", root)
    assert found[name].state is State.PROBLEM
    assert seen in found[name].seen
    assert found[name].fix


def test_no_right_to_the_stick(tmp_path: Path) -> None:
    root = healthy_coral(tmp_path)
    node = root / "dev/bus/usb/002/007"
    node.chmod(0o444)
    if os.access(node, os.W_OK):  # root may write anything
        put(root, "sys/bus/usb/devices/2-1/devnum", "8\n")
        assert look("coral", root)["permission"].state is State.UNCHECKED
    else:
        assert "usermod" in look("coral", root)["permission"].fix


def test_before_its_firmware_is_loaded(tmp_path: Path) -> None:
    coral(tmp_path, "1a6e:089a", "480")
    assert look("coral", tmp_path)["device"].seen == "USB 1a6e:089a at 480 Mbit/s"


def test_a_jetson_nano(tmp_path: Path) -> None:
    put(tmp_path, "proc/device-tree/model", "NVIDIA Jetson Nano Developer Kit\0")
    put(tmp_path, "dev/nvhost-gpu")
    put(tmp_path, "proc/meminfo", "MemTotal:        4059388 kB\nSwapTotal:       0 kB\n")
    put(tmp_path, "var/lib/nvpmodel/status", "pmode:0001")
    found = look("nano", tmp_path)
    assert found["device"].state is found["driver"].state is State.OK
    assert "mkswap" in found["swap"].fix
    assert "nvpmodel -m 0" in found["power mode"].fix
    put(tmp_path, "proc/meminfo", "MemTotal:        4059388 kB\nSwapTotal:       4194300 kB\n")
    put(tmp_path, "var/lib/nvpmodel/status", "pmode:0000")
    found = look("nano", tmp_path)
    assert found["swap"].state is found["power mode"].state is State.OK


def test_absolute_links_stay_inside_the_tree(tmp_path: Path) -> None:
    put(tmp_path, "opt/vendor/libx.so.2", "ELF")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libx.so").symlink_to("/opt/vendor/libx.so.2")
    assert find_library("libx.so", tmp_path) == tmp_path / "opt/vendor/libx.so.2"


def test_an_interpreter_is_asked_in_its_own_process(tmp_path: Path) -> None:
    import sys

    assert ask(sys.executable, ("onnxruntime",))["module"] == "onnxruntime"
    absent = ask(sys.executable, ("no_such_vendor",))
    assert "No module named" in absent["failed"][0]
    assert "error" in ask("/no/python", ())
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    assert "ended with code -11" in ask(str(crash), ("tensorrt",))["error"]


def test_the_command(tmp_path: Path, command: Command) -> None:
    done = command("doctor", "--device", "coral", "--root", healthy_coral(tmp_path / "good"))
    assert done.returncode == 0, done.stdout
    assert "nothing is wrong" in done.stdout
    (tmp_path / "empty").mkdir()
    done = command("doctor", "--device", "coral", "--root", tmp_path / "empty")
    assert done.returncode == 3
    assert "first, device: not found" in done.stdout
    assert "try: lsusb" in done.stdout
    said = json.loads(command("doctor", "--device", "coral", "--root", tmp_path / "empty", "--json").stdout)
    assert said["ok"] is False
    assert said["findings"][0]["state"] == "problem"
    here = command("doctor")
    assert "onnxruntime" in here.stdout
    assert command("doctor", "--device", "corall").returncode == 3

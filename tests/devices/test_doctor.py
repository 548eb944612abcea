"""The doctor on recorded trees: what the kernel, the firmware and the vendors' packages leave on a board."""

from __future__ import annotations

import grp
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fer_edge.devices.doctor import Finding, State, commands, examine, software
from fer_edge.devices.doctor.cameras import video_nodes
from fer_edge.devices.doctor.interpreter import Interpreter, interrogate
from fer_edge.devices.doctor.jetson import modes
from fer_edge.devices.doctor.libraries import find_library
from fer_edge.devices.profile import find_profile
from support.boards import (
    CONTROLLERS,
    GOVERNOR,
    HEALTHY,
    LIBRARY,
    MODE,
    NANO_GPU,
    NPU_LIBRARY,
    ORIN_GPU,
    RULES,
    SUPER_MODES,
    SWAPS,
    THROTTLED,
    TIMEDATECTL,
    USB,
    VCGENCMD,
    WELL,
    ZONE,
    coral_on_a_pi_4,
    coral_on_pcie,
    frames,
    gpu,
    imx93,
    interpreter,
    jetson_nano,
    jetson_orin_nano,
    meminfo,
    pi_5_with_a_csi_camera,
    put,
    record,
    remove,
    rk3588,
    stick,
    webcam,
)
from support.old_pythons import old_python

Command = Callable[..., subprocess.CompletedProcess[str]]
NOBODY = 65534


def look(device: str, root: Path) -> dict[str, Finding]:
    return {f.name: f for f in examine(find_profile(device), root, root)}


def wrong(found: dict[str, Finding]) -> list[str]:
    return [name for name, f in found.items() if f.state is State.PROBLEM]


@pytest.mark.parametrize("tree", HEALTHY)
def test_a_healthy_board_has_no_problem(tree: str, tmp_path: Path) -> None:
    device, build, well = HEALTHY[tree]
    found = look(device, build(tmp_path))
    assert wrong(found) == []
    assert {*WELL, *well.split(",")} <= {n for n, f in found.items() if f.state is State.OK}
    assert all(f.fix == "" for f in found.values())


def test_versions_come_from_what_the_system_knows(tmp_path: Path) -> None:
    found = look("coral", coral_on_a_pi_4(tmp_path / "coral"))
    assert found["libedgetpu.so.1"].seen == "/usr/lib/aarch64-linux-gnu/libedgetpu.so.1.0, version 16.0"
    assert found["versions"].seen == "libedgetpu 16.0, tflite-runtime 2.5.0.post1"
    assert found["camera nodes"].seen == "/dev/video0 (HD Webcam C270), /dev/video1 (HD Webcam C270)"
    assert found["camera frame"].seen == "/dev/video0 gives 640 x 480"
    assert look("coral-pcie", coral_on_pcie(tmp_path / "pcie"))["versions"].seen.startswith("libedgetpu 16.0tf2.17.1")
    assert look("nano", jetson_nano(tmp_path / "nano"))["versions"].seen == "jetpack 4.6, tensorrt 8.2.1.8"
    rock = look("rk3588", rk3588(tmp_path / "rock"))
    assert rock["librknnrt.so"].seen.endswith("librknnrt.so, version 2.3.2")
    assert rock["driver"].seen.endswith("version 0.9.8")
    assert look("imx93", imx93(tmp_path / "imx"))["libethosu_delegate.so"].seen.endswith("version unknown")


def test_a_library_put_there_by_hand_has_no_package_version(tmp_path: Path) -> None:
    root = coral_on_a_pi_4(tmp_path)
    for name in ("libedgetpu.so.1", "libedgetpu.so.1.0"):
        remove(root, f"usr/lib/aarch64-linux-gnu/{name}")
    put(root, "opt/coral/libedgetpu.so.1.0", "ELF")
    (root / "usr/local/lib").mkdir(parents=True)
    (root / "usr/local/lib/libedgetpu.so.1").symlink_to("/opt/coral/libedgetpu.so.1.0")
    found = look("coral", root)
    assert found["libedgetpu.so.1"].seen == "/opt/coral/libedgetpu.so.1.0, version unknown"
    assert found["versions"].state is State.UNCHECKED


PAIR, OLD = "coral | versions |", "python3.9 -m venv coral"
OLD_NUMPY = "RuntimeError: module compiled against API version 0x10"
DYING = '{"python": "3.6.9", "numpy": "1.19.5", "trying": "tensorrt"}'


def unplug(root: Path) -> None:
    shutil.rmtree(root / "sys/bus/usb/devices/2-1")


def swapping(root: Path, area: str = "") -> None:
    """A kernel that limits no memory, as a Raspberry Pi's firmware asks, or with control groups of version 1."""
    remove(root, CONTROLLERS)
    put(root, "proc/swaps", SWAPS.format(*area.split()) if area else SWAPS.partition("{")[0])


def circle(root: Path, path: str) -> None:
    remove(root, path)
    (root / path).symlink_to(Path(path).name)


def lacking(root: Path, python: str, module: str, error: str = "ModuleNotFoundError: no such module") -> None:
    interpreter(root, python, failed=[f"{module}: {error}"])


def numpy_2(root: Path) -> None:
    error = "SystemError: an exception set, from ImportError: numpy.core.multiarray failed to import"
    interpreter(root, "3.9.2", "tflite-runtime", "2.5.0", numpy="2.0.2", use_error=error)


def no_numpy(root: Path) -> None:
    interpreter(root, "3.9.2", numpy="", numpy_error="ImportError: libopenblas.so.0", failed=["tflite_runtime: numpy"])


def newer_openvino(root: Path) -> None:
    interpreter(root, "3.9.18", failed=["openvino.inference_engine: no"], others={"openvino": "2024.6.0"})


def plug_ins(root: Path, version: str, *devices: str) -> None:
    interpreter(root, "3.9.18", "openvino", version, devices=devices)


def no_npu_driver(root: Path) -> None:
    shutil.rmtree(root / "sys/class/devfreq")
    shutil.rmtree(root / "sys/module")


def no_pci(root: Path) -> None:
    shutil.rmtree(root / "sys/bus/pci")


def unsynchronised(root: Path, name: str, said: str) -> None:
    shutil.rmtree(root / "run/systemd/timesync")
    record(root, name, said)


def csi_on_a_jetson(root: Path) -> None:
    for number in (0, 1):
        put(root, f"sys/class/video4linux/video{number}/name", "vi-output, imx219 6-0010\n")
    frames(root)


FAULTS: list[tuple[object, ...]] = [
    ("coral | device | looked for USB 1a6e:089a, USB 18d1:9302 | lsusb -d 18d1:9302", unplug),
    ("coral | usb speed | USB 2, 480 Mbit/s | lsusb -t", put, USB + "speed", "480\n"),
    ("coral | udev rule | none names the vendor 18d1 or 1a6e | idVendor", remove, RULES),
    ("coral | udev rule | vendor 1a6e | 1a6e", put, RULES, '#"1a6e"\nATTRS{idVendor}=="18d1"\n'),
    ("coral | libedgetpu.so.1 | link to nothing | apt install libedgetpu1", remove, LIBRARY + ".0"),
    ("coral | libedgetpu.so.1 | not in any | apt install libedgetpu1", remove, LIBRARY),
    ("coral | libedgetpu.so.1 | link to nothing | apt install libedgetpu1", circle, LIBRARY),
    (f"{PAIR} tflite-runtime 2.14.0 beside libedgetpu 16.0 | {OLD}", interpreter, "3.9.2", "tflite-runtime", "2.14.0"),
    (f"{PAIR} ai-edge-litert 2.3.0 beside libedgetpu 16.0 | {OLD}", interpreter, "3.11.2", "ai-edge-litert", "2.3.0"),
    (f"{PAIR} python 3.13.5 beside libedgetpu 16.0 | {OLD}", lacking, "3.13.5", "ai_edge_litert.interpreter"),
    ("coral | library | no such module | pip install 'tflite-runtime<2.12'", lacking, "3.9.2", "tflite_runtime"),
    ("coral on PCIe | device node | /dev/apex_* is not there | dmesg", remove, "dev/apex_0"),
    ("coral | numpy ABI | tflite-runtime was built for another | python3 -m pip install 'numpy<2'", numpy_2),
    ("RK3588 | numpy ABI | another numpy than 1.26.4 | --upgrade 'numpy<2'", lacking, "3.9.2", "rknnlite", OLD_NUMPY),
    ("coral | numpy | ImportError: libopenblas | python3 -m pip install --force-reinstall numpy", no_numpy),
    ("coral | interpreter | ended the process with code -11 | python3 -V", record, "interpreter", "", -11),
    ("Nano | library | tensorrt ended the process with code -11 | import tensorrt", record, "interpreter", DYING, -11),
    ("Nano | versions | tensorrt 7.1.3 | nvidia-jetpack", interpreter, "3.6.9", "tensorrt", "7.1.3"),
    ("Nano | versions | python 3.8.0: only 3.6 | nvidia-jetpack", lacking, "3.8.0", "tensorrt"),
    ("Orin Nano | versions | tensorrt 8.5.2 | nvidia-jetpack", interpreter, "3.10.12", "tensorrt", "8.5.2"),
    ("NCS2 | versions | openvino 2024.6.0: only 2021.4.2 | openvino==2021.4.2", newer_openvino),
    (
        "RK3588 | versions | librknnrt 1.4.0: only 2.x | cp librknnrt.so",
        put,
        NPU_LIBRARY,
        "librknnrt version: 1.4.0 (a1)",
    ),
    ("RK3588 | driver | not in this kernel | uname -r", no_npu_driver),
    ("Hailo-8L | device | looked for PCIe 1e60:2864 | lspci -nn -d 1e60:2864", no_pci),
    ("Hailo-8L | device node | /dev/hailo* is not there | dmesg", remove, "dev/hailo0"),
    ("Hailo-8L | versions | library 5.1.0: only 4.x | hailo-all", interpreter, "3.11.2", "hailort", "5.1.0"),
    ("Hailo-8L | library | No module named | hailo-all", lacking, "3.11.2", "hailo_platform", "No module named"),
    ("NCS2 | plug-in | sees CPU, no MYRIAD | lsusb", plug_ins, "2021.4.2", "CPU"),
    ("Intel NPU | plug-in | sees CPU, GPU, no NPU | intel-level-zero-npu", plug_ins, "2025.3.0", "CPU", "GPU"),
    ("Intel GPU | plug-in | sees CPU, no GPU | intel-opencl-icd", plug_ins, "2025.3.0", "CPU"),
    ("Intel GPU | device | of PCI vendor 8086 | lspci -nn -d 8086::0300", remove, "dev/dri/renderD129"),
    ("coral | camera frame | no node delivers one | fuser", frames),
    ("coral | camera frame | none within 15 s | fuser", frames, "", "NO", 124),
    ("coral | camera frame | OpenCV cannot be imported | import cv2", record, "camera frames", "", 1),
    ("Nano | camera frame | raw Bayer | nvarguscamerasrc", csi_on_a_jetson),
    ("Pi 5 | picamera2 | the CSI camera needs it | apt install python3-picamera2", record, "picamera2", "", 1),
    ("coral | governor | powersave | echo performance", put, GOVERNOR, "powersave"),
    ("coral | temperature | 83 degrees: it slows down from 80 | thermal", put, ZONE + "1/temp", "83200"),
    ("coral | throttling | now: under-voltage, throttled | vcgencmd", put, THROTTLED, "50005"),
    ("coral | throttling | since boot: under-voltage | vcgencmd", put, THROTTLED, "0x10000"),
    ("Pi 5 | throttling | now: under-voltage | vcgencmd", record, VCGENCMD, "throttled=0x50001"),
    ("coral | clock | not synchronised | set-ntp", remove, "run/systemd/timesync/synchronized"),
    ("NCS2 | clock | not synchronised | set-ntp", unsynchronised, TIMEDATECTL, "no"),
    ("Nano | clock | not synchronised | set-ntp", unsynchronised, "timedatectl", "NTP synchronized: no"),
    ("coral | swap of pictures | may be written to /var/swap | cgroup_enable=memory", swapping, "/var/swap file"),
    ("coral | swap of pictures | the kernel limits no service's memory | cgroup_enable=memory", swapping),
    ("NCS2 | swap of pictures | may be written to /dev/sda3 | swapoff -a", swapping, "/dev/sda3 partition"),
    ("Nano | swap | 1982 MiB | mkswap", meminfo, 4059388, 2458000, 2029688),
    ("Nano | memory | 292 of 3964 MiB free | multi-user.target", meminfo, 4059388, 299008),
    ("Nano | power mode | 1 (5W), not MAXN | nvpmodel -m 0", put, MODE, "pmode:0001"),
    ("Nano | clocks | from 76 to 921 MHz | jetson_clocks", gpu, NANO_GPU, 76800000, 921600000),
    ("Orin Nano | power mode | 1 (25W), not MAXN_SUPER | nvpmodel -m 2", put, MODE, "pmode:0001"),
    ("Orin Nano | clocks | from 306 to 1020 MHz | jetson_clocks", gpu, ORIN_GPU, 306000000, 1020000000),
]
"""What spoils which tree: `tree | finding | what it says | what its command has`, the function, and its arguments."""


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{number} {fault[0]}" for number, fault in enumerate(FAULTS)])
def test_each_fault_is_one_problem_with_one_command(fault: tuple[Any, ...], tmp_path: Path) -> None:
    words, spoil, *arguments = fault
    tree, name, seen, fix = words.split(" | ")
    device, build, _ = HEALTHY[tree]
    spoil(build(tmp_path), *arguments)
    found = look(device, tmp_path)
    assert wrong(found) == [name], {n: found[n].seen for n in wrong(found)}
    assert seen in found[name].seen
    assert fix in found[name].fix
    assert "{python}" not in found[name].fix


def test_what_matters_most_comes_first(tmp_path: Path) -> None:
    root = coral_on_a_pi_4(tmp_path)
    put(root, THROTTLED, "50005")
    put(root, USB + "speed", "480\n")
    frames(root)
    assert wrong(look("coral", root)) == ["camera frame", "usb speed", "throttling"]
    interpreter(root, "3.11.2", "ai-edge-litert", "2.3.0")
    assert wrong(look("coral", root))[0] == "versions"
    remove(root, LIBRARY)
    assert wrong(look("coral", root))[0] == "libedgetpu.so.1"
    unplug(root)
    assert wrong(look("coral", root))[0] == "device"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def look_without_rights(device: str, root: Path) -> dict[str, Finding]:
    """What an ordinary user is told: root may write anything, so it becomes nobody in a child first."""
    if os.getuid():
        return look(device, root)
    profile = find_profile(device)  # nobody may not read this user's own
    told, say = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside other threads: the child starts none
        child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(say, pickle.dumps({f.name: f for f in examine(profile, root, root)}))
        finally:
            os._exit(0)
    os.close(say)
    with os.fdopen(told, "rb") as pipe:
        found: dict[str, Finding] = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    return found


def test_no_right_to_the_stick(open_folder: Path) -> None:
    root = coral_on_a_pi_4(open_folder)
    node = root / "dev/bus/usb/002/007"
    node.chmod(0o444)
    if os.getuid() == 0:
        found = look_without_rights("coral", root)
        assert "udevadm trigger" in found["permission"].fix  # the node is root's: no rule was applied
        os.chown(node, 0, next(group.gr_gid for group in grp.getgrall() if group.gr_gid))
    found = look_without_rights("coral", root)
    assert wrong(found) == ["permission"]
    assert "sudo usermod -aG" in found["permission"].fix
    remove(root, RULES)
    assert wrong(look_without_rights("coral", root)) == ["udev rule"]
    put(root, "dev/apex_0").chmod(0o400 if os.getuid() == 0 else 0o000)
    put(root, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x1ac1")
    put(root, "sys/bus/pci/devices/0000:01:00.0/device", "0x089a")
    found = look_without_rights("coral-pcie", root)
    assert found["device node"].seen == "/dev/apex_0 is not ours to open"


def test_folders_that_may_not_be_entered(open_folder: Path) -> None:
    """Half of /sys/kernel is root's alone; a stranger's tree may have any folder closed."""
    root = coral_on_a_pi_4(open_folder)
    for place in ("run/systemd/timesync", "sys/class/thermal/thermal_zone0", "commands", "var/lib/dpkg"):
        (root / place).chmod(0o700 if os.getuid() == 0 else 0o000)
    found = look_without_rights("coral", root)
    for place in ("run/systemd/timesync", "sys/class/thermal/thermal_zone0", "commands", "var/lib/dpkg"):
        (root / place).chmod(0o755)
    assert found["temperature"].state is found["interpreter"].state is State.UNCHECKED
    assert found["libedgetpu.so.1"].seen.endswith("version unknown")


def test_before_their_firmware_is_loaded(tmp_path: Path) -> None:
    """Both sticks are another device then; the Neural Compute Stick speaks USB 2 until it is loaded."""
    root = coral_on_a_pi_4(tmp_path)
    stick(root, "1a6e:089a", "480")
    found = look("coral", root)
    assert found["device"].seen == "USB 1a6e:089a at 480 Mbit/s"
    assert (found["usb speed"].state, wrong(found)) == (State.UNCHECKED, [])
    assert "before its firmware is loaded" in found["usb speed"].seen


def test_other_ways_to_learn_the_same(tmp_path: Path) -> None:
    """Where the kernel's files are missing, programs are asked; where both are, nothing is claimed."""
    root = jetson_nano(tmp_path)
    for path in ("sys/class/thermal", "run/systemd", "sys/devices/57000000.gpu", "var/lib/nvpmodel"):
        shutil.rmtree(root / path)
    found = look("nano", root)
    assert {n for n, f in found.items() if f.state is State.UNCHECKED} >= {
        "temperature",
        "clock",
        "clocks",
        "power mode",
    }
    assert wrong(found) == []
    record(
        root, "tegrastats", "RAM 613/3964MB CPU [2%@102,off] PLL@39C CPU@40.5C PMIC@100C AO@46C thermal@41C\nRAM 614/"
    )
    record(root, "timedatectl show -p NTPSynchronized --value", "", code=1)
    record(root, "timedatectl", "       Time zone: UTC\nSystem clock synchronized: yes\n")
    record(root, "jetson_clocks --show", "GPU MinFreq=921600000 MaxFreq=921600000 CurrentFreq=921600000\n")
    record(root, "nvpmodel -q", "NVPM WARN: fan mode is not set!\nNV Power Mode: MAXN\n0\n")
    found = look("nano", root)
    assert wrong(found) == []
    assert found["temperature"].seen == "46 degrees"
    assert found["clock"].seen == "synchronised"
    assert found["clocks"].seen == "the GPU's are held at 921 MHz"
    assert found["power mode"].seen == "0 (MAXN), the highest"


def test_power_modes_are_known_by_name_not_by_number(tmp_path: Path) -> None:
    assert modes(SUPER_MODES) == {0: "15W", 1: "25W", 2: "MAXN_SUPER", 3: "7W"}
    root = jetson_orin_nano(tmp_path)
    put(root, "var/lib/nvpmodel/status", "pmode:0000")
    assert wrong(look("orin-nano", root)) == ["power mode"]
    put(root, "etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=7W >\n")
    assert look("orin-nano", root)["power mode"].seen == "0 (15W), the highest"
    put(root, "etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=4 NAME=MAXN_SUPER >\n")
    assert look("orin-nano", root)["power mode"].fix == "sudo nvpmodel -m 4"
    remove(root, "etc/nvpmodel.conf")
    assert look("orin-nano", root)["power mode"].state is State.UNCHECKED


def test_a_zone_says_itself_from_where_on_it_slows_down(tmp_path: Path) -> None:
    root = jetson_nano(tmp_path)
    put(root, ZONE + "1/temp", "88000")
    assert wrong(look("nano", root)) == ["temperature"]
    put(root, ZONE + "1/trip_point_0_type", "passive\n")
    put(root, ZONE + "1/trip_point_0_temp", "97000\n")
    assert wrong(look("nano", root)) == []


def test_nodes_that_are_no_camera(tmp_path: Path) -> None:
    """Every Raspberry Pi has video nodes of its coders; without a camera that is no fault."""
    root = coral_on_a_pi_4(tmp_path)
    for number in (0, 1):
        remove(root, f"dev/video{number}")
    frames(root)
    found = look("coral", root)
    assert wrong(found) == []
    assert found["camera nodes"].state is found["camera frame"].state is found["picamera2"].state is State.UNCHECKED
    webcam(root)
    assert [node.path for node in video_nodes(root)][:2] == ["/dev/video0", "/dev/video10"]
    frames(root, gstreamer="YES")
    assert look("coral", root)["GStreamer in OpenCV"].state is State.OK
    csi = look("rpi5", pi_5_with_a_csi_camera(tmp_path / "five"))
    assert "picamera2 reads it" in csi["camera frame"].seen


def test_a_tree_without_recordings_runs_nothing(tmp_path: Path) -> None:
    root = coral_on_a_pi_4(tmp_path)
    shutil.rmtree(root / "commands")
    found = look("coral", root)
    assert wrong(found) == []
    unchecked = {n for n, f in found.items() if f.state is State.UNCHECKED}
    assert unchecked >= {"interpreter", "versions", "camera frame", "picamera2"}


JUNK = [
    b"",
    b"\xff\xfe\0garbage\n{[",
    b"9" * 5000,
    b"-1 kB",
    b'{"python": [], "devices": [null], "size": 3, "node": 1}',
]


@pytest.mark.parametrize("tree", HEALTHY)
def test_odd_trees_never_stop_it(tree: str, tmp_path: Path) -> None:
    """Every file in turn is junk, a folder, or absent."""
    device, build, _ = HEALTHY[tree]
    root = build(tmp_path / "root")
    profile = find_profile(device)
    for file in sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink()):
        kept = file.read_bytes()
        for junk in (*JUNK, None, "folder"):
            file.unlink()
            if junk == "folder":
                file.mkdir()
            elif isinstance(junk, bytes):
                file.write_bytes(junk)
            findings = list(examine(profile, root, root))
            assert findings[0].name == "device"
            assert all(f.name and f.seen and bool(f.fix) == (f.state is State.PROBLEM) for f in findings), file
            if junk == "folder":
                file.rmdir()
                file.touch()
            elif junk is None:
                file.touch()
        file.write_bytes(kept)
    assert wrong(look(device, root)) == []


def test_absolute_links_stay_inside_the_tree(tmp_path: Path) -> None:
    put(tmp_path, "opt/vendor/libx.so.2", "ELF")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libx.so").symlink_to("/opt/vendor/libx.so.2")
    assert find_library("libx.so", tmp_path) == tmp_path / "opt/vendor/libx.so.2"
    put(tmp_path, "opt/other/liby.so.1", "ELF")
    record(tmp_path, "ldconfig -p", "2 libs found\n\tliby.so.1 (libc6,AArch64) => /opt/other/liby.so.1\n")
    assert find_library("liby.so.1", tmp_path) == tmp_path / "opt/other/liby.so.1"
    assert find_library("libz.so.1", tmp_path) is None


def program(folder: Path, text: str, name: str = "tool") -> str:
    folder.mkdir(exist_ok=True)
    put(folder, name, f"#!/bin/sh\n{text}\n").chmod(0o755)
    return str(folder / name)


def ask(path: str, backend: str) -> Interpreter:
    asked = interrogate(replace(find_profile("coral"), interpreter=path, backend=backend), Path("/"))
    assert asked is not None
    return asked


def test_an_interpreter_is_asked_in_its_own_process(tmp_path: Path) -> None:
    here = ask(sys.executable, "onnxruntime")
    assert (here.module, here.package, here.error, here.trying) == ("onnxruntime", "onnxruntime", "", "")
    assert here.python == ".".join(map(str, sys.version_info[:3]))
    assert "No module named" in ask(sys.executable, "rknn").failed[0]
    assert interrogate(replace(find_profile("coral"), interpreter="/no/python"), Path("/")) is None
    assert "ended the process with code -11" in ask(program(tmp_path, "kill -SEGV $$"), "tensorrt").error
    early = ask(program(tmp_path, """echo '{"python": "3.6.9", "trying": "tensorrt"}'; kill -SEGV $$"""), "tensorrt")
    assert (early.trying, early.ended) == ("tensorrt", "ended the process with code -11")


def test_it_sees_what_a_worker_would_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are isolated: what lies on PYTHONPATH or in a user's own folder is not theirs."""
    put(tmp_path, "tensorrt.py", "__version__ = '8.2.1'")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "No module named 'tensorrt'" in ask(sys.executable, "tensorrt").failed[0]
    profile = replace(find_profile("cpu"), backend="tensorrt")
    inside = interrogate(profile, Path("/"))
    assert inside is not None
    assert (inside.module, inside.version) == ("tensorrt", "8.2.1")


def test_the_libraries_here_pass_the_probe() -> None:
    """What is imported is also used: LiteRT opens a graph, OpenVINO names its devices."""
    pytest.importorskip("ai_edge_litert", reason="needs the edgetpu extra")
    pytest.importorskip("openvino", reason="needs the openvino extra")
    litert = ask(sys.executable, "tflite")
    assert (litert.package, litert.use_error) == ("ai-edge-litert", "")
    openvino = ask(sys.executable, "openvino")
    assert openvino.devices is not None
    assert "CPU" in openvino.devices
    old = ask(sys.executable, "openvino-2021")
    assert old.others == {"openvino": openvino.version}


def test_a_library_that_was_built_for_numpy_1(kept: Path, tmp_path: Path) -> None:
    """tflite-runtime 2.14 can be imported beside numpy 2, and fails when it is used: for real."""
    python = old_python("3.11", kept, "tflite-runtime==2.14.0", "numpy==2.2.6")
    asked = ask(python, "tflite")
    assert (asked.package, asked.version, asked.numpy) == ("tflite-runtime", "2.14.0", "2.2.6")
    assert "numpy.core.multiarray failed to import" in asked.use_error
    profile = replace(find_profile("coral"), interpreter=python)
    found = {f.name: f for f in software.examine(profile, Path("/"), here=False)}
    assert found["numpy ABI"].fix == f"{python} -m pip install 'numpy<2'"
    assert found["library"].state is State.UNCHECKED


def test_the_probe_runs_on_python_3_6() -> None:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    old = next(iter(sorted(versions.glob("3.6.*/bin/python"))), None)
    if old is None:
        pytest.skip("no Python 3.6 on this machine")
    asked = ask(str(old), "tensorrt")
    assert asked.python.startswith("3.6.")
    assert bool(asked.numpy) != bool(asked.numpy_error)
    assert asked.failed


def test_programs_are_run_with_a_limit(tmp_path: Path) -> None:
    live, pids = Path("/"), tmp_path / "pids"
    assert commands.ask(live, [program(tmp_path, "echo one; echo two")]) == commands.Answer("one\ntwo")
    assert commands.ask(live, ["no-such-program-here"]) is None
    assert commands.ask(live, [str(put(tmp_path, "text", "no program"))]) is None
    assert commands.ask(live, [program(tmp_path, "echo no; exit 3")]) == commands.Answer("no", 3)
    slow = program(tmp_path, f"echo early; sleep 100 & echo $! $$ > {pids}; wait")
    assert commands.ask(live, [slow], limit_s=3) == commands.Answer("early", commands.LATE)
    ended(pids)
    endless = program(tmp_path, f"echo $$ > {pids}; while :; do echo RAM 1/2MB; sleep 0.05; done")
    assert commands.ask(live, [endless], one_line=True) == commands.Answer("RAM 1/2MB")
    ended(pids)
    holder = program(tmp_path, "echo said; sleep 100 &")
    assert commands.ask(live, [holder], limit_s=60) == commands.Answer("said")


def ended(pids: Path) -> None:
    """Every process named in the file goes away; the kernel may need a moment, and a zombie has ended."""
    for pid in pids.read_text().split():
        deadline = time.monotonic() + 30
        while (stat := Path(f"/proc/{pid}/stat")).exists() and stat.read_text().rpartition(") ")[2][0] not in "ZX":
            assert time.monotonic() < deadline, pid
            time.sleep(0.01)


def test_recordings_hold_what_programs_said(tmp_path: Path) -> None:
    record(tmp_path, "tool -q", "first\nsecond\n", code=7)
    assert commands.ask(tmp_path, ["tool", "-q"]) == commands.Answer("first\nsecond", 7)
    assert commands.ask(tmp_path, ["tool", "-q"], one_line=True) == commands.Answer("first", 7)
    assert commands.ask(tmp_path, ["/usr/bin/python3", "-c", "x"], name="tool -q") is not None
    assert commands.ask(tmp_path, ["tool"]) is None


def test_the_command(tmp_path: Path, command: Command) -> None:
    good = coral_on_a_pi_4(tmp_path / "good")
    done = command("doctor", "--device", "coral", "--root", good)
    assert done.returncode == 0, done.stdout
    assert "nothing is wrong" in done.stdout
    (tmp_path / "empty").mkdir()
    done = command("doctor", "--device", "coral", "--root", tmp_path / "empty")
    assert done.returncode == 3
    assert "first, device: not found" in done.stdout
    assert "try: lsusb -d 18d1:9302" in done.stdout
    said = json.loads(command("doctor", "--device", "coral", "--root", tmp_path / "empty", "--json").stdout)
    assert said["ok"] is False
    assert said["findings"][0]["state"] == "problem"
    assert "present" not in said
    assert command("doctor", "--device", "corall").returncode == 3


def test_without_a_device_it_names_those_that_are_here(tmp_path: Path, command: Command) -> None:
    good = coral_on_a_pi_4(tmp_path / "good")
    done = command("doctor", "--root", good)
    assert done.returncode == 0, done.stdout
    assert "coral-usb is here too (USB 18d1:9302 at 5000 Mbit/s)" in done.stdout
    assert "try: fer-edge doctor --device coral-usb" in done.stdout
    said = json.loads(command("doctor", "--root", good, "--json").stdout)
    assert (said["device"], said["present"]) == ("cpu", ["coral-usb"])
    here = command("doctor")
    assert "onnxruntime" in here.stdout

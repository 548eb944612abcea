"""Device profiles and what shows that a device is here, on trees laid out as the kernel documents them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.devices.compatibility import Compatibility, check_versions, describe, install_command
from fer_edge.devices.detect import devices_here, evidence, looked_for, pci_devices, usb_devices
from fer_edge.devices.profile import PROFILES, find_profile, load_profiles, read_profile
from fer_edge.errors import DeviceNotFound, UsageError

Command = Callable[..., subprocess.CompletedProcess[str]]
NAMES = {
    *("cpu", "rpi4", "rpi5", "coral-usb", "coral-pcie", "ncs2", "jetson-nano", "jetson-orin-nano"),
    *("rk3566", "rk3588", "imx93", "intel-gpu", "intel-npu", "intel-cpu", "intel-auto", "hailo8l", "rpi3", "rpi-zero2"),
}
ALWAYS = {"cpu", "intel-cpu", "intel-auto"}


def usb(root: Path, place: str, ids: str, speed: str = "5000") -> None:
    folder = root / "sys/bus/usb/devices" / place
    folder.mkdir(parents=True)
    vendor, product = ids.split(":")
    for name, text in (("idVendor", vendor), ("idProduct", product), ("speed", speed)):
        (folder / name).write_text(text + "\n")


def test_every_device_has_a_profile(tmp_path: Path) -> None:
    profiles = load_profiles(tmp_path)
    assert set(profiles) == NAMES
    assert all((PROFILES / f"{name}.toml").is_file() for name in NAMES)
    called = [n for p in profiles.values() for n in (p.name, *p.aliases)]
    assert len(called) == len(set(called))
    for profile in profiles.values():
        assert all(abs(1000 / row["mean_ms"] - row["fps"]) < 0.6 for row in profile.published)
        assert bool(profile.price_usd) <= bool(profile.year)
        assert profile.probe
        assert all(describe(row) for row in profile.pairs)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["[[pairs]]", 'python = "3.9"', "[[pairs]]", 'tflite_mx = "2"'], "line 10: tflite_mx is not a key of .*pairs"),
        (["[[pairs]]", "", "'tensorrt' = 8"], "line 9: tensorrt must be a text, not 8"),
        (["[[pairs]]", 'tensorrt = "8"', "tensorrt_max = 8"], "line 9: tensorrt_max must be a text, not 8"),
        (["", 'pairs = [{python = "3"}, {pyhton = "3"}]'], "line 8: pyhton is not .*; did you mean python"),
        (["[[published]]", 'model = "a"', 'mean_ms = "fast"'], "line 9: mean_ms must be a number above 0"),
        (["[[published]]", 'model = "a"', "mean_ms = true"], "line 9: mean_ms must be a number above 0"),
        (["[[published]]", 'model = "a"', "fps = -2"], "line 9: fps must be a number above 0"),
        (["[[published]]", 'model = "a"', "mean_ms = 2"], r"line 7: \[\[published\]\] lacks source"),
        (["[[published]]", "model = 5"], "line 8: model must be a text"),
        (["[options]", "a = 1", "[[published]]", 'models = "a"'], "line 10: models is not .*; did you mean model"),
        (['usb = ["18D1:9302"]'], "line 7: usb must hold ids such as 18d1:9302"),
        (["", 'pci = ["1ac1"]'], "line 8: pci must hold ids"),
        (['nodes = ["/dev/x"]'], "line 7: nodes must hold paths below /"),
        (['driver = [""]'], "line 7: driver must hold paths below /"),
    ],
)
def test_wrong_rows_and_values(lines: list[str], says: str, tmp_path: Path) -> None:
    good = 'name = "a"\ntitle = "A"\nbackend = "tflite"\ntarget = "edgetpu"\nprecision = "int8"\nisolation = "none"\n'
    path = tmp_path / "a.toml"
    path.write_text(good + "\n".join(lines) + "\n")
    with pytest.raises(UsageError, match=says):
        read_profile(path)
    path.write_text(good + '[options]\nanything = { goes = [1, "here"] }\n')
    assert read_profile(path).options == {"anything": {"goes": [1, "here"]}}


CORAL = [
    {"of": "a", "a_is": "16.0", "b": "up to 2.11", "b_max": "2.11", "python_max": "3.9", "avoid": "c", "fix": "get b"},
    {"of": "a", "a_is": "16.0tf2.17.1", "b_is": "2.17.1", "note": "rebuilt"},
]
PLAIN = [{"openvino": "2021.4.2", "openvino_is": "2021.4.2"}]
RANGE = [{"t_min": "8.2", "t_max": "10"}, {"t": "11", "t_min": "11.1", "u": "3", "u_min": "3"}]


@pytest.mark.parametrize(
    ("pairs", "found", "status"),
    [
        (CORAL, {"a": "16.0", "b": "2.11.3"}, Compatibility.GOOD),
        (CORAL, {"a": "16.0-1", "b": "2.5.0.post1", "python": "3.9.18"}, Compatibility.GOOD),
        (CORAL, {"a": "16.0", "b": "2.12.0"}, Compatibility.BAD),
        (CORAL, {"a": "16.0", "b": "2.5", "c": "2.1"}, Compatibility.BAD),
        (CORAL, {"a": "16.0", "python": "3.13.1"}, Compatibility.BAD),
        (CORAL, {"a": "16.0", "python": "3.8.1"}, Compatibility.UNKNOWN),
        (CORAL, {"a": "16.0TF2.17.1-1.bookworm", "b": "2.17.1"}, Compatibility.GOOD),
        (CORAL, {"a": "16.0tf2.17.1", "b": "2.14.0"}, Compatibility.BAD),
        (CORAL, {"a": "16.0tf2.19.1", "b": "2.19.1"}, Compatibility.UNKNOWN),
        (CORAL, {"b": "2.14.0"}, Compatibility.UNKNOWN),
        (CORAL, {"a": "16.0", "b": "nightly"}, Compatibility.UNKNOWN),
        (PLAIN, {"openvino": "2021.4.2-3976-0943ed67223"}, Compatibility.GOOD),
        (PLAIN, {"openvino": "2022.1.0"}, Compatibility.BAD),
        (PLAIN, {}, Compatibility.UNKNOWN),
        (RANGE, {"t": "8.2"}, Compatibility.GOOD),
        ([{"t_min": "8.2.0"}], {"t": "8.2"}, Compatibility.GOOD),
        (RANGE, {"t": "10.3.0"}, Compatibility.GOOD),
        (RANGE, {"t": "8"}, Compatibility.BAD),
        (RANGE, {"t": "7.1.3", "u": "3"}, Compatibility.BAD),
        (RANGE, {"t": "11.1"}, Compatibility.UNKNOWN),
        (RANGE, {"t": "11.1", "u": "3.0"}, Compatibility.GOOD),
        ([{"vela": "5.2.0", "note": "words alone"}], {"vela": "1"}, Compatibility.UNKNOWN),
        ([], {"python": "3.11"}, Compatibility.UNKNOWN),
    ],
)
def test_versions_that_go_together(pairs: list[dict[str, str]], found: dict[str, str], status: Compatibility) -> None:
    assert check_versions(pairs, found).status is status


def test_a_check_says_what_does_not_fit() -> None:
    bad = check_versions(CORAL, {"a": "16.0", "b": "2.14.0"})
    assert bad.message == "b 2.14.0 beside a 16.0: only up to 2.11 is known to work"
    assert bad.fix == "get b"
    assert check_versions(CORAL, {"a": "16.0"}).message.startswith("not found here: b; known to work: ")
    assert install_command(CORAL, {"a": "16.0"}) == "get b"
    assert install_command(CORAL, {"a": "15.0"}) == ""


def test_names_and_aliases(tmp_path: Path) -> None:
    assert find_profile("coral", tmp_path).name == "coral-usb"
    assert find_profile("nano", tmp_path).precision == "float16"
    with pytest.raises(DeviceNotFound, match="no device 'corral'") as caught:
        find_profile("corral", tmp_path)
    assert "coral" in caught.value.cause
    assert caught.value.exit_code == 3


def test_a_users_own_file(tmp_path: Path) -> None:
    text = (PROFILES / "coral-usb.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"coral-usb"', '"my-coral"').replace('"coral", "edgetpu"', '"mc"'))
    assert find_profile("mc", tmp_path).name == "my-coral"
    assert find_profile(str(tmp_path / "mine.toml")).usb == ("1a6e:089a", "18d1:9302")
    (tmp_path / "mine.toml").write_text(text.replace('title = "Google', 'title = "My'))
    assert find_profile("coral", tmp_path).title.startswith("My")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('presicion = "int8"', "line 7: presicion is not a key of a device; did you mean precision"),
        ("usb = 3", "line 7: usb must be a list of ids such as 18d1:9302 in small hex, not 3"),
        ('price_usd = "cheap"', "line 7: price_usd must be a whole number"),
        ("options = []", "line 7: options must be a table"),
        ("pairs = [1]", "line 7: pairs must be a list of tables"),
        ("x = ", "is not valid TOML"),
    ],
)
def test_wrong_profiles(line: str, says: str, tmp_path: Path) -> None:
    good = 'name = "a"\ntitle = "A"\nbackend = "tflite"\ntarget = "edgetpu"\nprecision = "int8"\nisolation = "none"\n'
    path = tmp_path / "a.toml"
    path.write_text(good + line + "\n")
    with pytest.raises(UsageError, match=says):
        read_profile(path)
    path.write_text(good.replace("none", "jail"))
    with pytest.raises(UsageError, match="line 6: isolation must be one of none, process"):
        read_profile(path)
    path.write_text('name = "a"\n')
    with pytest.raises(UsageError, match="lacks title, backend, target, precision, isolation"):
        read_profile(path)


@pytest.mark.parametrize("ids", ["1a6e:089a", "18d1:9302"])
def test_a_coral_before_and_after_its_firmware(ids: str, tmp_path: Path) -> None:
    usb(tmp_path, "1-0:1.0", "1d6b:0002", "480")
    usb(tmp_path, "2-1", ids)
    assert evidence(find_profile("coral"), tmp_path) == f"USB {ids} at 5000 Mbit/s"
    assert evidence(find_profile("ncs2"), tmp_path) == ""
    assert [d.speed_mbps for d in usb_devices(tmp_path)] == [480, 5000]


def test_boards_cards_and_nodes(tmp_path: Path) -> None:
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_text("Raspberry Pi 5 Model B Rev 1.0\0")
    (tree / "compatible").write_text("radxa,rock-5b\0rockchip,rk3588\0")
    card = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    card.mkdir(parents=True)
    (card / "vendor").write_text("0x1ac1\n")
    (card / "device").write_text("0x089a\n")
    (tmp_path / "dev/dri").mkdir(parents=True)
    for node, vendor in (("renderD128", "0x1002"), ("renderD129", "0x8086"), ("renderD130", "")):
        (tmp_path / "dev/dri" / node).touch()
        owner = tmp_path / "sys/class/drm" / node / "device"
        owner.mkdir(parents=True)
        (owner / "vendor").write_text(vendor + "\n")
    here = {name: evidence(profile, tmp_path) for name, profile in load_profiles(tmp_path).items()}
    assert here["rpi5"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert here["rk3588"] == "board rockchip,rk3588"
    assert here["coral-pcie"] == "PCIe 1ac1:089a"
    assert here["intel-gpu"] == "/dev/dri/renderD129"
    assert {name for name, words in here.items() if words == "always"} == ALWAYS
    assert not any(here[name] for name in NAMES - {"rpi5", "rk3588", "coral-pcie", "intel-gpu", *ALWAYS})
    assert pci_devices(tmp_path) == ["1ac1:089a"]
    accelerators = devices_here(load_profiles(tmp_path).values(), tmp_path)
    assert list(accelerators) == ["coral-pcie", "intel-gpu", "rk3588"]
    assert looked_for(find_profile("intel-gpu", tmp_path)) == "/dev/dri/renderD* of PCI vendor 8086"


def test_a_jetson_is_known_by_name_or_by_module(tmp_path: Path) -> None:
    """JetPack 5 calls the Orin Nano `NVIDIA Orin Nano Developer Kit`."""
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_text("NVIDIA Orin Nano Developer Kit\0")
    (tree / "compatible").write_text("nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0")
    assert list(devices_here(load_profiles(tmp_path).values(), tmp_path)) == ["jetson-orin-nano"]
    (tree / "compatible").write_text("nvidia,p3768-0000+p3767-0000\0nvidia,p3767-0000\0nvidia,tegra234\0")
    assert devices_here(load_profiles(tmp_path).values(), tmp_path) == {}


def test_an_unreadable_system_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/usb/devices/2-1").mkdir(parents=True)
    assert usb_devices(tmp_path) == []
    assert [n for n, p in load_profiles(tmp_path).items() if evidence(p, tmp_path)] == sorted(ALWAYS)


def test_the_command(tmp_path: Path, command: Command) -> None:
    usb(tmp_path / "root", "2-1", "18d1:9302", "480")
    listed = command("devices", "--root", tmp_path / "root")
    assert listed.returncode == 0
    assert "USB 18d1:9302 at 480 Mbit/s" in listed.stdout
    one = json.loads(command("devices", "coral", "--root", tmp_path / "root", "--json").stdout)[0]
    assert (one["name"], one["present"]) == ("coral-usb", "USB 18d1:9302 at 480 Mbit/s")
    shown = command("devices", "coral").stdout
    assert "know: Ageing" in shown
    assert "look: lsusb -d 18d1:9302" in shown
    assert "versions: libedgetpu 16.0, tflite-runtime up to 2.11" in shown
    wrong = command("devices", "jetson-nanoo")
    assert wrong.returncode == 3
    assert "jetson-nano" in wrong.stderr


def test_the_page_says_of_every_device_how_it_was_verified() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "devices.md").read_text()
    part = page.split("## Verified how")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in part.splitlines() if line.startswith("| ")]
    how = {name.strip(): words.strip() for name, words in rows if name.strip() != "device"}
    assert set(how) == NAMES
    assert all(how.pop(name).startswith("ran here") for name in ALWAYS)
    honest = ("not at hand", "no stick", "contract only", "no such")
    assert all(any(word in words for word in honest) for words in how.values())

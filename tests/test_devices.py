"""Device profiles and what shows that a device is here, on trees laid out as the kernel documents them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.devices.present import evidence, pci_devices, usb_devices
from fer_edge.devices.profile import PROFILES, find_profile, load_profiles, read_profile
from fer_edge.errors import DeviceNotFound, UsageError

Command = Callable[..., subprocess.CompletedProcess[str]]
NAMES = {
    *("cpu", "rpi4", "rpi5", "coral-usb", "coral-pcie", "ncs2", "jetson-nano", "jetson-orin-nano"),
    *("rk3566", "rk3588", "imx93", "intel-gpu", "intel-npu"),
}


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
        assert all({"model", "mean_ms", "source"} <= set(row) for row in profile.published)
        assert all(abs(1000 / row["mean_ms"] - row["fps"]) < 0.6 for row in profile.published)
        assert bool(profile.price_usd) <= bool(profile.year)


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
        ("usb = 3", "line 7: usb must be a list of texts, not 3"),
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
    (tmp_path / "dev/dri/renderD128").touch()
    here = {name: evidence(profile, tmp_path) for name, profile in load_profiles(tmp_path).items()}
    assert here["rpi5"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert here["rk3588"] == "board rockchip,rk3588"
    assert here["coral-pcie"] == "PCIe 1ac1:089a"
    assert here["intel-gpu"] == "/dev/dri/renderD128"
    assert here["cpu"] == "always"
    assert not any(here[name] for name in NAMES - {"rpi5", "rk3588", "coral-pcie", "intel-gpu", "cpu"})
    assert pci_devices(tmp_path) == ["1ac1:089a"]


def test_an_unreadable_system_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/usb/devices/2-1").mkdir(parents=True)
    assert usb_devices(tmp_path) == []
    assert [n for n, p in load_profiles(tmp_path).items() if evidence(p, tmp_path)] == ["cpu"]


def test_the_command(tmp_path: Path, command: Command) -> None:
    usb(tmp_path / "root", "2-1", "18d1:9302", "480")
    listed = command("devices", "--root", tmp_path / "root")
    assert listed.returncode == 0
    assert "USB 18d1:9302 at 480 Mbit/s" in listed.stdout
    one = json.loads(command("devices", "coral", "--root", tmp_path / "root", "--json").stdout)[0]
    assert (one["name"], one["present"]) == ("coral-usb", "USB 18d1:9302 at 480 Mbit/s")
    assert "know: Ageing" in command("devices", "coral").stdout
    wrong = command("devices", "jetson-nanoo")
    assert wrong.returncode == 3
    assert "jetson-nano" in wrong.stderr


def test_the_page_says_of_every_device_how_it_was_verified() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "devices.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| ")]
    how = {name.strip(): words.strip() for name, words in rows if name.strip() != "device"}
    assert set(how) == NAMES
    assert how.pop("cpu") == "ran here"
    honest = ("not at hand", "no stick", "contract only", "no such")
    assert all(any(word in words for word in honest) for words in how.values())

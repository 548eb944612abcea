"""Which way an image goes, whether it fits, and what is said before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fer_edge.devices.flash.changes import MakeFolder, MakeLink, Place, UnpackTree, WriteFile
from fer_edge.devices.flash.image.partitions import Partition
from fer_edge.devices.flash.image.probe import Probed
from fer_edge.devices.flash.plan import Plan, check_room, choose_route
from fer_edge.devices.flash.verify import Receipt, expected, read_receipt
from fer_edge.errors import InputError, OutputError

MB = 10**6
BOOT, ROOT = Partition(1, MB, 512 * MB, "0c"), Partition(2, 513 * MB, 2000 * MB, "83")
PI = Probed(
    (BOOT, ROOT), BOOT, ROOT, "debian", "12", "bookworm", "aarch64", "3.11", "2.36", "firstrun", 400 * MB, 100 * MB,
    "raspberrypi", 2513 * MB,
)  # fmt: skip
CLOUD = replace(PI, codename="trixie", first_boot="cloud-init")
JETSON = replace(PI, board="jetson", first_boot="jetson", python="3.6", boot=None)
DEBIAN = replace(PI, board="debian", first_boot="none")


@pytest.mark.parametrize(
    ("probed", "board", "direct", "route"),
    [
        (PI, "raspberrypi", False, "firstrun"),
        (CLOUD, "raspberrypi", False, "cloud-init"),
        (CLOUD, "", False, "cloud-init"),
        (PI, "raspberrypi", True, "direct"),
        (DEBIAN, "debian", True, "direct"),
        (JETSON, "jetson", False, "jetson"),
        (JETSON, "", True, "jetson"),
        (replace(PI, first_boot="none"), "", True, "direct"),
    ],
)
def test_each_image_goes_its_way(probed: Probed, board: str, direct: bool, route: str) -> None:
    assert choose_route(probed, board, direct) == route


@pytest.mark.parametrize(
    ("probed", "board", "words", "hint"),
    [
        (replace(PI, architecture="armv7l"), "", "is 32 bit", "64-bit"),
        (replace(PI, architecture="x86_64"), "", "another processor: x86_64", "64 bit Arm"),
        (PI, "jetson", "is for a Raspberry Pi, the device is a Jetson", "fer-edge devices"),
        (JETSON, "raspberrypi", "is for a Jetson, the device is a Raspberry Pi", "fer-edge devices"),
        (replace(PI, first_boot="none"), "", "first boot is not known", "--direct"),
        (replace(PI, codename="forky"), "", "first boot is not known: debian 12 (forky)", "--direct"),
        (DEBIAN, "", "sets nothing up", "--direct"),
        (replace(PI, python=""), "", "has no Python", "Debian 12"),
        (replace(PI, python="3.9"), "", "has Python 3.9", "Debian 12"),
    ],
)
def test_what_cannot_be_done_is_said(probed: Probed, board: str, words: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        choose_route(probed, board, False)
    assert words in error.value.message
    assert hint in error.value.hint
    assert error.value.cause


def plan(place: Place, size: int, folder: Path, grow: int = 0) -> Plan:
    with (folder / "content").open("wb") as file:
        file.truncate(size)
    return Plan(PI, "direct", (WriteFile(place, "/content", folder / "content"),), grow)


def test_a_root_that_is_too_small_offers_growth(tmp_path: Path) -> None:
    check_room(plan(Place.ROOT, 90 * MB, tmp_path))
    with pytest.raises(OutputError) as error:
        check_room(plan(Place.ROOT, 120 * MB, tmp_path))
    assert "too small: 122.1 MB needed in its root file system, 100.0 MB free" in error.value.message
    assert error.value.hint == "the same command with --grow 3G"
    check_room(plan(Place.ROOT, 120 * MB, tmp_path, grow=3000 * MB))
    with pytest.raises(OutputError, match="too small"):
        check_room(plan(Place.ROOT, 1200 * MB, tmp_path, grow=3000 * MB))


def test_a_full_boot_partition_offers_the_other_way(tmp_path: Path) -> None:
    check_room(plan(Place.BOOT, 390 * MB, tmp_path))
    with pytest.raises(OutputError, match="boot partition is too full") as error:
        check_room(plan(Place.BOOT, 399 * MB, tmp_path))
    assert "--direct" in error.value.hint


def test_a_plan_shows_everything_but_secrets(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_bytes(b"12345")
    changes = (
        WriteFile(Place.ROOT, "/etc/psk", b"hunter2", 0o600, secret=True, why="Wi-Fi"),
        MakeFolder(Place.ROOT, "/home/kiosk", 0o750, 1000, 1000),
        MakeLink(Place.ROOT, "/etc/localtime", "/usr/share/zoneinfo/UTC"),
        UnpackTree(Place.ROOT, "/opt/x", tree, why="the payload"),
    )
    shown = Plan(PI, "direct", changes)
    text = "\n".join(shown.lines())
    data = json.loads(json.dumps(shown.to_json()))
    assert "hunter2" not in text + json.dumps(data)
    assert "Wi-Fi (secret)" in text
    assert "the payload" in text
    assert [row["path"] for row in data["changes"]] == ["/etc/psk", "/home/kiosk", "/etc/localtime", "/opt/x"]
    assert data["changes"][3] | {"why": ""} == {
        "place": "root", "what": "tree", "path": "/opt/x", "why": "", "files": 1, "size": 5,
    }  # fmt: skip
    assert data["image"]["partitions"][1] == {"number": 2, "start": 513 * MB, "size": 2000 * MB, "kind": "83"}
    assert data["needed"]["boot"] == 0


def test_a_receipt_is_read_back_without_the_checksums_of_secrets(tmp_path: Path) -> None:
    changes = [
        WriteFile(Place.ROOT, "/etc/psk", b"hunter2", 0o600, secret=True),
        WriteFile(Place.BOOT, "/config.txt", b"x"),
        MakeLink(Place.ROOT, "/etc/localtime", "UTC"),
    ]
    receipt = Receipt("00", 7, {"device": "rpi5"}, expected(changes))
    path = tmp_path / "card.img.json"
    path.write_text(receipt.to_json())
    secret, *others = receipt.paths
    assert secret.sha256
    assert read_receipt(path) == replace(receipt, paths=(replace(secret, sha256=""), *others))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"receipt": 2}', '{"receipt": 1, "paths": [{"place": "moon"}]}', '{"a": 1}']
)
def test_what_is_no_receipt_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.img.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is no receipt"):
        read_receipt(path)

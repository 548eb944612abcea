"""Which disk may be written: by trees as the kernel shows them, and by a real loop device where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fer_edge.devices.flash.disk.confirmed import look_again
from fer_edge.devices.flash.disk.disks import Disk, find_disk, list_disks, refusal
from fer_edge.errors import DeviceNotFound, UsageError
from support.loop_devices import attached, loop

__all__ = ["loop"]  # a fixture

GB = 10**9
USB = "../../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0"
ATA = "../../devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0"


class Machine:
    """A recorded machine: a system disk with LVM over encryption, a USB card reader, an SD host, an NVMe disk."""

    def __init__(self, root: Path) -> None:
        self.root, self._minor = root, 0
        self.mounts: list[str] = []
        self.swaps = ["Filename Type Size Used Priority"]
        self.disk("sda", 256 * GB, ATA, parts=("sda1", "sda2"), model="Samsung SSD 860", serial="S3Z9")
        self.disk("dm-0", 200 * GB)
        self.disk("dm-1", 190 * GB)
        self.holder("sda/sda2", "dm-0")
        self.holder("dm-0", "dm-1")
        self.mount("dm-1", "/", "/dev/mapper/root")
        self.mount("sda/sda1", "/boot", "/dev/sda1")
        self.disk("sdb", 32 * GB, USB, parts=("sdb1", "sdb2"), model="STORAGE DEVICE", vendor="Generic", removable=True)
        usb = root / "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2"
        (usb / "idVendor").write_text("05e3\n")
        (usb / "serial").write_text("000000001536\n")
        self.disk(
            "mmcblk0", 64 * GB, "../../devices/mmc0", name="SD64G", serial="0x1234abcd", kind="SD", parts=("mmcblk0p1",)
        )
        self.disk("mmcblk1", 16 * GB, "../../devices/mmc1", name="eMMC16", serial="0x99", kind="MMC")
        self.disk("nvme0n1", 512 * GB, "../../devices/nvme0", model="WD Blue", serial="N1")
        self.disk("loop0", GB)
        self.disk("zram0", GB)
        self.finish()

    def disk(
        self, kernel: str, size: int, at: str = "", parts: tuple[str, ...] = (), removable: bool = False, **said: str
    ) -> None:
        folder = self.root / "sys/block" / kernel
        for each in ("", *parts):
            (folder / each / "holders").mkdir(parents=True, exist_ok=True)
            (folder / each / "dev").write_text(f"8:{self._minor}\n")
            self._minor += 1
            if each:
                (folder / each / "partition").write_text("1\n")
        (folder / "size").write_text(f"{size // 512}\n")
        (folder / "removable").write_text(f"{removable:d}\n")
        (folder / "ro").write_text("0\n")
        if at:
            real = self.root / "sys/block/x" / at
            real = Path(os.path.normpath(real))
            real.mkdir(parents=True, exist_ok=True)
            os.symlink(real, folder / "device")
            for key, value in said.items():
                (real / {"kind": "type"}.get(key, key)).write_text(f"{value}\n")

    def holder(self, below: str, above: str) -> None:
        (self.root / "sys/block" / below / "holders" / above).mkdir()

    def number(self, name: str) -> str:
        return (self.root / "sys/block" / name / "dev").read_text().strip()

    def mount(self, name: str, place: str, source: str, number: str = "") -> None:
        self.mounts.append(f"36 35 {number or self.number(name)} / {place} rw shared:1 - ext4 {source} rw")
        self.finish()

    def finish(self) -> None:
        (self.root / "proc/self").mkdir(parents=True, exist_ok=True)
        (self.root / "proc/self/mountinfo").write_text("\n".join(self.mounts) + "\n")
        (self.root / "proc/swaps").write_text("\n".join(self.swaps) + "\n")

    def find(self, name: str) -> Disk:
        return find_disk(f"/dev/{name}", self.root)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_here(machine: Machine) -> None:
    disks = {d.name: d for d in list_disks(machine.root)}
    assert set(disks) == {"sda", "sdb", "mmcblk0", "mmcblk1", "nvme0n1"}
    assert {n for n, d in disks.items() if d.removable} == {"sdb", "mmcblk0"}
    assert disks["sdb"].words() == "/dev/sdb: Generic STORAGE DEVICE, 32.0 GB, usb, serial 000000001536"
    assert disks["mmcblk0"].words() == "/dev/mmcblk0: SD64G, 64.0 GB, mmc, serial 0x1234abcd"
    assert disks["sda"].bus == "ata"
    assert "loop0" in {d.name for d in list_disks(machine.root, loops=True)}


def test_a_card_may_be_written(machine: Machine) -> None:
    assert refusal(machine.find("sdb"), 8 * GB) is None
    assert refusal(machine.find("mmcblk0"), 64 * GB) is None


def test_the_system_disk_is_found_through_lvm_and_encryption(machine: Machine) -> None:
    disk = machine.find("sda")
    assert "dm-1 mounted at /" in disk.uses
    error = refusal(disk)
    assert isinstance(error, UsageError)
    assert "this machine runs from it" in error.message


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.mount("sdb/sdb2", "/media/my\\040card", "/dev/sdb2"), "sdb2 mounted at /media/my card"),
        (lambda m: m.mount("sdb", "/mnt", "/dev/sdb1", "0:44"), "sdb1 mounted at /mnt"),  # btrfs has its own numbers
        (lambda m: m.swaps.append("/dev/sdb1 partition 1 0 -2"), "sdb1 used for swap"),
        (lambda m: m.holder("sdb/sdb1", "dm-7"), "dm-7 holds it"),
    ],
)
def test_a_card_in_use_is_left_alone(machine: Machine, spoil: object, words: str) -> None:
    assert callable(spoil)
    spoil(machine)
    machine.finish()
    error = refusal(machine.find("sdb"))
    assert error is not None
    assert words in error.cause


@pytest.mark.parametrize(
    ("name", "words"), [("nvme0n1", "not removable"), ("mmcblk1", "not removable"), ("sda", "runs from it")]
)
def test_disks_that_are_built_in(machine: Machine, name: str, words: str) -> None:
    error = refusal(machine.find(name))
    assert error is not None
    assert words in error.message


def test_no_card_a_lock_and_too_little_room(machine: Machine) -> None:
    block = machine.root / "sys/block/sdb"
    assert "too small" in refusal(machine.find("sdb"), 33 * GB).message  # type: ignore[union-attr]
    (block / "ro").write_text("1\n")
    assert "read-only" in refusal(machine.find("sdb")).message  # type: ignore[union-attr]
    (block / "size").write_text("0\n")
    assert "no card in it" in refusal(machine.find("sdb")).message  # type: ignore[union-attr]


def test_names_that_are_no_disk(machine: Machine) -> None:
    with pytest.raises(UsageError, match="sdb1 is a partition") as part:
        machine.find("sdb1")
    assert part.value.hint == "the same command with --to /dev/sdb"
    for name in ("sdz", "loop0", "zram0", "dm-0"):
        with pytest.raises(DeviceNotFound, match="no disk") as absent:
            machine.find(name)
        assert "/dev/sdb" in absent.value.cause


@pytest.mark.parametrize(
    ("file", "harm"), [("size", "62500001"), ("device/model", "Backup"), ("size", "0"), ("diskseq", "8")]
)
def test_another_card_under_the_same_name(machine: Machine, file: str, harm: str) -> None:
    """Between the confirmation and the writing the image is made, and somebody may change the card."""
    confirmed = machine.find("sdb")
    assert look_again(confirmed, machine.root) == confirmed
    machine.mount("sdb/sdb1", "/media/card", "/dev/sdb1")
    assert refusal(look_again(confirmed, machine.root)) is not None  # and it may have been mounted
    (machine.root / "sys/block/sdb" / file).write_text(f"{harm}\n")
    with pytest.raises(UsageError, match="another disk than the one that was confirmed"):
        look_again(confirmed, machine.root)


@pytest.mark.parametrize("behind", ["/dev/sda", "/dev/sda2", "/dev/sdb1"])
def test_a_loop_device_over_another_disk(machine: Machine, behind: str) -> None:
    """It would be a way round every other check; and the disk below is held by it."""
    folder = machine.root / "sys/block/loop0/loop"
    folder.mkdir()
    (folder / "backing_file").write_text("/tmp/card.img\n")
    assert refusal(find_disk("/dev/loop0", machine.root, loops=True)) is None
    (folder / "backing_file").write_text(f"{behind}\n")
    error = refusal(find_disk("/dev/loop0", machine.root, loops=True))
    assert error is not None
    assert "lies over another disk" in error.cause
    below = refusal(machine.find(behind[5:8]))
    assert below is not None
    assert "loop0 holds it" in below.cause


def test_a_real_loop_device(loop: str) -> None:
    disk = find_disk(loop, loops=True)
    assert (disk.size, disk.bus, disk.removable) == (4 << 20, "loop", True)
    assert disk.serial.endswith("/file")
    assert refusal(disk, 4 << 20) is None
    with pytest.raises(DeviceNotFound):
        find_disk(loop)


@pytest.mark.parametrize("unlinked", [False, True])
def test_a_real_loop_device_over_another(loop: str, tmp_path: Path, unlinked: bool) -> None:
    """By a node of its own too, that is gone before anybody looks."""
    node = tmp_path / "node"
    try:
        os.mknod(node, 0o60600, os.stat(loop).st_rdev)
    except OSError as error:
        pytest.skip(f"no device nodes here: {error.strerror}")
    with attached(node) as upper:
        if unlinked:
            node.unlink()
        error = refusal(find_disk(upper, loops=True))
        assert error is not None
        assert "lies over another disk" in error.cause
        assert find_disk(loop, loops=True).uses == (f"{Path(upper).name} holds it",)


def test_this_machine_runs_from_none_of_its_cards() -> None:
    system = [disk for disk in list_disks() if any(use.endswith("mounted at /") for use in disk.uses)]
    if not system:
        pytest.skip("no disk of this machine is seen to hold /")
    assert all(refusal(disk) is not None for disk in system)

"""An image with the shape of Raspberry Pi OS Bookworm: what its first boot, and a program that looks at it, go by.

MBR, a FAT32 partition that becomes /boot/firmware, an ext4 root; cmdline.txt, config.txt and issue.txt on the first,
/etc/rpi-issue and raspberrypi-sys-mods on the second, the user pi with id 1000. The files that only a Raspberry Pi's
boot ROM reads are there by name, without content: nothing here can run them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from fer_edge.files import writing

from .rootfs import Rootfs

MIB = 1 << 20
BOOT_START, BOOT_SIZE, ROOT_SIZE = 4 * MIB, 512 * MIB, 2048 * MIB
ROOT_START = BOOT_START + BOOT_SIZE
SECTOR = 512
FAT32_LBA, LINUX = 0x0C, 0x83
DISK = 0xFE0ED6E5
CMDLINE = (
    f"console=serial0,115200 console=tty1 root=PARTUUID={DISK:08x}-02 rootfstype=ext4 fsck.repair=yes rootwait quiet\n"
)
ISSUE = "Raspberry Pi reference 2024-11-19\nshaped by fer-edge for its boot proof: Debian 12, not Raspberry Pi OS\n"
BOOT_FILES = {
    "cmdline.txt": CMDLINE,
    "config.txt": "# For the firmware of a Raspberry Pi, which is not in this machine.\narm_64bit=1\n",
    "issue.txt": ISSUE,
    "start4.elf": "",
    "kernel8.img": "",
    "kernel_2712.img": "",
    "bcm2711-rpi-4-b.dtb": "",
    "bcm2712-rpi-5-b.dtb": "",
}
SLOW = "x-systemd.device-timeout=20min"
"""An emulated udev on a busy machine takes longer than the 90 seconds that systemd gives a disk to appear."""
FSTAB = (
    "proc            /proc           proc    defaults          0       0\n"
    f"PARTUUID={DISK:08x}-01  /boot/firmware  vfat    defaults,{SLOW}  0       2\n"
    f"PARTUUID={DISK:08x}-02  /               ext4    defaults,noatime  0       1\n"
)
ROOT_FILES = {
    "etc/fstab": FSTAB,
    "etc/hostname": "raspberrypi\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
    "etc/rpi-issue": ISSUE,
    "usr/lib/raspberrypi-sys-mods/firstboot": "#!/bin/sh\n# Here for its name; the real one grows the root.\n",
}
ROOT_FOLDERS = ("boot/firmware", "lib/modules", "home/pi")
PI = ("pi:x:1000:1000:,,,:/home/pi:/bin/bash\n", "pi:x:1000:\n", "pi:!:19700:0:99999:7:::\n")
"""Lines of passwd, group and shadow: the user that Raspberry Pi OS ships without a password."""


def pi_image(rootfs: Rootfs, cache: Path) -> Path:
    """The image of this recipe, made when it is not in the cache."""
    recipe = hashlib.sha256(Path(__file__).read_bytes() + rootfs.tar.parent.name.encode()).hexdigest()[:12]
    image = cache / f"debian-as-pi-{recipe}.img"
    if not image.exists():
        with writing(image) as part, tempfile.TemporaryDirectory(dir=cache) as scratch:
            _write(part, rootfs, Path(scratch))
    return image


def _write(image: Path, rootfs: Rootfs, scratch: Path) -> None:
    boot, root = scratch / "boot.fat", scratch / "root.ext4"
    _boot_partition(boot, scratch)
    _root_partition(root, rootfs, scratch)
    with image.open("wb") as file:
        file.write(_table())
        file.truncate(ROOT_START + ROOT_SIZE)
    for part, start in ((boot, BOOT_START), (root, ROOT_START)):
        place = ["conv=notrunc,sparse", "bs=1M", f"seek={start // MIB}", "status=none"]
        subprocess.run(["dd", f"if={part}", f"of={image}", *place], check=True)


def _table() -> bytes:
    """A master boot record with two partitions; its cylinders are the values that say "see the sectors"."""
    entries = b"".join(
        struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start // SECTOR, size // SECTOR)
        for kind, start, size in ((FAT32_LBA, BOOT_START, BOOT_SIZE), (LINUX, ROOT_START, ROOT_SIZE))
    )
    return bytes(440) + struct.pack("<I2x", DISK) + entries.ljust(64, b"\0") + b"\x55\xaa"


def _boot_partition(target: Path, scratch: Path) -> None:
    with target.open("wb") as file:
        file.truncate(BOOT_SIZE)
    subprocess.run(["mkfs.vfat", "-F", "32", "-n", "bootfs", target], check=True, stdout=subprocess.DEVNULL)
    folder = scratch / "boot"
    folder.mkdir()
    for name, text in BOOT_FILES.items():
        (folder / name).write_text(text)
    subprocess.run(["mcopy", "-i", target, *sorted(folder.iterdir()), "::"], check=True)


def _root_partition(target: Path, rootfs: Rootfs, scratch: Path) -> None:
    """Unpacked and read back within one fakeroot, which remembers owners and devices without anybody being root."""
    folder, files = scratch / "root", scratch / "files"
    for name, text in ROOT_FILES.items():
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(text)
        (files / name).chmod(0o755 if text.startswith("#!") else 0o644)
    lines = "".join(
        f"printf '%s' '{line}' >> {folder}/etc/{name}\n"
        for name, line in zip(("passwd", "group", "shadow"), PI, strict=True)
    )
    script = (
        f"set -e\nmkdir {folder}\ntar -xpf {rootfs.tar} -C {folder}\n"
        f"mkdir -p {' '.join(str(folder / name) for name in ROOT_FOLDERS)}\nchown 1000:1000 {folder}/home/pi\n"
        f"{lines}rm -f {folder}/etc/machine-id {folder}/etc/resolv.conf\n: > {folder}/etc/machine-id\n"
        f"cp -r {files}/. {folder}/\nchown -R 0:0 {folder}/usr/lib/raspberrypi-sys-mods\n"
        f"mke2fs -q -F -t ext4 -L rootfs -d {folder} {target} {ROOT_SIZE // 1024}k\n"
    )
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run(["fakeroot", "sh", "-c", script], check=True, env=environment)
    shutil.rmtree(folder, ignore_errors=True)

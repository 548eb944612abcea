"""Small card images with the marks of real ones: partition tables, firmware files, what the first boot relies on."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
TOOLS = ("mkfs.vfat", "mkfs.ext4", "sfdisk", "debugfs", "e2fsck", "resize2fs", "mcopy", "fsck.vfat")
MISSING = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
REASON = f"needs {', '.join(MISSING)} (apt-get install mtools dosfstools e2fsprogs fdisk)"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"


def elf(machine: int = 183, wide: bool = True) -> bytes:
    """The beginning of a program; 183 is aarch64, 40 is 32 bit Arm."""
    return b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9) + struct.pack("<HH", 2, machine) + bytes(300)


@dataclass(frozen=True)
class Kind:
    """What an image is like.

    Attributes:
        boot: files of its FAT partition; without any it has none.
        root: files of its ext4; links: path -> target.
        gpt: else an MBR.
        boot_mib, root_mib: sizes.
    """

    release: str
    boot: dict[str, str] = field(default_factory=dict)
    root: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    python: str = "3.11"
    glibc: str = "2.36-9+rpt2+deb12u9"
    program: bytes = field(default_factory=elf)
    gpt: bool = False
    boot_mib: int = 36
    root_mib: int = 24


def release(ident: str, version: str, codename: str) -> str:
    return f'PRETTY_NAME="{ident} {version}"\nID={ident}\nVERSION_ID="{version}"\nVERSION_CODENAME={codename}\n'


FIRMWARE = {"config.txt": "arm_64bit=1\n[all]\n", "kernel8.img": "kernel", "overlays/README": "overlays"}
LINE = "console=serial0,115200 console=tty1 root=PARTUUID=11223344-02 rootfstype=ext4 fsck.repair=yes rootwait"
SEED = "datasource_list: [ NoCloud, None ]\ndatasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware\n"
NETWORK = {"etc/NetworkManager/NetworkManager.conf": "[main]\nplugins=keyfile\n"}
HELPERS = "usr/lib/raspberrypi-sys-mods"
BOOKWORM = Kind(
    release("debian", "12", "bookworm"),
    {**FIRMWARE, "cmdline.txt": f"{LINE} quiet init=/{HELPERS}/firstboot\n"},
    {
        f"{HELPERS}/firstboot": "#!/bin/bash\n",
        f"{HELPERS}/imager_custom": "#!/bin/sh\n",
        "etc/rpi-issue": "Raspberry Pi",
    },
)
TRIXIE = Kind(
    release("debian", "13", "trixie"),
    {
        **FIRMWARE,
        "cmdline.txt": f"{LINE} resize\n",
        "user-data": "#cloud-config\n",
        "meta-data": "instance_id: rpios\n",
    },
    {"etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg": SEED, "usr/bin/cloud-init": "#!/usr/bin/python3\n", **NETWORK},
    python="3.13",
    glibc="2.41-12+rpt1",
)
JETSON = Kind(
    release("ubuntu", "18.04", "bionic"),
    root={"etc/nv_tegra_release": "# R32 (release), REVISION: 7.1\n"},
    python="3.6",
    glibc="2.27-3ubuntu1.6",
    gpt=True,
)
DEBIAN = Kind(release("debian", "12", "bookworm"), gpt=True, glibc="2.36-9+deb12u9")
KINDS = {"bookworm": BOOKWORM, "trixie": TRIXIE, "jetson": JETSON, "debian": DEBIAN}


ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n",
    "etc/group": "root:x:0:\nadm:x:4:\nsudo:x:27:\naudio:x:29:\nvideo:x:44:\nplugdev:x:46:\nrender:x:104:\n"
    "pi:x:1000:\n",
    "etc/shadow": "root:*:19700:0:99999:7:::\npi:!:19700:0:99999:7:::\n",
    "etc/gshadow": "root:*::\npi:!::\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tstock\n",
    "home/pi/.profile": "",
    "usr/share/zoneinfo/Europe/Berlin": "TZif2",
    "lib/systemd/system/ssh.service": "",
}
"""What the ways of a first boot read."""


def run(*command: str | Path, text: str = "") -> str:
    environment = {**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def make_image(folder: Path, kind: Kind, name: str = "card.img") -> Path:
    """An image of a kind in `folder`; its partitions lie at whole MiB."""
    image = folder / name
    boot, root = kind.boot_mib if kind.boot else 0, kind.root_mib
    with image.open("wb") as file:
        file.truncate((4 + boot + root) * MIB)
    first = f"start=1MiB, size={boot}MiB, type={'uefi' if kind.gpt else 'c'}\n" if boot else ""
    label = "gpt" if kind.gpt else "dos\nlabel-id: 0x11223344"
    kind_of_root = f'type={LINUX}, name="APP"' if kind.gpt else "type=83"
    rows = f"label: {label}\n{first}start={1 + boot}MiB, size={root}MiB, {kind_of_root}\n"
    run("sfdisk", "--quiet", image, text=rows)
    if boot:
        _boot(folder, image, kind)
    _root(folder, image, kind)
    return image


def _boot(folder: Path, image: Path, kind: Kind) -> None:
    plain, tree = folder / "boot.fat", folder / "boot"
    with plain.open("wb") as file:
        file.truncate(kind.boot_mib * MIB)
    run("mkfs.vfat", "-F", "32", "-s", "1", "-n", "bootfs", plain)
    for path, content in kind.boot.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content)
    run("mcopy", "-s", "-i", plain, *sorted(tree.iterdir()), "::")
    _put(plain, image, MIB)
    shutil.rmtree(tree)


def _root(folder: Path, image: Path, kind: Kind) -> None:
    plain, tree = folder / "root.ext4", folder / "root"
    status = (
        f"Package: libc-bin\nVersion: 1.0\n\nPackage: libc6\nStatus: install ok installed\nVersion: {kind.glibc}\n\n"
    )
    (tree / "usr" / "lib").mkdir(parents=True)
    (tree / "lib").symlink_to("usr/lib")
    files = {
        **ACCOUNTS,
        "usr/lib/os-release": kind.release,
        "var/lib/dpkg/status": status,
        "etc/hostname": "stock\n",
        **kind.root,
    }
    links = {"etc/os-release": "../usr/lib/os-release", "bin": "usr/bin", "usr/bin/sh": "dash"}
    if kind.python:
        links["usr/bin/python3"] = f"python{kind.python}"
    for name in ("usr/bin/dash", *([f"usr/bin/python{kind.python}"] if kind.python else [])):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(kind.program)
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(content)
    for name, target in {**links, **kind.links}.items():
        (tree / name).symlink_to(target)
    run("mkfs.ext4", "-q", "-L", "rootfs", "-b", "4096", "-d", tree, plain, f"{kind.root_mib}M")
    _put(plain, image, (1 + (kind.boot_mib if kind.boot else 0)) * MIB)
    shutil.rmtree(tree)


def _put(plain: Path, image: Path, offset: int) -> None:
    place = [f"seek={offset // MIB}", "bs=1M", "conv=notrunc,sparse", "status=none"]
    run("dd", f"if={plain}", f"of={image}", *place)
    plain.unlink()

"""The kernel that boots any card here, and the first file system that gives it its drivers.

qemu's machine `virt` is no Raspberry Pi: the kernel on the card cannot run on it. So Debian's own boots, and its
drivers come to the system on the card at boot, in memory; the card is not changed.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fer_edge.files import writing_folder

from .cpio import archive
from .rootfs import Rootfs

DRIVERS = (
    *("virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "crc32c_generic", "ext4", "vfat", "nls_cp437"),
    *("nls_iso8859-1", "nls_ascii", "nls_utf8", "autofs4", "configfs", "binfmt_misc", "vivid"),
)
"""In the order in which they are loaded, each after those it depends on."""
SETTINGS = {"vivid": "n_devs=1 node_types=0x101 num_inputs=1 input_types=3 num_outputs=1 output_types=1"}
"""One camera: an HDMI input, and the HDMI output whose picture it takes; see guest/camera.py."""
INIT = Path(__file__).with_name("guest") / "init.sh"


@dataclass(frozen=True)
class Kernel:
    """What qemu boots."""

    image: Path
    initrd: Path


def kernel(rootfs: Rootfs, cache: Path) -> Kernel:
    """Kernel and drivers, made once for a kernel package and a list of drivers."""
    recipe = hashlib.sha256(Path(__file__).read_bytes() + INIT.read_bytes() + rootfs.kernel.name.encode()).hexdigest()
    folder = cache / f"kernel-{recipe[:12]}"
    if not folder.is_dir():
        with writing_folder(folder) as place, tempfile.TemporaryDirectory() as scratch:
            for package in (rootfs.kernel, rootfs.busybox):
                subprocess.run(["dpkg-deb", "--extract", package, scratch], check=True)
            image = next(Path(scratch).glob("boot/vmlinuz-*"))
            (place / "vmlinuz").write_bytes(image.read_bytes())
            version = image.name.removeprefix("vmlinuz-")
            (place / "initrd").write_bytes(gzip.compress(_first_files(Path(scratch), version), 6))
    return Kernel(folder / "vmlinuz", folder / "initrd")


def with_guest_files(base: Kernel, files: Mapping[str, bytes], target: Path) -> Kernel:
    """The same kernel with more files below /guest of the first file system; archives may follow one another."""
    more = archive({f"guest/{name}": data for name, data in files.items()})
    initrd = base.initrd.read_bytes()
    target.write_bytes(initrd + bytes(-len(initrd) % 4) + more)
    return Kernel(base.image, target)


def _first_files(tree: Path, version: str) -> bytes:
    root = tree / "lib" / "modules" / version
    found = {_plain(path.stem): path for path in sorted((root / "kernel").rglob("*.ko"))}
    files = {"bin/busybox": (tree / "bin" / "busybox").read_bytes(), "init": INIT.read_bytes()}
    lines = []
    for path in _in_order(found):
        inside = f"modules/{version}/{path.relative_to(root)}"
        files[inside] = path.read_bytes()
        lines.append(f"{inside} {SETTINGS.get(path.stem, '')}".rstrip() + "\n")
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        files[f"modules/{version}/{name}"] = (root / name).read_bytes()
    files["drivers"] = "".join(lines).encode()
    return archive(files, frozenset({"bin/busybox", "init"}))


def _in_order(found: Mapping[str, Path]) -> list[Path]:
    """The files of DRIVERS, each after those that its own `depends` names; one that is built in has no file."""
    order: list[Path] = []

    def add(name: str) -> None:
        path = found.get(_plain(name))
        if path is None or path in order:
            return
        stated = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for other in stated[1].decode().split(",") if stated else []:
            add(other)
        order.append(path)

    for name in DRIVERS:
        add(name)
    return order


def _plain(name: str) -> str:
    return name.replace("-", "_")

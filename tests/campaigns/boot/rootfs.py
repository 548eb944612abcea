"""The arm64 Debian that stands for Raspberry Pi OS: a root file system, and beside it a kernel and a busybox."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fer_edge.files import writing_folder

from .foreign import arm64

SUITE = "bookworm"
PACKAGES = ("systemd-sysv", "udev", "kmod", "dbus", "python3")
"""What a kiosk finds on Raspberry Pi OS Lite and uses; minbase brings e2fsprogs, passwd and libstdc++."""
UNREAD = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
"""Left out of the image: nobody reads them there."""
FETCH = (
    'cd "$FER_EDGE_DEBS" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && '
    "kernel=$(apt-cache depends linux-image-arm64 | sed -n 's/.*Depends: \\(linux-image-[^ ]*\\)$/\\1/p' | head -n 1)"
    ' && apt-get download "$kernel" busybox-static'
)
"""A hook: kernel and busybox, beside the image. The plain kernel has the camera vivid, the cloud one has not."""
LIMIT_S = 1500


@dataclass(frozen=True)
class Rootfs:
    """What apt gave: the root file system as a tar, and the packages of kernel and busybox."""

    tar: Path
    kernel: Path
    busybox: Path


def root_filesystem(cache: Path) -> Rootfs:
    """The root file system of this recipe, made when it is not in the cache: 2 to 4 minutes and 60 MB from apt.

    Raises NoForeign: arm64 programs cannot run here; CalledProcessError: mmdebstrap failed, its log is in the cache.
    """
    recipe = hashlib.sha256(repr((SUITE, PACKAGES, UNREAD, FETCH)).encode()).hexdigest()[:12]
    folder = cache / f"rootfs-{recipe}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with writing_folder(folder) as place:
            _bootstrap(place, cache / "mmdebstrap.log")
    return Rootfs(
        folder / "root.tar", next(folder.glob("debs/linux-image-*.deb")), next(folder.glob("debs/busybox-static_*.deb"))
    )


def _bootstrap(place: Path, log: Path) -> None:
    debs = place / "debs"
    debs.mkdir()
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--architectures=arm64"]
    command += [f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in UNREAD]
    command += [f"--customize-hook={FETCH}", SUITE, str(place / "root.tar")]
    with arm64() as prefix, log.open("wb") as told:
        words = ["env", f"FER_EDGE_DEBS={debs}", *prefix, "nice", *command]
        subprocess.run(words, stdout=told, stderr=told, check=True, timeout=LIMIT_S)

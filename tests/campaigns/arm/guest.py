"""An arm64 Debian in a folder, whose Python runs here under qemu-user with the wheels that a flashed card gets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fer_edge.devices.flash.payload.wheel_closure import Target
from fer_edge.devices.flash.payload.wheels import lock_of
from fer_edge.files import writing_folder

from campaigns.boot.rootfs import root_filesystem

from .boards import Core

QEMU = "qemu-aarch64-static"
TARGET = Target("3.11")
LOCKED = ("numpy", "onnxruntime", "flatbuffers", "protobuf", "packaging", "typing-extensions")
"""Of the lock: what a backend's file needs."""
LIMIT_S = 3600
"""Of one graph's answers, for a hang: emulated, a float graph needs minutes."""


@dataclass(frozen=True)
class Guest:
    """The root file system, and the folder of packages in it."""

    root: Path
    packages: Path

    def python(self, core: Core, words: list[str]) -> None:
        """Run the guest's Python as if on a board with this core; raises CalledProcessError with what it said."""
        (self.root / "proc/cpuinfo").write_text(core.cpuinfo())
        settings = {
            "PYTHONPATH": str(self.packages),
            "PYTHONHOME": str(self.root / "usr"),
            "ORT_DISABLE_TELEMETRY": "1",
        }
        given = [word for key, value in settings.items() for word in ("-E", f"{key}={value}")]
        command = [QEMU, "-cpu", core.name, "-L", str(self.root), *given, str(self.root / "usr/bin/python3.11"), *words]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S)


def guest(cache: Path) -> Guest:
    """The guest, made where it is not in the cache: minutes, and 200 MB from Debian's and Python's indices.

    Raises NoForeign, CalledProcessError: it cannot be made here.
    """
    made = cache / f"arm-{version('onnxruntime')}-{version('ai-edge-litert')}"
    if not made.is_dir():
        given = root_filesystem(cache)
        with writing_folder(made) as place:
            with tarfile.open(given.tar) as tar:
                tar.extractall(place / "root", members=[m for m in tar if not m.isdev()], filter="fully_trusted")
            (place / "root/proc").mkdir(exist_ok=True)
            _packages(place / "packages")
    return Guest(made / "root", made / "packages")


def _packages(folder: Path) -> None:
    """Wheels of the lock by their hashes, and LiteRT in the version that this machine has, which no card needs."""
    own = [line for line in lock_of(TARGET).read_text().splitlines() if line.split("==")[0] in LOCKED]
    folder.mkdir()
    wanted = folder / "wanted.txt"
    wanted.write_text("\n".join(own) + "\n")
    _install(folder, ["--require-hashes", "--requirement", str(wanted)])
    _install(folder, [f"ai-edge-litert=={version('ai-edge-litert')}"])
    wanted.unlink()


def _install(folder: Path, wanted: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", TARGET.python, "--target", str(folder)]
    command += [word for platform in TARGET.platforms() for word in ("--platform", platform)]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([*command, *wanted], check=True, capture_output=True, text=True, env=environment)


def lacking() -> str:
    """Why no guest can run here, or nothing."""
    return "" if shutil.which(QEMU) else "needs qemu-user-static: apt-get install qemu-user-static mmdebstrap arch-test"

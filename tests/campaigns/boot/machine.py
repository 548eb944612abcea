"""One emulated machine: a card, a stick, two consoles and no network; switched on, cut off, switched on again."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .console import Console
from .kernel import Kernel

LIFE_S = 900
"""No machine lives longer, whatever happens to the one who started it."""
MEMORY_MIB, SMALL_MIB = 1024, 512
"""Of a Raspberry Pi 3, and of a Zero 2 W."""
SECTOR = 512
NO_MATTER = ("console=", "init=/usr/lib/raspberrypi-sys-mods/")
"""Words of a Raspberry Pi's kernel line that do not carry over: its serial port, and growing the card's partition."""
OWN = "console=ttyAMA0,115200 panic=-1 systemd.show_status=1 systemd.log_target=kmsg printk.devkmsg=on net.ifnames=0"


@dataclass
class Machine:
    """A machine with its card; `logs` gets a file for every boot.

    Attributes:
        card: a disk image, written to.
        stick: a disk image, read only.
        memory_mib: what it has from the next start on.
    """

    kernel: Kernel
    card: Path
    stick: Path
    logs: Path
    memory_mib: int = MEMORY_MIB
    boots: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _console: Console | None = None

    @property
    def serial(self) -> Path:
        """What the first console said since the last start: kernel and systemd."""
        return self.logs / f"boot-{self.boots}.serial.log"

    @property
    def shell(self) -> Console:
        """The second console, where a shell runs."""
        assert self._console is not None, "the machine is off"
        return self._console

    def start(self) -> None:
        """Switch on: with the kernel line of the card's own cmdline.txt, as a Raspberry Pi's firmware reads it."""
        assert self._process is None, "the machine is on"
        self.boots += 1
        self.logs.mkdir(parents=True, exist_ok=True)
        command = ["timeout", "--foreground", "--kill-after=5", str(LIFE_S), "nice", *self._qemu()]
        (self.logs / f"boot-{self.boots}.command").write_text(" ".join(command) + "\n")
        errors = (self.logs / f"boot-{self.boots}.qemu.log").open("wb")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
        errors.close()
        self._console = Console(self._process, self.logs / f"boot-{self.boots}.shell.log")

    def _qemu(self) -> list[str]:
        disk = "if=none,format=raw"
        return [
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", str(self.memory_mib)),
            *("-accel", "tcg,thread=multi", "-no-reboot", "-display", "none", "-nic", "none"),
            *("-kernel", str(self.kernel.image), "-initrd", str(self.kernel.initrd), "-append", self._line()),
            *("-serial", f"file:{self.serial}"),
            *(
                "-device",
                "virtio-serial-pci",
                "-chardev",
                "stdio,id=shell,signal=off",
                "-device",
                "virtconsole,chardev=shell",
            ),
            *("-drive", f"{disk},id=card,file={self.card}", "-device", "virtio-blk-pci,drive=card"),
            *("-drive", f"{disk},id=stick,file={self.stick},readonly=on", "-device", "virtio-blk-pci,drive=stick"),
        ]

    def _line(self) -> str:
        return kernel_line(boot_file(self.card, "cmdline.txt"))

    def off(self, timeout_s: float) -> None:
        """Wait until the machine has switched itself off or asked for a restart, which ends it too."""
        assert self._process is not None, "the machine is off"
        self._process.wait(timeout_s)
        self._gone()

    def cut(self) -> None:
        """A power cut: the process ends at once, and what the guest had not written is lost with its memory."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # it had gone by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._gone()

    def _gone(self) -> None:
        if self._console is not None:
            self._console.close()
        self._process = self._console = None


def kernel_line(text: str) -> str:
    """The kernel's words of a cmdline.txt, with the card's root partition by the name it has in qemu."""
    words = [word for word in text.split() if not word.startswith(NO_MATTER)]
    rooted = [re.sub(r"^root=(PARTUUID|UUID|LABEL)=.*$", "root=/dev/vda2", word) for word in words]
    return " ".join([*(word for word in rooted if word != "quiet"), OWN])


def boot_file(card: Path, name: str) -> str:
    """A text file of a card's first partition."""
    with card.open("rb") as file:
        (start,) = struct.unpack_from("<I", file.read(SECTOR), 446 + 8)
    done = subprocess.run(["mtype", "-i", f"{card}@@{start * SECTOR}", f"::{name}"], capture_output=True, check=True)
    return done.stdout.decode()

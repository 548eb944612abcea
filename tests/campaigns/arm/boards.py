"""ARM processors that boards have: what QEMU calls them, and what Linux says of them."""

from __future__ import annotations

from dataclasses import dataclass

PLAIN = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
"""Linux's words for what an ARMv8.0 core with the cryptographic instructions can do."""
DOT = PLAIN + " atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
"""And for an ARMv8.2 core with int8 dot products."""


@dataclass(frozen=True)
class Core:
    """One kind of core.

    Attributes:
        name: as QEMU has it; boards: that have it.
        part: its number in the main ID register, from Arm's reference manual of the core.
        features: as /proc/cpuinfo lists them.
    """

    name: str
    boards: str
    part: int
    features: str

    def cpuinfo(self) -> str:
        """What /proc/cpuinfo says on such a board; ONNX Runtime ends the process at import without one."""
        fields = {
            "BogoMIPS": "38.40",
            "Features": self.features,
            "CPU implementer": "0x41",
            "CPU architecture": "8",
            "CPU variant": "0x0",
            "CPU part": f"{self.part:#05x}",
            "CPU revision": "4",
        }
        lines = [f"{key}\t: {value}" for key, value in fields.items()]
        return "\n".join(["\n".join([f"processor\t: {number}", *lines, ""]) for number in range(4)]) + "\n"


CORES = (
    Core("cortex-a53", "rpi-zero2, rpi3", 0xD03, PLAIN),
    Core("cortex-a72", "rpi4", 0xD08, PLAIN),
    Core("cortex-a76", "rpi5", 0xD0B, DOT),
)
"""Two without int8 dot products, one with."""

"""What a measured mean says about a published one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .literature import ITSELF, PublishedResult

WITHIN, OUTSIDE = "within ±30 %", "outside"
NOT_PUBLISHED, NO_DEVICE = "not published", "no device here"
TOLERANCE = 0.30
"""pycoral's own, for its reference figures (benchmarks/test_utils.py, variance_threshold)."""
ASSUMED_SIZE = 224
"""Where a table does not state the input. Google's and torch2trt's figures at 224, for two of the table's seven cells,
are within 20 % of the table's."""
TABLE_MODELS = ("mobilenetv2", "efficientnetv2b0", "resnet50")
TABLE_DEVICES = ("coral-usb", "jetson-nano", "ncs2")
SOLD_TODAY = ("rk3566", "rk3588", "imx93")
BACKBONES = {"mobilenetv2_100": "mobilenetv2", "tf_efficientnetv2_b0": "efficientnetv2b0"}
"""timm's name of a backbone -> the table's."""
HOSTS = {
    "Raspberry Pi 3 Model B Plus": "rpi3b+",
    "Raspberry Pi 3 Model B": "rpi3b",
    "Raspberry Pi 4": "rpi4",
    "Raspberry Pi 5": "rpi5",
    "Freescale i.MX8MQ Phanbell": "coral-dev-board",
}
"""How /proc/device-tree/model begins -> the host in the published tables, the longer name first."""
HOST_TITLES = {
    "pc": "a PC on USB 3",
    "rpi3b": "a Raspberry Pi 3B on USB 2",
    "rpi3b+": "a Raspberry Pi 3B+ on USB 2",
    "rpi4": "a Raspberry Pi 4 on USB 3",
    "rpi5": "a Raspberry Pi 5 on USB 3",
    "coral-dev-board": "the Coral Dev Board, on PCIe",
    ITSELF: "",
    "": "a host that is not stated",
}


@dataclass(frozen=True)
class Measured:
    """What we measured, as far as a comparison needs it.

    Attributes:
        model: the table's name or timm's.
        host: of an accelerator, from `host_of`.
        mean_ms: None where nothing was measured.
        degraded, simulated: the processor stood in, or a vendor's simulator did the work.
    """

    device: str
    model: str
    size: int
    precision: str
    host: str = "pc"
    mean_ms: float | None = None
    degraded: bool = False
    simulated: bool = False


@dataclass(frozen=True)
class Verdict:
    """The published figure, and how the measured one stands to it.

    Attributes:
        words: `within ±30 %`, `outside`, `not comparable: <reason>`, `not published` or `no device here`.
        published: what was published; None where nothing was.
        ratio: measured mean over published mean; None where they cannot be compared.
    """

    words: str
    published: PublishedResult | None = None
    ratio: float | None = None

    def as_mapping(self) -> dict[str, Any]:
        """What a results row holds as `published`."""
        if self.published is None:
            return {"verdict": self.words}
        f = self.published
        return {
            "mean_ms": f.ms, "fps": f.rate, "source": f.source, "ratio": self.ratio, "verdict": self.words,
        }  # fmt: skip


def table_name(model: str) -> str:
    """The table's name of a model, from its own name or timm's."""
    return BACKBONES.get(model, model)


def host_of(board: str) -> str:
    """The host as the published tables name it: from /proc/device-tree/model, or `pc` where a machine has none."""
    name = board.strip("\0 \n")
    if not name:
        return "pc"
    return next((h for start, h in HOSTS.items() if name.startswith(start)), re.sub(r"\W+", "-", name.lower()))


def expected_cells() -> tuple[tuple[str, str], ...]:
    """(device, model) of every row a report should show, measured or not: the table's, then the boards sold today."""
    return tuple((device, model) for device in (*TABLE_DEVICES, *SOLD_TODAY) for model in TABLE_MODELS)


def compare(measured: Measured, published: Sequence[PublishedResult]) -> Verdict:
    """Hold a measurement against the published figures of its device and model.

    The table's own figure comes first; where it cannot be compared, another source's figure for the same host, size and
    precision may be.
    """
    name = table_name(measured.model)
    found = sorted((f for f in published if (f.device, f.model) == (measured.device, name)), key=lambda f: not f.tabled)
    first = found[0] if found else None
    in_table = (measured.device, name) in expected_cells() and measured.device in TABLE_DEVICES
    if measured.mean_ms is None:
        # A cell of the table that its authors left empty stays so, whoever measured it elsewhere.
        empty = first is None or (in_table and not first.tabled)
        return Verdict(NOT_PUBLISHED) if empty else Verdict(NO_DEVICE, first)
    fitting = next((f for f in found if not _differences(measured, f)), None)
    if fitting is not None:
        ratio = measured.mean_ms / fitting.ms
        return Verdict(WITHIN if abs(ratio - 1) <= TOLERANCE else OUTSIDE, fitting, ratio)
    if first is None or (in_table and not first.tabled):
        return Verdict(NOT_PUBLISHED)
    return Verdict(f"not comparable: {_differences(measured, first)}", first)


def _differences(measured: Measured, published: PublishedResult) -> str:
    """Why a measurement cannot be held against a figure; empty where it can."""
    if measured.degraded:
        return "the processor stood in for the device"
    if measured.simulated:
        return "the vendor's simulator stood in for the device"
    reasons = []
    if published.host != ITSELF and measured.host != (published.host or "pc"):
        theirs, ours = (HOST_TITLES.get(host, host) for host in (published.host, measured.host))
        reasons.append(f"host differs ({theirs}; here {ours})")
    if measured.size != (published.input or ASSUMED_SIZE):
        theirs = f"{published.input}" if published.input else f"not stated, {ASSUMED_SIZE} assumed"
        reasons.append(f"input size differs ({theirs}; here {measured.size})")
    if measured.precision != published.precision:
        reasons.append(f"precision differs ({published.precision}; here {measured.precision})")
    return ", ".join(reasons)

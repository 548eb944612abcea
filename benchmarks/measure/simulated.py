"""A Rockchip NPU by its vendor's simulator: right answers, and times that say nothing about the board."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from ...bundle import Bundle, Image
from ...devices.profile import Profile
from ...errors import UsageError
from ...export.job import Job
from ...export.targets import rknn
from ...runtime.inference.classifier import Classifier


def simulator(
    profile: Profile, bundle: Bundle, pictures: Sequence[Image], stack: ExitStack, say: Callable[[str], None]
) -> Callable[[], Classifier]:
    """What opens the simulator in the device's place; its files go when `stack` closes.

    Args:
        pictures: calibration crops, uint8 (S, S, 3) of the bundle's size.

    Raises:
        UsageError: there is no simulator of this device; DeviceNotFound, ConversionFailed: the toolkit is absent or
        gives up.
    """
    if profile.target != "rknn":
        raise UsageError(
            f"there is no simulator of {profile.name}",
            cause="only Rockchip's toolkit has one that runs here",
            hint="fer-edge benchmark estimate --device " + profile.name,
        )
    rknn.prepare({}, say)
    work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fer-edge-simulated-")))
    job = Job(bundle, work, bundle.folder, pictures, {"source": "benchmark"}, say=say)

    def open_simulator() -> Classifier:
        built = rknn.build(job, "int8", profile.chip)
        return Classifier(bundle, built.artifact, backend=built.backend)

    return open_simulator

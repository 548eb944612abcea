"""The acceptance run of a device: does it answer as the model does, and does it go on doing so?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from time import monotonic, perf_counter, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...bundle import Bundle, parity
from ...devices.cpu import model_name
from ...devices.doctor import Finding, examine
from ...devices.profile import find_profile
from ...devices.tuned import recall, recorded, told
from ...errors import FerEdgeError
from .classifier import Classifier
from .open_device import bundle_for, open_device

GOLDEN = 32
SEED = 20251122
WAVES = 6
AFTER_FAULT_S = 0.1
MIN_AGREEMENT = 0.9
"""Of the labels on the golden crops, which are not faces and lie closer to the borders between labels."""
REPLUG_S = 120.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class AcceptanceOptions:
    """What to run.

    Attributes:
        device: a profile's name or file.
        bundle: one that was exported for the device; the shipped one made for it when None.
        seconds: of load.
        replug: ask for the device to be unplugged and plugged in again, and wait until it answers.
    """

    device: str
    bundle: str | None = None
    seconds: float = 60.0
    replug: bool = False


def golden_crops(size: int, count: int = GOLDEN) -> NDArray[np.uint8]:
    """Crops that are the same everywhere, uint8 (N, S, S, 3): sums of a few slow waves, as smooth as faces are.

    Not faces, so that none need be shipped: they ask whether two runtimes compute the same, not what a face shows.
    """
    rng = np.random.default_rng(SEED)
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    crops = np.empty((count, size, size, 3), np.uint8)
    for crop in crops:
        fx, fy, phase = rng.uniform(-4, 4, (3, WAVES))
        grey = sum(np.sin(2 * np.pi * (a * x + b * y) + p) for a, b, p in zip(fx, fy, phase, strict=True))
        tint = rng.uniform(0.8, 1.2, 3)
        crop[:] = np.clip(128 + rng.uniform(20, 45) * np.asarray(grey)[:, :, None] * tint, 0, 255)
    return crops


@dataclass(frozen=True)
class Load:
    """A time of steady work: milliseconds of each call, and the faults that were counted."""

    milliseconds: tuple[float, ...]
    faults: tuple[str, ...]

    def metrics(self) -> dict[str, Any]:
        """Calls, mean and percentiles in milliseconds, faults."""
        if not self.milliseconds:
            return {"calls": 0, "faults": list(self.faults)}
        t = np.array(self.milliseconds)
        p50, p90, p99 = (float(p) for p in np.percentile(t, [50, 90, 99]))
        found = {"calls": len(t), "mean_ms": float(t.mean()), "p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
        return {**found, "faults": list(self.faults)}


@dataclass(frozen=True)
class Acceptance:
    """What the run found.

    Attributes:
        backend: what describe() said.
        parity: agreement with the bundle's own graph on the golden crops.
        load: as `Load.metrics`.
        replug: `came_back` and the count of `faults`; empty when not asked for.
        tuned: what `fer-edge tune` recorded of this bundle on this processor; empty where it was never timed here.
    """

    device: str
    board: str
    doctor: tuple[Finding, ...]
    backend: Mapping[str, Any]
    parity: Mapping[str, float]
    load: Mapping[str, Any]
    replug: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all of it held."""
        agrees = self.parity["label_agreement"] >= MIN_AGREEMENT
        return bool(agrees and self.load["calls"] and not self.load["faults"] and self.replug.get("came_back", True))

    def as_mapping(self) -> dict[str, Any]:
        """What the file to send us holds."""
        found = {name: value for name, value in asdict(self).items() if name not in ("replug", "tuned") or value}
        return {"fer_edge": __version__, **found, "passed": self.passed}


def accept(options: AcceptanceOptions, on_note: Say = lambda text: None) -> Acceptance:
    """Doctor, parity, load, replug; `on_note` takes a line for people.

    Raises DeviceNotFound, BundleError, DeviceFailed: the device or the bundle cannot be opened, or gives up.
    """
    profile = find_profile(options.device)
    bundle = bundle_for(profile, options.bundle)
    doctor = tuple(examine(profile))
    classifier = open_device(profile, bundle)
    try:
        backend = classifier.describe()
        found = agreement(classifier, bundle)
        on_note(f"parity: {found['label_agreement']:.0%} of {found['pictures']} labels equal")
        on_note(f"load: {options.seconds:g} s")
        load = work(classifier, options.seconds).metrics()
        replug = _replug(classifier, on_note) if options.replug else {}
    finally:
        classifier.close()
    tuned = recorded(bundle) if recall(bundle) else {}
    on_note(
        f"tuned: {told(bundle)}" if tuned else "never tuned here; after fer-edge tune the file has its timings, too"
    )
    return Acceptance(profile.name, model_name(), doctor, backend, found, load, replug, tuned)


def _replug(classifier: Classifier, on_note: Say) -> dict[str, Any]:
    """Work until the device has failed once and answered again, or the time is up."""
    on_note(f"unplug the device now, wait for three seconds, and plug it in again ({REPLUG_S:.0f} s)")
    end, faults = monotonic() + REPLUG_S, 0
    while monotonic() < end:
        load = work(classifier, 0.2)
        faults += len(load.faults)
        if faults and load.milliseconds and not load.faults:
            on_note("it is back")
            return {"came_back": True, "faults": faults}
        sleep(AFTER_FAULT_S)
    return {"came_back": False, "faults": faults}


def agreement(classifier: Classifier, bundle: Bundle) -> dict[str, float]:
    """Relative error of the logits and share of equal labels on the golden crops, against the bundle's own graph."""
    crops = golden_crops(classifier.size)
    reference = Classifier(bundle, bundle.reference)
    wanted, given = reference.logits(crops), classifier.logits(crops)
    reference.close()
    return parity(wanted, given)


def work(classifier: Classifier, seconds: float) -> Load:
    """Infer one crop after the other for some seconds; a fault is counted and, after a short wait, the work goes on."""
    crops = golden_crops(classifier.size)
    times: list[float] = []
    faults: list[str] = []
    end = monotonic() + seconds
    while not times or monotonic() < end:
        start = perf_counter()
        try:
            classifier.logits(crops[len(times) % len(crops)][None])
        except FerEdgeError as error:
            faults.append(error.message)
            if monotonic() > end:
                break
            sleep(AFTER_FAULT_S)
        else:
            times.append(1000 * (perf_counter() - start))
    return Load(tuple(times), tuple(faults))

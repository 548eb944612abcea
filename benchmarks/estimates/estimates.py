"""What a device that is not here would take for a model: a roofline fitted to published figures, not a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from ...bundle import find_bundle, open_bundle
from ...devices.profile import find_profile
from ...errors import UsageError
from ..published.literature import ITSELF, PUBLISHED, PublishedResult, read_models, read_published, read_ratios
from ..published.verdicts import ASSUMED_SIZE, table_name
from ..published.workload import Workload, count_file
from .roofline import SPARE, TERMS, Chip, Fit, Observation, fit, slower

TRUSTED = 0.35
"""The largest leave-one-out error for which one figure is given; above it, a range."""
MIN_PIXELS = 32
"""Pixels of an input's side: smaller ones vanish in the strides of the networks here."""
EDGE_TPU = Chip("int8", 7 * 2**20)
"""The Edge TPU holds about 7 MiB of weights beside code and tensors, as in export/tflite/edgetpu_rules.py."""


@dataclass(frozen=True)
class Spec:
    """Which figures a fit is made from, and of which terms.

    Attributes:
        host: as in the published tables; figures that state none count as the PC's: 2.73 ms for MobileNetV2
            on a Coral stick cannot be anything else, Google's own figure on a Raspberry Pi 4 being 4.55.
        given: terms whose costs belong to the chip, not to the host, and the spec (device, host) they are taken from.
        like: a board whose figures are taken, each as much longer as networks took on this one by another library.
    """

    device: str
    host: str
    chip: Chip
    terms: tuple[str, ...]
    given: tuple[str, ...] = ()
    given_from: tuple[str, str] = ("", "")
    like: str = ""


SPECS = (
    Spec("coral-usb", "pc", EDGE_TPU, ("call", "macs", "activations", "bus")),
    Spec("coral-usb", "rpi4", EDGE_TPU, ("call", "bus"), ("macs", "activations"), ("coral-usb", "pc")),
    Spec("coral-usb", "rpi3b+", EDGE_TPU, ("call", "bus"), ("macs", "activations"), ("coral-usb", "pc")),
    Spec("coral-pcie", "coral-dev-board", EDGE_TPU, ("call", "macs", "activations", "bus")),
    Spec("jetson-nano", ITSELF, Chip("float16"), ("layers", "macs", "activations", "weights")),
    Spec("jetson-orin-nano", ITSELF, Chip("float32"), ("layers", "macs")),
    Spec("ncs2", "pc", Chip("float16"), ("call", "macs")),
    Spec("rk3566", ITSELF, Chip("int8"), ("macs", "activations")),
    Spec("rk3588", ITSELF, Chip("int8"), ("macs", "activations")),
    Spec("imx93", ITSELF, Chip("int8"), ("call", "macs", "weights")),
    Spec("rpi4", ITSELF, Chip("float32"), ("dense", "depthwise", "weights")),
    Spec("rpi5", ITSELF, Chip("float32"), ("dense", "depthwise", "weights")),
    Spec("rpi3", ITSELF, Chip("float32"), ("dense", "depthwise", "weights"), like="rpi4"),
    Spec("rpi-zero2", ITSELF, Chip("float32"), ("dense", "depthwise", "weights"), like="rpi4"),
)
"""One a device and host, the usual host first. A GPU pays for every kernel it starts, a processor for depthwise layers,
an Edge TPU for what crosses its bus: of the sets tried on each, the one that predicts left-out models best."""


@dataclass(frozen=True)
class Estimate:
    """What one inference would take, batch 1.

    Attributes:
        mean_ms: one figure; None where only a range is honest, or nothing.
        low_ms, high_ms: the range, where the leave-one-out error is above TRUSTED.
        parts: overhead, compute, memory, streamed and transfer, in milliseconds of the roofline's own figure.
        error, worst: leave-one-out error, mean and largest.
        figures, models: how many were fitted.
        reason: why there is no figure, or only a range, or why to doubt it.
    """

    device: str
    host: str
    model: str
    size: int
    precision: str = ""
    mean_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    error: float | None = None
    worst: float | None = None
    figures: int = 0
    models: int = 0
    sources: Sequence[str] = ()
    reason: str = ""

    @property
    def fps(self) -> float | None:
        """1000 / mean_ms."""
        return 1000 / self.mean_ms if self.mean_ms else None

    def as_mapping(self) -> dict[str, Any]:
        """What a results row holds as `estimate`; empty where there is no figure."""
        ms = {"mean_ms": self.mean_ms, "low_ms": self.low_ms, "high_ms": self.high_ms}
        given = {name: value for name, value in ms.items() if value is not None}
        if not given:
            return {}
        return {**given, "tool": f"fer-edge roofline, leave-one-out error {self.error:.0%}"}


def estimate(device: str, model: str = "default", size: int | None = None, folder: Path = PUBLISHED) -> list[Estimate]:
    """What a device would take for a model, one estimate for each host that figures were published for.

    Args:
        device: a profile's name or alias.
        model: one of the published models, timm's name for one, or a bundle.
        size: pixels of the input's side; the model's own when None.

    Raises:
        DeviceNotFound: no such device; InputError: a wrong published table; UsageError: a published model at a size
        that was not counted; BundleError, UnsupportedGraph, MissingExtra: a bundle that cannot be counted.
    """
    name = find_profile(device).name
    title, work = find_workload(model, size, folder)
    return predict(fits(folder), name, title, work)


def predict(fitted: Sequence[tuple[Spec, Fit | None]], device: str, model: str, work: Workload) -> list[Estimate]:
    """One estimate for each host of a device; where there is no spec of it, one that says so."""
    made = [_estimate(spec, found, model, work) for spec, found in fitted if spec.device == device]
    nothing = "no figure of this device was found that a fit could use"
    return made or [Estimate(device, "", model, work.size, reason=nothing)]


def find_workload(model: str, size: int | None, folder: Path = PUBLISHED) -> tuple[str, Workload]:
    """(name, workload) of a published model or a bundle; errors as `estimate`."""
    name, counted = table_name(model), read_models(folder)
    sizes = sorted(s for known, s in counted if known == name)
    if size is not None and size < MIN_PIXELS:
        raise UsageError(f"an input of {size} pixels is too small", hint=f"the same command with --input {MIN_PIXELS}")
    place = find_bundle(model)
    if not sizes or (size not in (None, *sizes) and place.exists()):  # ours are in the table so that no onnx is needed
        if not place.exists():
            known = ", ".join(dict.fromkeys(name for name, _ in counted))
            raise UsageError(f"there is no model {model!r}", cause=f"it is no bundle, and none of {known}")
        bundle = open_bundle(place)
        return bundle.manifest.name, count_file(bundle.path(bundle.reference), size)
    wanted = size or (ASSUMED_SIZE if ASSUMED_SIZE in sizes else sizes[0])
    if wanted not in sizes:
        raise UsageError(
            f"{name} was not counted at {wanted} pixels",
            cause=f"its sizes are {', '.join(map(str, sizes))}",
            hint=f"fer-edge bundle make my-model --backbone {model} --size {wanted} --calibration FACES",
        )
    return name, counted[name, wanted]


def fits(folder: Path = PUBLISHED) -> list[tuple[Spec, Fit | None]]:
    """Every spec with its fit; None where too few figures were published. Raises InputError."""
    published, models = read_published(folder), read_models(folder)
    made: dict[tuple[str, str], Fit | None] = {}
    for spec in SPECS:
        if spec.like:
            other = made[spec.like, spec.host]
            made[spec.device, spec.host] = other and slower(other, *read_ratios(spec.device, spec.like, folder))
            continue
        source = made.get(spec.given_from)
        given = {name: source.costs[name] for name in spec.given} if source else {}
        usable = partial(fit, observations_of(spec, published, models), spec.terms, spec.chip, given)
        made[spec.device, spec.host] = usable() if source or not spec.given else None
    return [(spec, made[spec.device, spec.host]) for spec in SPECS]


def observations_of(
    spec: Spec, published: Sequence[PublishedResult], models: Mapping[tuple[str, int], Workload]
) -> list[Observation]:
    """The figures of a spec's device, host and precision whose model's counts are known."""
    hosts = {spec.host, ""} if spec.host == "pc" else {spec.host}
    found = []
    for result in published:
        work = models.get((result.model, result.input or ASSUMED_SIZE))
        same = (result.device, result.precision) == (spec.device, spec.chip.precision) and result.host in hosts
        if work and same and all(isfinite(TERMS[n].amount(work, spec.chip)) for n in (*spec.terms, *spec.given)):
            found.append(Observation(result, work))
    return found


def _estimate(spec: Spec, found: Fit | None, model: str, work: Workload) -> Estimate:
    place = Estimate(spec.device, spec.host, model, work.size, spec.chip.precision)
    if found is None:
        return replace(place, reason=f"fewer than {len(spec.terms) + SPARE} models were published, too few for a fit")
    seen = found.observations
    about = replace(
        place,
        parts=found.parts(work),
        error=found.error,
        worst=found.worst,
        figures=len(seen),
        models=len({(o.published.model, o.work.size) for o in seen}),
        sources=tuple(sorted({o.published.source for o in seen})),
    )
    beyond = found.beyond(work)
    if found.error <= TRUSTED:
        return replace(about, mean_ms=found.predict(work), reason=beyond)
    low, high = found.range(work)
    reason = f"the leave-one-out error {found.error:.0%} is above {TRUSTED:.0%}: a range, not a figure"
    return replace(about, low_ms=low, high_ms=high, reason="; ".join(filter(None, [reason, beyond])))

"""From a device's profile and a bundle to a classifier that runs on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...bundle import Artifact, Bundle
from ...devices.detect import SLOW_MBPS, evidence, looked_for, usb_devices
from ...devices.profile import Profile
from ...errors import BundleError, DeviceNotFound
from ..backends import Backend, backend_file, open_backend
from .classifier import Classifier, choose_artifact
from .supervisor import SupervisedBackend
from .worker_client import RemoteBackend

FALLBACKS = ("none", "cpu")


def open_device(
    profile: Profile, bundle: Bundle, *, precision: str = "auto", threads: int = 1, fallback: str = "none"
) -> Classifier:
    """A classifier on a device.

    Args:
        precision: of the artifact; auto is what the profile says.
        threads: for backends on the processor.
        fallback: `cpu` lets the processor stand in, visibly, while the device is away; `none` fails instead.

    Raises:
        BundleError: the bundle has no artifact for the device; DeviceNotFound: device, library or interpreter absent;
        DeviceFailed: it does not start.
    """
    artifact = artifact_for(profile, bundle, precision)
    path = _engine(bundle, artifact, profile) if profile.backend == "tensorrt" else bundle.path(artifact)
    make = _opener(profile, path, {**profile.options, "threads": threads})
    connection = connected(profile)
    if profile.isolation == "none" and fallback == "none":
        return Classifier(bundle, artifact, threads, make(), connection)
    stand_in = _stand_in(bundle, threads) if fallback == "cpu" else None
    return Classifier(bundle, artifact, threads, SupervisedBackend(make, stand_in), connection)


def connected(profile: Profile, root: Path = Path("/")) -> str:
    """How a plugged-in device is connected, and a warning where the bus is slow; empty for what is built in."""
    seen = evidence(profile, root) if profile.usb or profile.pci else ""
    slow = any(d.ids in profile.usb and 0 < d.speed_mbps <= SLOW_MBPS for d in usb_devices(root))
    return f"{seen}; USB 2: what does not fit on the chip is streamed many times slower" if slow else seen


def artifact_for(profile: Profile, bundle: Bundle, precision: str = "auto") -> Artifact:
    """The bundle's artifact for a device; raises BundleError with the export command when there is none."""
    wanted = profile.precision if precision == "auto" else precision
    if wanted == "auto":
        return choose_artifact(bundle)
    fitting = [a for a in bundle.manifest.artifacts if a.kind == (profile.target, wanted, profile.chip)]
    if fitting and "delegate" in profile.options and fitting[0].report.get("compiled") is False:
        raise BundleError(
            f"{fitting[0].path} was not compiled for {profile.name}, and would run on the processor",
            cause="the compiler was not at hand when it was exported",
            hint="fer-edge bundle add BUNDLE COMPILED-FILE --log compile.log  (docs/export.md, Edge TPU)",
        )
    if fitting:
        return fitting[0]
    chip = f" --chip {profile.chip}" if profile.chip else ""
    raise BundleError(
        f"the bundle {bundle.manifest.name} has no artifact for {profile.name}",
        cause=f"it wants {profile.target} {wanted} {profile.chip}".rstrip(),
        hint=f"fer-edge export {bundle.folder} --target {profile.target} --precision {wanted}{chip} "
        "--calibration FACES --out my-bundle",
    )


def _opener(profile: Profile, artifact: Path, options: dict[str, Any]) -> Callable[[], Backend]:
    """What opens the backend; an absent device's error says what was looked for, and whether there is a trace of it."""
    plain = _plain_opener(profile, artifact, options)

    def opener() -> Backend:
        try:
            return plain()
        except DeviceNotFound as error:
            seen = evidence(profile) or "found no trace of it"
            error.cause = f"looked for {looked_for(profile)}: {seen}"
            error.hint = f"fer-edge doctor --device {profile.name}"
            raise

    return opener if looked_for(profile) else plain


def _plain_opener(profile: Profile, artifact: Path, options: dict[str, Any]) -> Callable[[], Backend]:
    """What opens the backend: here, or in a worker under the profile's interpreter."""
    file = backend_file(profile.backend)
    if profile.isolation == "none":
        return lambda: open_backend(profile.backend, artifact, options)
    if not profile.interpreter:
        return lambda: RemoteBackend(file, artifact, options)
    python = shutil.which(profile.interpreter)
    if python is None:
        raise DeviceNotFound(
            f"{profile.name} needs the interpreter {profile.interpreter}, which is not here",
            cause="its vendor library has no build for this one",
            hint=f"fer-edge doctor --device {profile.name}",
        )
    return lambda: RemoteBackend(file, artifact, options, python)


def _stand_in(bundle: Bundle, threads: int) -> Callable[[], Backend]:
    return lambda: open_backend("onnxruntime", bundle.path(choose_artifact(bundle)), {"threads": threads})


def _engine(bundle: Bundle, artifact: Artifact, profile: Profile) -> Path:
    """The engine built for this artifact on this device; raises DeviceNotFound with the command that builds it."""
    from ..engine.cache import Key, engines_folder, find_engine
    from ..engine.tools import find_tool, gpu_capability

    capability = gpu_capability()
    tool = find_tool(profile.interpreter or None)
    found = find_engine(engines_folder(), Key(artifact.sha256, tool.tensorrt, capability, artifact.precision))
    if found is None:
        raise DeviceNotFound(
            f"no engine was built for this GPU and TensorRT {tool.tensorrt}",
            cause="the bundle, TensorRT or the GPU is new since the last one",
            hint=f"fer-edge build-engine {bundle.folder}",
        )
    return found

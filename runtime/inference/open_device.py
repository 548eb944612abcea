"""From a device's profile and a bundle to a classifier that runs on it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...bundle import Artifact, Bundle, open_bundle, shipped_bundles
from ...devices.cpu import default_threads
from ...devices.detect import SLOW_MBPS, evidence, is_here, looked_for, usb_devices
from ...devices.profile import Profile
from ...devices.tuned import best, recall, told
from ...errors import BundleError, DeviceNotFound, FerEdgeError
from ..backends import Backend, backend_file, open_backend
from .classifier import Classifier, choose_artifact
from .supervisor import SupervisedBackend

FALLBACKS = ("none", "cpu")


def made_for(profile: Profile) -> str:
    """The name of the shipped bundle that a device runs when none is asked for, whatever verb asks.

    That is the first of its profile's `bundles` that ships; where none does, the first, which is then refused.
    """
    suitable = profile.bundles or ("edgetpu" if profile.target == "edgetpu" else "default",)
    return next((name for name in suitable if name in shipped_bundles()), suitable[0])


def bundle_for(profile: Profile, asked: Bundle | Path | str | None = None, lazily: bool = False) -> Bundle:
    """The bundle asked for (a path, the name of one that ships, an opened one), else `made_for`; raises BundleError.

    Args:
        lazily: only what is used is read, a third of the default bundle.
    """
    return asked if isinstance(asked, Bundle) else open_bundle(asked or made_for(profile), lazily=lazily)


def open_device(
    profile: Profile, bundle: Bundle, *, precision: str = "auto", threads: int = 1, fallback: str = "none"
) -> Classifier:
    """A classifier on a device.

    Args:
        precision: of the artifact; auto is what the profile says.
        threads: for backends on the processor.
        fallback: `cpu` lets the processor stand in, visibly, for whatever keeps the device from running; `none` fails.

    Raises:
        DeviceNotFound: device, library or interpreter absent; BundleError: the bundle has no artifact for the device;
        DeviceFailed: it does not start.
    """
    tuned = _tuned(profile, bundle, precision, threads)
    if tuned is not None:
        return tuned
    stand_in = choose_artifact(bundle) if fallback == "cpu" else None
    try:
        artifact = artifact_for(profile, bundle, precision)
    except (BundleError, DeviceNotFound):
        if stand_in is None:
            raise
        artifact = stand_in

    def make() -> Backend:
        return _open(profile, bundle, artifact_for(profile, bundle, precision), threads)

    connection = connected(profile)
    if profile.isolation == "none" and stand_in is None:
        return Classifier(bundle, artifact, threads, make(), connection)
    instead = _stand_in(bundle, stand_in, threads) if stand_in else None
    return Classifier(bundle, artifact, threads, SupervisedBackend(make, instead), connection, stand_in)


def _tuned(profile: Profile, bundle: Bundle, precision: str, threads: int) -> Classifier | None:
    """What `fer-edge tune` measured to be fastest on this processor; None where it did not, or that does not open."""
    chosen = best(recall(bundle), threads) if profile.backend == "onnxruntime" and precision == "auto" else None
    artifact = next((a for a in bundle.manifest.artifacts if chosen and a.path == chosen.artifact), None)
    if chosen is None or artifact is None or profile.precision != "auto":
        return None
    path = bundle.path(artifact)  # damaged, it is told, not passed over
    try:
        backend = open_backend(chosen.backend, path, {"threads": threads})
        return Classifier(bundle, artifact, threads, backend, tuned=told(bundle))
    except FerEdgeError:
        return None


def threads_for(profile: Profile, bundle: Bundle, asked: int | None) -> int:
    """Threads on the processor: as many as were asked for, else as were measured to be fastest, else up to four."""
    measured = best(recall(bundle)) if profile.backend == "onnxruntime" and not asked else None
    return asked or (measured.threads if measured else default_threads())


def connected(profile: Profile, root: Path = Path("/")) -> str:
    """How a plugged-in device is connected, and a warning where the bus is slow; empty for what is built in."""
    seen = evidence(profile, root) if profile.usb or profile.pci else ""
    slow = any(d.ids in profile.usb and 0 < d.speed_mbps <= SLOW_MBPS for d in usb_devices(root))
    return f"{seen}; USB 2: what does not fit on the chip is streamed many times slower" if slow else seen


def artifact_for(profile: Profile, bundle: Bundle, precision: str = "auto") -> Artifact:
    """The bundle's artifact for a device.

    Raises:
        DeviceNotFound: it has none, and the device is not here either; BundleError: it has none, with the command that
        makes it.
    """
    wanted = profile.precision if precision == "auto" else precision
    if wanted == "auto":
        return choose_artifact(bundle)
    fitting = [a for a in bundle.manifest.artifacts if a.kind == (profile.target, wanted, profile.chip)]
    compiled = not ("delegate" in profile.options and fitting and fitting[0].report.get("compiled") is False)
    if fitting and compiled:
        check_readable(profile, fitting[0])
        return fitting[0]
    lacks = _lacking(profile, bundle, wanted) if not fitting else _uncompiled(profile, bundle, fitting[0])
    if is_here(profile):
        raise lacks
    raise DeviceNotFound(
        f"{profile.name} is not here: looked for {looked_for(profile)}",
        cause=f"it is not plugged in, or the kernel does not see it; besides, {lacks.message}",
        hint=f"fer-edge doctor --device {profile.name}",
    )


def check_readable(profile: Profile, artifact: Artifact) -> None:
    """Raises BundleError where the export found that the device's library cannot read the file."""
    why = artifact.report.get("unreadable_by", {}).get(profile.name)
    if why:
        raise BundleError(
            f"{artifact.path} cannot run on {profile.name}: {why}",
            cause="the model has layers that are newer than the device's last library",
            hint=f"fer-edge run demo --device {profile.name} --bundle default",
        )


def _lacking(profile: Profile, bundle: Bundle, precision: str) -> BundleError:
    return BundleError(
        f"the bundle {bundle.manifest.name} has no artifact for {profile.name}",
        cause=f"it wants {profile.target} {precision} {profile.chip}".rstrip(),
        hint=bundle.export_command(profile.target, precision, profile.chip) + _compiler(profile),
    )


def _uncompiled(profile: Profile, bundle: Bundle, artifact: Artifact) -> BundleError:
    return BundleError(
        f"{artifact.path} was not compiled for {profile.name}, and would run on the processor",
        cause="the compiler was not at hand when it was exported",
        hint=bundle.export_command(artifact.target, artifact.precision, profile.chip) + _compiler(profile),
    )


def _compiler(profile: Profile) -> str:
    """What an Edge TPU's export needs besides: a file that was not compiled would run on the processor."""
    return " --compiler docker" if "delegate" in profile.options else ""


@contextmanager
def telling_what_was_looked_for(profile: Profile) -> Iterator[None]:
    """An absent device's error says what was looked for, and whether there is a trace of it."""
    try:
        yield
    except DeviceNotFound as error:
        seen = evidence(profile)
        if looked_for(profile) and not (seen and error.hint not in ("", "fer-edge doctor")):
            error.cause = f"looked for {looked_for(profile)}: {seen or 'found no trace of it'}"
            error.hint = f"fer-edge doctor --device {profile.name}"
        raise


def _open(profile: Profile, bundle: Bundle, artifact: Artifact, threads: int) -> Backend:
    """The backend: here, or in a worker under the profile's interpreter; raises as `open_device`."""
    options, file = {**profile.options, "threads": threads}, backend_file(profile.backend)
    path = _engine(bundle, artifact, profile) if profile.backend == "tensorrt" else bundle.path(artifact)
    with telling_what_was_looked_for(profile):
        if profile.isolation == "none":
            return open_backend(profile.backend, path, options)
        python = shutil.which(profile.interpreter) if profile.interpreter else sys.executable
        if python is None:
            raise DeviceNotFound(
                f"{profile.name} needs the interpreter {profile.interpreter}, which is not here",
                cause="its vendor library has no build for this one",
                hint=f"fer-edge doctor --device {profile.name}",
            )
        from .worker_client import RemoteBackend

        return RemoteBackend(file, path, options, python)


def _stand_in(bundle: Bundle, artifact: Artifact, threads: int) -> Callable[[], Backend]:
    path = bundle.path(artifact)  # found damaged now, not when the device has failed
    return lambda: open_backend("onnxruntime", path, {"threads": threads})


def _engine(bundle: Bundle, artifact: Artifact, profile: Profile) -> Path:
    """The engine built for this artifact on this device; raises DeviceNotFound with the command that builds it."""
    from ..engine.cache import Key, engines_folder, find_engine
    from ..engine.tools import find_tool, gpu_capability

    with telling_what_was_looked_for(profile):
        capability = gpu_capability()
        tool = find_tool(profile.interpreter or None)
    found = find_engine(engines_folder(), Key(artifact.sha256, tool.tensorrt, capability, artifact.precision))
    if found is None:
        raise DeviceNotFound(
            f"no engine was built for this GPU and TensorRT {tool.tensorrt}",
            cause="the bundle, TensorRT or the GPU is new since the last one",
            hint=f"fer-edge build-engine {bundle.words} --device {profile.name}",
        )
    return found

"""Are its libraries there, in versions that go together, and for the right interpreter?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...bundle import open_bundle
from ..compatibility import Compatibility, check_versions, install_command
from ..detect import text_of
from ..profile import Profile
from ..tuned import told
from . import libraries
from .bus import driver_version
from .commands import is_live
from .finding import Finding, State, ok, problem, unchecked
from .interpreter import Interpreter, interrogate

INSTALL = {
    "onnxruntime": "{python} -m pip install onnxruntime",
    "openvino": "{python} -m pip install openvino",
    "openvino-2021": "python3.9 -m venv ncs2 && ncs2/bin/pip install openvino==2021.4.2",
    "tflite": "{python} -m pip install ai-edge-litert",
    "tensorrt": "sudo apt install nvidia-jetpack",
    "rknn": "{python} -m pip install rknn-toolkit-lite2",
    "hailo": "sudo apt install hailo-all",
}
"""Backend -> what brings its library, where no row of the profile's pairs says better."""
PLUG_INS = {
    "GPU": "sudo apt install intel-opencl-icd",
    "NPU": "sudo apt install libze1 intel-level-zero-npu  # the second from Intel's linux-npu-driver",
    "MYRIAD": "lsusb -d 03e7:  # unplug the stick and plug it in again",
}
"""OpenVINO device -> what its plug-in needs beside it."""
ABI = re.compile(
    r"numpy\.core\.(multiarray|umath) failed to import|compiled using NumPy 1|_ARRAY_API not found"
    r"|compiled against A[PB]I version|numpy\.\w+ size changed"
)
"""How a library built for another numpy fails."""
JETPACKS = {"32.4": "4.4", "32.5": "4.5", "32.6": "4.6", "32.7": "4.6", "35": "5", "36": "6", "38": "7"}
"""Release of Jetson Linux -> JetPack, from NVIDIA's JetPack archive."""


def examine(profile: Profile, root: Path, here: bool) -> Iterator[Finding]:
    """Shared libraries, interpreter, numpy, pairs, the vendor's module, OpenVINO's plug-in.

    Args:
        here: whether the device itself was seen; a plug-in cannot see one that is not.
    """
    found = {
        name: version for name, version in (("jetpack", jetpack(root)), ("rknpu", driver_version(root))) if version
    }
    yield from libraries.examine(profile, root, found)
    python = interrogate(profile, root)
    if python is None or python.error:
        yield _no_interpreter(profile, root, python)
        if profile.pairs:
            yield _pairs(profile, found, python)
        return
    yield ok("interpreter", f"{python.path} {python.python}")
    yield _numpy(python)
    found.update(_versions(python))
    stale = bool(ABI.search(python.use_error if python.module else " ".join(python.failed)))
    if stale:
        yield _abi(python)
    pair = _pairs(profile, found, python)
    if profile.pairs:
        yield pair
    yield _library(profile, found, python, stale=stale, waits=pair.state is State.PROBLEM)
    device = str(profile.options.get("device", ""))
    if device.startswith("AUTO") and python.devices is not None:
        yield _auto(device, python)
    elif device and python.devices is not None:
        yield _plug_in(device, python.devices, here)


def tuned() -> Finding:
    """Whether the ways to run the shipped model on this processor were timed."""
    chosen = told(open_bundle())
    return ok("tuned", chosen) if chosen else unchecked("tuned", "never timed here: fer-edge tune takes seconds")


def jetpack(root: Path) -> str:
    """JetPack's version, as far as the release of Jetson Linux tells it; empty elsewhere."""
    release = re.match(r"# R(\d+) \(release\), REVISION: (\d+)", text_of(root / "etc/nv_tegra_release"))
    return (JETPACKS.get(f"{release[1]}.{release[2]}") or JETPACKS.get(release[1], "")) if release else ""


def _versions(python: Interpreter) -> dict[str, str]:
    """Components found by the interpreter; its own version counts only while the library was not imported."""
    found = {"numpy": python.numpy, **python.others}
    if python.module:
        found |= {python.package: python.version, "library": python.version}
    else:
        found["python"] = python.python
    return {name: version for name, version in found.items() if version}


def _no_interpreter(profile: Profile, root: Path, python: Interpreter | None) -> Finding:
    if python is not None:
        return problem("interpreter", f"{python.path} does not run: {python.error}", f"{python.path} -V")
    if not is_live(root):
        return unchecked("interpreter", "a recorded tree runs nothing, and holds no commands/interpreter.txt")
    name = Path(profile.interpreter).name
    version = name.removeprefix("python")
    fix = f"uv python install {version}" if "." in version else f"sudo apt install {name}"
    return problem(
        "interpreter",
        f"{profile.interpreter} is not here",
        f'{fix}  # or name another in a profile of your own: interpreter = "PATH"',
    )


def _numpy(python: Interpreter) -> Finding:
    if python.numpy:
        return ok("numpy", python.numpy)
    return problem("numpy", python.numpy_error or "unknown", f"{python.path} -m pip install --force-reinstall numpy")


def _abi(python: Interpreter) -> Finding:
    library = python.package or "its library"
    version = "'numpy<2'" if not python.numpy.startswith(("0.", "1.")) else "--upgrade 'numpy<2'"
    seen = f"{library} was built for another numpy than {python.numpy or 'the one here'}"
    return problem("numpy ABI", seen, f"{python.path} -m pip install {version}")


def _pairs(profile: Profile, found: dict[str, str], python: Interpreter | None) -> Finding:
    checked = check_versions(profile.pairs, found)
    if checked.status is Compatibility.GOOD:
        return ok("versions", checked.message)
    if checked.status is Compatibility.BAD:
        fix = checked.fix or libraries.GET.get(checked.component) or _install(profile)
        return problem("versions", checked.message, _under(python, fix))
    return unchecked("versions", checked.message)


def _library(profile: Profile, found: dict[str, str], python: Interpreter, *, stale: bool, waits: bool) -> Finding:
    """The vendor's module; what other lines already explain is not said twice."""
    tried = "; ".join(python.failed) or python.use_error
    if stale or python.numpy_error:
        return unchecked("library", "waits for numpy")
    if python.trying:
        return problem("library", f"{python.trying} {python.ended}", f"{python.path} -c 'import {python.trying}'")
    if python.module and python.use_error:
        seen = f"{python.package} {python.version or 'unknown'} cannot be used: {python.use_error}"
        return problem("library", seen, f"{python.path} -m pip install --force-reinstall {python.package}")
    if python.module:
        return ok("library", f"{python.package} {python.version or 'unknown'}")
    if not tried:
        return unchecked("library", "a backend from another package")
    if waits:
        return unchecked("library", f"waits for versions that go together ({tried})")
    return problem("library", tried, _under(python, install_command(profile.pairs, found) or _install(profile)))


def _plug_in(device: str, seen: tuple[str, ...], here: bool) -> Finding:
    known = ", ".join(seen) or "nothing"
    if any(name.split(".")[0] == device for name in seen):
        return ok("plug-in", f"OpenVINO sees {known}")
    if not here:
        return unchecked("plug-in", "waits for the device")
    fix = PLUG_INS.get(device, "python -c 'import openvino; print(openvino.Core().available_devices)'")
    return problem("plug-in", f"OpenVINO sees {known}, no {device}", fix)


def _auto(asked: str, python: Interpreter) -> Finding:
    """What AUTO took for the smallest graph: the choice that nobody else tells."""
    known = ", ".join(python.devices or ()) or "nothing"
    if python.took:
        return ok("plug-in", f"{asked} takes {python.took}; OpenVINO sees {known}")
    fix = "python -c 'import openvino; print(openvino.Core().available_devices)'"
    return problem("plug-in", f"{asked} takes nothing; OpenVINO sees {known}", fix)


def _install(profile: Profile) -> str:
    return INSTALL.get(profile.backend, "{python} -m pip list")


def _under(python: Interpreter | None, command: str) -> str:
    """A command with the interpreter that it is for."""
    return command.replace("{python}", python.path if python else "python3")

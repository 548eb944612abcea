"""What an interpreter can import and use, asked in a process of its own: some vendor libraries end it."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..profile import Profile
from .commands import LATE, ask, is_live

LIMIT_S = 60.0
MODULES = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "openvino-2021": ("openvino.inference_engine",),
    "tflite": ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"),
    "tensorrt": ("tensorrt",),
    "rknn": ("rknnlite.api",),
    "hailo": ("hailo_platform",),
}
"""Backend -> the modules of its vendor library, the first of which that can be imported is taken."""
PACKAGES = {
    "ai_edge_litert": "ai-edge-litert",
    "tflite_runtime": "tflite-runtime",
    "rknnlite": "rknn-toolkit-lite2",
    "hailo_platform": "hailort",
}
"""Module -> the name of its package, where the two differ."""
GRAPH = (
    "1800000054464c3300000e00140010000c000800000004000e000000100000001c000000500000000300000001000000"
    "08000000040004000400000001000000100000000c00140010000c00080004000c000000100000001000000010000000"
    "100000000000000000000000000000000000000000000000"
)
"""The smallest graph that TFLite opens, in hex: one subgraph without tensors or operators, and one empty buffer."""
PROBE = r"""
import importlib, json, sys
answer = {"python": "%d.%d.%d" % sys.version_info[:3], "failed": []}
def say():
    print(json.dumps(answer))
    sys.stdout.flush()
def chain(error):
    words = []
    while error is not None and len(words) < 4:
        words.append("%s: %s" % (type(error).__name__, str(error).split("\n")[0][:200]))
        error = error.__cause__ or error.__context__
    return ", from ".join(words)
def version(package, *modules):
    try:
        from importlib.metadata import version
        return version(package)
    except Exception:
        return next((str(m.__version__) for m in modules if hasattr(m, "__version__")), "")
def took(openvino, core, device):
    try:
        from openvino import opset8
    except ImportError:
        from openvino.runtime import opset8
    picture = opset8.parameter([1, 3, 8, 8], numpy.float32)
    graph = openvino.Model([opset8.relu(picture)], [picture], "probe")
    compiled = core.compile_model(graph, device, {"ENABLE_STARTUP_FALLBACK": False})
    return ", ".join(compiled.get_property("EXECUTION_DEVICES"))
def use(name, module):
    # tflite_runtime meets numpy's ABI only when a graph is opened; OpenVINO loads its plug-ins when it is asked.
    if name.endswith(".interpreter"):
        try:
            module.Interpreter(model_content=bytes.fromhex(sys.argv[1]))
        except ValueError:
            pass
    elif name.startswith("openvino"):
        core = module.IECore() if hasattr(module, "IECore") else module.Core()
        answer["devices"] = [str(device) for device in core.available_devices]
        if sys.argv[2].startswith("AUTO"):
            answer["took"] = took(module, core, sys.argv[2])
try:
    import numpy
    answer["numpy"] = numpy.__version__
except Exception as error:
    answer["numpy_error"] = chain(error)
for pair in sys.argv[3:]:
    name, package = pair.split("=")
    answer["trying"] = name
    say()
    try:
        module = importlib.import_module(name)
        top = importlib.import_module(name.split(".")[0])
        answer["module"], answer["package"] = name, package
        answer["version"] = version(package, top, module)
        use(name, module)
        break
    except Exception as error:
        if "module" in answer:
            answer["use_error"] = chain(error)
            break
        answer["failed"].append("%s: %s" % (name, chain(error)))
        other = version(package)
        if other:
            answer.setdefault("others", {})[package] = other
answer.pop("trying", None)
say()
"""


@dataclass(frozen=True)
class Interpreter:
    """What it said of itself. Empty texts where it said nothing.

    Attributes:
        path: how it is called; `error`: why it could not be asked.
        python, numpy: versions; `numpy_error`: why numpy could not be imported.
        module, package, version: the vendor's library, imported; `use_error`: why it could not be used.
        failed: what was tried and could not be imported, and why.
        others: package -> version of what is installed without the module that is needed.
        trying: the module that was tried when the process ended; `ended`: how it did.
        devices: what OpenVINO's plug-ins see; None when it was not asked. `took`: what AUTO chose among them.
    """

    path: str
    error: str = ""
    python: str = ""
    numpy: str = ""
    numpy_error: str = ""
    module: str = ""
    package: str = ""
    version: str = ""
    use_error: str = ""
    failed: tuple[str, ...] = ()
    others: dict[str, str] = field(default_factory=dict)
    trying: str = ""
    ended: str = ""
    devices: tuple[str, ...] | None = None
    took: str = ""


def question(backend: str, device: str = "") -> list[str]:
    """The probe's arguments: OpenVINO's device, each module that drives a backend, and its package."""
    tops = {name: name.split(".")[0] for name in MODULES.get(backend, ())}
    return [device, *(f"{name}={PACKAGES.get(top, top)}" for name, top in tops.items())]


def interrogate(profile: Profile, root: Path) -> Interpreter | None:
    """Ask the interpreter of a profile; None when it is not on PATH, or nothing was recorded of it."""
    path = profile.interpreter or (sys.executable if is_live(root) else "python3")
    if is_live(root) and shutil.which(path) is None:
        return None
    # As a worker is started, so that it sees the same: our own interpreter with our libraries, another one isolated.
    alone = ["-I"] if profile.isolation == "process" and profile.interpreter else []
    asked = question(profile.backend, str(profile.options.get("device", "")))
    answer = ask(root, [path, *alone, "-c", PROBE, GRAPH, *asked], name="interpreter", limit_s=LIMIT_S)
    if answer is None:
        return Interpreter(path, error="it cannot be started") if is_live(root) else None
    said = _last_object(answer.text)
    late = answer.code == LATE
    ended = f"did not answer within {LIMIT_S:.0f} s" if late else f"ended the process with code {answer.code}"
    if "python" not in said:
        return Interpreter(path, error=f"it {ended}")
    return _read(path, said, ended)


def _last_object(text: str) -> dict[str, Any]:
    """The last line that is a JSON object: vendor libraries print too."""
    for line in reversed(text.splitlines()):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict):
            return said
    return {}


def _read(path: str, said: dict[str, Any], ended: str) -> Interpreter:
    """An answer with every value of its kind; a recording may hold anything."""
    names = ("python", "numpy", "numpy_error", "module", "package", "version", "use_error", "trying", "took")
    texts = {name: str(said.get(name, "")) for name in names}
    failed, others, devices = said.get("failed"), said.get("others"), said.get("devices")
    return Interpreter(
        path,
        ended=ended,
        failed=tuple(map(str, failed)) if isinstance(failed, list) else (),
        others={str(k): str(v) for k, v in others.items()} if isinstance(others, dict) else {},
        devices=tuple(map(str, devices)) if isinstance(devices, list) else None,
        **texts,
    )

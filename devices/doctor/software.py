"""Are its libraries there, in versions that go together, and for the right interpreter?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ..profile import Profile
from .finding import Finding, ok, problem, unchecked

FOLDERS = ("usr/lib", "usr/lib/*-linux-gnu", "usr/local/lib", "lib", "lib/*-linux-gnu", "usr/lib/*-linux-gnu/tegra")
MODULES = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "openvino-2021": ("openvino.inference_engine",),
    "tflite": ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"),
    "tensorrt": ("tensorrt",),
    "rknn": ("rknnlite.api",),
}
"""Backend -> the modules of its vendor library, any of which will do."""
INSTALL = {
    "onnxruntime": "pip install onnxruntime",
    "openvino": "pip install 'fer-edge[openvino]'",
    "openvino-2021": "python3.9 -m venv ncs2 && ncs2/bin/pip install openvino==2021.4.2",
    "tflite": "pip install ai-edge-litert",
    "tensorrt": "sudo apt install nvidia-jetpack",
    "rknn": "pip install rknn-toolkit-lite2",
}
LIMIT_S = 60
PROBE = """
import importlib, json, sys
answer = {"python": "%d.%d.%d" % sys.version_info[:3]}
try:
    import numpy
    answer["numpy"] = numpy.__version__
except Exception as error:
    answer["error"] = "numpy: %s" % error
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
        top = importlib.import_module(name.split(".")[0])
        answer["module"], answer["version"] = name, str(getattr(top, "__version__", "unknown"))
        break
    except Exception as error:
        answer.setdefault("failed", []).append("%s: %s" % (name, str(error).split(chr(10))[0]))
print(json.dumps(answer))
"""


def examine(profile: Profile, root: Path, live: bool) -> Iterator[Finding]:
    """Shared libraries, interpreter, numpy, the vendor's module, known pairs."""
    for name in profile.libraries:
        yield _library(name, root)
    yield from _interpreter(profile, live)
    if profile.pairs:
        known = "; ".join(", ".join(f"{k} {v}" for k, v in p.items() if k != "note") for p in profile.pairs)
        yield unchecked("pairs known to work", known)


def find_library(name: str, root: Path) -> Path | None:
    """Where a shared library lies, links followed inside `root`; its real name often carries its version."""
    for pattern in FOLDERS:
        for folder in sorted(root.glob(pattern)):
            path = folder / name
            if path.is_symlink():
                target = Path(str(path.readlink()))
                return root / str(target).lstrip("/") if target.is_absolute() else folder / target
            if path.is_file():
                return path
    return None


def _library(name: str, root: Path) -> Finding:
    path = find_library(name, root)
    if path is None:
        return problem(name, "not in any library folder", f"sudo ldconfig -p | grep {name.split('.')[0]}")
    if not path.is_file():
        return problem(
            name, f"/{path.relative_to(root)} is a link to nothing", f"ls -l /{path.parent.relative_to(root)}"
        )
    return ok(name, f"/{path.relative_to(root)}")


def _interpreter(profile: Profile, live: bool) -> Iterator[Finding]:
    if not live:
        yield unchecked("interpreter", "a recorded tree runs nothing")
        return
    python = shutil.which(profile.interpreter) if profile.interpreter else sys.executable
    if python is None:
        seen = f"{profile.interpreter} is not on PATH"
        yield problem("interpreter", seen, 'name another one in a profile of your own: interpreter = "/path"')
        return
    modules = MODULES.get(profile.backend, ())
    answer = ask(python, modules)
    if "python" not in answer:
        yield problem("interpreter", f"{python} does not run: {answer['error']}", f"{python} -V")
        return
    yield ok("interpreter", f"{python} {answer['python']}")
    if "error" in answer:
        yield problem("numpy", answer["error"], f"{python} -m pip install --force-reinstall numpy")
    else:
        yield ok("numpy", answer["numpy"])
    if "module" in answer:
        yield ok("library", f"{answer['module'].split('.')[0]} {answer['version']}")
    elif modules:
        yield problem("library", "; ".join(answer["failed"]), INSTALL[profile.backend])


def ask(python: str, modules: tuple[str, ...]) -> dict[str, str]:
    """What an interpreter can import, asked in a process of its own, because some vendor libraries end it."""
    try:
        done = subprocess.run([python, "-c", PROBE, *modules], capture_output=True, text=True, timeout=LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    try:
        answer: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {"error": f"it ended with code {done.returncode}"}
    return answer

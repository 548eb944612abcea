"""The two ways to build an engine: TensorRT's Python bindings under some interpreter, else its `trtexec`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...errors import DeviceFailed, DeviceNotFound

BUILDER = Path(__file__).with_name("builder.py")
TRTEXEC = Path("/usr/src/tensorrt/bin/trtexec")
"""Where JetPack puts it, outside PATH."""
PROBE_S, BUILD_S = 60, 3600
MEMORY_POOLS, SKIP_INFERENCE = (8, 4), (8, 6)
"""From these versions on trtexec has --memPoolSize for --workspace, and --skipInference for --buildOnly."""


class EngineTool(Protocol):
    """Builds engines on this machine."""

    @property
    def tensorrt(self) -> str:
        """Version of the TensorRT behind it."""

    def build(self, onnx: Path, engine: Path, precision: str, workspace_mib: int) -> None:
        """Write the engine; raises DeviceFailed with what TensorRT says."""


@dataclass(frozen=True)
class Bindings:
    """TensorRT's Python bindings."""

    python: str
    tensorrt: str

    def build(self, onnx: Path, engine: Path, precision: str, workspace_mib: int) -> None:
        """Run builder.py under the interpreter that has the bindings."""
        spec = {"onnx": str(onnx), "engine": str(engine), "precision": precision, "workspace_mib": workspace_mib}
        file = engine.with_suffix(".json")
        file.write_text(json.dumps(spec), encoding="utf-8")
        try:
            answer = _ask([self.python, str(BUILDER), "build", str(file)], BUILD_S)
        finally:
            file.unlink(missing_ok=True)
        if "error" in answer:
            raise DeviceFailed(f"the engine was not built: {answer['error']}", hint="free memory, and try again")


@dataclass(frozen=True)
class Trtexec:
    """NVIDIA's command-line tool."""

    path: str
    tensorrt: str

    def command(self, onnx: Path, engine: Path, precision: str, workspace_mib: int) -> list[str]:
        """Its words, which changed with 8.4 and 8.6."""
        version = tuple(int(n) for n in self.tensorrt.split(".")[:2])
        pool = f"--memPoolSize=workspace:{workspace_mib}" if version >= MEMORY_POOLS else f"--workspace={workspace_mib}"
        only = "--skipInference" if version >= SKIP_INFERENCE else "--buildOnly"
        half = ["--fp16"] if precision == "float16" else []
        return [self.path, f"--onnx={onnx}", f"--saveEngine={engine}", *half, pool, only]

    def build(self, onnx: Path, engine: Path, precision: str, workspace_mib: int) -> None:
        """Run it and look for the file."""
        done = subprocess.run(
            self.command(onnx, engine, precision, workspace_mib), capture_output=True, text=True, timeout=BUILD_S
        )
        if done.returncode or not engine.is_file():
            errors = [line for line in (done.stdout + done.stderr).splitlines() if "[E]" in line]
            said = errors[-1].split("[E]")[-1].strip() if errors else f"exit code {done.returncode}"
            raise DeviceFailed(f"trtexec did not build the engine: {said}", hint="free memory, and try again")


def find_tool(python: str | None = None, trtexec: str | None = None) -> EngineTool:
    """The bindings if an interpreter has them, else trtexec; raises DeviceNotFound when neither is here.

    Args:
        python: the interpreter to ask; None asks this one and the system's.
        trtexec: the program to use; None looks on PATH and where JetPack puts it.
    """
    asked = [python] if python else _interpreters()
    if trtexec is None:
        for interpreter in asked:
            answer = _ask(
                [interpreter, "-c", "import tensorrt, json; print(json.dumps(tensorrt.__version__))"], PROBE_S
            )
            if isinstance(answer, str):
                return Bindings(interpreter, answer)
    path = trtexec or shutil.which("trtexec") or (str(TRTEXEC) if TRTEXEC.is_file() else None)
    version = trtexec_version(path) if path else ""
    if path is None or not version:
        raise DeviceNotFound(
            "TensorRT was not found",
            cause=f"no `import tensorrt` in {', '.join(asked)}, and no trtexec on PATH or at {TRTEXEC}",
            hint="on a Jetson: sudo apt install nvidia-jetpack; elsewhere name it with --python or --trtexec",
        )
    return Trtexec(path, version)


def trtexec_version(path: str) -> str:
    """TensorRT's version from trtexec's first line, `[TensorRT v8201]` or `[TensorRT v100300]`; empty without one."""
    try:
        done = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=PROBE_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\[TensorRT v(\d{4,6})\]", done.stdout + done.stderr)
    if found is None:
        return ""
    digits = found[1].zfill(6)  # v8201 is 08 02 01 without its zeros; before 10 the minor has one digit
    parts = (digits[:2], digits[2:4], digits[4:]) if len(found[1]) > 4 else (found[1][0], found[1][1], found[1][2:])
    return ".".join(str(int(p)) for p in parts)


def gpu_capability() -> str:
    """Compute capability of the first GPU, asked in a process of its own; raises DeviceNotFound."""
    answer = _ask([sys.executable, str(BUILDER), "capability"], PROBE_S)
    if not isinstance(answer, str):
        raise DeviceNotFound(
            "there is no NVIDIA GPU here, for which an engine could be built",
            cause=answer.get("error", "libcuda.so.1 did not answer"),
            hint="run this on the Jetson itself",
        )
    return answer


def _interpreters() -> Iterable[str]:
    """This one and the system's, each once."""
    return list(dict.fromkeys(p for p in (sys.executable, "/usr/bin/python3") if Path(p).is_file()))


def _ask(command: Sequence[str], limit_s: float) -> Any:
    """What a child prints as JSON on its last line, or {"error": …} when it crashes, hangs or prints something else."""
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, timeout=limit_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    lines = done.stdout.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        said = done.stderr.strip().splitlines()[-1:] or [f"it ended with code {done.returncode}"]
        return {"error": said[0]}

"""Finding or building the engine for an artifact on this GPU."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ...bundle import Artifact, Bundle, cache_folder, locked, sha256_of, write_text, writing
from ...devices.detect import memory_mib
from ...devices.doctor.jetson import SMALL_MIB
from ...devices.doctor.system import MORE_SWAP
from ...errors import DeviceFailed
from .tools import EngineTool

NEEDED_MIB = 3072
"""Memory and swap that building a ResNet-50 wants beside its workspace; a Nano without swap is killed half-way."""


@dataclass(frozen=True)
class Key:
    """Everything an engine depends on."""

    onnx: str
    """SHA-256 of the graph."""
    tensorrt: str
    capability: str
    precision: str

    @property
    def name(self) -> str:
        """Name of its file."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Engine:
    """An engine on disk, and whether it was there already."""

    path: Path
    key: Key
    built: bool


def engines_folder() -> Path:
    """Where engines are kept: the user's cache, because they belong to this machine and not to the bundle."""
    return cache_folder() / "engines"


def find_engine(folder: Path, key: Key) -> Path | None:
    """The engine of exactly this key, whole; None when there is none, or its file is not what was written."""
    path, note = folder / f"{key.name}.engine", folder / f"{key.name}.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = path.is_file() and known == {**asdict(key), "sha256": sha256_of(path)}
    return path if whole else None


def engine_for(
    bundle: Bundle,
    artifact: Artifact,
    tool: EngineTool,
    capability: str,
    *,
    folder: Path,
    workspace_mib: int,
    say: Callable[[str], None] = lambda line: None,
) -> Engine:
    """The engine for an artifact on this GPU, built if there is none of its key; older ones of this graph are removed.

    Args:
        artifact: of target tensorrt.
        capability: compute capability of the GPU, such as 5.3.
        folder: where engines are kept.
        workspace_mib: scratch memory the builder may use.

    Raises:
        DeviceFailed: TensorRT did not build it; OutputError: the folder cannot be written.
    """
    key = Key(artifact.sha256, tool.tensorrt, capability, artifact.precision)
    with locked(folder / key.name):
        there = find_engine(folder, key)
        if there is not None:
            return Engine(there, key, built=False)
        path = folder / f"{key.name}.engine"
        say(f"building for TensorRT {key.tensorrt}, compute capability {capability}; this takes minutes on a Nano")
        with writing(path) as temporary:
            tool.build(bundle.path(artifact), temporary, artifact.precision, workspace_mib)
        write_text(folder / f"{key.name}.json", json.dumps({**asdict(key), "sha256": sha256_of(path)}) + "\n")
    for stale in _stale(folder, key):
        say(f"removed {stale.name}, built for another TensorRT or GPU")
        stale.with_suffix(".json").unlink(missing_ok=True)
        stale.unlink(missing_ok=True)
    return Engine(path, key, built=True)


def check_memory(workspace_mib: int, root: Path = Path("/")) -> None:
    """Raise DeviceFailed on a small board whose memory and swap would not do for building; it says how to add swap."""
    mib = memory_mib(root)
    free = mib.get("MemAvailable", 0) + mib.get("SwapFree", 0)
    if 0 < mib.get("MemTotal", 0) < SMALL_MIB and free < NEEDED_MIB + workspace_mib:
        raise DeviceFailed(
            f"building an engine needs about {NEEDED_MIB + workspace_mib} MiB; memory and swap have {free} MiB free",
            cause="a 4 GB board without swap is stopped by the kernel half-way",
            hint=MORE_SWAP,
        )


def _stale(folder: Path, key: Key) -> list[Path]:
    """Engines of the same graph and precision, built for something else."""
    found = []
    for note in folder.glob("*.json"):
        try:
            known = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            continue
        same = known.get("onnx") == key.onnx and known.get("precision") == key.precision
        if same and note.stem != key.name:
            found.append(note.with_suffix(".engine"))
    return found

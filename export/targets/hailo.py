"""Hailo-8L: what Hailo's Dataflow Compiler wants, in a folder beside the bundle, and the way back of what it makes.

The compiler is for x86-64 and behind a login, so nothing that runs is made here. Its calls are those of Hailo's
tutorials (Dataflow Compiler 3.x), the model script's two commands those of scripts in its published model zoo.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Artifact, Bundle, add_artifacts, describe_file
from ...errors import InputError, UsageError
from ..graph import NORMALISED, Stem
from ..job import Built, Job, entry, version_of

EXTRA = ("export", "onnx", "onnxruntime")
PRECISIONS = USUAL = ("int8",)
CHIPS = ("hailo8l",)
FOLDER, SETTINGS, MADE, RECORD = "hailo", "settings.json", "model.hef", "compiled.json"
MAGIC = b"\x01HEF"
"""A .hef file's first four bytes: HEADER_MAGIC in HailoRT's published sources, in network order."""
BATCH = 8
"""Pictures that the compiler calibrates on at once, as in scripts of Hailo's model zoo."""
SCRIPT = '''\
"""Compile model.onnx with Hailo's Dataflow Compiler, which must be installed in the Python that runs this.

Written by fer-edge export, where that compiler was not at hand: nobody ran it there.
"""

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from hailo_sdk_client import ClientRunner

here = Path(__file__).resolve().parent
record = json.loads((here / "settings.json").read_text(encoding="utf-8"))
if hashlib.sha256((here / "model.onnx").read_bytes()).hexdigest() != record["onnx"]:
    raise SystemExit("model.onnx is not the one that was exported: export it again")
try:
    record["compiler"] = version("hailo_dataflow_compiler")
except PackageNotFoundError:
    record["compiler"] = "unknown"

runner = ClientRunner(hw_arch=record["chip"])
runner.translate_onnx_model(str(here / "model.onnx"), "fer_edge")
runner.load_model_script(str(here / "model.alls"))
runner.optimize(np.load(str(here / "calibration.npy")).astype(np.float32))
hef = runner.compile()

(here / "model.hef").write_bytes(hef)
record["hef"] = hashlib.sha256(hef).hexdigest()
(here / "compiled.json").write_text(json.dumps(record, indent=1) + "\\n", encoding="utf-8")
print("done; where fer-edge and the bundle are: fer-edge bundle add BUNDLE model.hef --log compiled.json")
'''


def build(job: Job, precision: str, chip: str) -> Built:
    """Write graph, calibration set, model script and Python script; the gate runs the graph, and no artifact is added.

    Raises UsageError: there is no such chip, or a compiled file lies in the folder that would be replaced.
    """
    place = job.beside(FOLDER)
    _check(chip, place)
    graph, path = job.headless.SerializeToString(), f"{FOLDER}/model.onnx"
    job.file(path).write_bytes(graph)
    np.save(job.file(f"{FOLDER}/calibration.npy"), np.stack(list(job.pictures)))
    job.file(f"{FOLDER}/model.alls").write_text(model_script(job.stem, len(job.pictures)), encoding="utf-8")
    job.file(f"{FOLDER}/compile.py").write_text(SCRIPT, encoding="utf-8")
    settings = job.from_pictures("Hailo's Dataflow Compiler")
    prepared = entry(job, path, "hailo", "float32", "float32", settings, ("onnx",))
    hashes = {"model": job.bundle.reference.sha256, "onnx": prepared.sha256}
    record = {"chip": chip, **hashes, "calibration": prepared.calibration}
    job.file(f"{FOLDER}/{SETTINGS}").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return Built(prepared, backend=Headless(graph, job.stem), notes=_notes(job, place), beside=FOLDER)


def model_script(stem: Stem, pictures: int) -> str:
    """What the compiler is told beside the graph: the normalisation, in grey levels, and to use all the pictures."""
    mean, std = ([float(v) for v in values] for values in (stem.mean, stem.std))
    return (
        f"normalization1 = normalization({mean}, {std})\n"
        f"model_optimization_config(calibration, batch_size={min(BATCH, pictures)}, calibset_size={pictures})\n"
    )


class Headless:
    """The graph as the compiler gets it, in ONNX Runtime, after the normalisation of the model script."""

    def __init__(self, graph: bytes, stem: Stem) -> None:
        import onnxruntime

        self._stem, self._version = stem, onnxruntime.__version__
        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3)."""
        normalised = ((batch - self._stem.mean) / self._stem.std).astype(np.float32).transpose(0, 3, 1, 2)
        return np.concatenate([self._session.run(None, {NORMALISED: picture[None]})[0] for picture in normalised])

    def describe(self) -> dict[str, Any]:
        """What runs where."""
        return {"backend": "onnxruntime", "version": self._version, "device": "CPU"}

    def close(self) -> None:
        """Nothing is held."""


def add_compiled(bundle: Bundle, file: Path, log: Path) -> Artifact:
    """Add a .hef file that the exported script made elsewhere; it is not run, and its answers are not known here.

    Args:
        log: the compiled.json that the script wrote beside it.

    Raises:
        InputError: the file is no .hef, the record is none, of another file, or of another model.
    """
    record = _read(log)
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(MAGIC))
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})", hint=f"ls -l {file}") from None
    digest, size = describe_file(file)
    again = bundle.export_command("hailo", "int8", str(record["chip"]))
    if magic != MAGIC:
        raise InputError(f"{file} is no .hef file", cause="it was cut short, or something else wrote it", hint=again)
    if digest != record["hef"]:
        raise InputError(f"{log} tells of another file than {file}", cause="one of them is of another run", hint=again)
    if bundle.reference.sha256 != record["model"]:
        raise InputError(f"{file} was compiled from another model than {bundle.folder} has", hint=again)
    report = {"chip": record["chip"], "compiled": True, "checked_by": f"Dataflow Compiler {record['compiler']}"}
    path = f"{FOLDER}/model_int8_{record['chip']}.hef"
    built_with = {"fer-edge": version_of("fer-edge"), "hailo_dataflow_compiler": record["compiler"]}
    artifact = Artifact(
        path, "hailo", "int8", digest, size, "uint8",
        built_with=built_with, calibration=record["calibration"], report=report,
    )  # fmt: skip
    add_artifacts(bundle.folder, [artifact], {path: file})
    return artifact


def summary(report: Mapping[str, Any]) -> str:
    """One line on a compiled artifact."""
    return f"compiled for {report['chip']} by {report['checked_by']}; not run here, so whether it agrees is not known"


def _then(job: Job, place: Path) -> str:
    """The command that takes the compiled file back."""
    return shlex.join(
        ("fer-edge", "bundle", "add", str(job.destination), str(place / MADE), "--log", str(place / RECORD))
    )


def _check(chip: str, place: Path) -> None:
    if chip not in CHIPS:
        raise UsageError(
            f"hailo is not exported for {chip}", cause="there is " + ", ".join(CHIPS), hint="leave --chip out"
        )
    if (place / MADE).exists() or (place.exists() and not (place / SETTINGS).is_file()):
        quoted = shlex.quote(str(place))
        raise UsageError(
            f"{place} is there, and would be replaced",
            cause="it holds a compiled file, or no export made it",
            hint=f"mv {quoted} {quoted}-before",
        )


def _notes(job: Job, place: Path) -> tuple[str, ...]:
    """What to do with the folder."""
    few = "  its calibration set is 32 portraits of one face; int8 fits more faces with --calibration FACES"
    return (
        f"prepared, and nothing that runs: Hailo's compiler is behind a login, and none was tried with this\n"
        f"  {place} has graph, script and {len(job.pictures)} calibration faces, to be deleted once they served\n"
        f"  where the Dataflow Compiler is installed (x86-64 Linux): python {shlex.quote(str(place / 'compile.py'))}\n"
        f"  then here: {_then(job, place)}",
        *((few,) if job.ranges is not None else ()),
    )


def _read(log: Path) -> dict[str, Any]:
    """The record of a compilation; raises InputError."""
    try:
        record = json.loads(log.read_bytes())
    except OSError as error:
        raise InputError(f"{log} cannot be read ({error.strerror})", hint=f"ls -l {log}") from None
    except (ValueError, RecursionError):
        record = None
    kinds = {"chip": str, "model": str, "hef": str, "compiler": str, "calibration": dict}
    whole = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in kinds.items())
    if not whole or record["chip"] not in CHIPS:
        raise InputError(
            f"{log} is no record of a compilation for {', '.join(CHIPS)}",
            cause=f"the exported script writes {RECORD} beside {MADE}",
            hint="fer-edge bundle add BUNDLE model.hef --log compiled.json",
        )
    return dict(record)

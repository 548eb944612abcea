"""Edge TPU: an int8 TFLite file, compiled by Google's compiler where it is, checked by our rules where not."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...bundle import Artifact, Bundle, add_artifacts, describe_file
from ...errors import ConversionFailed, GateFailed, InputError
from ..job import Built, Job, entry
from ..tflite import edgetpu_rules
from ..tflite.convert import int8_file
from ..tflite.flatbuffer import read_tflite
from . import edgetpu_docker

EXTRA = ("edgetpu", "tensorflow", "ai_edge_litert")
PRECISIONS = USUAL = ("int8",)
PLAIN, COMPILED = "edgetpu/model_int8.tflite", "edgetpu/model_int8_edgetpu.tflite"
COMPILER = "edgetpu_compiler"
CUSTOM = "edgetpu-custom-op"
MIN_MAPPED = 0.95
"""Below this share of operators on the chip the rest of the time goes into the processor: the gate fails."""
TIMEOUT_S = 600
TABLE_ROW = re.compile(r"^([A-Z][A-Z0-9_]+)\s+(\d+)\s+(\S.*)$", re.MULTILINE)
MEMORY = {
    "on_chip_bytes": "On-chip memory used for caching model parameters",
    "on_chip_left_bytes": "On-chip memory remaining for caching model parameters",
    "off_chip_bytes": "Off-chip memory used for streaming uncached model parameters",
}


def build(job: Job, precision: str, chip: str) -> Built:
    """Convert, check by the rules, and compile if the compiler is at hand."""
    plain, settings = int8_file(job)
    job.file(PLAIN).write_bytes(plain.read_bytes())
    report = {"compiled": False, **rule_check(job.work / PLAIN)}
    artifact = entry(job, PLAIN, "edgetpu", precision, "int8", settings, ("tensorflow", "ai-edge-litert"), report)
    command = _compiler(job)
    if command is None:
        return Built(artifact, notes=(_elsewhere(job),))
    report = compile_with(command, job.work / PLAIN, job.file(COMPILED))
    report["source"] = PLAIN
    tools = ("tensorflow",)
    compiled = entry(job, COMPILED, "edgetpu", precision, "int8", settings, tools, report, companions=(PLAIN,))
    return Built(compiled, runs=artifact, notes=(summary(report),))


def prepare(options: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Get the compiler's container where it is asked for; raises DeviceNotFound."""
    if options.get("compiler") == "docker":
        edgetpu_docker.build_image(say)


def _compiler(job: Job) -> list[str] | None:
    """The compiler's call on the uncompiled file, or None where there is no compiler."""
    source, out = job.work / PLAIN, job.file(COMPILED).parent
    if job.options.get("compiler") == "docker":
        return edgetpu_docker.compile_command(source, out)
    compiler = shutil.which(COMPILER)
    return [compiler, "-s", "-o", str(out), str(source)] if compiler else None


def rule_check(path: Path) -> dict[str, Any]:
    """The verdict of our rules as the manifest keeps it.

    Raises GateFailed: less than 95 % of the operators obey them, or the file as a whole does not.
    """
    verdict = edgetpu_rules.check(read_tflite(path))
    if verdict.share < MIN_MAPPED or verdict.foreign:
        raise GateFailed(
            f"only {verdict.mapped} of {verdict.total} operators keep the Edge TPU's rules: {verdict.problems[0]}",
            cause="the backbone uses layers that the chip does not know",
            hint="export a ResNet or a MobileNetV2",
        )
    return {
        "checked_by": "fer-edge's rules, no compiler",
        "operators": verdict.total,
        "mapped": verdict.mapped,
        "problems": list(verdict.problems),
        "parameter_bytes": verdict.parameter_bytes,
        "predicted_on_chip_bytes": verdict.on_chip_bytes,
        "predicted_off_chip_bytes": verdict.off_chip_bytes,
    }


def compile_with(command: list[str], source: Path, target: Path) -> dict[str, Any]:
    """Run the compiler and read its log; it writes beside the target.

    Raises ConversionFailed: it gave up; GateFailed: it put less than 95 % of the operators on the chip.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConversionFailed(f"{COMPILER} did not finish: {error}", hint=" ".join(command)) from error
    made = target.parent / f"{source.stem}_edgetpu.tflite"
    if done.returncode or not made.is_file():
        last = (done.stderr + done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ConversionFailed(f"{COMPILER} gave up: {last[0]}", hint=" ".join(command))
    if made != target:
        made.replace(target)
    report = read_log(done.stdout)
    _judge(report, " ".join(command))
    return report


def read_log(text: str) -> dict[str, Any]:
    """What `edgetpu_compiler -s` said: operators mapped and not, bytes on and off chip, its version.

    Raises ConversionFailed: the text is not such a log.
    """
    rows = [(name, int(count), status.strip()) for name, count, status in TABLE_ROW.findall(text)]
    mapped = sum(count for _, count, status in rows if status == "Mapped to Edge TPU")
    stated = re.search(r"Number of operations that will run on Edge TPU:\s*(\d+)", text)
    total = re.search(r"Total number of operations:\s*(\d+)", text)
    sizes = {key: _bytes(words, text) for key, words in MEMORY.items()}
    if not rows or any(size is None for size in sizes.values()):
        raise ConversionFailed(
            f"the log of {COMPILER} has no table of operators or no memory figures",
            cause="another version of the compiler, or it ran without -s",
            hint=f"{COMPILER} -s FILE.tflite",
        )
    version = re.search(r"Edge TPU Compiler version (\S+)", text)
    return {
        "compiled": True,
        "checked_by": f"edgetpu_compiler {version[1] if version else 'of unknown version'}",
        # without its -s table's help: a compiled file counts one custom operator for all that were mapped
        "operators": int(total[1]) if total else sum(count for _, count, _ in rows),
        "mapped": int(stated[1]) if stated else mapped,
        "left_on_cpu": [f"{count} {name}: {status}" for name, count, status in rows if "Mapped" not in status],
        **sizes,
    }


def add_compiled(bundle: Bundle, file: Path, log: Path) -> Artifact:
    """Add a file that was compiled elsewhere, in the place of the one it was compiled from.

    Args:
        log: what `edgetpu_compiler -s` printed.

    Raises:
        UsageError: the bundle has no Edge TPU artifact; InputError: the file is not a compiled one of this model;
        GateFailed: less than 95 % of its operators are on the chip.
    """
    source = bundle.artifact("edgetpu", "int8")
    flat = read_tflite(file)
    if not any(op.custom == CUSTOM for op in flat.operators):
        raise InputError(
            f"{file} was not compiled for the Edge TPU",
            cause=f"it holds no {CUSTOM}",
            hint=f"{COMPILER} -s {Path(PLAIN).name}  # on an x86-64 Linux machine",
        )
    plain = str(source.report.get("source", source.path))
    before = read_tflite(bundle.folder / plain)
    ends = [(t.shape, t.dtype, t.scales, t.zero_points) for t in (*flat.inputs, *flat.outputs)]
    if ends != [(t.shape, t.dtype, t.scales, t.zero_points) for t in (*before.inputs, *before.outputs)]:
        raise InputError(
            f"{file} was compiled from another model",
            cause="shape or quantisation of its input or output differ from the bundle's",
            hint=f"compile {bundle.folder / plain}",
        )
    read = read_log(log_text(log))
    _judge(read, f"{COMPILER} -s {Path(PLAIN).name}")
    digest, size = describe_file(file)
    companions = {plain: describe_file(bundle.folder / plain)[0]}
    report = {**read, "source": plain}
    artifact = replace(source, path=COMPILED, sha256=digest, size=size, companions=companions, report=report)
    add_artifacts(bundle.folder, [artifact], {COMPILED: file, plain: bundle.folder / plain})
    return artifact


def log_text(path: Path) -> str:
    """A compiler's log, in whatever coding; raises InputError."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", hint=f"ls -l {path}") from None


def _judge(report: Mapping[str, Any], command: str) -> None:
    if report["mapped"] < MIN_MAPPED * report["operators"]:
        raise GateFailed(
            f"the compiler put {report['mapped']} of {report['operators']} operators on the Edge TPU",
            cause=next(iter(report["left_on_cpu"]), "see its log"),
            hint=command,
        )


def summary(report: Mapping[str, Any]) -> str:
    """One line on a compiled artifact."""
    return (
        f"edgetpu_compiler: {report['mapped']} of {report['operators']} operators on the chip, parameters "
        f"{report['on_chip_bytes'] / 2**20:.2f} MiB on it and {report['off_chip_bytes'] / 2**20:.2f} MiB streamed"
    )


def _bytes(words: str, text: str) -> int | None:
    found = re.search(re.escape(words) + r":\s*([\d.]+)\s*([KMG]i)?B", text)
    if found is None:
        return None
    return round(float(found[1]) * {None: 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[found[2]])


def _elsewhere(job: Job) -> str:
    """What to do with an uncompiled file."""
    return (
        f"uncompiled: {COMPILER} (x86-64 Linux, from Google) is not on PATH here; our own rules were checked\n"
        f"  with Docker: the same command with --compiler docker; else Google's web notebook, or on such a machine\n"
        f"  {COMPILER} -s -o . {Path(PLAIN).name} > compile.log\n"
        f"  then here: fer-edge bundle add {job.destination} {Path(COMPILED).name} --log compile.log"
    )

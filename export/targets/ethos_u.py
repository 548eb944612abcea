"""Arm Ethos-U: the int8 TFLite file, compiled by Arm's `vela`."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ...errors import ConversionFailed, GateFailed
from ..job import Built, Job, entry
from ..tflite.convert import int8_file

EXTRA = ("ethos-u", "tensorflow", "ai_edge_litert", "ethosu")
PRECISIONS = USUAL = ("int8",)
CHIPS = ("ethos-u65-256",)
"""The NPU of NXP's i.MX 93."""
MIN_MAPPED = 0.95
TIMEOUT_S = 600


def build(job: Job, precision: str, chip: str) -> Built:
    """Convert to int8 TFLite, compile with vela, and keep its report; the gate runs the file as it was before vela."""
    plain, settings = int8_file(job)
    path = f"ethos-u/model_int8_{chip}_vela.tflite"
    report = compile_with_vela(plain, job.file(path), chip)
    packages = ("tensorflow", "ethos-u-vela")
    artifact = entry(job, path, "ethos-u", precision, "int8", settings, packages, {**report, "chip": chip})
    runs = entry(job, str(plain.relative_to(job.work)), "tflite", precision, "int8", settings, packages)
    note = (
        f"vela: {report['mapped']} of {report['operators']} operators on the NPU, "
        f"estimated {report['estimate_ms']:.2f} ms per picture"
    )
    return Built(artifact, runs=runs, notes=(note,))


def compile_with_vela(source: Path, target: Path, chip: str) -> dict[str, Any]:
    """Run vela in a process of its own and read its report.

    Raises ConversionFailed: it gave up; GateFailed: it left more than 5 % of the operators to the processor.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = "import sys; from ethosu.vela.vela import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", script, "--accelerator-config", chip, "--output-dir", folder, str(source)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise ConversionFailed(f"vela did not finish in {TIMEOUT_S} s", hint=f"vela {source}") from error
        made, summary = next(Path(folder).glob("*_vela.tflite"), None), next(Path(folder).glob("*_summary_*.csv"), None)
        if done.returncode or made is None or summary is None:
            last = (done.stdout + done.stderr).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise ConversionFailed(f"vela gave up: {last[0]}", hint="vela --help  # lists the accelerators, for --chip")
        report = read_report(done.stdout, summary.read_text())
        target.write_bytes(made.read_bytes())
    if report["mapped"] < MIN_MAPPED * report["operators"]:
        raise GateFailed(
            f"vela put {report['mapped']} of {report['operators']} operators on the NPU",
            cause="the backbone uses layers that it does not know",
            hint=f"vela --show-cpu-operations {source.name}",
        )
    return report


def read_report(printed: str, summary: str) -> dict[str, Any]:
    """What vela says: operators on the NPU, estimated time, memory and traffic; raises ConversionFailed."""
    counts = {side: re.search(rf"{side} operators = (\d+)", printed) for side in ("CPU", "NPU")}
    row = next(csv.DictReader(summary.splitlines()), None)
    if row is None or not all(counts.values()):
        raise ConversionFailed("vela's report could not be read", cause="another version of vela")
    cpu, npu = (int(m[1]) for m in counts.values() if m)
    return {
        "compiled": True,
        "checked_by": "vela",
        "operators": cpu + npu,
        "mapped": npu,
        "system": f"{row['system_config']}, {row['memory_mode']}",
        "estimate_ms": 1000 * float(row["inference_time"]),
        "macs": int(row["nn_macs"]),
        "sram_kib": float(row["sram_memory_used"]),
        "dram_kib": float(row["dram_memory_used"]),
        "dram_bytes_per_picture": int(row["dram_total_bytes"]),
    }

"""OpenVINO IR: float16-stored, or int8 by NNCF."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...bundle import Image
from ...bundle.extras import load
from ...errors import ConversionFailed
from ..job import Built, Job, entry
from ..quantize import quantised

EXTRA = ("openvino", "openvino", "nncf")
PRECISIONS = ("float16", "int8")
USUAL = PRECISIONS
KINDS = {"activations": "int8 per tensor", "weights": "int8 per channel"}


def build(job: Job, precision: str, chip: str) -> Built:
    """Write openvino/model_<precision>.xml and .bin."""
    openvino = load("openvino", "openvino")
    stem = f"openvino/model_{precision}"
    model = read_graph(openvino, job)
    settings: dict[str, Any] = {}
    if precision == "int8" and job.ranges is not None:
        model, settings = read_own_int8(openvino, job), {**job.measured_on(""), **KINDS}
    elif precision == "int8":
        model, settings = quantise(openvino, model, job.pictures)
    name_by_place(model)
    openvino.save_model(model, str(job.file(f"{stem}.xml")), compress_to_fp16=precision == "float16")
    tools, weights = ("openvino",) if job.ranges or not settings else ("openvino", "nncf"), (f"{stem}.bin",)
    return Built(entry(job, f"{stem}.xml", "openvino", precision, "uint8", settings, tools, companions=weights))


def read_graph(openvino: Any, job: Job) -> Any:
    """The bundle's graph with float32 weights, as OpenVINO sees it; raises ConversionFailed."""
    onnx_file: Path = job.file("openvino/source.onnx")
    onnx_file.write_bytes(job.graph.SerializeToString())
    try:
        # Not convert_model, which reports to Intel: read_model gives the same graph.
        return openvino.Core().read_model(str(onnx_file))
    except RuntimeError as error:
        raise ConversionFailed(f"OpenVINO cannot read the graph: {str(error).splitlines()[-1]}") from error
    finally:
        onnx_file.unlink()


def name_by_place(model: Any) -> None:
    """Name what the graph left nameless anew: OpenVINO counts through the process, and no two files would be equal."""
    for place, node in enumerate(model.get_ordered_ops()):
        if node.get_friendly_name() == node.get_name():
            node.set_friendly_name(f"{node.get_type_name()}_{place}")


def read_own_int8(openvino: Any, job: Job) -> Any:
    """The bundle's int8 graph, whose quantising nodes OpenVINO takes for its own."""
    own = quantised(job.bundle)
    assert own is not None
    return openvino.Core().read_model(str(job.bundle.path(own)))


def quantise(openvino: Any, model: Any, pictures: Sequence[Image]) -> tuple[Any, dict[str, Any]]:
    """The graph in int8 and the settings, for the manifest; raises MissingExtra, ConversionFailed."""
    os.environ["NNCF_CI"] = "1"  # NNCF otherwise reports each call to Intel without asking
    nncf = load("nncf", "openvino")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    dataset = nncf.Dataset(list(pictures), lambda picture: picture[None])
    try:
        with _QuietProgress():
            result = nncf.quantize(model, dataset, subset_size=len(pictures))
    except Exception as error:  # NNCF raises kinds of its own
        raise ConversionFailed(f"NNCF cannot quantise the graph: {str(error).splitlines()[0]}") from error
    method = "NNCF: min-max weights, averaged min-max activations, fast bias correction"
    return result, {"pictures": len(pictures), **KINDS, "method": method}


class _QuietProgress:
    """NNCF draws its progress bars with rich; they go nowhere while inside."""

    def __enter__(self) -> None:
        import rich

        self._console = rich.get_console()
        self._console.quiet = True

    def __exit__(self, *_: object) -> None:
        self._console.quiet = False

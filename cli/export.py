"""`fer-edge export`: one bundle, every device's format, each held against the model before it is added."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .output import LABEL_MAP, aligned, options_of, watch

if TYPE_CHECKING:
    from ..export.run import ExportResult

PICTURES = 512
TARGETS = ("onnx", "openvino", "edgetpu", "tensorrt", "rknn", "ethos-u", "hailo", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a bundle folder, or the name of one that ships: default")
    parser.add_argument(
        "--target", choices=TARGETS, required=True, help="all: every one but hailo whose tools are installed"
    )
    parser.add_argument("--precision", choices=("float32", "float16", "int8"), help="only this one")
    parser.add_argument(
        "--chip", metavar="NAME", help="of rknn (rk3588, rk3566), ethos-u (ethos-u65-256) or hailo (hailo8l)"
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="real faces, in class folders or with a manifest; without it the bundle's own ranges serve",
    )
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help=f"of these (default: {PICTURES})")
    parser.add_argument("--labelled", type=Path, metavar="DIR", help="measure accuracy on labelled faces, too")
    parser.add_argument("--split", help="of --labelled (default: test, or valid where there is none)")
    parser.add_argument("--label-map", metavar="FILE|SET", help=LABEL_MAP)
    parser.add_argument("--out", type=Path, metavar="BUNDLE", help="add to a copy of the bundle, made here")
    parser.add_argument("--rknn-python", type=Path, metavar="PATH", help="an interpreter that has rknn-toolkit2")
    parser.add_argument("--compiler", choices=("docker",), help="edgetpu: Google's compiler in a container")
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads for measuring (default: all)")
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="which calibration pictures are drawn")


def run(args: argparse.Namespace) -> int:
    """Build, measure, add; nothing is added unless everything passes."""
    from ..export.run import ExportOptions, export_bundle

    options = options_of(ExportOptions, vars(args))
    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    result = export_bundle(options, say, watch)
    if args.json:
        added = [{"path": a.path, "parity": a.parity, "metrics": a.metrics, "report": a.report} for a in result.added]
        print(json.dumps({"bundle": str(result.bundle.folder), "added": added, "left_out": result.left_out}))
    else:
        if result.added:
            print(table(result))
        print(f"bundle: {result.bundle.folder}")
    return 0


def table(result: ExportResult) -> str:
    """The artifacts with size, agreement and accuracy, for people."""
    rows = [("file", "MB", "logit error", "labels equal", "accuracy", "change")]
    for a in result.added:
        m = a.metrics
        accuracy = (
            (f"{m['accuracy']:.3f}", f"{100 * m['accuracy_change']:+.2f}") if "accuracy_change" in m else ("-",) * 2
        )
        p = a.parity
        agreement = (f"{p['logit_error']:.2g}", f"{p['label_agreement']:.1%}")
        rows.append((a.path, f"{result.bundle.size(a) / 1e6:.1f}", *agreement, *accuracy))
    return aligned(rows)

"""`fer-edge benchmark`: measure devices and models here, compare two runs, or estimate a device that is not here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `benchmark`."""
    parser.add_argument("action", nargs="?", choices=("estimate",), help="estimate: a device that is not here")
    parser.add_argument("--device", action="append", metavar="NAME", help="from fer-edge devices (default: cpu)")
    parser.add_argument("--model", action="append", metavar="NAME", help=_MODEL)
    parser.add_argument("--bundle", dest="model", action="append", metavar="PATH", help="the same as --model PATH")
    parser.add_argument("--input", type=int, metavar="PX", help="pixels of the side, for the table's models")
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "float16", "int8"))
    parser.add_argument("--scope", default="model", choices=("model", "pipeline", "both"), help=_SCOPE)
    parser.add_argument("--clip", default="demo", metavar="FILE", help="for the pipeline (default: demo)")
    parser.add_argument("--detector", default="auto", choices=("auto", "yunet", "haar"))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="200 queries and 10 s; marked, not for quoting")
    length.add_argument("--strict", action="store_true", help="600 s instead of 60")
    parser.add_argument("--labelled", type=Path, metavar="DIR", help="measure accuracy on labelled faces, too")
    parser.add_argument("--split", default="test", help="of --labelled (default: test)")
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="which pictures are drawn")
    parser.add_argument("--matrix", action="store_true", help="every device here with every model")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write results, tables and a page here")
    parser.add_argument("--replace", action="store_true", help="overwrite the results that are in --out")
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: up to four)")
    parser.add_argument("--fallback", default="none", choices=("none", "cpu"), help="cpu: the processor may stand in")
    parser.add_argument("--simulate", action="store_true", help="Rockchip: the vendor's simulator, not the board")
    parser.add_argument("--calibration", type=Path, metavar="DIR", help="faces, for --simulate")
    parser.add_argument("--accept-unreal", action="store_true", help=_UNREAL)
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="two results files or folders")


_MODEL = "default, edgetpu, a bundle's path, mobilenetv2, efficientnetv2b0 or resnet50 (default: default)"
_SCOPE = "model: inference; pipeline: a clip from capture to publishing (default: model)"
_UNREAL = "exit with 0 although a stand-in or a simulator did the work"


def run(args: argparse.Namespace) -> int:
    """Choose between measuring, comparing and estimating."""
    if args.compare:
        return _compare(args)
    if args.action == "estimate":
        return _estimate(args)
    if args.threads is not None and args.threads < 1:
        raise UsageError(f"--threads must be positive, not {args.threads}")
    from .measure_devices import measure_devices

    return measure_devices(args)


def _compare(args: argparse.Namespace) -> int:
    from ..benchmarks.report.comparison import as_dict, compare, differences, text
    from ..benchmarks.results.results import load_results

    a, b = (load_results(path) for path in args.compare)
    found, different = compare(a, b), differences(a, b)
    print(json.dumps(as_dict(found, different)) if args.json else text(found, different))
    return 0


def _estimate(args: argparse.Namespace) -> int:
    from ..benchmarks.estimates.estimates import estimate
    from ..benchmarks.estimates.text import render

    if not args.device:
        raise UsageError("whose speed?", hint="fer-edge benchmark estimate --device coral")
    models = args.model or ["default"]
    found = [e for device in args.device for model in models for e in estimate(device, model, args.input)]
    if args.json:
        from dataclasses import asdict

        print(json.dumps([{**asdict(e), **e.as_mapping()} for e in found]))
    else:
        print(render(found))
    return 0 if any(e.as_mapping() for e in found) else 1

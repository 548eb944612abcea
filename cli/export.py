"""`fer-edge export`: one bundle, every device's format, each held against the model before it is added."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError, UsageError
from .output import aligned, watch

if TYPE_CHECKING:
    from ..bundle import Artifact, Bundle, Image
    from ..export.gate import Evaluate

PICTURES = 512
TARGETS = ("onnx", "openvino", "edgetpu", "tensorrt", "rknn", "ethos-u", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a bundle folder, or the name of one that ships: default")
    parser.add_argument("--target", choices=TARGETS, required=True, help="all: every one whose tools are installed")
    parser.add_argument("--precision", choices=("float32", "float16", "int8"), help="only this one")
    parser.add_argument("--chip", metavar="NAME", help="of rknn (rk3588, rk3566) or ethos-u (ethos-u65-256 …)")
    parser.add_argument(
        "--calibration", type=Path, metavar="DIR", help="real faces, in class folders or with a manifest"
    )
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help=f"of these (default: {PICTURES})")
    parser.add_argument("--labelled", type=Path, metavar="DIR", help="measure accuracy on labelled faces, too")
    parser.add_argument("--split", default="test", help="of --labelled (default: test)")
    parser.add_argument("--out", type=Path, metavar="BUNDLE", help="add to a copy of the bundle, made here")
    parser.add_argument("--rknn-python", type=Path, metavar="PATH", help="an interpreter that has rknn-toolkit2")
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads for measuring (default: all)")
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="which calibration pictures are drawn")


def run(args: argparse.Namespace) -> int:
    """Build, measure, add; nothing is added unless everything passes."""
    from ..bundle import open_bundle
    from ..devices.cpu import usable_cores
    from ..export import run as exporting
    from ..export.calibration import calibration_set, digest_of
    from ..export.job import Job
    from ..train.model_card import model_card

    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    bundle = open_bundle(args.bundle)
    options = {"rknn_python": args.rknn_python}
    names = exporting.choose(args.target, args.precision, args.chip, options)
    _check_place(args, bundle)
    command = f"export {args.bundle} --target {args.target}"
    crops = calibration_set(
        calibration_faces(args.calibration, args.pictures, args.seed, command), bundle.manifest.input.size
    )
    calibration = {"source": args.calibration.name, "digest": digest_of(crops)}
    evaluate = evaluation(args)
    skipped = exporting.left_out(args.precision, options) if args.target == "all" else {}
    for name, how in skipped.items():
        say(f"left out: {name}, whose tools are not installed; {how}")
    destination = exporting.own_copy(bundle, args.out) if args.out else bundle.folder
    with tempfile.TemporaryDirectory(prefix="fer-edge-export-") as work:
        job = Job(bundle, Path(work), destination, crops, calibration, options, say)
        threads = args.threads or usable_cores()
        made = exporting.export(
            job, names, precision=args.precision, chip=args.chip, evaluate=evaluate, threads=threads, card=model_card
        )
    if args.json:
        added = [{"path": a.path, "parity": a.parity, "metrics": a.metrics, "report": a.report} for a in made]
        print(json.dumps({"bundle": str(destination), "added": added, "left_out": skipped}))
        return 0
    print(table(open_bundle(destination), made))
    print(f"bundle: {destination}")
    return 0


def table(bundle: Bundle, artifacts: list[Artifact]) -> str:
    """The artifacts with size, agreement and accuracy, for people."""
    rows = [("file", "MB", "logit error", "labels equal", "accuracy", "change")]
    for a in artifacts:
        m = a.metrics
        accuracy = (
            (f"{m['accuracy']:.3f}", f"{100 * m['accuracy_change']:+.2f}") if "accuracy_change" in m else ("-",) * 2
        )
        p = a.parity
        agreement = (f"{p['logit_error']:.2g}", f"{p['label_agreement']:.1%}")
        rows.append((a.path, f"{bundle.size(a) / 1e6:.1f}", *agreement, *accuracy))
    return aligned(rows)


def _check_place(args: argparse.Namespace, bundle: Bundle) -> None:
    """Refuse to write into the package or into a .zip."""
    from ..bundle import default_bundle

    inside = bundle.folder.resolve().is_relative_to(default_bundle().parent.resolve())
    if args.out is None and (inside or Path(args.bundle).is_file()):
        raise UsageError(
            f"{args.bundle} is part of fer-edge, or a .zip, and stays as it is",
            cause="an export adds files to a bundle folder",
            hint=f"fer-edge export {args.bundle} --target {args.target} --out my-bundle …",
        )


def calibration_faces(folder: Path | None, count: int, seed: int, command: str) -> list[Image]:
    """Up to `count` calibration pictures: as many of each label as there are, or a folder's pictures as they come.

    Args:
        command: what was typed, for the error without a folder.

    Raises:
        UsageError, DatasetError: no folder, or nothing usable in it.
    """
    from ..train.data.dataset import SUFFIXES, balanced, read_dataset, read_image

    if folder is None:
        raise UsageError(
            f"fer-edge {command.split()[0]} needs --calibration DIR",
            cause="every artifact is held against the model on real faces before it leaves",
            hint=f"fer-edge {command} --calibration FOLDER-OF-FACES",
        )
    flat = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if flat and not (folder / "manifest.csv").is_file():
        print(f"{folder} has no labels: its pictures are taken as they come", file=sys.stderr)
        return [read_image(p) for p in flat[:count]]
    dataset = read_dataset(folder, "", seed, lambda s: watch(s, desc="reading pictures"))
    return [read_image(s.path) for s in balanced(dataset.split("train"), count, seed)]


def evaluation(args: argparse.Namespace) -> Evaluate | None:
    """What runs an artifact over the labelled set."""
    if args.labelled is None:
        return None
    from ..train.data.dataset import read_dataset
    from .measure import measure

    dataset = read_dataset(args.labelled, "", args.seed, lambda s: watch(s, desc="reading pictures"))
    if not any(s.label is not None for s in dataset.split(args.split)):
        raise DatasetError(
            f"{args.labelled} has no labelled pictures in its {args.split} split", hint="choose a --split"
        )

    def evaluate(classifier: Any) -> dict[str, Any]:
        return measure(classifier, dataset, args.split, f"{args.labelled.name}/{args.split}")

    return evaluate

"""`fer-edge bundle`: check a bundle, show or recalibrate it, add a compiled file, make one, or import a model."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .output import LABEL_MAP, options_of, watch

if TYPE_CHECKING:
    from ..bundle import Bundle

ACTIONS = {
    "check": "open every artifact that this machine can run, once",
    "show": "list what is in it",
    "recalibrate": "fit how sure it is, and how readily it says neutral, to your own faces, into a new bundle",
    "add": "add a file that Google's or Hailo's compiler made elsewhere",
    "make": "pack a backbone with random or given weights, for measuring its speed",
    "import": "make one of another tool's model, an .onnx, .tflite or .pt2 file",
}
NUMBERS = "one number, or one a channel, in grey levels or as fractions of 255"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bundle`."""
    what = "; ".join(f"{name}: {line}" for name, line in ACTIONS.items())
    parser.add_argument("action", choices=ACTIONS, help=what)
    parser.add_argument("path", nargs="?", metavar="BUNDLE|FILE", help="default: the one inside fer-edge")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="add: the compiled file")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="add: what `edgetpu_compiler -s` printed, or compiled.json"
    )
    parser.add_argument("--backbone", metavar="NAME", help="make: a timm backbone, such as mobilenetv2_100")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="make, import: side of the face (make: 224)")
    parser.add_argument("--init", metavar="FILE|timm", help="make: weights of the backbone (default: random)")
    parser.add_argument("--calibration", type=Path, metavar="DIR", help="make: real faces, for the int8 graph")
    parser.add_argument("--labels", type=_words, metavar="A,B,…", help="import: in the order of the model's outputs")
    parser.add_argument("--layout", choices=("nchw", "nhwc"), help="import: of its picture (default: from its shape)")
    parser.add_argument("--color", choices=("rgb", "bgr", "gray"), help="import: of its picture (default: rgb or gray)")
    parser.add_argument("--mean", type=_numbers, metavar="M", help=f"import: is taken off first; {NUMBERS}")
    parser.add_argument("--std", type=_numbers, metavar="S", help="import: what the rest is divided by; likewise")
    parser.add_argument("--outputs", choices=("logits", "probabilities"), help="import: (default: from its answers)")
    parser.add_argument("--license", dest="licence", default="", metavar="TEXT", help="import: kept in the bundle")
    parser.add_argument("--source", default="", metavar="TEXT", help="import: where the model comes from, kept too")
    parser.add_argument("--data", type=Path, metavar="DIR", help="recalibrate: labelled faces; fitted to valid")
    parser.add_argument(
        "--neutral-recall", type=float, metavar="S", help="recalibrate: neutral faces to be found, 0..1"
    )
    parser.add_argument("--second-label", default="", metavar="COLUMN", help="recalibrate: measured against it, too")
    parser.add_argument("--label-map", metavar="FILE|SET", help=f"recalibrate: {LABEL_MAP}")
    parser.add_argument("--release", metavar="TEXT", help="recalibrate: version of the new bundle (default: N.1)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="BUNDLE",
        help="recalibrate, import: the folder (import: default: named like the file)",
    )


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    from ..bundle import open_bundle

    if args.action == "make":
        return _make(args)
    if args.action == "import":
        return _import(args)
    if args.action == "recalibrate":
        return _recalibrate(args)
    if args.action == "add":
        return _add(args)
    bundle = open_bundle(args.path)
    notices: list[str] = []
    if args.action == "check":
        from ..export.gate import run_each

        skipped, notices = run_each(bundle)
        for line in [*(f"not run: {path}, {reason}" for path, reason in skipped.items()), *notices]:
            if not args.json:
                print(line)
    if args.json:
        answer = {"ok": True, "bundle": str(bundle.folder), **({"notices": notices} if notices else {})}
        print(bundle.manifest.to_json() if args.action == "show" else json.dumps(answer))
        return 0
    _show(bundle)
    _show_origin(bundle)
    if args.action == "check":
        print("ok: schema, sizes, hashes and outputs agree")
    return 0


def _show(bundle: Bundle) -> None:
    manifest = bundle.manifest
    side = manifest.input.size
    print(f"{manifest.name} {manifest.version}: {len(manifest.labels)} labels, {side} x {side} pixels")
    width = max(len(a.path) for a in manifest.artifacts)
    for a in manifest.artifacts:
        accuracy = f"accuracy {a.metrics['accuracy']:.3f} on {a.metrics['set']}" if "accuracy" in a.metrics else ""
        state = "" if a.report.get("compiled", True) else "uncompiled"
        words = f"  {a.path:{width}} {a.target:8} {a.precision:8} {bundle.size(a) / 1e6:6.1f} MB  {accuracy}  {state}"
        print(words.rstrip())


def _show_origin(bundle: Bundle) -> None:
    """Of an imported model: where it comes from, and what was guessed of it or speaks against it."""
    about = bundle.manifest.provenance.get("imported")
    if not about:
        return
    print(f"  imported from {about['file']}; source: {about['source'] or 'not told'}")
    print(f"  license: {bundle.manifest.licence or 'not told'}")
    for line in [*(f"guessed: {line}" for line in about["guessed"]), *(f"warning: {w}" for w in about["warnings"])]:
        print(f"  {line}")


def _add(args: argparse.Namespace) -> int:
    from ..export.targets import add_compiled

    if args.file is None or args.log is None:
        raise UsageError(
            "bundle add needs the compiled file and what its compiler told",
            cause="the log of edgetpu_compiler, or the compiled.json beside a .hef file",
            hint="fer-edge bundle add BUNDLE model_int8_edgetpu.tflite --log compile.log",
        )
    artifact, said = add_compiled(args.path, args.file, args.log)
    about = json.dumps({"path": artifact.path, "report": dict(artifact.report)})
    print(about if args.json else f"{artifact.path}: {said}")
    return 0


def _recalibrate(args: argparse.Namespace) -> int:
    from ..train.recalibrate import RecalibrateOptions, recalibrate

    if args.data is None or args.out is None:
        raise UsageError(
            "bundle recalibrate needs labelled faces and a folder for the new bundle",
            hint="fer-edge bundle recalibrate default --data FACES --neutral-recall 0.85 --out my-bundle",
        )
    options = options_of(RecalibrateOptions, vars(args), bundle=args.path)
    bundle = recalibrate(options, partial(print, file=sys.stderr), watch)
    done = bundle.manifest.provenance["recalibrated"][-1]
    if args.json:
        print(json.dumps({"bundle": str(bundle.folder), **done}))
    else:
        _show(bundle)
        print(f"neutral raised by {done['neutral_raised']:.2f}, temperature {done['temperature']:.2f}: {bundle.folder}")
    return 0


def _make(args: argparse.Namespace) -> int:
    from ..train.untrained import UntrainedOptions, make_untrained

    out = Path(args.path) if args.path else None
    options = UntrainedOptions(out, args.backbone, args.size or 224, args.init, args.calibration)
    bundle = make_untrained(options, partial(print, file=sys.stderr), watch)
    if args.json:
        print(json.dumps({"bundle": str(bundle.folder)}))
    else:
        _show(bundle)
    return 0


def _import(args: argparse.Namespace) -> int:
    from ..export.importer.run import ImportOptions, import_model

    if args.path is None or args.labels is None:
        raise UsageError(
            "bundle import needs a model file and the labels of its outputs",
            hint="fer-edge bundle import model.onnx --labels angry,disgust,fear,happy,neutral,sad,surprise",
        )
    made = import_model(options_of(ImportOptions, vars(args), path=Path(args.path)), partial(print, file=sys.stderr))
    if args.json:
        said = {"guessed": made.guessed, "warnings": made.warnings}
        print(json.dumps({"bundle": str(made.bundle.folder), **said}))
    else:
        _show(made.bundle)
        print(f"bundle: {made.bundle.folder}")
    return 0


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split(","))

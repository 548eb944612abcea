"""`fer-edge bundle`: check a bundle's files and graphs, show what it holds, add a compiled file, or make a new one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .output import watch

if TYPE_CHECKING:
    from ..bundle import Bundle

ACTIONS = {
    "check": "open every artifact that this machine can run, once",
    "show": "list what is in it",
    "add": "add a file that edgetpu_compiler made elsewhere",
    "make": "pack a backbone with random or given weights, for measuring its speed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bundle`."""
    what = "; ".join(f"{name}: {line}" for name, line in ACTIONS.items())
    parser.add_argument("action", choices=ACTIONS, help=what)
    parser.add_argument("path", nargs="?", metavar="BUNDLE", help="default: the one inside fer-edge")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="add: the compiled file")
    parser.add_argument("--log", type=Path, metavar="FILE", help="add: what `edgetpu_compiler -s` printed")
    parser.add_argument("--backbone", metavar="NAME", help="make: a timm backbone, such as mobilenetv2_100")
    parser.add_argument("--size", type=int, default=224, metavar="PIXELS", help="make: side of the face (default: 224)")
    parser.add_argument("--init", metavar="FILE|timm", help="make: weights of the backbone (default: random)")
    parser.add_argument("--calibration", type=Path, metavar="DIR", help="make: real faces, for the int8 graph")


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    from ..bundle import find_bundle, open_bundle

    if args.action == "make":
        return _make(args)
    bundle = open_bundle(find_bundle(args.path))
    if args.action == "add":
        return _add(args, bundle)
    if args.action == "check":
        _run_each(bundle, quiet=args.json)
    if args.json:
        answer = {"ok": True, "bundle": str(bundle.folder)}
        print(bundle.manifest.to_json() if args.action == "show" else json.dumps(answer))
        return 0
    _show(bundle)
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


def _run_each(bundle: Bundle, quiet: bool) -> None:
    """Run every artifact once that this machine's processor can run, and say which it cannot."""
    from ..errors import DeviceNotFound
    from ..runtime.inference.classifier import Classifier, runs_here

    for artifact in bundle.manifest.artifacts:
        if not runs_here(artifact):
            reason = f"it was compiled for {artifact.target}"
        else:
            try:
                Classifier(bundle, artifact).close()
                continue
            except DeviceNotFound as error:
                reason = error.message
        if not quiet:
            print(f"not run: {artifact.path}, {reason}")


def _add(args: argparse.Namespace, bundle: Bundle) -> int:
    from ..export.targets.edgetpu import add_compiled

    if args.file is None or args.log is None:
        raise UsageError(
            "bundle add needs the compiled file and the compiler's log",
            hint="fer-edge bundle add BUNDLE model_int8_edgetpu.tflite --log compile.log",
        )
    artifact = add_compiled(bundle, args.file, args.log)
    if args.json:
        print(json.dumps({"path": artifact.path, "report": dict(artifact.report)}))
    else:
        from ..export.targets.edgetpu import summary

        print(f"{artifact.path}: {summary(artifact.report)}")
    return 0


def _make(args: argparse.Namespace) -> int:
    from ..export.calibration import calibration_set, digest_of
    from ..export.labelled import calibration_faces
    from ..export.untrained import pack_untrained, settle
    from ..train.checkpoint import open_checkpoint
    from ..train.network import build_network, fold_luma, import_torch
    from ..train.recipe import parse_recipe

    given = (args.init or "").endswith(".pt")
    if not args.path or not (args.backbone or given):
        raise UsageError(
            "bundle make needs a place, and a backbone or a checkpoint",
            hint="fer-edge bundle make OUT --backbone mobilenetv2_100 --calibration DIR",
        )
    if given:
        network, recipe = open_checkpoint(Path(args.init))
        network = fold_luma(network)
        settled_on = {}
    else:
        recipe = parse_recipe(args.backbone, {"backbone": args.backbone, "size": args.size}, "bundle make")
        import_torch().manual_seed(recipe.seed)  # the same random weights every time
        network = build_network(recipe, args.init, exportable=True)
        faces = calibration_faces(
            args.calibration, 128, 42, f"bundle make {args.path} --backbone {args.backbone}", print, watch
        )
        crops = calibration_set(faces, recipe.size)
        settle(network, crops)
        settled_on = {"source": args.calibration.name, "digest": digest_of(crops)}
    bundle = pack_untrained(
        network, Path(args.path), recipe.backbone, recipe.size, Path(args.init or "random").name, settled_on
    )
    if args.json:
        print(json.dumps({"bundle": str(bundle.folder)}))
    else:
        _show(bundle)
    return 0

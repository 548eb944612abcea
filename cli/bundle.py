"""`fer-edge bundle`: check a bundle's files and graphs, show what it holds, add a compiled file, or make a new one."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
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
    from ..bundle import open_bundle

    if args.action == "make":
        return _make(args)
    bundle = open_bundle(args.path)
    if args.action == "add":
        return _add(bundle, args)
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


def _add(bundle: Bundle, args: argparse.Namespace) -> int:
    from ..export.targets.edgetpu import add_compiled, summary

    if args.file is None or args.log is None:
        raise UsageError(
            "bundle add needs the compiled file and the compiler's log",
            hint="fer-edge bundle add BUNDLE model_int8_edgetpu.tflite --log compile.log",
        )
    artifact = add_compiled(bundle, args.file, args.log)
    about = json.dumps({"path": artifact.path, "report": dict(artifact.report)})
    print(about if args.json else f"{artifact.path}: {summary(artifact.report)}")
    return 0


def _make(args: argparse.Namespace) -> int:
    from ..train.untrained import UntrainedOptions, make_untrained

    out = Path(args.path) if args.path else None
    options = UntrainedOptions(out, args.backbone, args.size, args.init, args.calibration)
    bundle = make_untrained(options, partial(print, file=sys.stderr), watch)
    if args.json:
        print(json.dumps({"bundle": str(bundle.folder)}))
    else:
        _show(bundle)
    return 0

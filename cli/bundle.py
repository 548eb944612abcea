"""`fer-edge bundle`: check a bundle's files and graph, or show what it holds."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bundle`."""
    parser.add_argument("action", choices=("check", "show"))
    parser.add_argument("path", nargs="?", type=Path, metavar="BUNDLE", help="default: the one inside fer-edge")


def run(args: argparse.Namespace) -> int:
    """Open the bundle, which checks it; `check` also runs every ONNX artifact once."""
    from ..bundle import find_bundle, open_bundle

    bundle = open_bundle(find_bundle(args.path))
    manifest = bundle.manifest
    if args.action == "check":
        from ..runtime.classify import Classifier

        for artifact in manifest.artifacts:
            if artifact.target == "onnx":
                Classifier(bundle, artifact).close()
    if args.json:
        print(manifest.to_json() if args.action == "show" else json.dumps({"ok": True, "bundle": str(bundle.folder)}))
        return 0
    side = manifest.input.size
    print(f"{manifest.name} {manifest.version}: {len(manifest.labels)} labels, {side} x {side} pixels")
    for a in manifest.artifacts:
        accuracy = f"accuracy {a.metrics['accuracy']:.3f} on {a.metrics['set']}" if "accuracy" in a.metrics else ""
        print(f"  {a.path:24} {a.target:8} {a.precision:8} {a.size / 1e6:6.1f} MB  {accuracy}")
    if args.action == "check":
        print("ok: schema, sizes, hashes and outputs agree")
    return 0

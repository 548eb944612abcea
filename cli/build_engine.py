"""`fer-edge build-engine`: on a Jetson, from a bundle's TensorRT artifact to an engine for this very GPU."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `build-engine`."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a bundle that was exported with --target tensorrt")
    parser.add_argument("--precision", choices=("float16", "float32"), default="float16")
    parser.add_argument("--workspace", type=int, metavar="MIB", help="scratch memory (default: as the bundle says)")
    parser.add_argument("--python", metavar="PATH", help="the interpreter that has TensorRT's bindings")
    parser.add_argument("--trtexec", metavar="PATH", help="build with this program instead")
    parser.add_argument("--engines", type=Path, metavar="DIR", help="where engines are kept (default: your cache)")
    parser.add_argument("--no-memory-check", action="store_true", help="try with little memory and swap all the same")


def run(args: argparse.Namespace) -> int:
    """Find the tools, then the engine, or build it."""
    from ..bundle import open_bundle
    from ..runtime.engine.cache import check_memory, engine_for, engines_folder
    from ..runtime.engine.tools import find_tool, gpu_capability

    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    bundle = open_bundle(args.bundle)
    artifact = bundle.artifact("tensorrt", args.precision)
    tool = find_tool(args.python, args.trtexec)
    capability = gpu_capability()
    workspace = args.workspace or int(artifact.report["recipe"]["workspace_mib"])
    if not args.no_memory_check:
        check_memory(workspace)
    folder = args.engines or engines_folder()
    engine = engine_for(bundle, artifact, tool, capability, folder=folder, workspace_mib=workspace, say=say)
    if args.json:
        print(json.dumps({"engine": str(engine.path), "built": engine.built, "tensorrt": engine.key.tensorrt}))
        return 0
    print(f"{'built' if engine.built else 'up to date'}: {engine.path} ({engine.path.stat().st_size / 1e6:.1f} MB)")
    return 0

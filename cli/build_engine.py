"""`fer-edge build-engine`: on a Jetson, from a bundle's TensorRT artifact to an engine for this very GPU."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `build-engine`."""
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE", help="exported with --target tensorrt (default: as run)")
    parser.add_argument("--device", metavar="NAME", help="for whom (default: the one that is here)")
    parser.add_argument("--precision", choices=("float16", "float32"), help="default: as the device's profile says")
    parser.add_argument("--workspace", type=int, metavar="MIB", help="scratch memory (default: as the bundle says)")
    parser.add_argument("--python", metavar="PATH", help="the interpreter that has TensorRT's bindings")
    parser.add_argument("--trtexec", metavar="PATH", help="build with this program instead")
    parser.add_argument("--engines", type=Path, metavar="DIR", help="where engines are kept (default: your cache)")
    parser.add_argument("--no-memory-check", action="store_true", help="try with little memory and swap all the same")


def run(args: argparse.Namespace) -> int:
    """Find the tools, then the engine, or build it."""
    from ..devices.detect import devices_here
    from ..devices.profile import find_profile, load_profiles
    from ..runtime.engine.cache import check_memory, engine_for, engines_folder
    from ..runtime.engine.tools import find_tool, gpu_capability
    from ..runtime.inference.open_device import bundle_for, check_readable, telling_what_was_looked_for

    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    jetsons = [p for p in load_profiles().values() if p.target == "tensorrt"]
    profile = find_profile(args.device or next(iter(devices_here(jetsons)), jetsons[0].name))
    bundle = bundle_for(profile, args.bundle)
    with telling_what_was_looked_for(profile):
        capability = gpu_capability()
    tool = find_tool(args.python, args.trtexec)
    artifact = bundle.artifact(profile.target, args.precision or profile.precision)
    check_readable(profile, artifact)
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

"""`fer-edge models`: the weights of the face detector, which are not ours to ship, and ready-made artifacts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `models`."""
    parser.add_argument("action", choices=("fetch", "add", "list"), help="fetch from the registered places, add a file")
    parser.add_argument("name", nargs="?", metavar="NAME|FILE", help="model to fetch (default: all), or file to add")


def run(args: argparse.Namespace) -> int:
    """Do it and say where the files are."""
    from ..errors import UsageError
    from ..runtime.vision.detectors.fetching import fetch_model
    from ..runtime.vision.detectors.weights import REGISTRY

    if args.action == "add":
        if args.name is None:
            raise UsageError("models add needs a file", hint="fer-edge models add FILE")
        paths = _added(Path(args.name))
    elif args.action == "fetch":
        say = (lambda line: None) if args.json else print
        names = [args.name] if args.name else list(REGISTRY)
        paths = {name: fetch_model(name, say) for name in names}
    else:
        return _list(args)
    if args.json:
        print(json.dumps([{"model": name, "path": str(path)} for name, path in paths.items()]))
    for name, path in () if args.json else paths.items():
        print(f"{name}: {path}")
    return 0


def _added(file: Path) -> dict[str, Path]:
    """What a file brought, and where it lies: detector weights, or a wheel of ready-made artifacts."""
    from ..benchmarks.measure.compiled import COMPILED
    from ..bundle.opening.ready_made import add_wheel
    from ..runtime.vision.detectors.weights import REGISTRY, add_model

    if file.suffix == ".whl":
        return {bundle.folder.name: bundle.folder for bundle in add_wheel(file)}
    return {file.name: add_model(file, [*REGISTRY.values(), *(c.model for c in COMPILED.values())])}


def _list(args: argparse.Namespace) -> int:
    from ..runtime.vision.detectors import weights as models

    rows = []
    for model in models.REGISTRY.values():
        place = {"path": str(models.model_path(model)), "licence": model.licence}
        rows.append({"model": model.name, "present": models.present(model), **place})
    if args.json:
        print(json.dumps(rows))
    for row in [] if args.json else rows:
        state = row["path"] if row["present"] else "absent (fer-edge models fetch)"
        print(f"{row['model']:8} {row['licence']:6} {state}")
    return 0

"""`fer-edge train`: from labelled faces to a bundle, with its figures and its model card."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from ..train.options import LICENCE, TeacherChoice, TrainingSet, TrainOptions
from ..words import counted
from .output import LABEL_MAP, chosen, options_of, watch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DIR[,share=S][,margin=M][,labels=MAP][,name=N]",
        help="class folders, or a CSV manifest; several mix, and the first measures the bundle (share: of what is "
        "drawn; margin: 0.2 cuts off a fifth; labels: its own --label-map, or none)",
    )
    parser.add_argument("--label-map", metavar="FILE|SET", help=LABEL_MAP)
    parser.add_argument("--recipe", default="default", metavar="NAME", help="a recipe's name, or a .toml file")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="the bundle folder to write")
    parser.add_argument(
        "--init",
        metavar="FILE|BUNDLE|timm",
        help="first weights: a .safetensors backbone, a .pt checkpoint, a bundle (`default`), or timm's own",
    )
    parser.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="BUNDLE[,weight=W]",
        help="whom a recipe with `distill` is to imitate; several answer together",
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="checkpoints (default: beside --out, ending in .work)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --work")
    parser.add_argument("--dedupe", action="store_true", help="train on no picture that valid or test has too")
    parser.add_argument("--track", metavar="URI|DIR", help="record the run in MLflow: a server, or a folder")
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: all)")
    parser.add_argument("--name", help="the bundle's name (default: the recipe's)")
    parser.add_argument("--release", default="1", metavar="TEXT", help="the bundle's version (default: 1)")
    parser.add_argument("--licence", default=LICENCE, metavar="TEXT", help="terms, for the model card")
    parser.add_argument("--about", default="", metavar="TEXT", help="a sentence on the data, for the model card")


def run(args: argparse.Namespace) -> int:
    """Train, export, measure, pack."""
    from ..train.run import train

    data = tuple(chosen(TrainingSet, "--data", text) for text in args.data)
    teacher = tuple(chosen(TeacherChoice, "--teacher", text) for text in args.teacher)
    options = options_of(TrainOptions, vars(args), data=data, teacher=teacher)
    trained = train(options, partial(print, file=sys.stderr if args.json else sys.stdout, flush=True), watch)
    if trained is None:
        return 0
    manifest = trained.bundle.manifest
    if args.json:
        print(json.dumps({"bundle": str(args.out), "metrics": dict(manifest.metrics), "history": trained.history}))
        return 0
    for artifact in manifest.artifacts:
        m = artifact.metrics
        print(
            f"{artifact.path}: {artifact.precision}, {artifact.size / 1e6:.1f} MB, accuracy {m['accuracy']:.3f}, "
            f"mean recall {m['mean_recall']:.3f} on {m['set']} ({counted(m['images'], 'picture')})"
        )
    print(f"bundle: {args.out}")
    return 0

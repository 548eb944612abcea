"""What the studies on labelled faces share: their options, and the faces."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...bundle import Image, whole_image
from ...bundle.dataset import read_dataset, read_face


def asked(about: str | None, words: Sequence[str] | None, most: int) -> argparse.Namespace:
    """The command line: a folder `faces`, and `bundle`, `split` and `most`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("faces", type=Path, metavar="FACES")
    parser.add_argument("--bundle", default="default", metavar="BUNDLE")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--most", type=int, default=most, metavar="N", help=f"faces (default: {most})")
    return parser.parse_args(words)


def labelled(folder: Path, split: str, most: int, side: int) -> list[tuple[Image, int]]:
    """At most so many labelled faces, spread over the split, uint8 (side, side, 3) RGB; raises DatasetError."""
    samples = [(s, s.label) for s in read_dataset(folder).split(split) if s.label is not None]
    chosen = samples[:: max(1, len(samples) // most)][:most]
    return [(whole_image(read_face(sample), side), label) for sample, label in chosen]

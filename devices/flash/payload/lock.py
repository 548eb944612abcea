"""Writes packaging/locks: for each kind of card the packages that were tested, all of them, with their hashes.

    python -m fer_edge.devices.flash.payload.lock    # `make lock`, after a change of pyproject.toml or constraints.txt

The versions are those of constraints.txt, with which the tests run; what has no wheel for a card's C library is the
newest that has one. `flash fetch` then takes nothing else.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ....files import sha256_of, write_text
from .wheel_closure import Target
from .wheels import LOCKS, Wheelhouse, resolve

CONSTRAINTS = Path(__file__).resolve().parents[3] / "constraints.txt"
CARDS = {
    Target("3.11"): (),  # Raspberry Pi OS, bookworm
    Target("3.13", glibc="2.41"): (),  # trixie
    Target("3.11", glibc="2.27"): ("av", "onnxruntime"),  # a Jetson Nano's own Python
}
"""Kind of card -> packages whose tested version has no wheel for it."""


def lock_text(house: Wheelhouse) -> str:
    """What pip takes with --require-hashes: a line a package, without our own wheel."""
    lines = []
    for wheel in house.wheels:
        name, version, *_ = wheel.name.split("-")
        if name != "fer_edge":
            lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{sha256_of(wheel)}\n")
    return f"# For {house.target.words()}; made by `make lock`.\n" + "".join(lines)


def constraints(but: Sequence[str] = ()) -> str:
    """The lines of constraints.txt, but for some packages'."""
    lines = CONSTRAINTS.read_text().splitlines()
    return "".join(f"{line}\n" for line in lines if re.split("[=<>;]", line)[0].strip() not in but)


def write_locks(folder: Path = LOCKS) -> None:
    """Write one for each of CARDS; raises as `resolve` does."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for target, but in CARDS.items():
            pins = Path(scratch, "constraints.txt")
            pins.write_text(constraints(but))
            house = resolve(target, Path(scratch), pins)
            write_text(folder / f"{target.name}.txt", lock_text(house))


if __name__ == "__main__":
    write_locks()

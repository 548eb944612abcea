"""`fer-edge flash`: from a stock image of an operating system to a card that boots into the kiosk."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..words import counted
from .output import StatusLine, options_of

if TYPE_CHECKING:
    from ..devices.flash.disk.disks import Disk
    from ..devices.flash.options import Listener

ACTIONS = {
    "init": "write a commented card.toml: host name, user, Wi-Fi, place, purpose",
    "fetch": "fill a folder with the Python packages for an image, so that flashing needs no network",
    "probe": "say what an image is",
    "check": "read a finished image back and compare it with its receipt",
}
EXAMPLE = "fer-edge flash --device rpi5 --os-image raspios-lite.img.xz --config card.toml --out card.img"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `flash`."""
    what = "; ".join(f"{name}: {line}" for name, line in ACTIONS.items())
    parser.add_argument("action", choices=ACTIONS, nargs="?", help=f"without one, make a card. {what}")
    parser.add_argument(
        "path", type=Path, nargs="?", metavar="PATH", help="init: the file; fetch: the folder; probe, check: the image"
    )
    parser.add_argument("--device", metavar="NAME", help="the board or accelerator, as in `fer-edge devices`")
    parser.add_argument("--os-image", type=Path, metavar="FILE", help="a stock image: raw, .xz, .zst, .gz or .zip")
    parser.add_argument("--sha256", default="", metavar="HEX", help="what its publisher says, packed or unpacked")
    parser.add_argument("--bundle", metavar="BUNDLE", help="the model (default: the one inside fer-edge)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="card.toml; `flash init` writes a first one")
    parser.add_argument("--wheelhouse", type=Path, metavar="DIR", help="Python packages, as `flash fetch` brings them")
    parser.add_argument(
        "--update-key", type=Path, metavar="FILE", help="whose updates it takes: NAME.pub of `update key`"
    )
    parser.add_argument("--out", type=Path, metavar="IMAGE", help="write the card to a file")
    parser.add_argument("--to", metavar="DISK", help="write the card to a disk, such as /dev/sdb")
    parser.add_argument("--serial", default="", metavar="TEXT", help="--to --yes: the serial number of that disk")
    parser.add_argument("--yes", action="store_true", help="--to: do not ask, when --serial is right")
    parser.add_argument("--direct", action="store_true", help="write into the root file system: no step at first boot")
    parser.add_argument("--grow", metavar="SIZE", help="make the image larger first, such as 8G")
    parser.add_argument("--own-python", type=Path, metavar="FILE", help="a relocatable Python, for a Jetson")
    parser.add_argument("--python", metavar="X.Y", help="of --own-python; fetch: of the image, without --os-image")
    parser.add_argument("--glibc", default="2.36", metavar="X.Y", help="fetch: likewise (default: %(default)s)")
    parser.add_argument("--replace", action="store_true", help="overwrite what is there")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def run(args: argparse.Namespace) -> int:
    """Do what the action says; without one, make a card."""
    actions = {None: _make, "init": _init, "fetch": _fetch, "probe": _probe, "check": _check}
    return actions[args.action](args)


def _make(args: argparse.Namespace) -> int:
    from ..devices.flash.make import make_card, planned_card
    from ..devices.flash.options import CardOptions

    example = "fer-edge flash --device rpi5 --os-image FILE --out card.img"
    if args.os_image is None:
        raise UsageError("flash needs --os-image", cause="it makes a card from a stock image", hint=example)
    if not args.dry_run and args.out is None and args.to is None:
        raise UsageError("flash needs --out FILE or --to DISK, or --dry-run", hint=example)
    options = options_of(CardOptions, {name: value for name, value in vars(args).items() if value is not None})
    steps = _steps(args.json)
    if args.dry_run:
        with planned_card(options, steps) as plan:
            print(json.dumps(plan.to_json()) if args.json else "\n".join(plan.lines()))
        return 0
    receipt = make_card(options, lambda: confirmed_disk(args.to, args.yes, args.serial) if args.to else None, steps)
    if args.json:
        places = {"out": str(args.out) if args.out else None, "to": args.to}
        print(json.dumps({"ok": True, **places, "sha256": receipt.image, "size": receipt.size, **receipt.facts}))
        return 0
    if args.out is not None:
        print(f"{args.out} is ready, {receipt.size / 1e9:.2f} GB; check it again: fer-edge flash check {args.out}")
    if args.to is not None:
        print(f"{args.to} is ready: put the card into the board and switch it on")
    return 0


def _init(args: argparse.Namespace) -> int:
    from ..devices.flash.card.card import write_first_card

    path: Path = args.path or Path("card.toml")
    write_first_card(path, args.replace)
    next_one = f"fill it in, then {EXAMPLE.replace('card.toml', str(path))}"
    print(json.dumps({"out": str(path)}) if args.json else f"{path} is written; {next_one}")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from ..devices.flash.options import FetchOptions
    from ..devices.flash.payload.parts import fetch_packages

    folder: Path = args.path or args.wheelhouse or Path("wheelhouse")
    if not args.python and not args.os_image:
        raise UsageError(
            "for which Python are the packages to be?",
            hint=f"fer-edge flash fetch {folder} --python 3.11  # for bookworm; 3.13 for trixie, or --os-image FILE",
        )
    options = FetchOptions(folder, args.os_image, args.sha256, args.own_python, args.python or "", args.glibc)
    house = fetch_packages(options, _steps(args.json))
    packages = counted(len(house.wheels), "package")
    text = f"{folder}: {packages} for {house.target.words()}; flash with --wheelhouse {folder}"
    answer = {"out": str(folder), "target": house.target.name, "packages": [wheel.name for wheel in house.wheels]}
    print(json.dumps(answer) if args.json else text)
    return 0


def _probe(args: argparse.Namespace) -> int:
    from ..devices.flash.image.probe import opened_image

    source = _image(args.action, args.path or args.os_image)
    with opened_image(source, args.sha256, _steps(args.json).on_progress("unpack")) as (image, probed):
        if args.json:
            print(json.dumps({"path": str(image), **probed.to_json()}))
            return 0
        print(probed.words())
        for part in probed.partitions:
            name = f" {part.name}" if part.name else ""
            used = "boot" if part == probed.boot else "root" if part == probed.root else ""
            print(
                f"  {part.number:2} {part.start / 1e6:10.1f} MB + {part.size / 1e6:10.1f} MB  {part.kind}{name} {used}"
            )
        print(f"  free: {probed.free_boot / 1e6:.1f} MB in boot, {probed.free_root / 1e6:.1f} MB in root")
    return 0


def _check(args: argparse.Namespace) -> int:
    from ..devices.flash.verify import check_card

    image = _image(args.action, args.path or args.os_image)
    checked = check_card(image)
    if args.json:
        answer = {"ok": True, "image": str(image), "paths": checked.paths, "untouched": checked.untouched}
        print(json.dumps(answer))
        return 0
    print(f"{image}: {checked.paths} files, folders and links are as the receipt says; both file systems are whole")
    changed = "  the image as a whole was changed since: it has booted, or was edited"
    print("  not a byte differs" if checked.untouched else changed)
    return 0


def _image(action: str, image: Path | None) -> Path:
    if image is None:
        raise UsageError(f"flash {action} needs an image", hint=f"fer-edge flash {action} card.img")
    return image


def _steps(quiet: bool) -> Listener:
    """Prints a line a step, and the progress of the one that runs; quiet: warnings alone."""
    from ..devices.flash.options import STEPS, Listener, OnProgress, silent

    class Steps(Listener):
        def __init__(self) -> None:
            self.line, self.begun = StatusLine(), time.monotonic()

        def on_progress(self, step: str) -> OnProgress:
            def show(done: int, total: int) -> None:
                if total:
                    self.line.show(f"{step}: {100 * done // total} %")

            return silent if quiet else show

        def on_busy(self, text: str) -> None:
            if not quiet:
                self.line.show(text)

        def on_message(self, text: str) -> None:
            print(text, file=sys.stderr)

        def on_step(self, step: str, text: str) -> None:
            self.line.end()
            now = time.monotonic()
            if not quiet:
                print(f"{STEPS.index(step) + 1}/{len(STEPS)} {step:7} {text}  ({now - self.begun:.1f} s)", flush=True)
            self.begun = now

    return Steps()


def confirmed_disk(to: str, yes: bool, serial: str) -> Disk:
    """The disk that --to names, if it may be written and a person or a serial number said so.

    Raises UsageError: it must not be written, or nobody confirmed it; DeviceNotFound: there is none.
    """
    from ..devices.flash.disk.confirmed import check_serial, find_writable
    from ..devices.flash.disk.disks import NO_SERIAL

    disk = find_writable(to)
    if yes:
        check_serial(disk, serial)
        return disk
    if not sys.stdin.isatty():
        raise UsageError(
            f"nobody is there to confirm that {disk.path} is to be overwritten",
            cause=disk.words(),
            hint=f"--yes --serial {disk.serial or NO_SERIAL}, if that is the card",
        )
    print(
        f"Everything on {disk.words()} will be lost.\nType {disk.name} to go on: ", end="", file=sys.stderr, flush=True
    )
    if sys.stdin.readline().strip() != disk.name:
        raise UsageError(f"{disk.path} was not confirmed; nothing was written", hint="lsblk")
    return disk

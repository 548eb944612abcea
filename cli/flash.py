"""`fer-edge flash`: from a stock image of an operating system to a card that boots into the kiosk."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import UsageError

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
    if args.action is None:
        from .flash_card import make_card

        return make_card(args)
    actions = {"init": _init, "fetch": _fetch, "probe": _probe, "check": _check}
    return actions[args.action](args)


def _init(args: argparse.Namespace) -> int:
    from ..bundle import write_text
    from ..devices.flash.card.template import first_card_toml

    path: Path = args.path or Path("card.toml")
    if path.exists() and not args.replace:
        raise UsageError(f"{path} is there already", hint=f"fer-edge flash init {path} --replace")
    write_text(path, first_card_toml())
    next_one = f"fill it in, then {EXAMPLE.replace('card.toml', str(path))}"
    print(json.dumps({"out": str(path)}) if args.json else f"{path} is written; {next_one}")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from .flash_payload import fetch_for

    folder: Path = args.path or args.wheelhouse or Path("wheelhouse")
    if not args.python and not args.os_image:
        raise UsageError(
            "for which Python are the packages to be?",
            hint=f"fer-edge flash fetch {folder} --os-image FILE, or --python 3.11 for bookworm, 3.13 for trixie",
        )
    house = fetch_for(args, folder)
    text = f"{folder}: {len(house.wheels)} packages for {house.target.words()}; flash with --wheelhouse {folder}"
    answer = {"out": str(folder), "target": house.target.name, "packages": [wheel.name for wheel in house.wheels]}
    print(json.dumps(answer) if args.json else text)
    return 0


def _image(args: argparse.Namespace) -> Path:
    image: Path | None = args.path or args.os_image
    if image is None:
        raise UsageError(f"flash {args.action} needs an image", hint=f"fer-edge flash {args.action} card.img")
    return image


def _probe(args: argparse.Namespace) -> int:
    from ..devices.flash.plan import Plan
    from .flash_card import opened

    with opened(_image(args), args.sha256, quiet=args.json) as (image, probed):
        if args.json:
            print(json.dumps({"path": str(image), **Plan(probed, probed.first_boot, ()).to_json()["image"]}))
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
    from ..devices.flash.expected import read_receipt, receipt_path
    from ..devices.flash.image.probe import probe
    from ..devices.flash.verify import verify_paths
    from ..files import sha256_of

    image = _image(args)
    receipt = read_receipt(receipt_path(image))
    count = verify_paths(image, probe(image), receipt.paths)
    same = sha256_of(image) == receipt.image
    if args.json:
        print(json.dumps({"ok": True, "image": str(image), "paths": count, "untouched": same}))
        return 0
    print(f"{image}: {count} files, folders and links are as the receipt says; both file systems are whole")
    print("  not a byte differs" if same else "  the image as a whole was changed since: it has booted, or was edited")
    return 0

"""The steps of `fer-edge flash`: unpack, probe, plan, apply, verify, write; each says what it did."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..devices.flash.apply import apply
from ..devices.flash.expand import expand
from ..devices.flash.expected import Receipt, expected, receipt_path
from ..devices.flash.image.grow import grow
from ..devices.flash.image.probe import Probed, make_clean, probe
from ..devices.flash.image.unpack import packing, unpack
from ..devices.flash.plan import ROUTES, Plan
from ..devices.flash.verify import verify
from ..errors import UsageError
from ..files import sha256_of, write_text, writing
from .output import StatusLine

if TYPE_CHECKING:
    from ..devices.flash.disk.disks import Disk
    from .flash_payload import Parts

STEPS = ("unpack", "probe", "plan", "apply", "verify", "write")


class Steps:
    """Prints a line a step, and the progress of the one that runs."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.line = quiet, StatusLine()
        self.begun = time.monotonic()

    def progress(self, what: str) -> Callable[[int, int], None]:
        """A callback for done and total."""

        def told(done: int, total: int) -> None:
            if not self.quiet and total:
                self.line.show(f"{what}: {100 * done // total} %")

        return told

    def busy(self, text: str) -> None:
        """Say what goes on where no number tells."""
        if not self.quiet:
            self.line.show(text)

    def done(self, step: str, text: str) -> None:
        """Say what a step did, and how long it took."""
        self.line.end()
        now = time.monotonic()
        if not self.quiet:
            print(f"{STEPS.index(step) + 1}/{len(STEPS)} {step:7} {text}  ({now - self.begun:.1f} s)", flush=True)
        self.begun = now


@contextmanager
def opened(source: Path, sha256: str, quiet: bool) -> Iterator[tuple[Path, Probed]]:
    """An image to look at: itself when it is raw, else unpacked into a temporary file."""
    with tempfile.TemporaryDirectory(prefix="fer-edge-") as temporary:
        image = source
        if sha256 or packing(source) != "raw":
            image = Path(temporary) / "card.img"
            unpack(source, image, sha256, Steps(quiet).progress("unpack"))
        yield image, probe(image)


def make_card(args: argparse.Namespace) -> int:
    """Make a card from a stock image; with --dry-run only say how."""
    from .flash_payload import ready

    _check_options(args)
    steps = Steps(args.json)
    with tempfile.TemporaryDirectory(prefix="fer-edge-") as temporary:
        work = Path(temporary)
        parts = ready(args)
        if args.dry_run:
            with opened(args.os_image, args.sha256, args.json) as (image, probed):
                plan = parts.plan(image, probed, work)
                print(json.dumps(plan.to_json()) if args.json else "\n".join(plan.lines()))
            return 0
        disk = _disk(args)
        with _output(args, work) as image:
            plan = _build(parts, image, work, disk, steps)
            receipt = _receipt(args, image, plan, parts.profile.name)
            if disk is not None:
                from .flash_disk import write_disk

                write_disk(image, disk, steps)
        if args.out is not None:
            write_text(receipt_path(args.out), receipt.to_json())
    _finish(args, receipt)
    return 0


def _check_options(args: argparse.Namespace) -> None:
    example = "fer-edge flash --device rpi5 --os-image FILE --out card.img"
    if args.os_image is None:
        raise UsageError("flash needs --os-image", cause="it makes a card from a stock image", hint=example)
    if not args.dry_run and args.out is None and args.to is None:
        raise UsageError("flash needs --out FILE or --to DISK, or --dry-run", hint=example)
    if args.out is not None and args.out.exists():
        if args.out.resolve() == args.os_image.resolve():
            raise UsageError("--out is the stock image itself", hint="give the card another name")
        if not args.replace and not args.dry_run:
            raise UsageError(f"{args.out} is there already", hint="the same command with --replace")


def _disk(args: argparse.Namespace) -> Disk | None:
    """The disk to write to, looked at and confirmed before anything is done; None without --to."""
    if args.to is None:
        return None
    from .flash_disk import confirmed

    return confirmed(args)


def _output(args: argparse.Namespace, work: Path) -> AbstractContextManager[Path]:
    """Where the image is made: beside --out, whose place it takes when all went well; else in a temporary folder."""
    return nullcontext(work / "card.img") if args.out is None else writing(args.out)


def _build(parts: Parts, image: Path, work: Path, disk: Disk | None, steps: Steps) -> Plan:
    """Unpack, probe, plan, apply and verify into `image`."""
    args = parts.args
    unpack(args.os_image, image, args.sha256, steps.progress("unpack"))
    steps.done("unpack", f"{args.os_image.name}: {image.stat().st_size / 1e9:.2f} GB")
    probed = probe(image)
    steps.done("probe", probed.words())
    mended = make_clean(image, probed)
    steps.busy("plan: putting packages, bundle and configuration together")
    plan = parts.plan(image, probed, work)
    if disk is not None:
        from .flash_disk import check_size

        check_size(disk, plan.grow or probed.size)
    steps.done("plan", f"{ROUTES[plan.route]}; --dry-run shows all {len(plan.changes)} changes")
    if plan.grow:
        grow(image, probed, plan.grow)
        plan = replace(plan, probed=probe(image))
    apply(image, plan.probed, plan.changes, steps.progress("apply"))
    notes = [f", grown to {plan.grow / 1e9:.2f} GB" if plan.grow else "", ", journal carried out" if mended else ""]
    steps.done("apply", f"{sum(1 for _ in expand(plan.changes))} files, folders and links{''.join(notes)}")
    count = verify(image, plan.probed, plan.changes)
    steps.done("verify", f"{count} of them read back, and both file systems are whole")
    return plan


def _receipt(args: argparse.Namespace, image: Path, plan: Plan, device: str) -> Receipt:
    facts = {"device": device, "source": args.os_image.name, "route": plan.route, "fer_edge": __version__}
    facts["image"] = plan.probed.words()
    return Receipt(sha256_of(image), image.stat().st_size, facts, expected(plan.changes))


def _finish(args: argparse.Namespace, receipt: Receipt) -> None:
    if args.json:
        places = {"out": str(args.out) if args.out else None, "to": args.to}
        print(json.dumps({"ok": True, **places, "sha256": receipt.image, "size": receipt.size, **receipt.facts}))
        return
    if args.out is not None:
        print(f"{args.out} is ready, {receipt.size / 1e9:.2f} GB; check it again: fer-edge flash check {args.out}")
    if args.to is not None:
        print(f"{args.to} is ready: put the card into the board and switch it on")

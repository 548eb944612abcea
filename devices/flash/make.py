"""Makes a card: unpack, probe, plan, apply, verify, write; the caller hears what each step did."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from ... import __version__
from ...errors import UsageError
from ...files import sha256_of, write_text, writing
from ...words import counted
from .apply import apply
from .changes import expand
from .disk.confirmed import check_opened, look_again
from .disk.disks import Disk, check_size
from .disk.write import write_card
from .image.grow import grow
from .image.probe import make_clean, opened_image, probe
from .image.unpack import unpack
from .options import CardOptions, Listener
from .payload.parts import Parts, prepare_parts
from .plan import ROUTES, Plan
from .verify import Receipt, expected, receipt_path, verify


@contextmanager
def planned_card(options: CardOptions, listener: Listener | None = None) -> Iterator[Plan]:
    """What `make_card` would do, raised as it does; its payload lies in a temporary folder as long as this is open."""
    listener = listener or Listener()
    check_output(replace(options, replace=True))
    parts = prepare_parts(options, listener)
    with (
        tempfile.TemporaryDirectory(prefix="fer-edge-") as temporary,
        opened_image(options.os_image, options.sha256, listener.on_progress("unpack")) as (image, probed),
    ):
        yield parts.plan(image, probed, Path(temporary))


def make_card(
    options: CardOptions, choose_disk: Callable[[], Disk | None] = lambda: None, listener: Listener | None = None
) -> Receipt:
    """Make a card from a stock image; an image at `options.out` appears only when all went well.

    Args:
        choose_disk: called once the options are found right and before anything is done: the disk to write to, whose
            content is lost, or None.

    Raises:
        UsageError, InputError: an option, the image or card.toml is wrong, or a disk must not be written.
        OutputError: no room; GateFailed: what was written does not read back.
        DeviceNotFound: a program is not installed.
    """
    listener = listener or Listener()
    check_output(options)
    with tempfile.TemporaryDirectory(prefix="fer-edge-") as temporary:
        work = Path(temporary)
        parts = prepare_parts(options, listener)
        disk = choose_disk()
        if disk is None and options.out is None:
            raise UsageError("a card needs a file or a disk to go to", hint="fer-edge flash --help")
        output: AbstractContextManager[Path] = nullcontext(work / "card.img")
        if options.out is not None:
            output = writing(options.out)  # beside it; it takes its place when all went well
        with output as image:
            plan = _build(parts, image, work, disk, listener)
            receipt = _receipt(options, image, plan, parts.profile.name)
            if disk is not None:
                write_disk(image, disk, listener)
        if options.out is not None:
            write_text(receipt_path(options.out), receipt.to_json())
    return receipt


def check_output(options: CardOptions) -> None:
    """Raises UsageError when the card's image is there already, or is the stock image."""
    if options.out is not None and options.out.exists():
        if options.out.resolve() == options.os_image.resolve():
            raise UsageError("--out is the stock image itself", hint="give the card another name")
        if not options.replace:
            raise UsageError(f"{options.out} is there already", hint="the same command with --replace")


def write_disk(image: Path, disk: Disk, listener: Listener) -> None:
    """Write an image to the disk that was confirmed, and read every byte back.

    Raises as `look_again`, `check_opened` and `write_card` do.
    """
    now = look_again(disk, loops=disk.bus == "loop")  # it may be mounted by now
    check_size(now, image.stat().st_size)
    write_card(
        image,
        disk.path,
        lambda step, done, total: listener.on_progress(step)(done, total),
        lambda opened: check_opened(disk, opened),
    )
    listener.on_step("write", f"{disk.words()}: written, and every byte read back")


def _build(parts: Parts, image: Path, work: Path, disk: Disk | None, listener: Listener) -> Plan:
    """Unpack, probe, plan, apply and verify into `image`."""
    source = parts.options.os_image
    unpack(source, image, parts.options.sha256, listener.on_progress("unpack"))
    listener.on_step("unpack", f"{source.name}: {image.stat().st_size / 1e9:.2f} GB")
    probed = probe(image)
    listener.on_step("probe", probed.words())
    repaired = make_clean(image, probed)
    listener.on_busy("plan: putting packages, bundle and configuration together")
    plan = parts.plan(image, probed, work)
    if disk is not None:
        check_size(disk, plan.grow or probed.size)
    listener.on_step("plan", f"{ROUTES[plan.route]}; --dry-run shows {counted(len(plan.changes), 'change')}")
    if plan.grow:
        grow(image, probed, plan.grow)
        plan = replace(plan, probed=probe(image))
    apply(image, plan.probed, plan.changes, listener.on_progress("apply"))
    notes = [f", grown to {plan.grow / 1e9:.2f} GB" if plan.grow else "", ", journal carried out" if repaired else ""]
    listener.on_step("apply", f"{sum(1 for _ in expand(plan.changes))} files, folders and links{''.join(notes)}")
    count = verify(image, plan.probed, expected(plan.changes))
    listener.on_step("verify", f"{count} of them read back, and both file systems are whole")
    return plan


def _receipt(options: CardOptions, image: Path, plan: Plan, device: str) -> Receipt:
    facts = {"device": device, "source": options.os_image.name, "route": plan.route, "fer_edge": __version__}
    facts["image"] = plan.probed.words()
    return Receipt(sha256_of(image), image.stat().st_size, facts, expected(plan.changes))

"""What `fer-edge flash` puts into an image: card, bundle, packages and configuration, made ready before it is used."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, UsageError

if TYPE_CHECKING:
    from ..bundle import Bundle
    from ..devices.flash.card.card import Card
    from ..devices.flash.image.facts import Facts
    from ..devices.flash.image.probe import Probed
    from ..devices.flash.payload.wheels import Wheelhouse
    from ..devices.flash.plan import Plan
    from ..devices.profile import Profile

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
"""The versions that were tested together, so that two cards flashed a year apart hold the same."""
OWN_PYTHON = "3.11"
"""Of the relocatable Python for a Jetson, unless --python says otherwise."""


@dataclass(frozen=True)
class Parts:
    """What was given, opened and found right.

    Attributes:
        config: the kiosk's configuration as TOML; empty without --config.
    """

    args: argparse.Namespace
    card: Card
    profile: Profile
    bundle: Bundle
    config: str
    growth: int

    def plan(self, image: Path, probed: Probed, work: Path) -> Plan:
        """The plan for an image, its payload built in `work`; raises whatever speaks against it."""
        from ..devices.flash.first_boot.route import changes_for
        from ..devices.flash.image.facts import read_facts
        from ..devices.flash.image.grow import check_growth
        from ..devices.flash.plan import Plan, check_room, choose_route

        route = choose_route(probed, board_of(self.profile), self.args.direct)
        if self.growth:
            check_growth(probed, self.growth)
        facts = read_facts(image, probed, self.card.time_zone)
        _check_zone(self.card, facts)
        payload = self._payload(probed, work)
        scratch = work / "staged"
        scratch.mkdir(exist_ok=True)
        engine = any(artifact.target == "tensorrt" for artifact in self.bundle.manifest.artifacts)
        changes = changes_for(route, self.card, payload, facts, scratch, engine)
        plan = Plan(probed, route, changes, self.growth)
        check_room(plan)
        return plan

    def _payload(self, probed: Probed, work: Path) -> Path:
        from ..devices.flash.payload.payload import build_payload, packaging_folder

        archive: Path | None = self.args.own_python
        if probed.board == "jetson" and archive is None:
            raise UsageError(
                f"the image's own Python {probed.python} is too old for fer-edge",
                cause="JetPack 4.6 has Python 3.6; the kiosk needs 3.10 or newer beside it",
                hint="--own-python FILE, an install_only archive of python-build-standalone for aarch64",
            )
        house = wheelhouse(self.args, python_for(self.args, probed), probed)
        return build_payload(
            house, self.bundle.folder, self.config, packaging_folder(), work / "payload", archive, detector_weights()
        )


def ready(args: argparse.Namespace) -> Parts:
    """Open everything that can be looked at before the image; raises for the first thing that is wrong."""
    from ..bundle import open_bundle
    from ..devices.flash.card.card import Card, load_card
    from ..devices.flash.image.grow import read_size
    from ..devices.profile import find_profile
    from .card_config import config_toml

    card = load_card(args.config) if args.config else Card()
    device = args.device or card.device
    if not device:
        raise UsageError("for which device is the card to be?", hint="--device rpi5, or device in card.toml")
    profile = find_profile(device)
    config = config_toml(replace(card, device=""), profile.name) if args.config else ""
    if not args.config:
        print("warning: without --config nobody can log in, and the kiosk waits for a declared place", file=sys.stderr)
    bundle = open_bundle(args.bundle)
    return Parts(args, card, profile, bundle, config, read_size(args.grow) if args.grow else 0)


def board_of(profile: Profile) -> str:
    """Which kind of image a device needs, a key of `probe.BOARDS`; empty for an accelerator, which goes with any."""
    if profile.board.startswith("Raspberry Pi"):
        return "raspberrypi"
    return "jetson" if profile.name == "jetson-nano" else ""


def python_for(args: argparse.Namespace, probed: Probed) -> str:
    """The Python that the daemon will run under, such as 3.11."""
    if args.own_python is not None or probed.board == "jetson":
        return args.python or OWN_PYTHON
    return probed.python


def wheelhouse(args: argparse.Namespace, python: str, probed: Probed) -> Wheelhouse:
    """--wheelhouse, which needs no network; else the one in the cache, filled when it has nothing for this Python."""
    from ..bundle import cache_folder
    from ..devices.flash.payload.wheels import fetch, open_wheelhouse

    if not probed.glibc:
        raise InputError(
            "the version of the image's C library could not be told",
            cause="its package list and its library are not where Debian has them",
            hint="fer-edge flash probe IMAGE",
        )
    wanted = (python, probed.architecture, probed.glibc)
    if args.wheelhouse is not None:
        return open_wheelhouse(args.wheelhouse, *wanted)
    folder = cache_folder() / "wheelhouse"
    try:
        return open_wheelhouse(folder, *wanted)
    except InputError:
        return fetch(*wanted, folder, constraints=CONSTRAINTS, say=_say)


def fetch_for(args: argparse.Namespace, folder: Path) -> Wheelhouse:
    """Fill a folder for an image, or for a Python and C library that are named."""
    from ..devices.flash.payload.wheels import fetch
    from .flash_card import opened

    if args.os_image is None:
        return fetch(args.python, "aarch64", args.glibc, folder, constraints=CONSTRAINTS, say=_say)
    with opened(args.os_image, args.sha256, args.json) as (_, probed):
        wanted = (python_for(args, probed), probed.architecture, probed.glibc)
        return fetch(*wanted, folder, constraints=CONSTRAINTS, say=_say)


def detector_weights() -> list[Path]:
    """YuNet's weights where they were fetched; without them the kiosk finds faces by Haar."""
    from ..runtime.vision.detectors.weights import REGISTRY, find_model

    return [path for name in REGISTRY if (path := find_model(name, required=False)) is not None]


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _check_zone(card: Card, facts: Facts) -> None:
    if not facts.zones:
        raise InputError(
            f"the image knows no time zone {card.time_zone!r}",
            cause="it is misspelt, or the image has no tzdata",
            hint="timedatectl list-timezones",
        )

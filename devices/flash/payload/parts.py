"""What `fer-edge flash` puts into an image: card, bundle, packages and configuration, made ready before it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ....bundle import Bundle, cache_folder, save_bundle
from ....bundle.manifest import CARD
from ....errors import InputError, UsageError
from ....runtime.inference.open_device import bundle_for
from ....runtime.vision.detectors.weights import REGISTRY, find_model
from ...profile import Profile, find_profile
from ..card.card import Card, Updates, load_card
from ..card.kiosk_config import config_toml
from ..card.values import update_key
from ..first_boot.route import changes_for
from ..image.contents import Contents, read_contents
from ..image.grow import check_growth, read_size
from ..image.probe import Probed, opened_image
from ..options import CardOptions, FetchOptions, Listener
from ..plan import Plan, check_room, choose_route
from .payload import build_payload, packaging_folder
from .wheel_closure import Target
from .wheels import Wheelhouse, fetch, open_wheelhouse

OWN_PYTHON = "3.11"
"""Of the relocatable Python for a Jetson, unless --python says otherwise."""


@dataclass(frozen=True)
class Parts:
    """What was given, opened and found right; `config` is the kiosk's configuration as TOML, empty without --config."""

    options: CardOptions
    listener: Listener
    card: Card
    profile: Profile
    bundle: Bundle
    config: str
    growth: int

    def plan(self, image: Path, probed: Probed, work: Path) -> Plan:
        """The plan for an image, its payload built in `work`; raises whatever speaks against it."""
        route = choose_route(probed, board_of(self.profile), self.options.direct)
        if self.growth:
            check_growth(probed, self.growth)
        contents = read_contents(image, probed, self.card.time_zone)
        _check_zone(self.card, contents)
        bundle = only_for(self.profile.target, self.bundle, work / "bundle")
        payload = self._payload(probed, bundle, work)
        scratch = work / "staged"
        scratch.mkdir(exist_ok=True)
        engine = any(artifact.target == "tensorrt" for artifact in bundle.manifest.artifacts)
        changes = changes_for(route, self.card, payload, contents, scratch, engine)
        plan = Plan(probed, route, changes, self.growth)
        check_room(plan)
        return plan

    def _payload(self, probed: Probed, bundle: Bundle, work: Path) -> Path:
        archive: Path | None = self.options.own_python
        if probed.board == "jetson" and archive is None:
            raise UsageError(
                f"the image's own Python {probed.python} is too old for fer-edge",
                cause="JetPack 4.6 has Python 3.6; the kiosk needs 3.10 or newer beside it",
                hint="--own-python with python-build-standalone's install_only archive for aarch64",
            )
        wheelhouse = _wheelhouse(self.options, probed, self.listener.on_message)
        return build_payload(
            wheelhouse,
            bundle.folder,
            self.config,
            packaging_folder(),
            work / "payload",
            archive,
            detector_weights(),
        )


def prepare_parts(options: CardOptions, listener: Listener) -> Parts:
    """Open everything that can be looked at before the image; raises for the first thing that is wrong."""
    card = load_card(options.config) if options.config else Card()
    if options.update_key is not None:
        card = replace(card, update=Updates(_read_key(options.update_key)))
    device = options.device or card.device
    if not device:
        raise UsageError(
            "for which device is the card to be?", hint="the same command with --device rpi5, or device in card.toml"
        )
    profile = find_profile(device)
    config = config_toml(replace(card, device=""), profile.name, usual=profile.kiosk) if options.config else ""
    if not options.config:
        listener.on_message("warning: without --config nobody can log in, and the kiosk waits for a declared place")
    if not card.update.key:
        listener.on_message("warning: without --update-key the card takes no update but with --unsigned")
    bundle = bundle_for(profile, options.bundle)
    growth = read_size(options.grow) if options.grow else 0
    return Parts(options, listener, card, profile, bundle, config, growth)


def only_for(target: str, bundle: Bundle, into: Path) -> Bundle:
    """The bundle without what other devices run, written to `into`; itself where there is nothing else in it.

    One with the artifacts of a models wheel would take 130 MB of a card. ONNX stays: the processor stands in by it.
    """
    kept = tuple(a for a in bundle.manifest.artifacts if a.target in ("onnx", target))
    if len(kept) == len(bundle.manifest.artifacts):
        return bundle
    files = {name: bundle.folder / name for artifact in kept for name in artifact.files}
    if (card := bundle.folder / CARD).is_file():
        files[CARD] = card
    return save_bundle(into, replace(bundle.manifest, artifacts=kept), files)


def _read_key(path: Path) -> str:
    try:
        return update_key(path.read_text())
    except (OSError, ValueError) as error:
        what = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else error
        raise InputError(f"{path} {what}", hint="fer-edge update key NAME  # makes NAME.key and NAME.pub") from None


def board_of(profile: Profile) -> str:
    """Which kind of image a device needs, a key of `probe.BOARDS`; empty for an accelerator, which goes with any."""
    if profile.board.startswith("Raspberry Pi"):
        return "raspberrypi"
    return "jetson" if profile.name == "jetson-nano" else ""


def fetch_packages(options: FetchOptions, listener: Listener) -> Wheelhouse:
    """Fill a wheelhouse for an image, or for a Python and C library that are named; raises as `fetch`, `probe` do."""
    if options.os_image is None:
        wanted = Target(options.python, glibc=options.glibc)
        return fetch(wanted, options.folder, say=listener.on_message)
    with opened_image(options.os_image, options.sha256, listener.on_progress("unpack")) as (_, probed):
        return fetch(_target(options, probed), options.folder, say=listener.on_message)


def _target(options: CardOptions | FetchOptions, probed: Probed) -> Target:
    """The Python that the daemon will run under."""
    own = options.own_python is not None or probed.board == "jetson"
    return Target((options.python or OWN_PYTHON) if own else probed.python, probed.architecture, probed.glibc)


def _wheelhouse(options: CardOptions, probed: Probed, say: Callable[[str], None]) -> Wheelhouse:
    """The one given, which needs no network; else that in the cache, filled when it has nothing for this Python."""
    if not probed.glibc:
        raise InputError(
            "the version of the image's C library could not be told",
            cause="its package list and its library are not where Debian has them",
            hint="fer-edge flash probe IMAGE",
        )
    target = _target(options, probed)
    if options.wheelhouse is not None:
        return open_wheelhouse(options.wheelhouse, target)
    folder = cache_folder() / "wheelhouse"
    try:
        return open_wheelhouse(folder, target)
    except InputError:
        return fetch(target, folder, say=say)


def detector_weights() -> list[Path]:
    """YuNet's weights where they were fetched; without them the kiosk finds faces by Haar."""
    return [path for name in REGISTRY if (path := find_model(name, required=False)) is not None]


def _check_zone(card: Card, contents: Contents) -> None:
    if not contents.zones:
        raise InputError(
            f"the image knows no time zone {card.time_zone!r}",
            cause="it is misspelt, or the image has no tzdata",
            hint="timedatectl list-timezones",
        )

"""What each way through a first boot changes in an image; `plan.choose_route` says which way."""

from __future__ import annotations

from pathlib import Path

from ..card.card import Card
from ..changes import Change
from ..image.contents import Contents
from . import cloudinit, direct, firstrun, jetson
from .accounts import accounts_of
from .direct_user import check_user


def changes_for(
    route: str, card: Card, payload: Path, contents: Contents, scratch: Path, engine: bool = True
) -> tuple[Change, ...]:
    """What a way changes; raises InputError, UsageError, DeviceFailed as the ways themselves do.

    Args:
        route: cloud-init, firstrun, direct or jetson.
        payload: as `build_payload` made it.
        scratch: a folder that stays until the changes were applied and verified.
        engine: for a Jetson, whether the bundle has a TensorRT artifact.
    """
    check_user(accounts_of(contents), card.user.name)
    if route == "cloud-init":
        return cloudinit.changes(card, payload, contents)
    if route == "firstrun":
        return firstrun.changes(card, payload, contents)
    staged = direct.stage(payload, scratch)
    if route == "jetson":
        return jetson.changes(card, staged, contents, engine)
    return direct.changes(card, staged, contents)

"""Jetson Nano, JetPack 4.6: the root file system APP is written to; the user is made as NVIDIA's own script does.

NVIDIA's l4t_create_default_user.sh (L4T 32.6) makes the user with `useradd -m -G sudo,video,audio,adm -s /bin/bash`,
adds gdm or lightdm where they are, names the host, and takes away /etc/systemd/system/default.target, which leads to
the wizard nv-oem-config. Here that link leads to multi-user.target instead: a kiosk needs no desktop, and an engine
needs its memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ....errors import UsageError
from ..card.card import Card
from ..changes import Change, MakeFolder, MakeLink, Place, WriteFile
from ..image.contents import Contents
from .accounts import Accounts
from .direct import WANTS, installed, kiosk_accounts, secret_files, system_changes
from .direct_user import user_changes, with_card_user

GROUPS = ("sudo", "video", "audio", "adm")
MANAGERS = {"gdm": "/etc/gdm3/custom.conf", "lightdm": "/lib/systemd/system/lightdm.service"}
"""Group of a display manager -> what shows that it is there."""
ENGINE_UNIT = """\
# Builds the TensorRT engine for this very GPU, before the kiosk starts; one that is there already is left as it is.
[Unit]
Description=fer-edge: building the TensorRT engine
Before=fer-edge.service
After=local-fs.target systemd-modules-load.service

[Service]
Type=oneshot
User=fer-edge
Group=fer-edge
SupplementaryGroups=video
CacheDirectory=fer-edge
Environment=PYTHONUNBUFFERED=1 FER_EDGE_CACHE=/var/cache/fer-edge
ExecStart=/usr/local/bin/fer-edge build-engine /opt/fer-edge/current/bundle
TimeoutStartSec=3600

[Install]
WantedBy=multi-user.target
"""
ENGINE = "fer-edge-engine.service"
DROP_IN = """\
# NVIDIA's device nodes belong to no class that systemd could allow by name, and CUDA needs more memory.
[Service]
DeviceAllow=
DevicePolicy=auto
MemoryMax=infinity
"""


def changes(card: Card, staged: Path, contents: Contents, engine: bool = True) -> tuple[Change, ...]:
    """What goes into APP.

    Args:
        staged: as `direct.stage` made it, from a payload with a Python of its own.
        engine: whether the bundle has a TensorRT artifact, whose engine is built at the first boot.

    Raises:
        UsageError: NVIDIA's licence was not accepted.
        InputError: the image has no account files, or a system account of the user's name.
    """
    if not card.accept_nvidia_licence:
        raise UsageError(
            "NVIDIA's own set-up asks whether its licence is accepted, and this takes its place",
            cause="card.toml does not say so",
            hint="accept_nvidia_licence = true in card.toml, if it is so",
        )
    accounts = with_card_user(kiosk_accounts(contents), card, contents, GROUPS)
    accounts = with_display_managers(accounts, card.user.name, contents)
    return (
        *installed(staged, accounts),
        *system_changes(card, contents),
        *user_changes(card, accounts, contents),
        *secret_files(card, accounts),
        *_board(card, engine),
    )


def with_display_managers(accounts: Accounts, user: str, contents: Contents) -> Accounts:
    """The user in the group of a display manager that is there, and that group's user in video."""
    for group, sign in MANAGERS.items():
        if sign in contents.markers or sign in contents.root:
            accounts = accounts.with_member(group, user) if user else accounts
            accounts = accounts.with_member("video", group)
    return accounts


def _board(card: Card, engine: bool) -> Iterator[Change]:
    place = Place.ROOT
    target = "/lib/systemd/system/multi-user.target"
    yield MakeLink(place, "/etc/systemd/system/default.target", target, why="no wizard, no desktop")
    yield WriteFile(place, "/etc/machine-id", b"", 0o444, why="each board gets its own at boot")
    drop_in = "/etc/systemd/system/fer-edge.service.d/jetson.conf"
    yield WriteFile(place, drop_in, DROP_IN.encode(), why="lets the kiosk at the GPU")
    if card.country:
        text = f"# Set by fer-edge flash.\nREGDOMAIN={card.country}\n".encode()
        yield WriteFile(place, "/etc/default/crda", text, why="the radio's country")
    if engine:
        yield WriteFile(place, f"/etc/systemd/system/{ENGINE}", ENGINE_UNIT.encode(), why="builds the engine")
        yield MakeFolder(place, WANTS)
        yield MakeLink(place, f"{WANTS}/{ENGINE}", f"/etc/systemd/system/{ENGINE}", why="builds the engine")

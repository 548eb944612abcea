"""The kiosk's page: the web server, told where to listen and what it may ask of the kiosk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ...errors import DeviceFailed, InputError, UsageError
from ..config import KioskConfig
from ..status.prometheus import CONTENT_TYPE
from ..web.server import WebServer
from ..web.settings import Desk, Notice

if TYPE_CHECKING:
    from pathlib import Path

    from .kiosk import Kiosk

QUALITY = 80
"""Of the preview's JPEG, 0..100."""


def open_page(kiosk: Kiosk) -> WebServer | None:
    """Serve; None when the configuration wants no page.

    Raises:
        MissingExtra: aiohttp is absent; InputError: the token cannot be read; DeviceFailed: the address is taken, which
        may be over when systemd starts the kiosk again.
    """
    web = kiosk.config.web
    if not web.port:
        return None
    settings = replace(web, token=token_of(web.token_file))
    settings.check()
    try:
        return WebServer(settings, desk_of(kiosk))
    except UsageError as error:
        raise DeviceFailed(error.message, cause=error.cause, hint=error.hint) from error


def desk_of(kiosk: Kiosk) -> Desk:
    """What may be asked of a kiosk from the server's thread."""
    names = ("pause", "record") if kiosk.config.record.on else ("pause",)
    commands: dict[str, Callable[[bool], None]] = {name: partial(kiosk.requests.ask, name) for name in names}
    return Desk(
        lambda: (kiosk.metrics(), CONTENT_TYPE),
        commands,
        notice=lambda: notice_of(kiosk.config),
        preview=partial(picture_of, kiosk) if kiosk.config.privacy.preview else None,
    )


def notice_of(config: KioskConfig) -> Notice:
    """What page and sign tell people, as the configuration has it now."""
    return Notice(
        text=config.privacy.notice,
        place=config.place.name,
        purpose=config.place.purpose,
        title=config.web.title,
        least_group=config.privacy.least_group,
        keep_days=config.store.keep_days,
        record_days=config.record.keep_days if config.record.on else None,
        record_video=config.record.video,
    )


def picture_of(kiosk: Kiosk) -> bytes | None:
    """The newest frame as JPEG with what is seen drawn into it, made in memory; None while paused."""
    import cv2

    from ..report.video import annotate

    newest = kiosk.daemon.newest
    if newest is None:
        return None
    frame, seen = newest
    good, data = cv2.imencode(".jpg", annotate(frame.image, seen), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes() if good else None


def token_of(file: Path | None) -> str:
    """The first line of a token's file, empty without one; raises InputError."""
    if file is None:
        return ""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"[web] token_file {file} cannot be read: {getattr(error, 'strerror', error)}",
            cause="the path is wrong, or the file belongs to somebody else",
            hint=f"ls -l {file}",
        ) from error
    if not lines or not lines[0].strip():
        raise InputError(f"[web] token_file {file} is empty", hint=f"head -c 24 /dev/urandom | base64 > {file}")
    return lines[0].strip()

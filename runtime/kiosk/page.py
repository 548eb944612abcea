"""The kiosk's web page: opens the server with its settings and with what it may ask of the kiosk."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...errors import DeviceFailed, InputError, UsageError
from ...language import ENGLISH, speaking
from ..config import KioskConfig
from ..keeping.places import has_pictures, places_of
from ..masking import first_line
from ..status.prometheus import CONTENT_TYPE
from ..types import Frame, Observation
from ..web.server import WebServer
from ..web.settings import CameraControl, KioskControl, Notice, is_loopback
from .commands import Requests, commands_of
from .recorder import still_in_view
from .timeline import Timeline

log = logging.getLogger(__name__)
QUALITY = 80
"""Of the preview's JPEG, 0..100."""


class LatestFrame:
    """A sink that keeps the newest frame and what was last seen of each face in memory, for the live picture."""

    def __init__(self) -> None:
        self._newest: tuple[Frame, Sequence[Observation]] | None = None

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """Take a frame in place of the one before."""
        before = self._newest[1] if self._newest else ()
        self._newest = frame, still_in_view(frame, observations, before)

    def close(self) -> None:
        """Forget it."""
        self._newest = None

    def jpeg(self) -> bytes | None:
        """The frame as JPEG with its observations drawn into it; None without one. From any thread."""
        from ...opencv import cv2
        from ..report.annotate import annotate

        if (newest := self._newest) is None:
            return None
        good, data = cv2.imencode(".jpg", annotate(newest[0].image, newest[1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return data.tobytes() if good else None


def open_page(
    config: Callable[[], KioskConfig],
    requests: Requests,
    metrics: Callable[[], str],
    latest: Mapping[str, LatestFrame],
) -> WebServer | None:
    """Serve; None when the configuration wants no page.

    Args:
        config: as it is now: a reload may change the notice.
        metrics: the text of `/metrics`.
        latest: the newest frame of each camera, by name.

    Raises:
        MissingExtra: aiohttp is absent; InputError: the token cannot be read; DeviceFailed: the address is taken, which
        may be over when systemd starts the kiosk again.
    """
    now = config()
    if not now.web.port:
        return None
    settings = replace(now.web, token=token_of(now.web.token_file))
    settings.check()
    control = KioskControl(
        metrics=lambda: (metrics(), CONTENT_TYPE),
        commands={name: partial(requests.ask, name) for name in commands_of(now)},
        mark=partial(requests.mark, source="page") if now.record.on else None,
        notice=lambda: notice_of(config()),
        cameras={
            name: CameraControl(
                Timeline(now.store.folder, lambda: config().privacy.least_group, camera=name).columns,
                partial(live_picture, config, frame) if now.privacy.preview else None,
            )
            for name, frame in latest.items()
        },
    )
    try:
        server = WebServer(settings, control)
    except UsageError as error:
        raise DeviceFailed(error.message, cause=error.cause, hint=error.hint) from error
    log.info(
        "the page is at %s%s",
        " and ".join(addresses(now.web.listen, server.port)),
        f", log in with the token in {now.web.token_file}" if settings.token else ", for this machine alone",
    )
    return server


def live_picture(config: Callable[[], KioskConfig], frame: LatestFrame) -> bytes | None:
    """The newest frame as JPEG, its labels in the page's language; English where each browser has its own."""
    with speaking(config().web.lang or ENGLISH):
        return frame.jpeg()


def addresses(listen: str, port: int) -> list[str]:
    """Where a browser finds a server that listens there: beyond this machine by address, and by name where mDNS is."""
    if listen not in ("0.0.0.0", "::"):
        return [f"http://{f'[{listen}]' if ':' in listen else listen}:{port}/"]
    places = [f"{socket.gethostname()}.local"]
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent: the kernel says from which address it would be (RFC 5737)
        if not is_loopback(own := probe.getsockname()[0]):
            places.insert(0, own)
    return [f"http://{place}:{port}/" for place in places]


def notice_of(config: KioskConfig) -> Notice:
    """What page and sign tell people, as the configuration has it now, and the places where things lie."""
    record = config.record
    sessions, pictures = list[Path](), False
    with suppress(OSError):  # that they cannot be read is said where they cannot be removed
        sessions = places_of(config.store.folder, record.folder).recordings()
        pictures = not (record.on and record.video) and any(map(has_pictures, sessions))
    return Notice(
        text=config.privacy.notice,
        place=config.place.name,
        purpose=config.place.purpose,
        title=config.web.title,
        lang=config.web.lang,
        least_group=config.privacy.least_group,
        keep_days=config.store.keep_days,
        record_days=record.keep_days if record.on else None,
        record_video=record.video,
        earlier_days=record.keep_days if pictures or (sessions and not record.on) else None,
        earlier_video=pictures,
    )


def token_of(file: Path | None) -> str:
    """The first line of a token's file, empty without one; raises InputError."""
    if file is None:
        return ""
    token = first_line(file, "[web] token_file").strip()
    if not token:
        raise InputError(f"[web] token_file {file} is empty", hint=f"head -c 24 /dev/urandom | base64 > {file}")
    return token

"""What the server is told: where to listen, who may come in, and what it can do for them."""

# ruff: noqa: RUF009  (key() is a dataclasses.field)
from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ...errors import UsageError
from ...toml_schema import DERIVED, key
from ...words import counted
from .reader_language import checked_language

MIN_TOKEN = 16
"""Characters; a shorter token can be guessed by trying."""
NOTICE = "A camera and a computer (AI) recognise facial expressions here."


@dataclass(frozen=True)
class WebSettings:
    """The kiosk's own page, API and metrics.

    Attributes:
        token: the first line of token_file; empty: whoever is on this machine may come in, and nobody else can.
        names: under which the server may be asked for, besides addresses, localhost and this machine's own name. A page
            of somebody else that gives this machine's address another name (DNS rebinding) is refused by it.
    """

    listen: str = key("127.0.0.1", "the address to listen on; beyond this machine it needs token_file", low=1)
    port: int = key(8080, "its port; 0: no page", high=65535)
    token_file: Path | None = key(None, "its first line is the token to log in with", secret_file=True)
    title: str = key("fer-edge", "of the page", low=1, high=100, reload=True)
    lang: str = key(
        "", "of page and sign, such as es or en; empty: what the browser wishes", convert=checked_language, reload=True
    )
    token: str = field(default="", repr=False, metadata=DERIVED)
    names: tuple[str, ...] = field(default=(), metadata=DERIVED)

    def check(self) -> None:
        """Raise UsageError when the server must not be opened like this."""
        if self.token and len(self.token) < MIN_TOKEN:
            raise UsageError(
                f"the web token has {counted(len(self.token), 'character')}, fewer than {MIN_TOKEN}",
                cause="it could be guessed by trying",
                hint="head -c 24 /dev/urandom | base64",
            )
        if not self.token and not is_loopback(self.listen):
            raise UsageError(
                f"{self.listen} is open to other machines and needs a token",
                cause="without one, everybody in the network could pause and watch the kiosk",
                hint="web.token_file in the configuration, or web.listen = 127.0.0.1",
            )


@dataclass(frozen=True)
class Notice:
    """What the page and the sign tell whoever is before the camera.

    Attributes:
        text: that a camera and a computer are at work; Art. 50(3) of the EU AI Act asks for it.
        place, purpose: where the kiosk stands, and what its figures are used for; empty: not told.
        title: of the pages; empty: that of the settings.
        lang: of the pages; empty: what the browser wishes.
        least_group: with fewer faces, nothing about them is told.
        keep_days: how long observations are kept; 0: at any age.
        record_days: how long a recorded session is kept, 0: at any age; None: none can be recorded.
        record_video: a recorded session has pictures.
        earlier_days: how long sessions are kept that lie there and are of another kind than those that can be recorded
            now; None: there are none. earlier_video: they have pictures.
    """

    text: str = NOTICE
    place: str = ""
    purpose: str = ""
    title: str = ""
    lang: str = ""
    least_group: int = 3
    keep_days: float = 30.0
    record_days: float | None = None
    record_video: bool = False
    earlier_days: float | None = None
    earlier_video: bool = False


@dataclass(frozen=True)
class CameraControl:
    """What the server can ask of one camera.

    Attributes:
        timeline: steps of five seconds ago -> label -> share, of the last ten minutes; called in a thread.
        preview: the newest frame as JPEG, or None when there is none; called only while somebody watches, never by two
            threads at once. Not offered when absent, or without a token.
    """

    timeline: Callable[[], Mapping[int, Mapping[str, float]]] = dict
    preview: Callable[[], bytes | None] | None = None


@dataclass(frozen=True)
class KioskControl:
    """What the server can ask of the daemon; each must return at once, and may be called from the server's threads.

    Attributes:
        metrics: the text of /metrics, and its content type.
        commands: `pause`, `record` -> takes on or off; a command that is not there is not offered.
        mark: takes the name of a marker for the session that is recorded; None: not offered.
        notice: as it is now; asked for each page, so that a changed configuration shows at once.
        cameras: by name, in their order; a lone one may have the empty name.
    """

    metrics: Callable[[], tuple[str, str]] = lambda: ("", "text/plain; charset=utf-8")
    commands: Mapping[str, Callable[[bool], None]] = field(default_factory=dict)
    mark: Callable[[str], None] | None = None
    notice: Callable[[], Notice] = Notice
    cameras: Mapping[str, CameraControl] = field(default_factory=lambda: {"": CameraControl()})


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine as seen by itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(4096)
def whose(host: str) -> str:
    """Whose an address is: of IPv6 its network, as each household has one; an IPv4 one in it as itself."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))


_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.:-]+?)(:[0-9]{1,5})?")
"""A Host header: a name or an address, and a port. What stands in it is told on the sign."""


def host_of(header: str) -> str:
    """The host of a Host header: without its port, brackets and last dot, in small letters; empty for anything odd."""
    found = _HOST.fullmatch(header)
    return found[1].lower().rstrip(".").strip("[]") if found else ""


def known_host(header: str, names: tuple[str, ...]) -> bool:
    """Whether a Host header names this server: an address, localhost, this machine's name, or one of `names`."""
    host = host_of(header)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        own = socket.gethostname().lower()
        return host in {"localhost", own, f"{own}.local", *(name.lower() for name in names)}
    return True

"""How the broker is reached, and the names of our topics on it."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, UsageError


@dataclass(frozen=True)
class MqttSettings:
    """The configuration's section [mqtt].

    Attributes:
        tls: encrypt, and check the broker's certificate against ca_file, or against the system's when it is not given.
        password_file: holds the password in its first line.
        topic: everything of ours lies below it.
        discovery: announce ourselves to Home Assistant, below discovery_prefix.
        queue_size: snapshots kept while the broker is away; interval_s: between two snapshots.
    """

    host: str
    port: int = 1883
    tls: bool = False
    ca_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    topic: str = "fer-edge"
    discovery: bool = True
    discovery_prefix: str = "homeassistant"
    queue_size: int = 1000
    interval_s: float = 10.0

    def __post_init__(self) -> None:
        for name, topic in (("topic", self.topic), ("discovery_prefix", self.discovery_prefix)):
            if not topic or topic[0] in "$/" or topic[-1] == "/" or re.search(r"[+#\x00-\x1f]|//", topic):
                raise UsageError(
                    f"[mqtt] {name} {topic!r} cannot be a topic",
                    cause="+ and # are wildcards, $ belongs to the broker, and no level may be empty",
                    hint=f'{name} = "fer-edge/entrance"',
                )
        if self.queue_size < 1 or self.interval_s < 0:
            raise UsageError("[mqtt] queue_size must be at least 1 and interval_s not negative")

    @property
    def status(self) -> str:
        """`online` or `offline`, retained."""
        return f"{self.topic}/status"

    @property
    def state(self) -> str:
        """The newest snapshot as JSON, retained."""
        return f"{self.topic}/state"

    def command(self, name: str) -> str:
        """Where ON or OFF is sent to for `pause` and `record`."""
        return f"{self.topic}/{name}/set"

    @property
    def node(self) -> str:
        """Our name in Home Assistant, of the letters that it allows; different for different topics."""
        name = re.sub(r"[^A-Za-z0-9_-]", "_", self.topic)
        digest = hashlib.sha256(self.topic.encode()).hexdigest()[:6]
        return name if name == self.topic else f"{name}_{digest}"


def password_of(settings: MqttSettings) -> str | None:
    """The password, or None when none is set; raises InputError."""
    if settings.password_file is None:
        return None
    try:
        lines = settings.password_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"[mqtt] password_file {settings.password_file} cannot be read: {getattr(error, 'strerror', error)}",
            cause="the path is wrong, or the file belongs to somebody else",
            hint=f"ls -l {settings.password_file}",
        ) from error
    return lines[0] if lines else ""


def trust_of(settings: MqttSettings) -> ssl.SSLContext | None:
    """Whom to trust, or None without TLS; raises InputError."""
    if not settings.tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise InputError(
            f"[mqtt] ca_file {settings.ca_file} is no certificate: {error.strerror or error}",
            cause="the path is wrong, or the file is not in PEM form",
            hint=f"openssl x509 -noout -subject -in {settings.ca_file}",
        ) from error

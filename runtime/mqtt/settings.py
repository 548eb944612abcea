"""How the broker is reached, and the names of our topics on it."""

# ruff: noqa: RUF009  (key() is a dataclasses.field)
from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...toml_schema import key
from ..masking import first_line
from .own_name import PLACEHOLDER


def topic_of(text: str) -> str:
    """A topic as it is; raises ValueError when messages cannot be published to it."""
    if not text or text[0] in "$/" or text[-1] == "/" or re.search(r"[+#\x00-\x1f]|//", text):
        raise ValueError("cannot be a topic: + and # are wildcards, $ belongs to the broker, and no level may be empty")
    return text


@dataclass(frozen=True)
class MqttSettings:
    """The broker that snapshots are sent to."""

    host: str = key("", 'its name or address; "": nothing is sent')
    port: int = key(1883, "its port; 8883 is usual with tls", low=1, high=65535)
    tls: bool = key(False, "encrypt, and check the broker's certificate")
    ca_file: Path | None = key(None, 'whom to trust, in PEM form; "": the system\'s authorities')
    cert_file: Path | None = key(None, "the certificate to log in with, in PEM form; needs key_file")
    key_file: Path | None = key(None, "its key", secret_file=True)
    user: str = key("", 'the name to log in with; "": none')
    password_file: Path | None = key(None, "its first line is the password", secret_file=True)
    topic: str = key(
        "fer-edge",  # of files from before there was a name of its own; config init and flash write the placeholder
        f"everything of ours lies below it, and nothing of another kiosk; {PLACEHOLDER}: eight letters of its own",
        low=1,
        convert=topic_of,
    )
    discovery: bool = key(True, "announce the kiosk to Home Assistant")
    discovery_prefix: str = key("homeassistant", "where Home Assistant listens", low=1, convert=topic_of)
    queue_size: int = key(1000, "kept while the broker is away", "snapshots", low=1, high=1000000)
    interval_s: float = key(10.0, "between two snapshots", "seconds", high=86400)

    @property
    def status(self) -> str:
        """`online` or `offline`, retained."""
        return f"{self.topic}/status"

    @property
    def state(self) -> str:
        """The newest snapshot as JSON, retained."""
        return f"{self.topic}/state"

    @property
    def history(self) -> str:
        """Snapshots that waited while the broker was away, not retained."""
        return f"{self.topic}/history"

    @property
    def rule(self) -> str:
        """What a rule tells, as JSON, not retained."""
        return f"{self.topic}/rule"

    def command(self, name: str) -> str:
        """Where ON or OFF is sent to for `pause` and `record`."""
        return f"{self.topic}/{name}/set"

    @property
    def mark(self) -> str:
        """Where the name of a marker is sent to."""
        return f"{self.topic}/mark/set"

    @property
    def node(self) -> str:
        """Our name in Home Assistant; different for different topics."""
        return plain_name(self.topic)


def plain_name(text: str) -> str:
    """A text in the letters that Home Assistant allows in discovery topics; different for different texts.

    home-assistant.io/integrations/mqtt, "Discovery topic": node and object id are of a-z, A-Z, 0-9, _ and -.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:64]
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return name if name == text else f"{name}_{digest}"


def password_of(settings: MqttSettings) -> str | None:
    """The password, or None when none is set; raises InputError."""
    file = settings.password_file
    return None if file is None else first_line(file, "[mqtt] password_file")


def trust_of(settings: MqttSettings) -> ssl.SSLContext | None:
    """Whom to trust, with our own certificate, or None without TLS; raises InputError."""
    if not settings.tls:
        return None
    trust = _authorities(settings)
    if settings.cert_file is not None and settings.key_file is not None:
        try:
            trust.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise InputError(
                f"[mqtt] cert_file {settings.cert_file} and key_file {settings.key_file} are no pair: "
                f"{getattr(error, 'strerror', None) or error}",
                cause="one of them cannot be read, belongs to another, or the key has a password",
                hint=f"openssl x509 -noout -subject -in {settings.cert_file}",
            ) from error
    return trust


def _authorities(settings: MqttSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise InputError(
            f"[mqtt] ca_file {settings.ca_file} is no certificate: {error.strerror or error}",
            cause="the path is wrong, or the file is not in PEM form",
            hint=f"openssl x509 -noout -subject -in {settings.ca_file}",
        ) from error

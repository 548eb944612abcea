"""card.toml: what a card is to be told at its first boot, read and checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ....errors import InputError, UsageError
from ....files import write_text
from ....toml_schema import DERIVED, Fault, Key, NotToml, build, fit, key, read_toml
from .values import (
    HASH,
    HASH_WORDS,
    HOST_WORDS,
    HOSTNAME,
    ZONE,
    country,
    hidden,
    host_name,
    public_key,
    unpadded,
    update_key,
    user_name,
)
from .wifi import Wifi, with_key

Table = Mapping[str, Any]


@dataclass(frozen=True)
class User:
    """Who may log in; without a name nobody is made.

    Attributes:
        password_hash: as /etc/shadow has it, never a password; empty: no password, so keys alone.
        ssh_keys: public keys, a line each.
    """

    name: str = key("", convert=user_name)
    password_hash: str = key("", repr=False, pattern=HASH, high=250, words=HASH_WORDS, show=hidden)
    ssh_keys: tuple[str, ...] = key((), high=20_000, convert=public_key)


@dataclass(frozen=True)
class Updates:
    """Whose updates the card takes without --unsigned: a public key of `fer-edge update key`; empty: nobody's."""

    key: str = key("", convert=update_key)


@dataclass(frozen=True)
class Card:
    """What card.toml says; everything that is empty stays as the image has it.

    Attributes:
        path: of card.toml, for errors; None for a card that was not read.
        country: of the Wi-Fi radio, ISO 3166-1, such as DE.
        device: a name from `fer-edge devices`; empty: what the command line says.
        accept_nvidia_licence: whether whoever flashes a Jetson accepts NVIDIA's licence.
        place, mqtt, web: sections of the kiosk's configuration, without their secrets.
        config: its other sections, by name.
        secrets: files that the kiosk reads, name below /etc/fer-edge -> the one line in it.
    """

    path: Path | None = field(default=None, metadata=DERIVED)
    hostname: str = key("", pattern=HOSTNAME, convert=host_name, words=HOST_WORDS)
    time_zone: str = key("", pattern=ZONE, words="a time zone such as Europe/Berlin")
    country: str = key("", high=100, convert=country)
    device: str = key("", high=1000)
    accept_nvidia_licence: bool = False
    user: User = field(default_factory=User)
    wifi: Wifi = field(default_factory=Wifi)
    update: Updates = field(default_factory=Updates)
    place: Table = field(default_factory=dict)
    mqtt: Table = field(default_factory=dict)
    web: Table = field(default_factory=dict)
    config: Mapping[str, Table] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False, metadata=DERIVED)


SECTIONS = ("user", "wifi", "update", "place", "mqtt", "web", "config")
SECRET_KEYS = {"mqtt": ("password", "mqtt-password"), "web": ("token", "web-token")}
"""Section -> its key that is a secret, and the file that has it on the card."""


def load_card(path: Path) -> Card:
    """Read card.toml; raises InputError when it cannot be read, is no TOML, or for the first key that is wrong."""

    def wrong(fault: Fault) -> InputError:
        what = fault.what
        if fault.name == "user.password":
            what += "; a password itself is never written down: openssl passwd -6"
        return _wrong(f"{path}, line {fault.line}", fault.name, what)

    try:
        text, data = read_toml(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", hint=f"fer-edge flash init {path}") from error
    except NotToml as error:
        raise InputError(f"{path} is not valid TOML: {error}", hint="fer-edge flash init NEW.toml") from None
    card = build(Card, data, text, whole="a card", wrong=wrong)
    try:
        secrets = dict(filter(None, (_secret(name, getattr(card, name)) for name in SECRET_KEYS)))
        card = replace(card, path=path, wifi=with_key(card.wifi), secrets=secrets)
        _check(card)
    except ValueError as error:
        raise _wrong(str(path), *error.args) from None
    public: dict[str, Any] = {
        s: {k: v for k, v in getattr(card, s).items() if k != name} for s, (name, _) in SECRET_KEYS.items()
    }
    return replace(card, **public)


def _check(card: Card) -> None:
    """What keys ask of each other; raises ValueError of a key and the end of a sentence."""
    if card.wifi.ssid and not card.country:
        raise ValueError("country", "is missing: without it a Raspberry Pi keeps its Wi-Fi switched off")
    for section in card.config:
        if section in SECTIONS:
            raise ValueError(f"config.{section}", f"belongs into [{section}]")
    user = card.user
    if user.name and not user.password_hash and not user.ssh_keys:
        raise ValueError("user", "has neither password_hash nor ssh_keys, so nobody could log in")
    if not user.name and (user.password_hash or user.ssh_keys):
        raise ValueError("user.name", "is missing")


def _secret(section: str, table: Table) -> tuple[str, str] | None:
    name, file = SECRET_KEYS[section]
    try:
        value = fit(str, Key(high=1000, convert=unpadded, show=hidden), table.get(name, ""))
    except ValueError as error:
        raise ValueError(f"{section}.{name}", str(error)) from None
    return (file, value) if value else None


def _wrong(where: str, key: str, what: str) -> InputError:
    return InputError(f"{where}: {key} {what}", hint="fer-edge flash init NEW.toml  # explains each key")


FIRST_CARD = """\
# A card, for `fer-edge flash --config card.toml`. A line that begins with # is an example; take the # away to use it.
# Nobody else can read this file; keep it so (chmod 600) once it holds a pass phrase or password.

hostname = "fer-edge"            # 1 to 63 of a-z, 0-9 and -
#time_zone = "Europe/Berlin"     # a name of the time zone database
#country = "DE"                  # of the Wi-Fi radio; needed for Wi-Fi
#device = "rpi5"                 # from `fer-edge devices`; else what --device says
#accept_nvidia_licence = true    # for a Jetson: you accept NVIDIA's licence, as its own set-up asks you to

# Who may log in. Without this section nobody can, and the kiosk runs all the same.
[user]
#name = "kiosk"
#password_hash = "$6$..."        # never the password: openssl passwd -6
#ssh_keys = ["ssh-ed25519 AAAA... you@pc"]

# The pass phrase is turned into its key here; it is not written to the card, but for WPA3, which has no such key.
[wifi]
#ssid = "name of the network"
#passphrase = "8 to 63 characters"
#psk = "64 hex digits"           # instead of passphrase
#hidden = false
#security = "wpa2"               # "wpa3" for a network that takes WPA3 (SAE) alone; mixed ones take wpa2

# Whose updates it takes: the second line of NAME.pub, which `fer-edge update key NAME` makes, or --update-key NAME.pub.
[update]
#key = ""                        # 56 characters, the first of which are RW

# Where the kiosk stands and what for has to be declared; `fer-edge config check` says which kinds there are, and which
# are refused (docs/config.md).
[place]
#name = "foyer of the town museum"
#kind = "museum"
#purpose = "how visitors like the exhibition, as counts"
#purpose_exception = ""          # "medical" or "safety", if that is the reason

# Everything below is the kiosk's own configuration (docs/config.md). password and token go into files of their own.
[mqtt]
#host = "broker.lan"
#port = 8883
#tls = true
#user = "kiosk"
#password = "of the broker"
#topic = "foyer"                 # a kiosk's own; else the hostname and eight letters of the board

[web]
#listen = "0.0.0.0"              # other machines may see the page; needs token
#token = "at least 16 characters"

#[config.source]
#what = "camera:0"
"""


def write_first_card(path: Path, replace: bool = False) -> None:
    """Write a first card.toml; raises UsageError when it is there and not to be replaced, OutputError."""
    if path.exists() and not replace:
        raise UsageError(f"{path} is there already", hint=f"fer-edge flash init {path} --replace")
    write_text(path, FIRST_CARD, private=True)

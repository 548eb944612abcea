"""card.toml: what a card is to be told at its first boot, read and checked before anything is written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ....errors import InputError
from .template import first_card_toml
from .values import (
    check_country,
    check_hostname,
    check_key,
    check_line,
    check_password_hash,
    check_time_zone,
    check_user,
)
from .wifi import Wifi, check_wifi

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Card", "User", "first_card_toml", "load_card"]

Table = Mapping[str, Any]


@dataclass(frozen=True)
class User:
    """Who may log in; without a name nobody is made.

    Attributes:
        password_hash: as /etc/shadow has it, never a password; empty: no password, so keys alone.
        ssh_keys: public keys, a line each.
    """

    name: str = ""
    password_hash: str = field(default="", repr=False)
    ssh_keys: tuple[str, ...] = ()


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

    path: Path | None = None
    hostname: str = ""
    time_zone: str = ""
    country: str = ""
    device: str = ""
    accept_nvidia_licence: bool = False
    user: User = field(default_factory=User)
    wifi: Wifi = field(default_factory=Wifi)
    place: Table = field(default_factory=dict)
    mqtt: Table = field(default_factory=dict)
    web: Table = field(default_factory=dict)
    config: Mapping[str, Table] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


TEXTS = ("hostname", "time_zone", "country", "device")
SECTIONS = ("user", "wifi", "place", "mqtt", "web", "config")
SECRET_KEYS = {"mqtt": ("password", "mqtt-password"), "web": ("token", "web-token")}
"""Section -> its key that is a secret, and the file that has it on the card."""


def load_card(path: Path) -> Card:
    """Read card.toml.

    Raises:
        InputError: it cannot be read, is no TOML, or a key or value of it is wrong; the first one is named.
    """
    data = _read(path)
    known = [*TEXTS, "accept_nvidia_licence", *SECTIONS]
    for name, value in data.items():
        if name not in known:
            raise _wrong(path, name, f"is no key of a card; there are {', '.join(known)}")
        if name in SECTIONS and not isinstance(value, dict):
            raise _wrong(path, name, f"must be a section, [{name}]")
    try:
        return _card(path, data)
    except ValueError as error:
        key, what = error.args
        raise _wrong(path, key, what) from None


def _card(path: Path, data: Table) -> Card:
    texts = {name: check_line(name, data.get(name, "")) for name in TEXTS}
    check_hostname("hostname", texts["hostname"])
    check_time_zone("time_zone", texts["time_zone"])
    texts["country"] = check_country("country", texts["country"])
    accepted = data.get("accept_nvidia_licence", False)
    if not isinstance(accepted, bool):
        raise ValueError("accept_nvidia_licence", "must be true or false")
    wifi = check_wifi(data.get("wifi", {}))
    if wifi.ssid and not texts["country"]:
        raise ValueError("country", "is missing: without it a Raspberry Pi keeps its Wi-Fi switched off")
    config = data.get("config", {})
    for section, table in config.items():
        if not isinstance(table, dict):
            raise ValueError(f"config.{section}", f"must be a section, [config.{section}]")
        if section in SECTIONS:
            raise ValueError(f"config.{section}", f"belongs into [{section}]")
    place, mqtt, web = (_without_secret(name, data.get(name, {})) for name in ("place", "mqtt", "web"))
    secrets = dict(filter(None, (_secret(name, data.get(name, {})) for name in SECRET_KEYS)))
    return Card(
        path=path,
        hostname=texts["hostname"],
        time_zone=texts["time_zone"],
        country=texts["country"],
        device=texts["device"],
        accept_nvidia_licence=accepted,
        user=_user(data.get("user", {})),
        wifi=wifi,
        place=place,
        mqtt=mqtt,
        web=web,
        config=config,
        secrets=secrets,
    )


def _user(table: Table) -> User:
    for name in table:
        if name not in {f.name for f in fields(User)}:
            hint = "; a password itself is never written down: openssl passwd -6" if name == "password" else ""
            raise ValueError(f"user.{name}", f"is no key of [user]{hint}")
    keys = table.get("ssh_keys", [])
    if not isinstance(keys, list):
        raise ValueError("user.ssh_keys", "must be a list of public keys, each in quotes")
    name = check_line("user.name", table.get("name", ""))
    password = check_line("user.password_hash", table.get("password_hash", ""), secret=True)
    user = User(
        check_user("user.name", name),
        check_password_hash("user.password_hash", password),
        tuple(check_key("user.ssh_keys", key) for key in keys),
    )
    if user.name and not user.password_hash and not user.ssh_keys:
        raise ValueError("user", "has neither password_hash nor ssh_keys, so nobody could log in")
    if not user.name and (user.password_hash or user.ssh_keys):
        raise ValueError("user.name", "is missing")
    return user


def _without_secret(section: str, table: Table) -> Table:
    return {name: value for name, value in table.items() if name != SECRET_KEYS.get(section, ("",))[0]}


def _secret(section: str, table: Table) -> tuple[str, str] | None:
    name, file = SECRET_KEYS[section]
    value = check_line(f"{section}.{name}", table.get(name, ""), secret=True)
    return (file, value) if value else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", hint=f"fer-edge flash init {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}", hint="fer-edge flash init NEW.toml") from None


def _wrong(path: Path, key: str, what: str) -> InputError:
    return InputError(f"{path}: {key} {what}", hint="fer-edge flash init NEW.toml, which explains each key")

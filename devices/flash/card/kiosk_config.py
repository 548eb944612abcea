"""The kiosk's configuration from a card: config init's file, with what card.toml says filled in, checked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ....errors import InputError
from ....runtime.mqtt.own_name import PLACEHOLDER
from ....words import counted
from .card import Card

BUNDLE = "/opt/fer-edge/current/bundle"
"""Where install.sh puts the bundle."""
FILES = {"mqtt-password": ("mqtt", "password_file"), "web-token": ("web", "token_file")}


def config_toml(
    card: Card, device: str = "", today: date | None = None, usual: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """The text of /etc/fer-edge/config.toml.

    Args:
        device: of the command line; the card's own comes first.
        today: when the declaration was made; now, when None.
        usual: full key -> value, of the device's profile; the card's own come first.

    Raises:
        InputError: a section, key or value is wrong or the declaration is missing; card.toml and the key are named.
    """
    from ....runtime.config.rendering import first_toml
    from ....runtime.config.sections import Place

    values = {**usual, **_values(card, device, today or date.today())}
    text = _filled(first_toml(Place()), values)
    _check(card, text)
    return text


def _values(card: Card, device: str, today: date) -> dict[str, Any]:
    """Full key -> value, such as mqtt.host."""
    sections = {**card.config, "place": card.place, "mqtt": card.mqtt, "web": card.web}
    values = {f"{section}.{name}": value for section, table in sections.items() for name, value in table.items()}
    if card.place:
        values["place.declared"] = today
    for file in card.secrets:
        section, name = FILES[file]
        values[f"{section}.{name}"] = f"/etc/fer-edge/{file}"
    values.setdefault("model.bundle", BUNDLE)
    if card.mqtt and card.hostname:
        values.setdefault("mqtt.topic", f"{card.hostname}-{PLACEHOLDER}")  # two cards may have one host name
    if card.device or device:
        values.setdefault("model.device", card.device or device)
    return values


def _filled(text: str, values: Mapping[str, Any]) -> str:
    """The text with each value in the place of its commented default; what has none comes at its section's end."""
    from ....toml_schema import toml_value

    left = dict(values)
    lines: list[str] = []
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            lines += _rest(section, left)
            section = line.strip("[]")
        full = f"{section}.{line.lstrip('#').partition(' =')[0]}"
        if full in left and " = " in line:
            line = f"{full.partition('.')[2]} = {toml_value(left.pop(full))}"
        lines.append(line)
    lines += _rest(section, left)
    for other in dict.fromkeys(full.partition(".")[0] for full in left):
        lines += ["", f"[{other}]", *_rest(other, left)]
    return "\n".join(lines) + "\n"


def _rest(section: str, left: dict[str, Any]) -> list[str]:
    """Keys that the configuration does not know: they stay in, so that its own check names them."""
    from ....toml_schema import toml_value

    names = [full for full in left if full.partition(".")[0] == section]
    return [f"{full.partition('.')[2]} = {toml_value(left.pop(full))}" for full in names]


def _check(card: Card, text: str) -> None:
    for what in _problems(card, text):
        raise InputError(f"{card.path or 'the card'}: {what}", hint="fer-edge flash init NEW.toml  # explains each key")


def _problems(card: Card, text: str) -> Iterator[str]:
    """What the kiosk would not start with, as it would say it."""
    from ....runtime.config import read_config
    from ....runtime.web.settings import MIN_TOKEN

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(text, encoding="utf-8")
        for problem in read_config(path, {}).errors:
            yield f"{problem.key} {problem.what}" if problem.key else problem.what
    token = card.secrets.get("web-token", "")
    if token and len(token) < MIN_TOKEN:
        yield f"web.token has {counted(len(token), 'character')}; {MIN_TOKEN} is the least"

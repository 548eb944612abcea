"""Case 15: files that Windows' editors saved with a byte order mark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fer_edge.devices.flash.card.card import load_card
from fer_edge.devices.profile import load_profiles
from fer_edge.errors import InputError
from fer_edge.runtime.kiosk.page import token_of
from fer_edge.runtime.mqtt.settings import MqttSettings, password_of
from fer_edge.train.recipe import load_recipe

MARK = "\ufeff"


def test_the_configuration_of_the_case(shared_case: Callable[[int], Path], command: Callable[..., Any]) -> None:
    folder = shared_case(15)
    done = command("config", "check", folder / "bom.toml", "--set", f"store.folder={folder / 'store'}")
    assert done.returncode == 0, done.stdout
    plain = (folder / "bom-token.txt").read_bytes().removeprefix(MARK.encode()).decode().splitlines()[0]
    assert token_of(folder / "bom-token.txt") == plain.strip()
    plain = (folder / "bom-password.txt").read_bytes().removeprefix(MARK.encode()).decode().splitlines()[0]
    assert password_of(MqttSettings(user="x", password_file=folder / "bom-password.txt")) == plain


def test_every_toml_and_secret_that_a_user_hands_in(tmp_path: Path) -> None:
    def with_mark(name: str, text: str) -> Path:
        (tmp_path / name).write_text(MARK + text.replace("\n", "\r\n"), encoding="utf-8", newline="")
        return tmp_path / name

    assert load_card(with_mark("card.toml", 'hostname = "kiosk"\n')).hostname == "kiosk"
    assert token_of(with_mark("token", "sixteen-letters!\n")) == "sixteen-letters!"
    assert password_of(MqttSettings(user="x", password_file=with_mark("password", "geheim\n"))) == "geheim"
    recipe = Path(load_recipe.__code__.co_filename).parent / "recipes" / "tiny.toml"
    assert load_recipe(str(with_mark("tiny.toml", recipe.read_text()))) == load_recipe("tiny")
    assert load_profiles()


@pytest.mark.parametrize(
    ("coding", "says"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("cp1252", "is not UTF-8 (line 2)")],
)
def test_other_codings_are_named(coding: str, says: str, tmp_path: Path) -> None:
    for name in ("card.toml", "token"):
        (tmp_path / name).write_bytes('# x\nhostname = "Caf\u00e9"\n'.encode(coding))
    with pytest.raises(InputError) as found:
        load_card(tmp_path / "card.toml")
    assert says in str(found.value)
    with pytest.raises(InputError) as found:
        token_of(tmp_path / "token")
    assert says in str(found.value)

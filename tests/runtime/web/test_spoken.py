"""The page, the sign and the login in the reader's language, while the API stays as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="needs the kiosk extra")
pytest.importorskip("polib")

from fer_edge.runtime.status.health import Condition, Health
from fer_edge.runtime.web.reader_language import checked_language, reader_language
from fer_edge.runtime.web.server import WebServer
from fer_edge.runtime.web.settings import Notice
from support.chromium import Browser, chromium
from support.waiting import until
from support.web_client import SNAPSHOT, TOKEN, Told, ask, control_of, serving

MEXICAN = "es-MX,es;q=0.9,en;q=0.8"
TOLD = Notice(place="Clínica 5", purpose="Contar sonrisas", record_days=7.0, record_video=True)


@pytest.fixture
def start() -> Iterator[Callable[..., WebServer]]:
    with ExitStack() as held:
        yield lambda lang="", token="", **more: held.enter_context(
            serving(control_of(Told(), notice=lambda: replace(TOLD, lang=lang), **more), token)
        )


def words_of(body: bytes) -> str:
    """A page's text on one line."""
    own = r"<(style|script)>.*?</\1>|<[^>]*>"
    return re.sub(r"\s+", " ", re.sub(own, " ", body.decode(), flags=re.DOTALL))


@pytest.mark.parametrize(
    ("fixed", "accepted", "speaks"),
    [
        ("", "", "en"),
        ("", MEXICAN, "es"),
        ("", "de, es;q=0.5, en;q=0.4", "es"),
        ("", "en;q=0.4, es;q=0.5", "es"),
        ("", "es;q=0, en", "en"),
        ("", "es;q=zwei, fr", "en"),
        ("", ";;,q=,=;\x00" * 50, "en"),
        ("es", "en", "es"),
        ("en", MEXICAN, "en"),
    ],
)
def test_who_chooses_the_language(fixed: str, accepted: str, speaks: str) -> None:
    assert reader_language(fixed, accepted) == speaks


def test_a_configuration_names_a_language_that_there_is() -> None:
    assert [checked_language(name) for name in ("", "es", "es_MX", "en")] == ["", "es", "es", "en"]
    with pytest.raises(ValueError, match="must be one of en, es"):
        checked_language("tlh")


@pytest.mark.parametrize(("lang", "accepted"), [("", MEXICAN), ("es", "en-US")])
def test_pages_are_in_spanish(lang: str, accepted: str, start: Callable[..., WebServer]) -> None:
    server = start(lang)
    page, sign = (ask(server, path, Accept_Language=accepted)[1] for path in ("/", "/sign"))
    for body in (page, sign):
        assert b'<html lang="es">' in body
        assert b"{{" not in body
    told = words_of(page)
    for words in ("Aquí una cámara y una computadora (IA) reconocen", "Expresiones ahora", "Los últimos diez minutos"):
        assert words in told
    assert "Para qué se usan las cifras: Contar sonrisas" in told
    told = words_of(sign)
    for words in ("Qué se guarda y por cuánto tiempo", "después de 30 días", "menos de 3 personas", "Se borra después"):
        assert words in told
    for english in ("camera", "kept", "people", "removed", "Print"):
        assert english not in told


def test_one_server_speaks_to_each_in_their_own(start: Callable[..., WebServer]) -> None:
    server = start()
    for accepted, words in ((MEXICAN, "Expresiones ahora"), ("en", "Expressions now"), (MEXICAN, "Expresiones ahora")):
        assert words in words_of(ask(server, "/", Accept_Language=accepted)[1])


def test_the_login_speaks_too(start: Callable[..., WebServer]) -> None:
    server = start(token=TOKEN)
    form = {"Content_Type": "application/x-www-form-urlencoded", "Accept_Language": MEXICAN}
    answer, body = ask(server, "/login", "POST", "token=nonsense", **form)
    assert answer.status == 403
    assert "Esa no es la clave de acceso. Clave de acceso Entrar" in words_of(body)


def test_the_api_knows_no_language(start: Callable[..., WebServer]) -> None:
    server = start("es")
    for path in ("/api/state", "/api/timeline", "/healthz", "/metrics", "/openapi.json", "/nowhere"):
        spanish, english = (ask(server, path, Accept_Language=wish)[1] for wish in (MEXICAN, "en"))
        assert spanish == english, path
    assert b'"happy"' in ask(server, "/api/state")[1]


@pytest.mark.skipif(chromium() is None, reason="needs Chromium")
def test_what_is_seen_live_is_spanish_too(start: Callable[..., WebServer], tmp_path: Path) -> None:
    server = start("es")
    browser = Browser(tmp_path)
    try:
        browser.open(f"http://127.0.0.1:{server.port}/", width=390)
        until(lambda: "4 personas a la vista" in browser.js("document.body.innerText"), "the first snapshot")
        assert browser.js("document.querySelector('#share-happy th').textContent") == "alegría"
        assert browser.js("document.documentElement.scrollWidth") <= 390
        assert browser.js("document.getElementById('condition').textContent") == "● bien"
        server.publish(
            replace(SNAPSHOT, wall_s=1.8e9, health=Health(Condition.DEGRADED, "no frame for 3 s"), faces=None)
        )
        banner = "document.getElementById('health').textContent"
        until(lambda: browser.js(banner) == "▲ El kiosco está con limitaciones: no frame for 3 s", "the banner")
        assert browser.js("document.getElementById('count').textContent") == "Menos de 3 personas"
    finally:
        browser.close()

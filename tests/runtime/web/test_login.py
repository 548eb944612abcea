"""The way in as people take it: the form in a real Chromium and a real Firefox, and what its cookie opens."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="needs the kiosk extra")

from fer_edge.runtime.web.guard import HEADERS
from fer_edge.runtime.web.server import WebServer
from support.chromium import Browser, chromium
from support.firefox import Firefox, firefox
from support.waiting import until
from support.web_client import NAME, TOKEN, Told, control_of, serving

BROWSERS = {"chromium": (chromium, Browser), "firefox": (firefox, Firefox)}
JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


@pytest.fixture(scope="module", params=BROWSERS)
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser | Firefox]:
    found, kind = BROWSERS[request.param]
    if found() is None:
        pytest.skip(f"needs {request.param}")
    held = kind(tmp_path_factory.mktemp(request.param))
    yield held
    held.close()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def server(told: Told, browser: Browser | Firefox) -> Iterator[WebServer]:
    token = f"{TOKEN} {secrets.token_hex(4)}"  # ports share cookies: one of an earlier test would let in
    with serving(control_of(told, preview=lambda: JPEG), token) as server:
        yield server
        browser.open("about:blank")


def ask_for(browser: Browser | Firefox, url: str) -> None:
    """Go there, wherever that leads."""
    if browser.js("location.href") != "about:blank":
        browser.open("about:blank")
    browser.js(f"void (location.href = {url!r})")


def log_in(browser: Browser | Firefox, server: WebServer, url: str) -> None:
    ask_for(browser, url)
    browser.sees("label", "Token")
    browser.type("#token", server.settings.token)
    browser.press("button")


@pytest.mark.parametrize("host", ["127.0.0.1", NAME])
def test_from_the_form_to_the_end(server: WebServer, browser: Browser | Firefox, told: Told, host: str) -> None:
    """At a name, as in a house's network, a browser sends no Sec-Fetch-Site."""
    url = f"http://{host}:{server.port}"
    ask_for(browser, f"{url}/")
    browser.sees("label", "Token")
    browser.type("#token", "wrong")
    browser.press("button")
    browser.sees("[role=alert]", "That is not the token.")
    browser.type("#token", server.settings.token)
    browser.press("button")
    browser.sees("#count", "4 people in view")
    assert browser.js("location.pathname") == "/"
    browser.press("#ask-pause")
    until(lambda: told == {"pause": True})
    browser.press("#ask-record")
    browser.sees("#said-record", "there is no room to record")
    browser.press("#watch")
    browser.sees("#watched", "being watched")
    until(lambda: browser.js("document.getElementById('picture').naturalWidth") == 64)
    browser.press("footer button")
    browser.sees("label", "Token")
    ask_for(browser, f"{url}/sign")
    browser.sees("label", "Token")


@pytest.mark.parametrize("path", ["/?kiosk=1", "/sign"])
def test_the_login_leads_to_what_was_asked_for(server: WebServer, browser: Browser | Firefox, path: str) -> None:
    url = f"http://127.0.0.1:{server.port}"
    log_in(browser, server, f"{url}{path}")
    until(lambda: browser.js("location.href") == url + path)
    browser.open(f"{url}/login?to=https://evil.example/")
    browser.type("#token", server.settings.token)
    browser.press("button")
    until(lambda: browser.js("location.href") == f"{url}/")


def test_who_follows_a_link_from_another_site_is_still_inside(server: WebServer, browser: Browser | Firefox) -> None:
    url = f"http://127.0.0.1:{server.port}/"
    log_in(browser, server, url)
    browser.sees("#count", "4 people in view")
    browser.open(f"http://{NAME}:{server.port}/login")
    browser.js(f"void (location.href = {url!r})")
    browser.sees("#count", "4 people in view")


def test_a_page_that_lost_its_referrer(
    server: WebServer, browser: Browser | Firefox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As extensions and proxies have it: the browser sends `Origin: null` with our own form."""
    monkeypatch.setitem(HEADERS, "Referrer-Policy", "no-referrer")
    log_in(browser, server, f"http://127.0.0.1:{server.port}/")
    browser.sees("#count", "4 people in view")

"""The page in a real Chromium: what is seen, heard by a screen reader, pressed and printed, and what is not there."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="needs the kiosk extra")

from fer_edge.runtime.report.colors import COLORS, hex_of
from fer_edge.runtime.status.health import Condition, Health
from fer_edge.runtime.status.snapshot import Snapshot
from fer_edge.runtime.web.server import WebServer
from fer_edge.runtime.web.settings import KioskControl, Notice
from support.chromium import Browser, chromium
from support.waiting import until
from support.web_client import SNAPSHOT, TOKEN, Told, control_of, serving

pytestmark = pytest.mark.skipif(chromium() is None, reason="needs Chromium")
AXE = "axe-core@4"
NOTICE = Notice(place="City <museum>", purpose="To learn & mend", title="Hall", record_days=7.0)
BUSY = replace(
    SNAPSHOT,
    window={"happy": 0.25, "sad": 0.75},
    fps=14.8,
    latency_ms=41.2,
    stages_ms={"detect": 5.2, "classify": 26.1},
    device={
        "backend": "onnxruntime",
        "device": "CPU",
        "detector": "yunet",
        "precision": "int8",
        "restarts": 2,
        "degraded": False,
    },
)
LOADED = ("/", "/api/events", "/api/timeline", "/icon.svg")
FASTER = "window.ahead = 0; const own = performance.now.bind(performance); performance.now = () => own() + ahead;"
FASTER += "const later = setTimeout; window.setTimeout = (what, wait) => later(what, wait / 20);"
"""Lets a test move the page's clock, which counts the timeline's columns and how long nothing was heard, and has the
page try again soon after it lost the connection."""
COLUMNS = "views.get('').columns.size"
"""Of the timeline, of a lone camera."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    held = Browser(tmp_path_factory.mktemp("chromium"))
    held.call("Page.addScriptToEvaluateOnNewDocument", source=FASTER)
    yield held
    held.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers come back to a lost stream at once."""
    monkeypatch.setattr("fer_edge.runtime.web.events.RETRY_MS", 100)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def control(told: Told) -> KioskControl:
    return control_of(told, notice=lambda: NOTICE)


@pytest.fixture
def server(control: KioskControl, browser: Browser) -> Iterator[WebServer]:
    browser.events.clear()
    with serving(control, snapshot=BUSY) as server:
        yield server
        assert complaints(browser) == []
        browser.call("Page.navigate", url="about:blank")


def complaints(browser: Browser) -> list[Any]:
    """What stands in the console: a breach of the policy, a missing file, an exception.

    But for the icon that a browser seeks unasked, for the login alone.
    """
    kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    found = [event["params"] for event in browser.events if event["method"] in kinds]
    return [one for one in found if not one.get("entry", {}).get("url", "").endswith("/favicon.ico")]


def messages(browser: Browser) -> int:
    """How many came over event streams."""
    return sum(event["method"] == "Network.eventSourceMessageReceived" for event in browser.events)


def url(server: WebServer, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def row(browser: Browser, label: str) -> list[str]:
    return browser.text(f"#share-{label}").split()


def test_live_state(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    browser.sees("#count", "4 people in view")
    browser.sees("#condition", "ok")
    assert row(browser, "happy") == ["happy", "50", "%", "25", "%"]
    assert row(browser, "angry") == ["angry", "0", "%", "0", "%"]
    for words in ("onnxruntime", "int8", "2 times"):
        assert words in browser.text("#device")
    for words in ("14.8 a second", "41.2 ms", "7, 0 skipped"):
        assert words in browser.text("#speed")
    assert re.sub(r"\s+", " ", browser.text("#stages")) == "detect 5.2 classify 26.1"
    body = browser.text("body")
    for words in (NOTICE.text, "City <museum>", "To learn & mend", "fewer than 3 people"):
        assert words in body
    assert [browser.text(f"#{mark}") for mark in ("health", "gone", "clock", "paused", "watched")] == [""] * 5
    server.publish(replace(BUSY, wall_s=1.7e9 + 1, faces=5, shares={"sad": 0.8, "other": 0.2}))
    browser.sees("#count", "5 people in view")
    assert row(browser, "sad") == ["sad", "80", "%", "75", "%"]
    assert row(browser, "other") == ["other", "20", "%", "0", "%"]


def test_what_is_wrong_is_said(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    browser.sees("#condition", "ok")
    for number, condition in enumerate((Condition.DEGRADED, Condition.FAILED, Condition.STARTING)):
        server.publish(
            replace(BUSY, wall_s=1e9 + number, clock_ok=False, health=Health(condition, "the camera is gone"))
        )
        browser.sees("#health", f"The kiosk is {condition.value}: the camera is gone")
        browser.sees("#told", condition.value)
        assert condition.value in browser.text("#condition")
    browser.sees("#clock", "not synchronised")


def test_what_is_withheld_is_explained(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    server.publish(replace(BUSY, wall_s=1e9, faces=None, shares={}, window={}))
    browser.sees("#count", "Fewer than 3 people")
    few = "fewer than 3 people: not told."
    assert browser.text("#withheld") == f"Now: {few} Last minute: {few}"
    assert row(browser, "happy") == ["happy", "\N{EN DASH}", "\N{EN DASH}"]
    server.publish(replace(BUSY, wall_s=1e9 + 1, faces=0, shares={}, window={}))
    browser.sees("#count", "Nobody in view")


def test_the_timeline_fills(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    browser.sees("#count", "4 people")
    browser.js("document.getElementById('minutes').open = true")
    assert browser.text("#rows tr:first-child td") == "happy 50 %, neutral 50 %"
    shown = [BUSY, replace(BUSY, faces=None, shares={}), replace(BUSY, faces=0, shares={}), replace(BUSY, paused=True)]
    for number, snapshot in enumerate([*shown, replace(BUSY, shares={"sad": 1.0})]):
        browser.js("ahead += 60000")
        server.publish(replace(snapshot, wall_s=1e9 + number))
        until(lambda number=number: browser.js(COLUMNS) == number + 2)
    row = "(line => line.getContext('2d').getImageData(0, 20, line.width, 1).data)(document.getElementById('line'))"
    pixels = browser.js(f"Array.from({row})")
    assert tuple(pixels[-8:-5]) == COLORS["sad"]
    assert pixels[:4] == [0, 0, 0, 0]
    browser.js("views.forEach(minutes)")
    table = [browser.text(f"#rows tr:nth-child({n}) td") for n in range(1, 8)]
    few = "fewer than 3 people: not told"
    both = "happy 50 %, neutral 50 %"
    assert table == ["sad 100 %", "paused", "nobody in view", few, both, both, "no connection"]
    browser.js("ahead += 600000")
    server.publish(replace(BUSY, wall_s=1e9 + 9))
    until(lambda: browser.js(COLUMNS) == 1)


def test_the_timeline_begins_with_what_the_kiosk_kept(told: Told, browser: Browser) -> None:
    kept = {119: {"sad": 1.0}, 13: {"happy": 0.75, "sad": 0.25}, 0: {"fear": 1.0}}
    with serving(control_of(told, timeline=lambda: kept), snapshot=BUSY) as server:
        browser.open(url(server))
        until(lambda: browser.js(COLUMNS) == 3)
        browser.js("document.getElementById('minutes').open = true")
        until(lambda: browser.text("#rows"))
        table = [browser.text(f"#rows tr:nth-child({n}) td") for n in range(1, 11)]
        assert table[:2] == ["happy 50 %, neutral 50 %", "happy 75 %, sad 25 %"]
        assert table[-1] == "sad 100 %"
        browser.call("Page.navigate", url="about:blank")


def test_pressing_pause_reaches_the_control_and_is_confirmed(server: WebServer, browser: Browser, told: Told) -> None:
    browser.open(url(server))
    browser.sees("#said-pause", "Not paused")
    browser.js("document.getElementById('ask-pause').focus()")
    for kind in ("keyDown", "keyUp"):  # by keyboard
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        browser.call("Input.dispatchKeyEvent", type=kind, **enter)
    browser.sees("#said-pause", "not confirmed yet")
    assert browser.text("#state-pause") == "…"
    assert told == {"pause": True}
    pressed = "document.getElementById('ask-pause').getAttribute('aria-pressed')"
    assert browser.js(pressed) == "false"
    server.publish(replace(BUSY, wall_s=1e9, paused=True))
    browser.sees("#said-pause", "Paused, confirmed by the kiosk.")
    assert browser.js(pressed) == "true"
    assert browser.text("#state-pause") == "on"
    browser.sees("#paused", "no picture is looked at")
    browser.js("document.getElementById('ask-pause').click()")
    until(lambda: told == {"pause": False})
    browser.js("ahead += 7000")
    browser.sees("#said-pause", "has not confirmed")
    assert browser.text("#state-pause") == "?"


def test_what_the_kiosk_refuses_is_said(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    browser.js("document.getElementById('ask-record').click()")
    browser.sees("#said-record", "Not done: there is no room to record.")
    assert browser.js("document.getElementById('ask-record').getAttribute('aria-pressed')") == "false"
    (entry,) = complaints(browser)  # the browser's own line about the 409
    assert "409" in entry["entry"]["text"]
    browser.events.clear()


def test_a_lost_connection_is_shown_and_recovers(control: KioskControl, browser: Browser) -> None:
    with serving(control, snapshot=BUSY) as server:
        port = server.port
        browser.open(url(server))
        browser.sees("#count", "4 people")
    browser.sees("#gone", "Connection lost, trying again.")
    browser.sees("#told", "Connection lost")
    assert browser.js("document.body.classList.contains('lost')")
    with serving(control, snapshot=replace(BUSY, wall_s=1e9, faces=9), port=port):
        browser.sees("#count", "9 people")
        assert browser.text("#gone") == ""
        assert not browser.js("document.body.classList.contains('lost')")
        browser.call("Page.navigate", url="about:blank")


def test_a_login_that_ran_out_is_offered_again(told: Told, browser: Browser) -> None:
    def start(snapshot: Snapshot, port: int = 0) -> AbstractContextManager[WebServer]:
        return serving(control_of(told), TOKEN, snapshot, port)

    with start(BUSY) as server:
        browser.call("Network.setExtraHTTPHeaders", headers={"Authorization": f"Bearer {TOKEN}"})
        browser.open(url(server))
        browser.sees("#condition", "ok")
        assert browser.text("#login") == ""
        browser.call("Network.setExtraHTTPHeaders", headers={})
    with start(replace(BUSY, wall_s=1e9), server.port):
        browser.sees("#login", "Log in again")
        browser.call("Network.setExtraHTTPHeaders", headers={"Authorization": f"Bearer {TOKEN}"})
        until(lambda: browser.text("#gone") == "")
        browser.call("Network.setExtraHTTPHeaders", headers={})
        browser.call("Page.navigate", url="about:blank")


def test_silence_is_no_news_until_something_new_comes(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    browser.sees("#condition", "ok")
    before = messages(browser)
    browser.js("ahead += 11000")
    browser.sees("#gone", "No news from the kiosk")
    until(lambda: messages(browser) > before)  # the new stream tells the old snapshot again
    assert "No news" in browser.text("#gone")
    server.publish(replace(BUSY, wall_s=1e9))
    until(lambda: browser.text("#gone") == "")


def test_the_live_picture_and_the_mark_of_who_watches(told: Told, browser: Browser) -> None:
    import cv2
    import numpy as np

    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    login = {"Authorization": f"Bearer {TOKEN}"}
    with serving(control_of(told, preview=lambda: jpeg), TOKEN) as server:
        browser.call("Network.setExtraHTTPHeaders", headers=login)
        browser.open(url(server))
        browser.sees("#said-watch", "Not shown")
        browser.js("document.getElementById('watch').click()")
        browser.sees("#watched", "being watched")
        until(lambda: browser.js("document.getElementById('picture').naturalWidth") == 64)
        browser.js("document.getElementById('watch').click()")
        until(lambda: browser.text("#watched") == "")
        browser.call("Network.setExtraHTTPHeaders", headers={})
        browser.call("Page.navigate", url="about:blank")


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("path", ["/", "/sign", "/?kiosk=1"])
def test_nothing_overflows(server: WebServer, browser: Browser, width: int, path: str) -> None:
    browser.open(url(server, path), width=width, height=640)
    if path != "/sign":
        server.publish(
            replace(BUSY, wall_s=1e9, clock_ok=False, health=Health(Condition.FAILED, "x" * 60), recording=True)
        )
        browser.sees("#health", "xxx")
    assert browser.js("document.documentElement.scrollWidth") == width


def test_a_small_touch_screen_has_everything_to_press_in_view(server: WebServer, browser: Browser) -> None:
    """800 x 480, as Raspberry Pi's own; 44 px is what WCAG 2.5.5 asks of a finger's target."""
    browser.open(url(server), width=800, height=480)
    worst = replace(BUSY, wall_s=1e9, clock_ok=False, health=Health(Condition.DEGRADED, "so"), paused=True)
    server.publish(replace(worst, recording=True))
    browser.sees("#state-record", "on")
    seen = "(b => [b.left, b.top, 800 - b.right, 480 - b.bottom, b.height - 44])(one.getBoundingClientRect())"
    places = browser.js(f"[...document.querySelectorAll('.controls button')].map(one => {seen})")
    assert len(places) == 2
    assert all(min(place) >= 0 for place in places), places
    assert browser.js("document.documentElement.scrollWidth") == 800


def test_its_own_screen_has_nothing_to_press(server: WebServer, browser: Browser) -> None:
    browser.open(url(server, "/?kiosk=1"), width=1920, height=1080)
    browser.sees("#count", "4 people in view")
    pressable = "a[href]:not([hidden]), button, input, select, summary, [tabindex], [role=button]"
    assert browser.js(f"document.querySelectorAll({pressable!r}).length") == 0
    assert browser.js("document.documentElement.scrollHeight") <= 1080
    assert browser.js("parseFloat(getComputedStyle(document.body).fontSize)") > 24
    assert NOTICE.text in browser.text("main")


def test_the_accessibility_tree(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    browser.sees("#count", "4 people")
    nodes = [node for node in browser.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    roles = [role for role, _ in found]
    for landmark in ("banner", "main", "contentinfo", "status"):
        assert roles.count(landmark) == 1, landmark
    assert {name for role, name in found if role == "region"} >= {"Expressions now", "The last ten minutes", "Controls"}
    for role, name in found:
        if role in ("button", "link", "image", "img", "heading", "region", "DisclosureTriangle"):
            assert name.strip(), role
    assert {"Pause", "Record a session"} <= {name for role, name in found if role == "button"}
    assert next(name for role, name in found if role == "heading") == "Hall"


def test_the_live_region_does_not_chatter(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    browser.sees("#count", "4 people")
    look = "new MutationObserver(() => said.push($('told').textContent)).observe($('told'), {childList: true})"
    browser.js(f"window.said = []; {look}")
    for number in range(10):
        server.publish(replace(BUSY, wall_s=1e9 + number, faces=5 + number, shares={"sad": 1.0}))
    browser.sees("#count", "14 people")
    server.publish(replace(BUSY, wall_s=2e9, paused=True))
    until(lambda: browser.js("said.length"))
    assert browser.js("said") == ["Paused"]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of axe-core, which finds what keeps people from using a page."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not on PATH")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), AXE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"npm could not install {AXE}: {error}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/?kiosk=1", "/sign", "/login"])
def test_axe_finds_nothing(server: WebServer, browser: Browser, axe: str, path: str, dark: bool) -> None:
    browser.open(url(server, path), dark=dark)
    if path in ("/", "/?kiosk=1"):
        browser.js("{const table = document.getElementById('minutes'); if (table) table.open = true}")
        server.publish(replace(BUSY, wall_s=1e9, clock_ok=False, health=Health(Condition.DEGRADED, "so"), paused=True))
        browser.sees("#health", "degraded")
    browser.js(f"{axe}; 0")
    found = browser.js("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("text", [NOTICE.text, "A long notice. " * 66], ids=["short", "long"])
def test_the_sign_is_one_page_of_paper(told: Told, browser: Browser, text: str) -> None:
    notice = replace(NOTICE, text=text, purpose="purpose " * 37, record_video=True)
    with serving(control_of(told, notice=lambda: notice, preview=lambda: None), TOKEN) as server:
        browser.call("Network.setExtraHTTPHeaders", headers={"Authorization": f"Bearer {TOKEN}"})
        browser.open(url(server, "/sign"))
        words = browser.text("main")
        for told_words in (text.strip(), "City <museum>", "30 days", "7 days", "fewer than 3 people"):
            assert told_words in words
        printed = browser.call("Page.printToPDF", preferCSSPageSize=True)["data"]
        browser.call("Network.setExtraHTTPHeaders", headers={})
        browser.call("Page.navigate", url="about:blank")
    paper = base64.b64decode(printed)
    assert paper.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 1


def test_colours_are_those_of_the_videos_and_plots(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    colors = browser.js("COLORS")
    assert colors == {label: hex_of(label) for label in (*COLORS, "uncertain", "unsuitable")}
    assert browser.js("OTHER") == hex_of("anything else")


def test_nothing_is_fetched_from_elsewhere(server: WebServer, browser: Browser) -> None:
    browser.open(url(server))
    browser.sees("#count", "4 people")
    asked = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert {url(server), url(server, "/api/events")} <= set(asked) <= {url(server, path) for path in LOADED}


def test_a_moment_is_marked(told: Told, browser: Browser) -> None:
    """Only while a session is recorded; what is said is what the kiosk confirms, and a refusal is said too."""
    browser.events.clear()
    marks: list[str] = []
    with serving(control_of(told, mark=marks.append), snapshot=BUSY) as server:
        browser.open(url(server))
        browser.sees("#said-mark", "While a session is recorded.")
        assert browser.js("document.getElementById('ask-mark').disabled")
        server.publish(replace(BUSY, wall_s=1.7e9 + 1, recording=True))
        browser.sees("#said-mark", "No marker in this session yet.")
        browser.js("document.getElementById('mark-name').value = 'estímulo'")
        browser.press("#ask-mark")
        until(lambda: marks == ["estímulo"])
        browser.sees("#said-mark", "not confirmed yet")
        server.publish(replace(BUSY, wall_s=1.7e9 + 2, recording=True, markers=1))
        browser.sees("#said-mark", "“estímulo” marked; 1 in this session.")
        server.publish(replace(BUSY, wall_s=1.7e9 + 3, recording=True, markers=2))
        browser.sees("#said-mark", "2 in this session.")
        server.publish(replace(BUSY, wall_s=1.7e9 + 4))
        browser.sees("#said-mark", "While a session is recorded.")
        browser.js("document.getElementById('ask-mark').disabled = false")
        browser.press("#ask-mark")
        browser.sees("#said-mark", "Not done: no session is being recorded.")
        assert [c for c in complaints(browser) if "409" not in str(c)] == []
        browser.call("Page.navigate", url="about:blank")


def test_what_rules_told_is_listed_the_newest_first(told: Told, browser: Browser) -> None:
    browser.events.clear()
    fired = {
        "rule": "smiles", "camera": "", "time": "2026-11-29T12:00:00.000+00:00", "clock_ok": True, "what": "happy",
        "when": "above", "threshold": 0.5, "value": 0.7, "for_s": 10.0, "baseline_s": 0.0,
    }  # fmt: skip
    later = {**fired, "rule": "<b>calm", "time": "2026-11-29T12:05:00.000+00:00", "baseline_s": 600.0}
    with serving(control_of(told), snapshot=BUSY) as server:
        browser.open(url(server))
        browser.sees("#condition", "ok")
        assert browser.js("document.getElementById('rules').hidden")
        server.publish(replace(BUSY, wall_s=1.7e9 + 1, rules=(fired,)))
        browser.sees("#rules", "smiles: happy above 0.5 for 10 s")
        browser.sees("#told", "smiles")
        server.publish(replace(BUSY, wall_s=1.7e9 + 2, rules=(fired, later)))
        browser.sees("#rules", "<b>calm: happy above 0.5 from the usual for 10 s")
        assert browser.js("document.querySelectorAll('#rules li').length") == 2
        assert "calm" in browser.js("document.querySelector('#rules li').textContent")
        assert complaints(browser) == []
        browser.call("Page.navigate", url="about:blank")

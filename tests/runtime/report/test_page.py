"""report.html in a real browser: read at a glance, moved through, on a phone, dark, printed, and by a screen reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.runtime.report.lanes import clock
from support.chromium import Browser, chromium
from support.front_door import run_verb
from support.planted import plant

A4 = (680, 1009)
"""Pixels of a page of A4 without its margins of 15 mm, at 96 an inch."""
EVIL = "</script><img src=x onerror=alert(1)>"
PIECES = [("neutral", 6.0), ("happy", 4.0), ("sad", 5.0), ("", 2.0), ("unsuitable", 1.0), ("uncertain", 2.0)]
OTHER = [("neutral", 12.0), ("angry", 8.0)]
FACTS = {
    "measured": {
        "set": "a/test",
        "images": 1000,
        "per_label": {
            label: {"precision": 0.4 if label == "disgust" else 0.95, "recall": 0.7 if label == "sad" else 0.97}
            for label in LABELS
        },
    },
    "resting": {"from": "me", "log_probabilities": {label: -0.1 if label == "sad" else -5.0 for label in LABELS}},
    "condition": "film",
    "source": EVIL,
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("needs chromium")
    opened = Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.fixture
def page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Two faces, two markers."""
    pytest.importorskip("matplotlib", reason="needs the report extra")
    folder = plant(tmp_path / "s", PIECES, OTHER, facts=FACTS)
    (tmp_path / "m.csv").write_text(f"time_s,name\n8,sound\n12.5,{EVIL}\n")
    assert run_verb(capsys, "study", "join", folder, tmp_path / "m.csv")[0] == 0
    code, said = run_verb(capsys, "report", folder)
    assert code == 0, said
    assert (folder / "timeline.png").is_file(), "the plots stay as files"
    return folder / "report.html"


def errors(browser: Browser) -> list[Any]:
    kinds = ("Runtime.exceptionThrown", "Log.entryAdded")
    return [e for e in browser.events if e["method"] in kinds and "favicon" not in json.dumps(e)]


def loads(browser: Browser) -> set[str]:
    sent = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    return {url.partition(":")[0] for url in sent}


def test_a_moment_is_read_by_mouse_and_by_keys(browser: Browser, page: Path) -> None:
    browser.events.clear()
    browser.open(page.as_uri(), 1100)
    said = "document.getElementById('readout').textContent"
    x, y = browser.js(
        "(b => [b.left + b.width * 8 / 20, b.top + 40])(document.querySelector('#lanes .over').getBoundingClientRect())"
    )
    browser.js("scrollTo(0, 0)")
    y = browser.js("(b => b.top + 40)(document.querySelector('#lanes .over').getBoundingClientRect())")
    if y > 850:
        browser.js("document.getElementById('lanes').scrollIntoView()")
        y = browser.js("(b => b.top + 40)(document.querySelector('#lanes .over').getBoundingClientRect())")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert "face 1 happy, face 2 neutral" in browser.js(said)
    assert "Marker: sound" in browser.js(said)
    browser.js("document.getElementById('lanes').focus()")
    for _ in range(4):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    moment = browser.js(said)
    assert moment.startswith("12.0 s: face 1 sad, face 2 "), moment
    assert errors(browser) == []
    assert loads(browser) <= {"file", "about", "data"}, "nothing is fetched"


def test_a_curve_is_hidden_and_shown(browser: Browser, page: Path) -> None:
    browser.open(page.as_uri(), 1100)
    seen = "getComputedStyle(document.querySelector('.tall path[data-label=happy]')).display"
    assert browser.js(seen) != "none"
    browser.press(".legend button[data-label=happy]")
    assert browser.js(seen) == "none"
    assert browser.js("document.querySelector('.legend button[data-label=happy]').ariaPressed") == "false"
    browser.press(".legend button[data-label=happy]")
    assert browser.js(seen) != "none"


def test_what_was_planted_is_drawn_where_it_was(browser: Browser, page: Path) -> None:
    browser.open(page.as_uri(), 1100)
    bars = "[...document.querySelectorAll('#lanes .lane:nth-of-type(2) rect')].map(r => [+r.getAttribute('x'), "
    drawn = browser.js(bars + "+r.getAttribute('width')])")
    begun = [0.0, 6.0, 10.0, 17.0, 18.0]
    assert [x for x, _ in drawn] == pytest.approx([50 * s for s in begun], abs=1)
    lines = browser.js("[...document.querySelectorAll('#lanes .over u')].map(u => parseFloat(u.style.left))")
    assert lines == pytest.approx([40, 62.5], abs=0.2)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1100, False), (1100, True)])
def test_it_fits_a_phone_and_a_dark_room(width: int, dark: bool, browser: Browser, page: Path) -> None:
    browser.open(page.as_uri(), width, dark=dark)
    assert browser.js("document.documentElement.scrollWidth") <= width
    paper, ink = (
        np.mean([int(n) for n in browser.js(f"getComputedStyle(document.body).{what}")[4:-1].split(",")])
        for what in ("backgroundColor", "color")
    )
    assert (paper < 60 and ink > 180) if dark else (paper > 240 and ink < 80)
    small = browser.js("Math.min(...[...document.querySelectorAll('#lanes b, #lanes .who')].map(e => "
                       "parseFloat(getComputedStyle(e).fontSize)))")  # fmt: skip
    assert small >= 12, "words are not shrunk with the picture"


def test_the_first_sheet_is_one_sheet(browser: Browser, page: Path) -> None:
    browser.open(page.as_uri(), A4[0], A4[1])
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.js("document.querySelector('.glance').getBoundingClientRect().height") <= A4[1]
    hidden = "[...document.querySelectorAll('.screen, #readout')].every(e => getComputedStyle(e).display === 'none')"
    assert browser.js(hidden)
    assert browser.js("document.querySelector('#lanes svg').getBoundingClientRect().height") > 10
    browser.call("Emulation.setEmulatedMedia", media="")
    words = browser.js("document.querySelector('.glance').innerText")
    for part in ("film", "20.0 s", "Valence index", "Expressivity", "Variety", "Transitions", "resting face taken off"):
        assert part in words
    assert "Of 100 faces that it calls disgust, 40 are." in words
    assert "Of 100 faces that are sad, it finds 70." in words
    assert "calls happy" not in words


def test_a_screen_reader_is_told_what_is_drawn(browser: Browser, page: Path) -> None:
    browser.open(page.as_uri(), 1100)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    told = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n.get("ignored")]
    names = [name for role, name in told if role in ("image", "img")]
    assert any(name.startswith("face 1: neutral 6.0 seconds, sad 5.0 seconds, happy 4.0 seconds") for name in names)
    assert any(name.startswith("Means over the session: angry") for name in names)
    assert [name for role, name in told if role == "main"], "it has landmarks"
    browser.js("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.js("document.querySelectorAll('details table tbody tr').length") == 7


def test_nothing_to_see_is_a_page_too(browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    folder = plant(tmp_path / "s", [("", 5.0)])
    assert run_verb(capsys, "report", folder)[0] == 0
    browser.events.clear()
    browser.open((folder / "report.html").as_uri(), 1100)
    assert "no face" in browser.js("document.body.innerText")
    assert "No resting face was taken off" in browser.js("document.body.innerText")
    browser.js("document.getElementById('lanes').focus()")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    assert browser.js("document.getElementById('readout').textContent").startswith("1.0 s: no face")
    assert errors(browser) == []


def test_times_are_written_as_clocks_are() -> None:
    assert [clock(s) for s in (0.0, 12.5, 119.0, 125.0, 3600.0)] == ["0 s", "12.5 s", "119 s", "2:05", "60:00"]

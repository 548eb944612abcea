"""What the page and the sign tell, without a browser: only what is true of this kiosk, and in the house's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape

import pytest

pytest.importorskip("aiohttp", reason="needs the kiosk extra")

from fer_edge.runtime.web.page_values import Filled, duration
from fer_edge.runtime.web.settings import KioskControl, Notice, WebSettings
from support.web_client import TOKEN, Told, ask, control_of, serving

NOTICE = Notice("<b>Look</b> & be seen", place="Hall", purpose="To learn", title="Kiosk 1")


def sign(
    notice: Notice, host: str = "kiosk.local:8080", control: Callable[..., KioskControl] = KioskControl, token: str = ""
) -> str:
    """The words of a sign, on one line."""
    text = Filled(WebSettings(token=token), control(notice=lambda: notice)).sign(host).text
    return re.sub(r"\s+", " ", re.sub(r"<(style|script|title)>.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL))


def test_a_sign_tells_what_is_so() -> None:
    words = sign(NOTICE)
    for told in (" Hall ", "To learn", "removed after 30 days", "fewer than 3 people", "No picture is kept"):
        assert told in words
    assert escape(NOTICE.text) in words
    assert "kiosk.local:8080" in words
    for untold in ("On request", "live picture", "not removed", "{{", "<!--"):
        assert untold not in words


@pytest.mark.parametrize(
    ("changes", "told", "untold"),
    [
        ({"keep_days": 0.0}, "This is not removed by its age.", "removed after"),
        ({"keep_days": 1.0}, "removed after 1 day.", "days"),
        ({"least_group": 1}, "removed after 30 days", "fewer than"),
        ({"least_group": 5}, "fewer than 5 people", "fewer than 3"),
        ({"record_days": 7.0}, "without pictures. It is removed after 7 days.", "unless a session"),
        ({"record_days": 0.0}, "It is not removed by its age.", "It is removed"),
        ({"record_days": 7.0, "record_video": True}, "recorded with pictures of the people", "No picture is kept"),
        ({"place": "", "purpose": ""}, "What is kept", "What for"),
    ],
)
def test_a_sign_by_the_configuration(changes: dict[str, object], told: str, untold: str) -> None:
    words = sign(replace(NOTICE, **changes))  # type: ignore[arg-type]
    assert told in words
    assert untold not in words


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080"])
def test_an_address_that_means_nothing_elsewhere_is_not_told(host: str) -> None:
    assert "Where it can be seen" not in sign(NOTICE, host)


def test_who_watches_is_told_where_it_can_be() -> None:
    def watched(**more: object) -> KioskControl:
        return control_of(Told(), preview=lambda: None, **more)

    assert "live picture" in sign(NOTICE, control=watched, token=TOKEN)
    assert "live picture" not in sign(NOTICE, control=watched)


def test_a_changed_notice_shows_at_once() -> None:
    notices = [NOTICE]
    with serving(control_of(Told(), notice=lambda: notices[-1]), TOKEN) as server:
        inside = {"Authorization": f"Bearer {TOKEN}"}
        assert b"<title>Kiosk 1</title>" in ask(server, "/", **inside)[1]
        notices.append(replace(NOTICE, title="Kiosk 2", place="Yard", least_group=7))
        for path in ("/", "/sign", "/login"):
            assert b"Kiosk 2" in ask(server, path, **inside)[1]
        page = ask(server, "/", **inside)[1]
        assert b"Yard" in page
        assert b'data-least="7"' in page


def test_only_what_is_offered_can_be_pressed() -> None:
    for commands in ({}, {"pause": print}, {"pause": print, "record": print}):
        page = Filled(WebSettings(), KioskControl(commands=commands)).page().text
        for name in ("pause", "record"):
            assert (f'id="ask-{name}"' in page) == (name in commands)
        assert ('id="h-controls"' in page) == bool(commands)


def test_a_notice_cannot_add_a_script() -> None:
    filled = Filled(
        WebSettings(), KioskControl(notice=lambda: Notice("<script>alert(1)</script>{{least}}<!--if:kiosk-->"))
    )
    for page in (filled.page(), filled.sign("<script>")):
        assert page.text.count("<script>") == 1
        assert page.policy.count("sha256-") == 2
        assert "{{least}}&lt;!--if" in page.text


def test_the_words_of_the_house() -> None:
    filled = Filled(WebSettings(token=TOKEN), control_of(Told(), preview=lambda: None))
    for page in (filled.page(), filled.page(kiosk=True), filled.sign("kiosk")):
        words = page.text.lower()
        assert "expression" in words
        assert not re.search("emotion|feel|mood", words)
        assert "style=" not in words  # the policy would not let it be
        assert "http" not in words.replace("http-equiv", "")


def test_days_in_words() -> None:
    assert [duration(days) for days in (1.0, 30.0, 0.5)] == ["1 day", "30 days", "0.5 days"]

"""The page and the sign, filled in with what the kiosk says of itself."""

from __future__ import annotations

from ...bundle.labels import WORDS
from ...language import speaking, tr
from ..html import Template, as_script
from ..vision.quality_gate import UNSUITABLE
from ..vision.smoothing import UNCERTAIN
from .pages import Page, login_page
from .reader_language import reader_language
from .settings import KioskControl, Notice, WebSettings, host_of, is_loopback

LONG = 250
"""Characters; a longer notice is set smaller, so that the sign stays one page."""


class Filled:
    """Both templates, read once."""

    def __init__(self, settings: WebSettings, control: KioskControl) -> None:
        self._settings, self._control = settings, control
        self._page, self._sign = (Template.read(__package__, name) for name in ("page.html", "sign.html"))

    @property
    def preview(self) -> bool:
        """Whether the live picture is offered: the kiosk has one and there is a login, on this machine too."""
        offered = any(camera.preview is not None for camera in self._control.cameras.values())
        return offered and bool(self._settings.token)

    @property
    def title(self) -> str:
        """Of every page."""
        return self._control.notice().title or self._settings.title

    def page(self, kiosk: bool = False, accepted: str = "") -> Page:
        """The live page, with what this kiosk offers; for its own screen larger, and without anything to press.

        `accepted` is the header Accept-Language.
        """
        offers = {*self._control.commands, *(("preview",) if self.preview else ())}
        offers |= {"mark"} if self._control.mark else set()
        parts = {"kiosk"} if kiosk else {"reader", *offers, *(("controls",) if offers else ())}
        parts |= {"logged_in"} if self._settings.token and not kiosk else set()
        return self._fill(self._page, parts, accepted)

    def login(self, words: str, accepted: str) -> Page:
        """The form that asks for the token, and what was wrong."""
        with speaking(reader_language(self._control.notice().lang, accepted)):
            return login_page(self.title, words)

    def sign(self, host: str, accepted: str = "") -> Page:
        """The printable sign; `host` is the Host header, told unless it means nothing elsewhere."""
        address = "" if is_loopback(host_of(host)) else host
        parts = {"preview"} if self.preview else set()
        return self._fill(self._sign, parts | ({"address"} if address else set()), accepted, address)

    def _fill(self, template: Template, parts: set[str], accepted: str, address: str = "") -> Page:
        notice = self._control.notice()
        with speaking(reader_language(notice.lang, accepted)):
            return Page(template.fill(self._values(notice, address), parts | told_parts(notice)))

    def _values(self, notice: Notice, address: str) -> dict[str, str]:
        return {
            "title": self.title,
            "notice": tr(notice.text),
            "place": notice.place,
            "purpose": notice.purpose,
            "least": str(notice.least_group),
            "keep": duration(notice.keep_days),
            "record": duration(notice.record_days or 0),
            "earlier": duration(notice.earlier_days or 0),
            "address": address,
            "cameras": " ".join(self._control.cameras),
            "size": "long" if len(notice.text) > LONG else "short",
            "names": as_script({label: tr(label) for label in (*WORDS, UNCERTAIN, UNSUITABLE)}),
        }


def told_parts(notice: Notice) -> set[str]:
    """Which sentences of the templates are true."""
    parts = {name for name in ("place", "purpose") if getattr(notice, name)}
    parts.add("kept" if notice.keep_days else "unbounded")
    if notice.least_group > 1:
        parts.add("group")
    if notice.earlier_days is not None:
        parts |= {"earlier", "earlier_pictures" if notice.earlier_video else "earlier_figures"}
        parts.add("earlier_kept" if notice.earlier_days else "earlier_unbounded")
    if not (notice.record_video and notice.record_days is not None):
        parts.add("no_more_pictures" if notice.earlier_video else "no_picture")
    if notice.record_days is not None:
        parts.add("recorded_pictures" if notice.record_video else "recorded_figures")
        parts.add("record_kept" if notice.record_days else "record_unbounded")
    return parts


def duration(days: float) -> str:
    """Days in words: 30 days, 1 day, 0.5 days."""
    return tr("{days} day", days=f"{days:g}") if days == 1 else tr("{days} days", days=f"{days:g}")

"""Pages, each one file, and the policy that lets a browser run what is in them and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from html import escape

from ...language import spoken, tr

_BLOCK = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#16191d"/>'
    '<circle cx="8" cy="8" r="5" fill="none" stroke="#f0c828" stroke-width="2"/>'
    '<path d="M6 7v1M10 7v1" stroke="#f0c828" stroke-linecap="round"/></svg>'
)
"""What a browser shows beside the title."""
STRICTEST = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


@dataclass(frozen=True)
class Page:
    """Text of a page with its scripts and styles inside, in plain <script> and <style>."""

    text: str

    @property
    def policy(self) -> str:
        """Content-Security-Policy: what stands in the page may run, by its hash; it may ask this server alone."""
        hashes: dict[str, list[str]] = {"script": [], "style": []}
        for kind, body in _BLOCK.findall(self.text):
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            hashes[kind].append(f"'sha256-{digest}'")
        sources = "".join(f"; {kind}-src {' '.join(found)}" for kind, found in hashes.items() if found)
        return f"{STRICTEST}{sources}; connect-src 'self'; img-src 'self'"


NO_TOKEN, TOO_OFTEN = "That is not the token.", "Too many wrong tokens. Wait a minute."


def login_page(title: str, words: str = "") -> Page:
    """A form that asks for the token; `words` say what was wrong: NO_TOKEN or TOO_OFTEN."""
    return Page(
        f'<!doctype html><html lang="{spoken()}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>:root{color-scheme:light dark}"
        "body{font:1.1rem sans-serif;margin:3rem auto;max-width:22rem;padding:0 1rem}"
        "input,button{font:inherit;width:100%;box-sizing:border-box;margin:.5rem 0;padding:.5rem}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>"
        + (f'<p role="alert">{escape(tr(words))}</p>' if words else "")
        + '<form method="post"><input name="username" value="fer-edge" autocomplete="username" hidden>'
        f'<label for="token">{escape(tr("Token"))}</label>'
        '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
        f"<button>{escape(tr('Log in'))}</button></form></main></body></html>"
    )

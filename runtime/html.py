"""Pages from templates that lie as .html files: every value is escaped, unless it is markup of our own making."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from importlib import resources
from pathlib import Path

from ..language import spoken, tr

_PART = re.compile(r"<!--if:(\w+)-->(.*?)<!--end:\1-->", re.DOTALL)
_GAP = re.compile(r'\{\{(?:(\w+)|"(.*?)")\}\}', re.DOTALL)
_SCRIPT = re.compile(r"(<script>.*?</script>)", re.DOTALL)
_VALUE = re.compile(r"\{(\w+)\}")


class Markup(str):
    """HTML that goes into a page as it is; what came from outside was escaped in it."""


@dataclass(frozen=True)
class Template:
    """A page with gaps, `{{name}}`, and parts between `<!--if:name-->` and `<!--end:name-->`.

    `{{"What for: {purpose}"}}` is a message in the language that is spoken, with gaps of its own; in a script it
    becomes a literal, and its gaps are the script's to fill. `{{lang}}` is that language.
    """

    text: str

    @classmethod
    def read(cls, package: str, name: str) -> Template:
        """A file that lies in a package."""
        return cls(resources.files(package).joinpath(name).read_text(encoding="utf-8"))

    def fill(self, values: Mapping[str, str], parts: Collection[str] = ()) -> str:
        """The page with every value in its gap, and without the parts that are not named; raises KeyError for a gap."""
        text = self.text
        while _PART.search(text):  # parts may hold parts
            text = _PART.sub(lambda part: part[2] if part[1] in parts else "", text)
        given = {"lang": spoken(), **values}
        pieces = _SCRIPT.split(text)  # every second one is a script
        return "".join(_GAP.sub(partial(_filled, given, bool(i % 2)), piece) for i, piece in enumerate(pieces))


def _filled(values: Mapping[str, str], script: bool, gap: re.Match[str]) -> str:
    if gap[2] is None:
        return escaped(values[gap[1]])
    message = tr(" ".join(gap[2].split()))
    if script:
        return as_script(message)
    return _VALUE.sub(lambda inner: escaped(values[inner[1]]), escape(message))


def as_script(value: object) -> Markup:
    """A JSON value as a literal, safe inside of a <script> element."""
    return Markup(json.dumps(value, ensure_ascii=True).replace("<", "\\u003c"))


def data_uri(path: Path, kind: str) -> Markup:
    """A file's bytes as a URI that needs no file; `kind` is its media type."""
    return Markup(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


def escaped(value: str) -> str:
    """A text as HTML; what no UTF-8 file can hold, such as the odd bytes of a file's name, becomes a question mark."""
    return value if isinstance(value, Markup) else escape(value.encode("utf-8", "replace").decode())

"""Pages from templates that lie as .html files: every value is escaped, unless it is markup of our own making."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path

_PART = re.compile(r"<!--if:(\w+)-->(.*?)<!--end:\1-->", re.DOTALL)
_GAP = re.compile(r"\{\{(\w+)\}\}")


class Markup(str):
    """HTML that goes into a page as it is; what came from outside was escaped in it."""


@dataclass(frozen=True)
class Template:
    """A page with gaps: `{{name}}` for a text, and parts between `<!--if:name-->` and `<!--end:name-->`."""

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
        return _GAP.sub(lambda gap: escaped(values[gap[1]]), text)


def data_uri(path: Path, kind: str) -> Markup:
    """A file's bytes as a URI that needs no file; `kind` is its media type."""
    return Markup(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


def escaped(value: str) -> str:
    """A text as HTML; what no UTF-8 file can hold, such as the odd bytes of a file's name, becomes a question mark."""
    return value if isinstance(value, Markup) else escape(value.encode("utf-8", "replace").decode())

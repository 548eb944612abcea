"""Secrets: read from files of their own, and kept out of whatever is shown: names, reasons, logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from ..errors import InputError
from ..files import NotText, read_text

HIDDEN = "***"
_BEFORE_AT = re.compile(r"://[^/\s@]*@")


def first_line(file: Path, key: str) -> str:
    """The first line of the file that a key such as `[web] token_file` names, empty without one; raises InputError."""
    try:
        lines = read_text(file).splitlines()
    except NotText as error:
        raise InputError(f"{key} {file} {error}", cause="another editor saved it") from None
    except OSError as error:
        raise InputError(
            f"{key} {file} cannot be read: {error.strerror}",
            cause="the path is wrong, or the file belongs to somebody else",
            hint=f"ls -l {file}",
        ) from error
    return lines[0] if lines else ""


@dataclass(frozen=True)
class CameraUrl:
    """A URL in its parts, as they are written; `login` is `user:password`, `rest` path and query.

    Unlike by the book (RFC 3986), a password may hold any character, as those of cameras do: `[`, `@`, `/`, `#`.
    """

    scheme: str
    login: str
    host: str
    rest: str

    @classmethod
    def parse(cls, url: str) -> CameraUrl:
        """Take a URL apart; any text is one."""
        scheme, _, body = url.partition("://")
        end = next((at for at, sign in enumerate(body) if sign in "/?#"), len(body))
        port = body[:end].rpartition("]")[2].partition(":")[2]
        if "@" not in body[:end] and "@" in body and port and not port.isdigit():  # a password with / ? or #
            end = next((at for at in range(body.rindex("@"), len(body)) if body[at] in "/?#"), len(body))
        login, _, host = body[:end].rpartition("@")
        return cls(scheme.lower(), login, host, body[end:])

    @property
    def name(self) -> str:
        """Scheme and host, without the port: user, path and query may hold a password."""
        host = self.host[: self.host.find("]") + 1] if self.host.startswith("[") else self.host.partition(":")[0]
        return f"{self.scheme}://{HIDDEN if self.login and '@' in self.rest else host.lower()}"  # or is that its end?

    @property
    def quoted(self) -> str:
        """The URL as libraries read it: what is special in the login is percent-encoded, unless it is already."""
        login = quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", self.login), safe="%:!$&'()*+,;=~")
        return f"{self.scheme}://{login}@{self.host}{self.rest}" if login else f"{self.scheme}://{self.host}{self.rest}"

    def secrets(self) -> list[str]:
        """What may be a password, as written, decoded and encoded, the longest first: a part of one may be one too."""
        login, path = self.login, self.rest.partition("?")[0].partition("#")[0]
        raw = [login, login.partition(":")[2], self.rest, path, self.rest.partition("?")[2]]
        forms = {form for text in raw if text.strip("/?") for form in (text, unquote(text), quote(text, safe=""))}
        return sorted(forms, key=len, reverse=True)


def shown_name(url: str) -> str:
    """Scheme and host of a URL."""
    return CameraUrl.parse(url).name


def masked(text: str) -> str:
    """A URL, where a text is one, without what is most likely a password: the part before @, and the query."""
    if "://" not in text:
        return text
    scheme, rest = text.split("://", 1)
    rest = re.sub(r".*@", f"{HIDDEN}@", rest)
    return f"{scheme}://" + re.sub(r"\?.*", f"?{HIDDEN}", rest)


def without_secrets(text: str, url: str) -> str:
    """A text, such as a library's complaint, with nothing of the URL in it that may be a password.

    Hidden are the URL itself, its password, path and query, each as written and decoded, and what stands before the @
    of any other URL in the text.
    """
    parts = CameraUrl.parse(url)
    for secret in (url, parts.quoted, *parts.secrets()):
        text = text.replace(secret, HIDDEN)
    return _BEFORE_AT.sub(f"://{HIDDEN}@", text)

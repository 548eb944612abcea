"""Secrets: read from files of their own, and kept out of whatever is shown: names, reasons, logs."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

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


def shown_name(url: str) -> str:
    """Scheme and host of a URL; its user, path and query may hold a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}"


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
    parts = urlsplit(url)
    raw = [url, parts.password or "", f"{parts.path}?{parts.query}", parts.path, parts.query]
    secrets = {form for value in raw if value.strip("/?") for form in (value, unquote(value))}
    for secret in sorted(secrets, key=len, reverse=True):  # the longest first: a part of it may be a secret too
        text = text.replace(secret, HIDDEN)
    return _BEFORE_AT.sub(f"://{HIDDEN}@", text)

"""One file of a batch: where it is, whose it is, and what it is called."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..masking import CameraUrl, masked
from ..sources.source import shown

VIDEOS = (
    ".3gp", ".asf", ".avi", ".dv", ".flv", ".gif", ".h264", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip
"""Suffixes of what is taken from a folder; what is named, or what a pattern or a table names, is always taken."""
JOIN = -1
NAME = 40
"""Characters of a file's name in its key."""


@dataclass(frozen=True)
class BatchFile:
    """One file of a batch.

    Attributes:
        source: its path, absolute and without links, or its URL.
        subject, condition: what a table says of it; else empty.
        version: its size, and when it was changed or what the store calls its contents; "" where that is not told.
        origin: who asked for it, for errors: a source of the command line, or a table's line.
        part: the segment of it that a worker is given, from 0; None: all of it; JOIN: the segments, to be joined.
    """

    source: str
    subject: str = ""
    condition: str = ""
    version: str = ""
    origin: str = field(default="", compare=False)
    part: int | None = None

    @property
    def remote(self) -> bool:
        """Whether it is a URL, to be fetched by fsspec."""
        return is_url(self.source)

    @property
    def key(self) -> str:
        """Its name in the batch's folder: always the same for the same path or URL, whatever else is asked for.

        Of a URL's login nothing goes into it.
        """
        named = self.source
        if self.remote:
            url = CameraUrl.parse(self.source)
            named = f"{url.scheme}://{url.host}{url.rest}"
        stem = Path(named.partition("?")[0] if self.remote else named).stem
        slug = re.sub(r"[^A-Za-z0-9]+", "-", stem)[:NAME].strip("-") or "file"
        return f"{slug}-{hashlib.sha256(os.fsencode(named)).hexdigest()[:16]}"

    @property
    def shown(self) -> str:
        """The source for people and tables: without passwords, and with marks for bytes that are not UTF-8."""
        return shown(masked(self.source) if self.remote else self.source)


def is_url(text: str) -> bool:
    """Whether a source is for fsspec: `s3://…`, but not a path in which something exists."""
    return "://" in text and not os.path.exists(text)

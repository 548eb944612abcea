"""Which files a batch is asked for: folders, patterns, URLs, and tables of paths with subject and condition."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...bundle.tables import read_table
from ...errors import InputError, SourceError
from ..masking import CameraUrl, masked
from ..sources.source import shown

VIDEOS = (
    ".3gp", ".asf", ".avi", ".dv", ".flv", ".gif", ".h264", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip
"""Suffixes of what is taken from a folder; what is named, or what a pattern or a table names, is always taken."""
TABLE = ".csv"
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
    """

    source: str
    subject: str = ""
    condition: str = ""
    version: str = ""
    origin: str = field(default="", compare=False)

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


@dataclass(frozen=True)
class Plan:
    """The files, each once, in the order of their keys, and lines for people about what was left out."""

    files: tuple[BatchFile, ...]
    notices: tuple[str, ...]


def is_url(text: str) -> bool:
    """Whether a source is for fsspec: `s3://…`, but not a path in which something exists."""
    return "://" in text and not os.path.exists(text)


def plan(sources: Sequence[str], out: Path) -> Plan:
    """Find every file that the sources name.

    Args:
        sources: folders (their videos, at any depth), files, patterns such as `archive/**/*.mp4`, URLs, and tables
            (CSV with a column `path`, and perhaps `subject` and `condition`; paths relative to the table).
        out: the batch's own folder, in which nothing is looked for.

    Raises:
        SourceError: there is no such file, or a folder or pattern holds none; DatasetError: a table cannot be read;
        InputError: a file is asked for twice, with different subjects or conditions; UsageError, MissingExtra: a URL
        that nothing here can read.
    """
    found: dict[str, BatchFile] = {}
    notices: list[str] = []
    twice = 0
    for file in (file for source in sources for file in _named(source, out, notices)):
        known = found.setdefault(file.source, file)
        twice += known is not file
        if (known.subject, known.condition) != (file.subject, file.condition):
            raise _disagree(known, file)
    if twice:
        notices.append(f"named more than once, and taken once: {twice}")
    return Plan(tuple(sorted(found.values(), key=lambda file: file.key)), tuple(notices))


def _named(source: str, out: Path, notices: list[str]) -> Iterator[BatchFile]:
    """The files that one source names."""
    if is_url(source):
        from .remote import listed

        yield from listed(source)
    elif os.path.isdir(source):
        yield from _inside(Path(source), out, notices)
    elif source.lower().endswith(TABLE) and os.path.isfile(source):
        yield from _rows(Path(source), out, notices)
    elif os.path.exists(source):
        yield _local(source, source)
    else:
        matches = sorted(path for path in glob.glob(source, recursive=True) if os.path.isfile(path))
        if not matches:
            raise _nothing(source)
        yield from (_local(path, source) for path in matches if not _is_below(path, out))


def _inside(folder: Path, out: Path, notices: list[str]) -> Iterator[BatchFile]:
    """The videos of a folder and of those in it."""
    others = count = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != "." and not _is_below(Path(place, name), out))
        for name in sorted(name for name in names if name[0] != "."):
            if os.path.splitext(name)[1].lower() in VIDEOS:
                count += 1
                yield _local(os.path.join(place, name), str(folder))
            else:
                others += 1
    if not count:
        raise SourceError(
            f"the folder {folder} holds no video",
            cause=f"a video's name ends in {', '.join(VIDEOS)}; any other file can be named itself",
            hint=f"ls {shlex.quote(str(folder))}",
        )
    if others:
        notices.append(f"{folder}: left out, no videos by their names: {others}")


def _rows(table: Path, out: Path, notices: list[str]) -> Iterator[BatchFile]:
    """The files of a table's lines."""
    for line, row in read_table(table, ["path"]).rows:
        told = {name: (row.get(name) or "").strip() for name in ("subject", "condition")}
        path, origin = row["path"].strip(), f"{table}, line {line}"
        if not path:
            raise InputError(f"{origin}: there is no path", hint=f"sed -n {line}p {shlex.quote(str(table))}")
        where = path if is_url(path) else str(table.parent / path)
        if not is_url(path) and not os.path.isfile(where):
            raise SourceError(
                f"{origin}: there is no file {path}",
                cause="paths count from the table's own folder",
                hint=f"ls -l {shlex.quote(where)}",
            )
        yield from (replace(file, origin=origin, **told) for file in _named(where, out, notices))


def _local(path: str, origin: str) -> BatchFile:
    """A file of this machine; raises SourceError for what is no regular file."""
    real = os.path.realpath(path)
    if not os.path.isfile(real):
        raise SourceError(
            f"{path} is no file", cause="it is a camera, a pipe or a socket", hint=f"ls -l {shlex.quote(path)}"
        )
    told = os.stat(real)
    return BatchFile(real, version=f"{told.st_size}-{told.st_mtime_ns}", origin=origin)


def _is_below(path: str | Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _nothing(source: str) -> SourceError:
    pattern = any(sign in source for sign in "*?[")
    return SourceError(
        f"no file is like {source}" if pattern else f"there is no file or folder {source}",
        cause="the path is wrong, or the files were moved",
        hint=f"ls -l {shlex.quote(str(Path(source).parent))}",
    )


def _disagree(one: BatchFile, other: BatchFile) -> InputError:
    told = " and ".join(f"{f.origin}: subject {f.subject!r}, condition {f.condition!r}" for f in (one, other))
    return InputError(
        f"{one.shown} is asked for twice, and differently: {told}",
        cause="a file is one session, of one subject and one condition",
    )

"""Which files a batch is asked for: folders, patterns, URLs, and tables of paths with subject and condition."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...bundle.tables import read_table
from ...errors import InputError, SourceError
from .batch_file import VIDEOS, BatchFile, is_url

TABLE = ".csv"


@dataclass(frozen=True)
class Plan:
    """The files, each once, in the order of their keys, and lines for people about what was left out."""

    files: tuple[BatchFile, ...]
    notices: tuple[str, ...]


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
        subject, condition = ((row.get(name) or "").strip() for name in ("subject", "condition"))
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
        for file in _named(where, out, notices):
            yield replace(file, origin=origin, subject=subject, condition=condition)


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

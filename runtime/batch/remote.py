"""Files behind URLs, through fsspec: `s3://`, `gs://`, `sftp://`, `https://` and whatever else it knows."""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import FerEdgeError, MissingExtra, OutputError, SourceError, UsageError
from ...files import cannot_write
from ..masking import without_secrets
from .batch_file import VIDEOS, BatchFile

PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "sftp": "paramiko",
    "ssh": "paramiko", "http": "aiohttp", "https": "aiohttp", "smb": "smbprotocol",
}  # fmt: skip
"""Scheme -> the package by which fsspec reads it, as fsspec's registry says."""
TRIES = 3
"""Times that a file is asked for before it is given up; stores far away now and then do not answer."""
VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "created")
"""What file systems call that which changes with a file's contents, the best first."""


def listed(url: str) -> list[BatchFile]:
    """The files that a URL names: one file, the matches of a pattern, or the videos of a folder.

    Raises SourceError: there is none, or nobody answers; UsageError, MissingExtra: nothing here reads such URLs.
    """
    try:
        files, path = _opened(url)
        name = path.rstrip("/").rpartition("/")[2]
        if any(sign in path for sign in "*[") or ("?" in path and not url.startswith("http")):
            found = {p: told for p, told in files.glob(path, detail=True).items() if told["type"] == "file"}
        elif Path(name).suffix.lower() in VIDEOS:  # an HTTP server asked whether it is a folder would send it whole
            found = {path: files.info(path)}
        elif files.isdir(path):
            all_ = files.find(path, detail=True)
            found = {p: told for p, told in all_.items() if Path(p.partition("?")[0]).suffix.lower() in VIDEOS}
        else:
            found = {path: files.info(path)}
        named = [BatchFile(_unstripped(files, url, p), version=_version(found[p]), origin=url) for p in sorted(found)]
    except FerEdgeError:
        raise
    except Exception as error:  # each store's library has errors of its own
        raise _unanswered(url, error) from error
    if not named:
        raise SourceError(f"no video is at {BatchFile(url).shown}", cause="the pattern or the folder is another one")
    return named


def fetch(file: BatchFile, folder: Path) -> Path:
    """Copy a file into a folder of this machine; raises SourceError, OutputError, UsageError, MissingExtra."""
    target = folder / Path(file.source.partition("?")[0]).name
    for tried in range(1, TRIES + 1):
        try:
            files, path = _opened(file.source)
            files.get_file(path, str(target))
            return target
        except FerEdgeError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise cannot_write(target, error) from error
            if tried == TRIES or isinstance(_root(error), (FileNotFoundError, PermissionError)):
                raise _unanswered(file.source, error) from error
            time.sleep(tried)
    raise OutputError(f"{target} was not written")  # not reached


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtra("fsspec", "batch") from None
    scheme = url.partition("://")[0].lower()
    try:
        files, path = url_to_fs(url)
    except ImportError as error:
        package = PACKAGES.get(scheme)
        hint = f"pip install {package}" if package else ""
        raise UsageError(f"nothing here reads {scheme}:// URLs: {error}", hint=hint) from None
    except ValueError as error:
        if "rotocol" not in str(error):
            raise
        cause = "what starts so is no kind of store that fsspec knows"
        raise UsageError(f"nothing here reads {scheme}:// URLs", cause=cause) from None
    return files, path


def _unstripped(files: Any, url: str, path: str) -> str:
    """A listed path as a URL, with the login of the one that was asked for, which the listing leaves out."""
    whole = str(files.unstrip_protocol(path))
    scheme, _, rest = url.partition("://")
    login, at, _ = rest.partition("/")[0].rpartition("@")
    begin = f"{scheme}://"
    if not at or login in whole:
        return whole
    host = rest.partition("/")[0].rpartition("@")[2]
    path_alone = whole.partition("://")[2].removeprefix(host).lstrip("/")
    return f"{begin}{login}@{host}/{path_alone}"


def _version(told: Mapping[str, Any]) -> str:
    """What a listing tells of a file's contents."""
    changed = next((str(told[name]) for name in VERSIONS if told.get(name)), "")
    size = told.get("size")
    return f"{size if size is not None else ''}-{changed}".strip("-")


def _unanswered(url: str, error: Exception) -> SourceError:
    root = _root(error)
    why = without_secrets(f"{type(root).__name__}: {root}".strip(": "), url)
    return SourceError(
        f"{BatchFile(url).shown} cannot be read: {why}",
        cause="the URL is wrong, nobody answers, or it wants a login, for which its package looks where it always does",
    )


def _root(error: BaseException) -> BaseException:
    """What an error came from: of a server that is away, fsspec says that the file is not there."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error

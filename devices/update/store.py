"""A copy of the kiosk's store while a release with other tables is tried, for an older one cannot write those."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ...errors import OutputError
from ...runtime.config import read_config
from ...runtime.config.sections import Store
from ...runtime.storage import kiosk_path
from ...runtime.storage.schema import BEFORE_UPDATE, SIDES, damaged
from .releases import Releases

CONFIG = Path("etc/fer-edge/config.toml")
"""Below the root of the system, as packaging/fer-edge.service names it."""
SCHEMA = "schema"
"""A payload's file with the version of its store's tables, as `devices/flash/payload/payload.py` writes it."""


def store_of(releases: Releases) -> Path | None:
    """The store that the system's configuration names; None where there is none yet."""
    read = read_config(releases.root / CONFIG, {})
    folder = (read.likely.store if read.likely else Store()).folder
    path = kiosk_path(releases.root / folder.relative_to("/") if folder.is_absolute() else releases.root / folder)
    return path if path.is_file() else None


def keep_store(releases: Releases, payload: Path) -> str:
    """Copy the store beside itself, unless the payload says that its tables are the same; its path, empty for no copy.

    Raises OutputError: it cannot be copied; nothing was changed.
    """
    store = store_of(releases)
    if store is None:
        return ""
    copy = copy_of(store)
    try:
        with closing(sqlite3.connect(store.as_uri(), uri=True, timeout=5.0)) as database:
            if (payload / SCHEMA).is_file() and (payload / SCHEMA).read_text().strip() == str(_version(database)):
                return ""
            releases.require_room(sum(p.stat().st_size for p in _files(store) if p.exists()), store.parent)
            _copy(database, copy, store)
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error) and damaged(error):
            return ""  # whichever release opens it sets it aside
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"the store {store} cannot be copied: {error}",
            cause="the update may change its tables, and the copy is what an older release goes back to",
            hint=f"df -h {store.parent}; fer-edge data show {store.parent}",
        ) from error
    return str(store)


def copy_of(store: Path) -> Path:
    """Where the copy lies: beside it, so that a rename puts it back on a full disk too."""
    return store.with_name(store.name + BEFORE_UPDATE)


def put_store_back(store: Path) -> None:
    """Put the copy in the place of the store, with whatever was written while the update was tried; again: nothing."""
    if copy_of(store).exists():
        for file in _files(store)[1:]:  # a log of the other tables would be played into it
            file.unlink(missing_ok=True)
        os.replace(copy_of(store), store)


def _files(store: Path) -> list[Path]:
    return [store.with_name(store.name + side) for side in SIDES]


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _copy(database: sqlite3.Connection, copy: Path, store: Path) -> None:
    """With its owner and mode, for root makes it and the kiosk will write it."""
    owner = store.stat()
    copy.unlink(missing_ok=True)
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(copy)) as target:
        database.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    os.chown(copy, owner.st_uid, owner.st_gid)
    os.sync()

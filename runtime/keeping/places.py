"""Every place on a kiosk's disk where a face or an observation may lie.

`keep_days`, `fer-edge data wipe` and the sign all go by this list. What is not in it does not exist: a test searches
the whole tree of a wiped kiosk. Frames and crops are in memory alone, bundles and engines in the cache hold no face,
and what a person exported or copied is where that person put it.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ...bundle import write_text
from ..storage import kiosk_path, queue_path
from ..storage.schema import SIDES, left_files

_NAME = re.compile(r"(\d{8}-\d{6})(-\d+)?")
_STEM = "%Y%m%d-%H%M%S"


@dataclass(frozen=True)
class Places:
    """Of one kiosk.

    Attributes:
        store: the store's folder.
        recorded: folders in which sessions were ever recorded; `usual` is looked into as well.
    """

    store: Path
    recorded: tuple[Path, ...]

    @property
    def usual(self) -> Path:
        """Where recordings lie unless the configuration says otherwise; those of older versions are not in the list."""
        return self.store.absolute().parent / "sessions"

    def history(self) -> list[Path]:
        """Files of observations: the store with SQLite's log, damaged ones set aside, and an update's copy."""
        return [*_with_sides(kiosk_path(self.store)), *left_files(self.store)]

    def backlog(self) -> list[Path]:
        """Files of aggregates that wait for the broker, of every camera that there ever was."""
        queue = queue_path(self.store)
        return [*_with_sides(queue), *queue.parent.glob(f"{queue.stem}-*{queue.suffix}*")]

    def recordings(self) -> list[Path]:
        """Folders of recorded sessions, whatever is in them: a store, a film, an unfinished one, reports; OSError."""
        found = [session for folder in self.recorded for session in recordings_in(folder)]
        if self.usual not in self.recorded:  # nobody said that it is ours, so the name alone is not enough
            found += [s for s in recordings_in(self.usual) if has_pictures(s) or any(s.glob("observations.db*"))]
        return found

    def absent(self) -> list[Path]:
        """Folders with recordings that cannot be reached, as on a disk that is not plugged in."""
        return [folder for folder in self.recorded if not folder.is_dir()]


def places_of(store: Path, *recorded: Path) -> Places:
    """The places of the kiosk with this store; `recorded` are folders beside those that are remembered."""
    return Places(store, tuple(dict.fromkeys((*_remembered(store), *(folder.absolute() for folder in recorded)))))


def remember(store: Path, folder: Path) -> None:
    """Write down that sessions are recorded there, for the day when the configuration says otherwise; OutputError."""
    known = _remembered(store)
    if folder.absolute() not in known:
        write_text(_list_of(store), json.dumps([str(place) for place in (*known, folder.absolute())]) + "\n")


def new_recording(folder: Path) -> Path:
    """The folder of a session that begins now, named by the wall clock, which may stand where it stood before."""
    stem = datetime.now().strftime(_STEM)
    names = (stem, *(f"{stem}-{n}" for n in range(2, 1000)))
    return next(folder / name for name in names if not (folder / name).exists())


def recordings_in(folder: Path) -> list[Path]:
    """Recorded sessions in a folder, none where there is none; raises OSError when it cannot be read."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(p for p in folder.iterdir() if _NAME.fullmatch(p.name) and p.is_dir() and not p.is_symlink())
    return []


def began_s(session: Path) -> float:
    """When a recording began, seconds since 1970: by its name, or by its folder's date, which a report renews."""
    changed_s = session.stat().st_mtime
    found = _NAME.fullmatch(session.name)
    with suppress(ValueError, OverflowError, OSError):  # a month 13
        return min(changed_s, datetime.strptime(found[1] if found else "", _STEM).timestamp())
    return changed_s


def has_pictures(session: Path) -> bool:
    """Whether a recording has a film, finished or not."""
    return any(session.glob("*annotated*"))


def remove_old(sessions: list[Path], days: float, now_s: float) -> list[Path]:
    """Remove recordings that are older than so many days (0: none), and say which; raises OSError."""
    gone = [session for session in sessions if days and now_s - began_s(session) > days * 86400]
    for session in gone:
        shutil.rmtree(session)
    return gone


def _list_of(store: Path) -> Path:
    return store.parent / "recorded.json"


def _remembered(store: Path) -> tuple[Path, ...]:
    with suppress(OSError, ValueError, TypeError):
        return tuple(Path(text) for text in json.loads(_list_of(store).read_text(encoding="utf-8")))
    return ()


def _with_sides(path: Path) -> list[Path]:
    return [side for end in SIDES if (side := path.with_name(path.name + end)).exists()]

"""On a kiosk behind a router: asks a folder by HTTPS whether there is a newer update, fetches and applies it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ...errors import DeviceNotFound, GateFailed, InputError, OutputError, UsageError
from ...files import cannot_write, sha256_of, write_text
from .apply import Outcome, UpdateOptions, apply_update
from .published import MANIFEST, PublishedUpdate, read_manifest
from .releases import Releases
from .signature import ENDING as SIGNATURE
from .signature import signed_manifest

TIMEOUT_S = 60.0
"""Without a byte for so long, it is given up; the next call asks again."""
SMALL = 65536
"""Bytes that a manifest or a signature has at most."""
RECORD = "pulled.json"


@dataclass(frozen=True)
class PullOptions:
    """What is asked for.

    Attributes:
        url: of the folder; https alone.
        name: the kiosk's own, for an update that is not for all; empty: the host's name.
        older: take an update that is older than the last one that was taken from there.
        again: try one once more that was taken back.
    """

    url: str
    name: str = ""
    older: bool = False
    again: bool = False


@dataclass(frozen=True)
class Pulled:
    """What became of it: why nothing was done, or what was."""

    number: int
    nothing: str = ""
    outcome: Outcome | None = None


def pull(
    releases: Releases,
    asked: PullOptions,
    options: UpdateOptions,
    on_message: Callable[[str], None] = lambda words: None,
) -> Pulled:
    """Ask once. Manifest and update have to be signed by the key that this card knows.

    Raises:
        UsageError: no https address, or another one asks; InputError: an older update, another key's, or damaged;
        DeviceNotFound: nobody answers; OutputError: no room; GateFailed: it did not become healthy, was taken back and
        is not tried again by itself.
    """
    if not asked.url.startswith("https://"):
        hint = "fer-edge update pull https://updates.example/kiosks/"
        raise UsageError(f"{asked.url} is no address that begins with https://", hint=hint)
    service = options.service()
    with _alone(releases) as folder:
        found = _manifest(asked, releases, folder)
        before = _record(releases)
        if nothing := _nothing_to_do(found, before, asked):
            return Pulled(found.number, nothing)
        file = _fetched(asked, found, releases, folder, on_message)
        try:
            outcome = apply_update(
                releases, file, service, limit_s=options.limit_s, hold_s=options.hold_s, on_message=on_message
            )
        except GateFailed:
            _keep(releases, found, taken=False)
            raise
        _keep(releases, found, taken=True)
        return Pulled(found.number, "", outcome)


def _nothing_to_do(found: PublishedUpdate, before: dict[str, Any], asked: PullOptions) -> str:
    """Why this update is not for us now; empty when it is. Raises InputError for an older one that nobody asked for."""
    name = asked.name or socket.gethostname()
    if found.only and name not in found.only:
        return f"update {found.number} is not for {name}"
    last = int(before.get("number", 0))
    if found.number == last and (before.get("taken") or not asked.again):
        return f"update {last} " + (
            "is here already" if before.get("taken") else "was tried here and taken back; --again tries it once more"
        )
    if found.number < last and not asked.older:
        raise InputError(
            f"{asked.url} offers update {found.number}, and this kiosk had {last} from there",
            cause="the folder was put back, or somebody offers an old update with its old faults",
            hint=f"fer-edge update pull {asked.url} --older  # if that is meant",
        )
    return ""


def _manifest(asked: PullOptions, releases: Releases, folder: Path) -> PublishedUpdate:
    for name in (MANIFEST, MANIFEST + SIGNATURE):
        _fetch(_address(asked, name), folder / name, SMALL)
    place = folder / MANIFEST
    with place.open("rb") as content:
        signed_manifest(place, releases.root, _address(asked, MANIFEST)).verify(content)
    return read_manifest(place.read_text(encoding="utf-8", errors="replace"), _address(asked, MANIFEST))


def _fetched(
    asked: PullOptions, found: PublishedUpdate, releases: Releases, folder: Path, say: Callable[[str], None]
) -> Path:
    """The update's file with its signature beside it; raises InputError when it is another than the manifest's."""
    releases.require_room(found.size)
    say(f"fetching update {found.number}, {found.size / 1e6:.1f} MB")
    file = folder / found.file
    _fetch(_address(asked, found.file), file, found.size)
    _fetch(_address(asked, found.file + SIGNATURE), folder / (found.file + SIGNATURE), SMALL)
    if file.stat().st_size != found.size or sha256_of(file) != found.sha256:
        raise InputError(
            f"{_address(asked, found.file)} is not the file that the manifest names",
            cause="it was cut short, changed on its way, or is being replaced now",
            hint=f"fer-edge update pull {asked.url}",
        )
    return file


def _address(asked: PullOptions, name: str) -> str:
    return f"{asked.url.rstrip('/')}/{name}"


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it sends us on to {newurl}, which is no https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, target: Path, most: int) -> None:
    """A file of at most so many bytes; raises DeviceNotFound, InputError for a larger one, OutputError."""
    hint = "systemctl status time-sync.target network-online.target"
    try:
        with urllib.request.build_opener(_OnlyHttps()).open(url, timeout=TIMEOUT_S) as answer:
            _save(answer, target, most, url)
    except urllib.error.HTTPError as error:
        error.close()
        raise DeviceNotFound(f"{url} answers {error.code}", cause="nothing is published there", hint=hint) from None
    except OutputError:
        raise
    except (OSError, http.client.IncompleteRead, http.client.BadStatusLine) as error:
        why = getattr(error, "reason", error)
        cause = "there is no network, the clock is wrong, or the server's certificate is not trusted"
        raise DeviceNotFound(f"{url} cannot be fetched: {why}", cause=cause, hint=hint) from None
    except (ValueError, http.client.HTTPException) as error:  # an address that is none, or a server that is none
        raise InputError(f"{url} cannot be fetched: {error}", hint="fer-edge update pull --help") from None


def _save(answer: IO[bytes], target: Path, most: int, url: str) -> None:
    try:
        file = target.open("wb")
    except OSError as error:
        raise cannot_write(target, error) from error
    with file:
        left = most
        while block := answer.read(1 << 16):
            left -= len(block)
            if left < 0:
                what = f"{url} gives more than the {most} bytes that it may have"
                raise InputError(what, hint="fer-edge update publish --help")
            try:
                file.write(block)
            except OSError as error:
                raise cannot_write(target, error) from error


@contextmanager
def _alone(releases: Releases) -> Iterator[Path]:
    """A folder of its own for what is fetched, gone afterwards; raises UsageError while another one fetches."""
    import fcntl  # not on Windows, where no kiosk is

    folder = releases.home / "pulled"
    try:
        lock = os.open(releases.home / "pull.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise cannot_write(releases.home, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "fer-edge update status"
            raise UsageError("this kiosk is asking for an update already", hint=hint) from None
        shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _record(releases: Releases) -> dict[str, Any]:
    """What was taken from there last; raises InputError when that cannot be read, for it keeps older ones out."""
    place = releases.home / RECORD
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
        return {"number": int(told["number"]), "taken": bool(told["taken"])}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = f"sudo rm {place}  # then any update that is signed counts as newer"
        raise InputError(f"{place} cannot be read: {error}", hint=hint) from None


def _keep(releases: Releases, found: PublishedUpdate, taken: bool) -> None:
    write_text(releases.home / RECORD, json.dumps({"number": found.number, "taken": taken}) + "\n")

"""A folder that kiosks ask for updates: a packed one, and a signed manifest that says which it is."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...errors import InputError
from ...files import cannot_write, sha256_of, write_text, writing
from ...toml_schema import Fault, about, build
from .push import packed
from .signature import ENDING as SIGNATURE
from .signature import sign

MANIFEST = "update.json"
SCHEMA = 1
MAX_BYTES = 4 << 30
"""Of an update; a kiosk takes no larger one, whoever signed it."""


@dataclass(frozen=True)
class PublishedUpdate:
    """What the manifest says.

    Attributes:
        number: a later update has a greater one; seconds since 1970 when it was published.
        file: its name in the folder; sha256 and size in bytes of it.
        only: names of the kiosks that are to take it; empty: all. So a canary goes first.
    """

    number: int = field(metadata=about(high=1 << 53))
    file: str = field(metadata=about(pattern=r"[A-Za-z0-9_-]{1,64}\.tar", words="the name of a .tar"))
    sha256: str = field(metadata=about(pattern=r"[0-9a-f]{64}", words="a SHA-256 in hexadecimal letters"))
    size: int = field(metadata=about(low=1, high=MAX_BYTES))
    only: tuple[str, ...] = ()


def read_manifest(text: str, where: str) -> PublishedUpdate:
    """A manifest's content; raises InputError for what is none. `where` is its address, for people."""

    def wrong(fault: Fault) -> InputError:
        return _no_manifest(where, f"{fault.name} {fault.what}".strip())

    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_manifest(where, str(error)) from None
    if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
        raise _no_manifest(where, f"it does not state schema {SCHEMA}")
    return build(PublishedUpdate, data, whole="the manifest", wrong=wrong)


def _no_manifest(where: str, why: str) -> InputError:
    return InputError(
        f"{where} is no manifest of an update: {why}",
        cause="the address is wrong, or another version of fer-edge made it",
        hint="fer-edge update publish --help",
    )


def publish(
    brought: Path, folder: Path, key: Path, only: Sequence[str] = (), password: Callable[[], str] | None = None
) -> PublishedUpdate:
    """Put a payload or a bundle into a folder that a web server gives out; what the folder had before is removed.

    The manifest comes last, so who asks meanwhile finds the old one or the new one; the old one's file goes after it.

    Args:
        key: a secret key of minisign's, the one that the kiosks know; password: asked when it has one.
        only: see `PublishedUpdate`.

    Raises InputError, BundleError kinds: what is wrong with it; OutputError; MissingExtra.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    with tempfile.TemporaryDirectory(prefix="fer-edge-publish-") as beside:
        file = packed(brought, Path(beside), key, password)
        digest = sha256_of(file)
        out = folder / f"update-{digest[:16]}.tar"
        for source, target in ((file, out), (_seal(file), _seal(out))):
            with writing(target) as temporary:
                shutil.copyfile(source, temporary)
    found = PublishedUpdate(_next_number(folder), out.name, digest, out.stat().st_size, tuple(only))
    _put_manifest(folder, found, key, password)
    for old in folder.glob("update-*.tar*"):
        if old.name not in (out.name, _seal(out).name):
            old.unlink()
    return found


def _put_manifest(folder: Path, found: PublishedUpdate, key: Path, password: Callable[[], str] | None) -> None:
    """Sign it beside; then signature and manifest change places, and who reads between the two asks again later."""
    with tempfile.TemporaryDirectory(prefix="fer-edge-publish-") as beside:
        manifest = Path(beside) / MANIFEST
        write_text(manifest, json.dumps({"schema": SCHEMA, **asdict(found)}, indent=1) + "\n")
        sign(manifest, key, password)
        for source in (_seal(manifest), manifest):
            with writing(folder / source.name) as temporary:
                shutil.copyfile(source, temporary)


def _next_number(folder: Path) -> int:
    """The time, or more than the number that is there: a clock may have been put back."""
    try:
        before = read_manifest((folder / MANIFEST).read_text(encoding="utf-8"), str(folder / MANIFEST)).number
    except (OSError, InputError):
        before = 0
    return max(int(time.time()), before + 1)


def _seal(file: Path) -> Path:
    return file.with_name(file.name + SIGNATURE)

"""Who made an update: a signature beside the .tar, in minisign's format, held against the card's own key."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING

from ...errors import InputError, MissingExtra, UsageError
from ...files import cannot_write, write_text

if TYPE_CHECKING:
    import minisign

ENDING = ".minisig"
"""Appended to the file's name, as minisign itself does."""
KEY = Path("etc/fer-edge/update.pub")
"""The public key, below the root of a card's system."""
UNSIGNED = "the same command with --unsigned, if you know where it comes from"


class Hashed:
    """A file that is read from its begin to its end; `digest` is over what was read, as minisign takes it (BLAKE2b)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.blake2b()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        block = self._file.read(size)
        self._hash.update(block)
        return block

    def digest(self) -> bytes:
        """Of the rest of the file too."""
        while self.read(1 << 20):
            pass
        return self._hash.digest()


@dataclass(frozen=True)
class Signed:
    """A file's signature and the key that it has to be of.

    Attributes:
        name: of the file, for people.
        remedy: the command that signs such a file.
    """

    key: minisign.PublicKey
    signature: minisign.Signature
    name: str
    remedy: str

    def verify(self, content: IO[bytes]) -> bytes:
        """The digest of what was verified, for who reads it again; raises InputError when it was not signed so."""
        import minisign

        read = Hashed(content)
        try:
            self.key.verify(read, self.signature)
        except minisign.Error:
            raise InputError(
                f"{self.name} is not signed by the key of this card",
                cause="it was changed after it was signed, or somebody else signed it",
                hint=f"{self.remedy}  # where it comes from",
            ) from None
        return read.digest()


def make_keys(name: Path) -> tuple[Path, Path]:
    """Make a new pair: NAME.key, which signs and is for the owner alone to read, and NAME.pub, for cards.

    Raises UsageError: one is there already; OutputError; MissingExtra: py-minisign is not installed.
    """
    pair = _minisign().KeyPair.generate()
    secret, public = (name.with_name(name.name + ending) for ending in (".key", ".pub"))
    for path in (secret, public):
        if path.exists():
            raise UsageError(f"{path} is there already", hint=f"fer-edge update key {name}-2")
    try:
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(bytes(pair.secret_key) + b"\n")
    except OSError as error:
        raise cannot_write(secret, error) from error
    write_text(public, bytes(pair.public_key).decode() + "\n")
    return secret, public


def sign(file: Path, key: Path, password: Callable[[], str] | None = None) -> Path:
    """Write a file's signature beside it; its path.

    Args:
        key: a secret key of minisign's.
        password: asked when the key has one.

    Raises InputError: it is no key, or has another password; OutputError; MissingExtra.
    """
    secret = _secret_key(key, password)
    name = file.name.encode("ascii", "backslashreplace").decode()
    with file.open("rb") as content:
        made = secret.sign(content, trusted_comment=f"file:{name}")
    out = file.with_name(file.name + ENDING)
    write_text(out, bytes(made).decode() + "\n")
    return out


def read_public_key(text: str) -> minisign.PublicKey:
    """A key of minisign's: its file, or that file's last line; raises ValueError, MissingExtra."""
    lines = text.strip().splitlines() or [""]
    return _minisign().PublicKey.from_base64(lines[-1].strip())


def card_key(root: Path) -> minisign.PublicKey | None:
    """The key that a card was given, None without one; raises InputError when it cannot be read."""
    place = root / KEY
    try:
        return read_public_key(place.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{place} is no public key: {error}", hint=f"ls -l {place}") from None


def signed(brought: Path, root: Path) -> Signed:
    """The signature beside an update, for a card; raises InputError without one, or on a card that has no key."""
    key = _required_key(root)
    place = brought.with_name(brought.name + ENDING)
    if brought.suffix != ".tar" or not brought.is_file() or not place.is_file():
        raise InputError(
            f"{brought} is not signed",
            cause="this card takes a .tar with its .minisig beside it, signed by the key that it was flashed with",
            hint=f"fer-edge update pack FOLDER OUT.tar --key NAME.key  # or {UNSIGNED}",
        )
    return _with_signature(key, brought, str(brought), f"fer-edge update pack FOLDER {brought.name} --key NAME.key")


def signed_manifest(file: Path, root: Path, address: str) -> Signed:
    """The signature beside a manifest that was fetched from an address, for a card; raises InputError as `signed`."""
    return _with_signature(_required_key(root), file, address, "fer-edge update publish FOLDER DIR --key NAME.key")


def _with_signature(key: minisign.PublicKey, file: Path, name: str, remedy: str) -> Signed:
    place = file.with_name(file.name + ENDING)
    try:
        signature = _minisign().Signature.from_bytes(place.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{name}{ENDING} is no signature: {error}", hint=f"{remedy}  # where it comes from") from None
    if not signature.is_prehashed():
        raise InputError(f"{name}{ENDING} is of minisign's old kind", hint=f"minisign -S -H -m {file.name}")
    return Signed(key, signature, name, remedy)


def _required_key(root: Path) -> minisign.PublicKey:
    key = card_key(root)
    if key is None:
        raise InputError(
            "this card was flashed without an update key, so nobody can tell who made an update",
            cause="flash got no --update-key, or an earlier fer-edge flashed it",
            hint=f"sudo install -m 644 NAME.pub {root / KEY}  # or {UNSIGNED}",
        )
    return key


def _secret_key(path: Path, password: Callable[[], str] | None) -> minisign.SecretKey:
    try:
        secret = _minisign().SecretKey.from_bytes(path.read_bytes())
        if secret.is_encrypted() and password is not None:
            secret.decrypt(password())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot sign: {error}", hint="fer-edge update key NAME  # makes one") from None
    if secret.is_encrypted():
        raise InputError(f"{path} has a password, and nobody is there to give it", hint="run it in a terminal")
    return secret


def _minisign() -> ModuleType:
    try:
        return import_module("minisign")
    except ImportError:
        raise MissingExtra("py-minisign", "flash") from None

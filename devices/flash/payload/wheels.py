"""A wheelhouse: fer-edge and all it needs for a board's Python, brought by pip and checked before it is used."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ....errors import DeviceNotFound, InputError
from ....files import sha256_of, write_text, writing_folder
from .own_wheel import own_wheel
from .wheel_closure import FETCH, Target, check_python, missing

MANIFEST = "manifest.json"
EXTRAS = ("kiosk",)
LOCKS = Path(__file__).resolve().parents[3] / "packaging/locks"
"""A list of packages with their hashes a kind of card, as `lock.py` writes them."""
MAX_ROUNDS = 5
"""How often pip is asked again for what its own markers left out."""
LACKING = re.compile(r"No matching distribution found for (\S+)|satisfies the requirement (\S+)")


@dataclass(frozen=True)
class Wheelhouse:
    """Checked wheels in a folder; their paths, sorted."""

    folder: Path
    target: Target
    wheels: tuple[Path, ...]


def fetch(target: Target, into: Path, locks: Path = LOCKS, say: Callable[[str], None] = print) -> Wheelhouse:
    """Bring our wheel and all it needs from the package index into a folder of `into`; what was there is replaced.

    Args:
        locks: the folder with what was tested, by `Target.name`: pip takes these versions alone, with these hashes.

    Raises:
        InputError: nothing was tested for this Python, or the index gives something else; it is named.
        DeviceNotFound: pip is missing, or the network is; MissingExtra: without the extra `flash`.
        OutputError: the folder cannot be written.
    """
    with writing_folder(into / target.name) as folder:
        check_python(own_wheel(folder), target)
        say(f"pip: wheels for {target.words()}, those that were tested")
        download_locked(target, folder, locks)
        _write_manifest(folder, target)
    return open_wheelhouse(into, target)


def download_locked(target: Target, into: Path, locks: Path = LOCKS) -> None:
    """Have pip bring what a lock lists, and nothing else; raises as `fetch` does."""
    lock = lock_of(target, locks)
    _download(["--require-hashes", "--no-deps", "--requirement", str(lock)], target, into)


def lock_of(target: Target, locks: Path = LOCKS) -> Path:
    """The list of what was tested for a Python, with the newest glibc below its own; raises InputError without one."""
    found = _newest(target, {path.stem: path for path in locks.glob("*.txt")})
    if found is None:
        there = ", ".join(sorted(path.stem for path in locks.glob("*.txt"))) or "nothing"
        raise InputError(
            f"no set of packages was tested for {target.words()}",
            cause=f"there are: {there}",
            hint="an image with one of these, or fer-edge from a checkout with one more in `make lock`",
        )
    return found


def resolve(target: Target, into: Path, constraints: Path, say: Callable[[str], None] = print) -> Wheelhouse:
    """As `fetch`, with the versions that pip chooses within constraints: what a new lock is made of; raises as it."""
    with writing_folder(into / target.name) as folder:
        own = own_wheel(folder)
        check_python(own, target)
        wanted = [f"{own.resolve()}[{','.join(EXTRAS)}]"]
        for _ in range(MAX_ROUNDS):
            say(f"pip: wheels for {target.words()}")
            _download(["--constraint", str(constraints), *wanted], target, folder)
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
    found = _newest(target, {path.parent.name: path.parent for path in folder.glob(f"*/{MANIFEST}")})
    if found is not None:
        return found
    there = ", ".join(sorted(p.parent.name for p in folder.glob(f"*/{MANIFEST}"))) or "nothing"
    raise InputError(
        f"{folder} has no wheels for {target.words()}",
        cause=f"it has {there}",
        hint=f"fer-edge flash fetch {shlex.quote(str(folder))} --python {target.python} --glibc {target.glibc}",
    )


def _newest(target: Target, found: Mapping[str, Path]) -> Path | None:
    """Of paths by `Target.name`, the one for this Python with the newest glibc that is not above the target's."""
    fit = {
        int(name.rpartition(".")[2]): path
        for name, path in found.items()
        if name.startswith(f"{target.cpython}-{target.machine}-glibc2.")
    }
    newest = max((minor for minor in fit if minor <= int(target.glibc.split(".")[1])), default=None)
    return None if newest is None else fit[newest]


def _download(wanted: Sequence[str], target: Target, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", target.python]
    command += [word for abi in (target.cpython, "abi3", "none") for word in ("--abi", abi)]
    command += [word for platform in target.platforms() for word in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run([*command, "--dest", scratch, *wanted], capture_output=True, text=True)
        if done.returncode:
            raise _failed(done.stderr, target)
        for wheel in Path(scratch).glob("*.whl"):
            shutil.copyfile(wheel, folder / wheel.name)


def _failed(said: str, target: Target) -> Exception:
    if "No module named pip" in said:
        return DeviceNotFound("pip is not installed", hint=f"{sys.executable} -m ensurepip")
    if "DO NOT MATCH THE HASHES" in said:
        other = re.findall(r"^ +(\S+==\S+) from ", said, re.MULTILINE)
        return InputError(
            f"the index gave another file than the one that was tested: {', '.join(other)}",
            cause="it was replaced there, or somebody is between you and the index",
            hint="the same command in another network",
        )
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

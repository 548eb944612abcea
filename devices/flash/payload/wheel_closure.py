"""What a set of wheels still lacks on a board. Markers are asked about the board, not about this computer."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from email.parser import Parser
from pathlib import Path

from ....errors import InputError, MissingExtra
from .wheel_tags import Target


def missing(wheels: Sequence[Path], target: Target, extras: Sequence[str]) -> list[str]:
    """Requirements that no wheel meets, starting from our own with these extras; such as `numpy>=1.24`.

    Raises:
        InputError: a file is no wheel, or our own is not among them.
        MissingExtra: the package `packaging` is not installed.
    """
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name
        from packaging.version import Version
    except ImportError:
        raise MissingExtra("packaging", "flash") from None
    known: dict[str, tuple[Version, Path]] = {
        canonicalize_name(name): (Version(version), wheel) for name, version, wheel in _names(wheels)
    }
    if "fer-edge" not in known:
        raise InputError("fer-edge's own wheel is not in the wheelhouse", hint="fer-edge flash fetch")
    lacking: dict[str, None] = {}
    seen: set[tuple[str, str]] = set()
    queue = [("fer-edge", extra) for extra in ("", *extras)]
    while queue:
        name, extra = queue.pop(0)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in requirements(known[name][1]):
            wanted = Requirement(line)
            if wanted.marker and not wanted.marker.evaluate({**target.markers(), "extra": extra}):
                continue
            if extra and not wanted.marker:
                continue
            found = known.get(canonicalize_name(wanted.name))
            if found is None or not wanted.specifier.contains(found[0], prereleases=True):
                lacking[f"{wanted.name}{wanted.specifier}"] = None
                continue
            queue += [(canonicalize_name(wanted.name), more) for more in ("", *sorted(wanted.extras))]
    return list(lacking)


def check_python(wheel: Path, target: Target) -> None:
    """Whether a wheel's Requires-Python takes the target's; raises InputError, or MissingExtra without `packaging`."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        raise MissingExtra("packaging", "flash") from None
    wanted = Parser().parsestr(_metadata(wheel)).get("Requires-Python", "")
    if not SpecifierSet(wanted).contains(f"{target.python}.0"):
        raise InputError(
            f"fer-edge needs Python {wanted}, the image has {target.python}",
            cause="the image is too old",
            hint="take a newer image; for a Jetson Nano give a Python with --own-python",
        )


def requirements(wheel: Path) -> list[str]:
    """The Requires-Dist of a wheel; raises InputError when it is none."""
    return Parser().parsestr(_metadata(wheel)).get_all("Requires-Dist") or []


def _names(wheels: Iterable[Path]) -> Iterable[tuple[str, str, Path]]:
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        yield name, version, wheel


def _metadata(wheel: Path) -> str:
    try:
        with zipfile.ZipFile(wheel) as archive:
            inside = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
            return archive.read(inside).decode("utf-8")
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise InputError(
            f"{wheel} is no wheel", cause=str(error) or "it has no METADATA", hint="fer-edge flash fetch"
        ) from None

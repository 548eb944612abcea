"""What `fer-edge config check` looks at on the machine: folders, files, bundle and device that the keys name."""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import DeviceNotFound, FerEdgeError, UsageError
from ..masking import masked
from ..rules.rule import unknown_what
from .keys import Problem, entries, value_of
from .reading import ReadResult, read_config
from .sections import KioskConfig

_NO_BASELINE = "set baseline.on = false, or choose another bundle"


def check_config(path: Path, environment: Mapping[str, str], flags: Sequence[str] = ()) -> ReadResult:
    """All that can be found out about a configuration here and now; arguments as for `load_config`."""
    result = read_config(path, environment, flags)
    return result if result.likely is None else result.adding(check_host(result.likely, path))


def check_host(config: KioskConfig, path: Path) -> list[Problem]:
    """Problems that show themselves only here; no secret is read."""
    return [
        *_files(config),
        *_own_file(config, path),
        *_sources(config),
        *_folder(config.store.folder),
        *_names(config),
    ]


def _files(config: KioskConfig) -> Iterator[Problem]:
    for full, entry in entries().items():
        file = value_of(config, full) if entry.hint == Path | None else None
        if file is None:
            continue
        try:
            seen = file.stat()
        except OSError as error:
            yield Problem(full, f"{file} cannot be found ({error.strerror})", hint=f"ls -l {file}")
            continue
        if not stat.S_ISREG(seen.st_mode) or not os.access(file, os.R_OK):
            yield Problem(full, f"{file} cannot be read by {_user()}", hint=f"ls -l {file}")
        elif not seen.st_size:
            yield Problem(full, f"{file} is empty")
        if entry.key.secret_file and seen.st_mode & stat.S_IRWXO:
            yield Problem(full, f"{file} can be opened by everybody", False, f"chmod o= {file}")


def _own_file(config: KioskConfig, path: Path) -> Iterator[Problem]:
    """A camera's URL has its password in it; nothing else in the file is secret."""
    secret = any(masked(source.what) != source.what for source in config.source)
    if secret and path.exists() and path.stat().st_mode & stat.S_IRWXO:
        yield Problem("source.what", "may hold a password, and everybody can read the file", False, f"chmod o= {path}")


def _sources(config: KioskConfig) -> Iterator[Problem]:
    """What can be no source, and a file that is not there or cannot be read; cameras and streams are not opened."""
    from ..sources.open import live_reader, open_file

    for number, source in enumerate(config.source):
        full = f"source[{number}].what" if len(config.source) > 1 else "source.what"
        try:
            if live_reader(source.what) is None:
                open_file(source.what).close()
        except FerEdgeError as error:
            yield Problem(full, f"does not do: {error.message}", isinstance(error, UsageError), error.hint)


def _folder(folder: Path) -> Iterator[Problem]:
    """Whether it can be written, or made."""
    there = next(p for p in (folder, *folder.parents) if os.path.exists(p))  # Path.exists raises behind a locked folder
    if not there.is_dir():
        yield Problem("store.folder", f"{there} is a file, not a folder", hint=f"ls -l {there}")
    elif not os.access(there, os.W_OK | os.X_OK):
        hint = "sudo -u fer-edge fer-edge config check  # as the service would"
        yield Problem("store.folder", f"{folder} cannot be written by {_user()}", hint=hint)


def _names(config: KioskConfig) -> Iterator[Problem]:
    from ...bundle.resting import lacks_neutral
    from ...devices.profile import find_profile
    from ..inference.open_device import artifact_for, bundle_for

    full, serious = "model.device", True
    try:
        profile = find_profile(config.model.device)
        full = "model.bundle"
        bundle = bundle_for(profile, config.model.bundle or None)
        full, serious = "model.precision", config.model.fallback == "none"
        if config.baseline.on and (without := lacks_neutral(bundle.labels)):
            yield Problem("baseline.on", f"does not do: the bundle {bundle.manifest.name} {without}", hint=_NO_BASELINE)
        yield from _watched(config, bundle.labels)
        artifact_for(profile, bundle, config.model.precision)
    except FerEdgeError as error:
        what = f"does not do: {error.message}" + (f" ({error.cause})" if error.cause else "")
        yield Problem("model.device" if isinstance(error, DeviceNotFound) else full, what, serious, error.hint)


def _watched(config: KioskConfig, labels: Sequence[str]) -> Iterator[Problem]:
    """Labels that rules name and the bundle does not have."""
    for number, rule in enumerate(config.rule):
        full = f"rule[{number}]" if len(config.rule) > 1 else "rule"
        if rule.what and (wrong := unknown_what(rule, labels)):
            yield Problem(f"{full}.what", f"is no label: the bundle {wrong}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, in a container
        return f"user {os.getuid()}"

"""Device profiles: what a board or accelerator is called, what runs on it, what to know before buying. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict

from ..errors import DeviceNotFound, UsageError
from ..files import user_folder
from ..toml_schema import Fault, Key, NotToml, about, build, key, read_toml
from .compatibility import CONSTRAINT_KEYS

PROFILES = Path(__file__).parent / "profiles"
_IDS: dict[str, Any] = {"pattern": r"[0-9a-f]{4}:[0-9a-f]{4}", "words": "ids such as 18d1:9302 in small hex"}
_PATHS: dict[str, Any] = {"pattern": r"[^/].*", "words": "paths below /, without the first stroke"}
_POSITIVE = Key(low=5e-324, high=float("inf"), words="a number above 0")


class _Stated(TypedDict):
    model: str
    mean_ms: Annotated[float, _POSITIVE]
    source: str


class PublishedFigure(_Stated, total=False):
    """What others measured of a model on a device: milliseconds a picture, and pictures a second where stated."""

    fps: Annotated[float, _POSITIVE]


@dataclass(frozen=True)
class Profile:
    """One device, as its TOML file says.

    Attributes:
        name, aliases: what --device takes.
        title: for people.
        backend: which of the runtime's backends drives it.
        target, precision, chip: which artifact of a bundle it runs; `auto` leaves the precision to the bundle.
        isolation: `none` in the daemon's own process, `process` in a worker's.
        interpreter: the Python of the worker; empty for the daemon's own.
        options: for the backend.
        board: how /proc/device-tree/model begins on it; compatible: entries of /proc/device-tree/compatible.
        usb, pci: `vendor:product` ids in small hex, as the kernel writes them. Of a stick that loads its firmware when
            it is first used, the last id of `usb` is the one after.
        nodes: files below / that its driver makes and its user opens, `*` standing for anything.
        vendor: PCI vendor in hex that must own the nodes, for names that others use too.
        driver: files below /, any of which shows that its kernel driver runs.
        probe: commands that show a person the device; the doctor offers the first when it finds none.
        libraries: shared libraries its backend loads.
        pairs: versions known to work together; compatibility.py says what a row may hold.
        published: figures that others measured.
        price_usd, year: a price, and the year it was seen or set; 0 where unknown.
        limits: what to know before buying.
        bundles: those that ship and suit it, the best first: it runs the first that is there when none is asked for.
        kiosk: full key of the kiosk's configuration, such as work.target_fps -> its value on a flashed card that says
            nothing else.
    """

    name: str
    title: str
    backend: str
    target: str
    precision: str
    isolation: str = field(metadata=about(choices=("none", "process")))
    aliases: tuple[str, ...] = ()
    chip: str = ""
    interpreter: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    board: str = ""
    compatible: tuple[str, ...] = ()
    usb: tuple[str, ...] = key((), **_IDS)
    pci: tuple[str, ...] = key((), **_IDS)
    nodes: tuple[str, ...] = key((), **_PATHS)
    vendor: str = ""
    driver: tuple[str, ...] = key((), **_PATHS)
    probe: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    pairs: tuple[Mapping[str, str], ...] = key((), names=CONSTRAINT_KEYS)
    published: tuple[PublishedFigure, ...] = ()
    price_usd: int = 0
    year: int = 0
    limits: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()
    kiosk: Mapping[str, Any] = field(default_factory=dict)


def own_profiles() -> Path:
    """Where a user's own profiles are: fer-edge/devices under $XDG_CONFIG_HOME or ~/.config."""
    return user_folder("XDG_CONFIG_HOME", ".config") / "fer-edge" / "devices"


def load_profiles(own: Path | None = None) -> dict[str, Profile]:
    """Every profile by its name, the user's own (in `own_profiles()` when None) in the place of ours of the same name.

    Raises UsageError: one of them has a wrong key or value, named with its file and line.
    """
    files = [*sorted(PROFILES.glob("*.toml")), *sorted((own or own_profiles()).glob("*.toml"))]
    return {profile.name: profile for profile in map(read_profile, files)}


def find_profile(name: str, own: Path | None = None) -> Profile:
    """A profile by its name or alias, or from a .toml file; raises DeviceNotFound, which tells the nearest names."""
    if name.endswith(".toml"):
        return read_profile(Path(name))
    if name in (file.stem for file in PROFILES.glob("*.toml")) and not (own or own_profiles()).is_dir():
        return read_profile(PROFILES / f"{name}.toml")  # a file is called like its device: no other is read
    profiles = load_profiles(own)
    for profile in profiles.values():
        if name == profile.name or name in profile.aliases:
            return profile
    import difflib

    known = [n for p in profiles.values() for n in (p.name, *p.aliases)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    raise DeviceNotFound(
        f"there is no device {name!r}",
        cause=f"did you mean {' or '.join(near)}?" if near else "devices: " + ", ".join(profiles),
        hint="fer-edge devices",
    )


def read_profile(path: Path) -> Profile:
    """Read one file and check every key; raises UsageError with file and line."""
    hint = f"mend {path}"

    def wrong(fault: Fault) -> UsageError:
        if fault.kind == "missing" and not fault.keys:
            return UsageError(f"{path} {fault.what}", hint=f"compare it with {PROFILES / 'cpu.toml'}")
        name = f"[[{fault.keys[0]}]]" if fault.kind == "missing" else fault.keys[-1]
        return UsageError(f"{path}, line {fault.line}: {name} {fault.what}", hint=hint)

    try:
        text, data = read_toml(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", hint=f"ls -l {path}") from None
    except NotToml as error:
        raise UsageError(f"{path} is not valid TOML: {error}", hint=hint) from None
    return build(Profile, data, text, whole="a device", wrong=wrong)

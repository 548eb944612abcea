"""How flash is asked for an image, and what a caller hears while it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CardOptions:
    """One card.

    Attributes:
        os_image: a stock image, raw or packed; sha256: what its publisher says, empty for none.
        device: a name from `fer-edge devices`; empty: what the card's configuration says.
        bundle: folder, .zip or name of the model; None: the one inside fer-edge.
        config: card.toml; wheelhouse: packages that `fetch_packages` brought, None to fetch what is missing.
        out: the image to be written; None when it goes to a disk alone. replace: it may be there already.
        direct: write into the root file system, with no step left for the first boot.
        grow: the image's new size, such as 8G; empty to leave it.
        own_python: a relocatable Python for a board whose own is too old; python: its version, such as 3.11.
        update_key: the public key of those whose updates the card takes, in the place of what card.toml says.
    """

    os_image: Path
    device: str = ""
    bundle: str | None = None
    config: Path | None = None
    wheelhouse: Path | None = None
    sha256: str = ""
    out: Path | None = None
    replace: bool = False
    direct: bool = False
    grow: str = ""
    own_python: Path | None = None
    python: str = ""
    update_key: Path | None = None


@dataclass(frozen=True)
class FetchOptions:
    """Packages for the Python of an image, or for one that is named.

    Attributes:
        folder: the wheelhouse to fill.
        os_image, sha256, own_python: as `CardOptions` has them; None: for `python` and `glibc`.
    """

    folder: Path
    os_image: Path | None = None
    sha256: str = ""
    own_python: Path | None = None
    python: str = ""
    glibc: str = "2.36"


OnProgress = Callable[[int, int], None]
"""Called with how much is done and how much there is, bytes or changes."""
STEPS = ("unpack", "probe", "plan", "apply", "verify", "write")


def silent(done: int, total: int) -> None:
    """An `OnProgress` that shows nothing."""


class Listener:
    """Hears how a card is made; this one says nothing, a command line prints."""

    def on_progress(self, step: str) -> OnProgress:
        """What to call with the progress of a step."""
        return silent

    def on_busy(self, text: str) -> None:
        """Something long goes on whose progress is not known."""

    def on_message(self, text: str) -> None:
        """A warning, or what pip is asked for."""

    def on_step(self, step: str, text: str) -> None:
        """A step of `STEPS` ended; what it did."""

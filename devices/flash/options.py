"""What a card is to be made of and where it goes: the options of `make_card`, and of fetching its packages."""

from __future__ import annotations

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

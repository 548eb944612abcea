"""The few files that a release has outside its folder: its unit, its rules, its starter."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PLACES = {
    "fer-edge": Path("usr/local/bin/fer-edge"),
    "fer-edge.service": Path("etc/systemd/system/fer-edge.service"),
    "fer-edge-settle.service": Path("etc/systemd/system/fer-edge-settle.service"),
    "60-fer-edge.rules": Path("etc/udev/rules.d/60-fer-edge.rules"),
    "modules-load.conf": Path("etc/modules-load.d/fer-edge.conf"),
}
"""As packaging/install.sh puts them; it keeps a copy of each in the release's folder `system`."""


def put_back(release: Path, root: Path) -> None:
    """Put a release's own copies into place; one that was installed before copies were kept has none."""
    for name, place in PLACES.items():
        kept, target = release / "system" / name, root / place
        if kept.is_file() and (not target.is_file() or target.read_bytes() != kept.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f"{target.name}.new")
            shutil.copy(kept, beside)
            os.replace(beside, target)
    os.sync()

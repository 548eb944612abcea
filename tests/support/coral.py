"""A Coral whose library is the stand-in of tests/fakes, in a real LiteRT."""

from __future__ import annotations

import re
from pathlib import Path

from fer_edge.devices.profile import PROFILES

from .old_pythons import compiled


def coral_profile(folder: Path, identified: bool = True) -> Path:
    """The Coral's own profile but for the library, in `folder`; the file $FAKE_EDGETPU says how the stick is.

    Args:
        identified: by its USB ids, of which this machine has none; else the device counts as here.
    """
    library = compiled("edgetpu_delegate.c", folder / "libedgetpu.so.1")
    text = (PROFILES / "coral-usb.toml").read_text(encoding="utf-8")
    text = text.replace('delegate = "libedgetpu.so.1"', f'delegate = "{library}"')
    profile = folder / "stick.toml"
    profile.write_text(text if identified else re.sub(r"(?m)^usb = .*$", "", text), encoding="utf-8")
    return profile

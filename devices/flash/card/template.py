"""The first card.toml: every key, explained, nothing in effect but the name."""

from __future__ import annotations

from pathlib import Path

from ....errors import UsageError
from ....files import write_text

_TEXT = """\
# A card, for `fer-edge flash --config card.toml`. A line that begins with # is an example; take the # away to use it.
# Keep this file to yourself once it holds a pass phrase or password: chmod 600.

hostname = "fer-edge"            # 1 to 63 of a-z, 0-9 and -
#time_zone = "Europe/Berlin"     # a name of the time zone database
#country = "DE"                  # of the Wi-Fi radio; needed for Wi-Fi
#device = "rpi5"                 # from `fer-edge devices`; else what --device says
#accept_nvidia_licence = true    # for a Jetson: you accept NVIDIA's licence, as its own set-up asks you to

# Who may log in. Without this section nobody can, and the kiosk runs all the same.
[user]
#name = "kiosk"
#password_hash = "$6$..."        # never the password: openssl passwd -6
#ssh_keys = ["ssh-ed25519 AAAA... you@pc"]

# The pass phrase is turned into its key here; it is not written to the card.
[wifi]
#ssid = "name of the network"
#passphrase = "8 to 63 characters"
#psk = "64 hex digits"           # instead of passphrase
#hidden = false

# Where the kiosk stands and what for has to be declared; `fer-edge config check` says which kinds there are, and which
# are refused (docs/config.md).
[place]
#name = "foyer of the town museum"
#kind = "museum"
#purpose = "how visitors like the exhibition, as counts"
#purpose_exception = ""          # "medical" or "safety", if that is the reason

# Everything below is the kiosk's own configuration (docs/config.md). password and token go into files of their own.
[mqtt]
#host = "broker.lan"
#port = 8883
#tls = true
#user = "kiosk"
#password = "of the broker"

[web]
#listen = "0.0.0.0"              # other machines may see the page; needs token
#token = "at least 16 characters"

#[config.source]
#what = "camera:0"
"""


def first_card_toml() -> str:
    """A card.toml to begin with."""
    return _TEXT


def write_first_card(path: Path, replace: bool = False) -> None:
    """Write a first card.toml; raises UsageError when it is there and not to be replaced, OutputError."""
    if path.exists() and not replace:
        raise UsageError(f"{path} is there already", hint=f"fer-edge flash init {path} --replace")
    write_text(path, first_card_toml())

"""Wi-Fi: a pass phrase becomes its key before it leaves this computer, and a file of NetworkManager."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, replace

from ....toml_schema import key
from ....words import counted
from .values import hidden as not_shown
from .values import unpadded

PSK = re.compile(r"[0-9a-f]{64}")
CONNECTION = "/etc/NetworkManager/system-connections/fer-edge.nmconnection"


@dataclass(frozen=True)
class Wifi:
    """A network; without an ssid there is none.

    Attributes:
        ssid: 1 to 32 bytes in UTF-8.
        psk: 64 hex digits; empty for an open network.
        hidden: it does not say its name.
        security: wpa2, which WPA2/WPA3 mixed networks take too, or wpa3 for networks that take nothing else.
        passphrase: what the psk is made from; gone once it is made. WPA3 derives its keys anew each time (SAE,
            IEEE 802.11-2020, 12.4), so there it stays, and is what the card holds.
    """

    ssid: str = key("")
    psk: str = key("", repr=False, convert=unpadded, show=not_shown)
    hidden: bool = False
    security: str = key("wpa2", choices=("wpa2", "wpa3"))
    passphrase: str = key("", repr=False, show=not_shown)


def psk_of(passphrase: str, ssid: str) -> str:
    """The key of a WPA pass phrase, 64 hex digits: PBKDF2-HMAC-SHA1, 4096 rounds (IEEE 802.11-2016, J.4)."""
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode("ascii"), ssid.encode("utf-8"), 4096, 32).hex()


def with_key(wifi: Wifi) -> Wifi:
    """The network with its psk, without the pass phrase; raises ValueError: key and end of a sentence, no secret."""
    size = len(wifi.ssid.encode("utf-8"))
    if size > 32:
        raise ValueError("wifi.ssid", f"has {size} bytes; 32 is the most")
    psk, passphrase = wifi.psk.lower(), wifi.passphrase
    if passphrase and psk:
        raise ValueError("wifi.psk", "and wifi.passphrase are both given; one is enough")
    if psk and not PSK.fullmatch(psk):
        raise ValueError("wifi.psk", f"must have 64 hex digits, not {counted(len(psk), 'character')}")
    if passphrase and not 8 <= len(passphrase) <= 63:
        raise ValueError("wifi.passphrase", f"has {counted(len(passphrase), 'character')}; WPA asks for 8 to 63")
    if not all(32 <= ord(c) <= 126 for c in passphrase):
        raise ValueError("wifi.passphrase", "has a character that is not printable ASCII, which WPA does not allow")
    if (psk or passphrase) and not wifi.ssid:
        raise ValueError("wifi.ssid", "is missing")
    if wifi.security == "wpa3":
        if psk or not passphrase:
            raise ValueError("wifi.passphrase", "is missing: WPA3 (SAE) takes no psk" if psk else "is missing")
        return wifi
    return replace(wifi, psk=psk_of(passphrase, wifi.ssid) if passphrase else psk, passphrase="")


def keyfile(wifi: Wifi) -> bytes:
    """The connection as NetworkManager keeps it; it must have mode 0600 (nm-settings-keyfile(5)).

    The name is written as its bytes, so that no quoting is needed; the identifier depends on the name alone.
    """
    name = "".join(f"{byte};" for byte in wifi.ssid.encode("utf-8"))
    lines = ["[connection]", "id=fer-edge", f"uuid={uuid.uuid5(uuid.NAMESPACE_DNS, wifi.ssid)}", "type=wifi"]
    lines += ["", "[wifi]", "mode=infrastructure", f"ssid={name}"]
    lines += ["hidden=true"] if wifi.hidden else []
    lines += ["", "[wifi-security]", "key-mgmt=wpa-psk", f"psk={wifi.psk}"] if wifi.psk else []
    if wifi.security == "wpa3":
        lines += ["", "[wifi-security]", "key-mgmt=sae", f"psk={_quoted(wifi.passphrase)}"]
    lines += ["", "[ipv4]", "method=auto", "", "[ipv6]", "method=auto", "addr-gen-mode=default", ""]
    return "\n".join(lines).encode("ascii")


def _quoted(text: str) -> str:
    """A value of a key file (GLib, GKeyFile): backslashes are escapes, and blanks at its beginning would be dropped."""
    text = text.replace("\\", "\\\\")
    head = len(text) - len(text.lstrip(" "))
    return "\\s" * head + text[head:]

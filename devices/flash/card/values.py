"""Single values of card.toml. Each check gives the value back, or a ValueError of a key and the end of a sentence."""

from __future__ import annotations

import base64
import binascii
import re
import struct

HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""One label of RFC 1123."""
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
"""What useradd of Debian takes without --badname (useradd(8), "CAVEATS")."""
TAKEN = ("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "proxy", "www-data", "backup")
"""Some that every Debian has; others are seen on the image."""
COUNTRY = re.compile(r"[A-Z]{2}")
ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
HASH = re.compile(r"\$(?:y|gy|7|2[aby]|6|5)\$[./A-Za-z0-9$=,]{20,240}")
"""Methods that Debian's libcrypt has and that are no longer broken (crypt(5)): yescrypt, scrypt, bcrypt, SHA-2."""
KEY_KINDS = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


def check_line(key: str, value: object, secret: bool = False) -> str:
    """A text of one line; a secret one is not repeated in the error."""
    if not isinstance(value, str):
        raise ValueError(key, "must be a text in quotes")
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError(key, "holds a line break or another control character")
    if secret and value != value.strip():
        raise ValueError(key, "begins or ends with a blank")
    return value


def check_hostname(key: str, value: str) -> str:
    """A host name of one label; may be empty."""
    if value and not HOSTNAME.fullmatch(value):
        raise ValueError(key, f"{value!r} is no host name: 1 to 63 of a-z, 0-9 and -, not - at either end")
    return value


def check_user(key: str, value: str) -> str:
    """A user's name that no system account has; may be empty."""
    if value and (not USER.fullmatch(value) or value in (*TAKEN, "fer-edge")):
        raise ValueError(key, f"{value!r} cannot be a user's name: a-z first, then up to 31 of a-z, 0-9, - and _")
    return value


def check_country(key: str, value: str) -> str:
    """A country's two letters, in capitals; may be empty."""
    if value and not COUNTRY.fullmatch(value.upper()):
        raise ValueError(key, f"{value!r} is no country: two letters of ISO 3166-1 such as DE")
    return value.upper()


def check_time_zone(key: str, value: str) -> str:
    """A name of the time zone database; may be empty. Whether the image has it is seen on the image."""
    if value and not ZONE.fullmatch(value):
        raise ValueError(key, f"{value!r} is no time zone such as Europe/Berlin")
    return value


def check_password_hash(key: str, value: str) -> str:
    """A hash of crypt(3); may be empty. What is wrong is not repeated: it may be the password itself."""
    if value and not HASH.fullmatch(value):
        raise ValueError(key, "is no hash that a login takes; make one with: openssl passwd -6")
    return value


def check_key(key: str, value: object) -> str:
    """A public key of OpenSSH: its kind, base64 that names the same kind, a comment (RFC 4253, section 6.6)."""
    line = check_line(key, value).strip()
    if "PRIVATE KEY" in line:
        raise ValueError(key, "has a private key; the public one ends in .pub")
    kind, _, rest = line.partition(" ")
    if kind not in KEY_KINDS:
        raise ValueError(key, f"has a line that begins with no kind of key, {kind[:20]!r}; {KEY_KINDS[0]} is one")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
        length = struct.unpack(">I", blob[:4])[0]
    except (binascii.Error, ValueError, struct.error):
        raise ValueError(key, f"has a {kind} key whose base64 is cut short or altered") from None
    if blob[4 : 4 + length] != kind.encode() or len(blob) < 4 + length + 32:
        raise ValueError(key, f"has a {kind} key that is cut short or of another kind")
    return line

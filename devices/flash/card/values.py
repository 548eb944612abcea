"""Single values of card.toml: their forms, and checks that raise ValueError with the end of a sentence."""

from __future__ import annotations

import base64
import binascii
import re
import struct

from ...update.signature import read_public_key

HOSTNAME = r"([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)?"
"""One label of RFC 1123; like all of these it may be empty."""
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
"""What useradd of Debian takes without --badname (useradd(8), "CAVEATS")."""
TAKEN = ("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "proxy", "www-data", "backup")
"""Accounts of every Debian; those of the image itself are checked on the image."""
COUNTRY = r"([A-Za-z]{2})?"
ZONE = r"([A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2})?"
"""Whether the image knows it is checked on the image."""
HASH_WORDS = "a hash that a login takes; make one with: openssl passwd -6"
HASH = r"(\$(?:y|gy|7|2[aby]|6|5)\$[./A-Za-z0-9$=,]{20,240})?"
"""Methods that Debian's libcrypt has and that are no longer broken (crypt(5)): yescrypt, scrypt, bcrypt, SHA-2."""
KEY_KINDS = (
    "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip


def hidden(value: str) -> str:
    """What is shown of a secret: nothing."""
    return ""


def unpadded(value: str) -> str:
    """A secret without blanks around it, which nobody would see."""
    if value != value.strip():
        raise ValueError("begins or ends with a blank")
    return value


def user_name(value: str) -> str:
    """A user's name that no system account has; may be empty."""
    if value and (not USER.fullmatch(value) or value in (*TAKEN, "fer-edge")):
        raise ValueError(f"{value!r} cannot be a user's name: a-z first, then up to 31 of a-z, 0-9, - and _")
    return value


def update_key(value: str) -> str:
    """A public key of minisign's, as the last line of its file has it; may be empty. Raises MissingExtra without it."""
    if value:
        try:
            return str(read_public_key(value).to_base64(), "ascii")
        except ValueError as error:
            raise ValueError(f"is no public key of `fer-edge update key`: {error}") from None
    return value


def public_key(line: str) -> str:
    """A public key of OpenSSH: its kind, base64 that names the same kind, a comment (RFC 4253, section 6.6)."""
    line = line.strip()
    if "PRIVATE KEY" in line:
        raise ValueError("has a private key; the public one ends in .pub")
    kind, _, rest = line.partition(" ")
    if kind not in KEY_KINDS:
        raise ValueError(f"has a line that begins with no kind of key, {kind[:20]!r}; {KEY_KINDS[0]} is one")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
        length = struct.unpack(">I", blob[:4])[0]
    except (binascii.Error, ValueError, struct.error):
        raise ValueError(f"has a {kind} key whose base64 is cut short or altered") from None
    if blob[4 : 4 + length] != kind.encode() or len(blob) < 4 + length + 32:
        raise ValueError(f"has a {kind} key that is cut short or of another kind")
    return line

"""Single values of card.toml: their forms, and checks that raise ValueError with the end of a sentence."""

from __future__ import annotations

import base64
import binascii
import re
import socket
import struct
from contextlib import suppress

from ...update.signature import read_public_key

HOSTNAME = r"([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)?"
"""One label of RFC 1123; like all of these it may be empty."""
HOST_WORDS = "a host name: 1 to 63 of a-z, 0-9 and -, not - at either end"
TAKEN_HOSTS = ("localhost", "ip6-localhost", "ip6-loopback", "ip6-allnodes", "ip6-allrouters", "broadcasthost")
"""Names that /etc/hosts of Debian has for something else, and macOS's."""
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
"""What useradd of Debian takes without --badname (useradd(8), "CAVEATS")."""
TAKEN = """
root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup _apt
systemd-network systemd-resolve systemd-timesync messagebus sshd avahi polkitd adm tty disk kmem dialout fax voice
cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users input kvm render sgx
crontab netdev gpio i2c spi fer-edge
"""
"""Accounts and groups of every Debian (base-passwd, systemd) and of ours, for a card whose image is not at hand; what
the image itself has is checked on the image."""
COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
"""ISO 3166-1, alpha-2: the codes that are assigned."""
MEANT = {
    "UK": "GB", "EN": "GB", "EL": "GR", "JA": "JP", "KO": "KR", "DA": "DK", "CS": "CZ", "DEU": "DE", "GER": "DE",
    "GBR": "GB", "USA": "US", "FRA": "FR", "AUT": "AT", "CHE": "CH", "SUI": "CH", "ITA": "IT", "ESP": "ES",
    "NLD": "NL", "POL": "PL", "GERMANY": "DE", "ENGLAND": "GB",
}  # fmt: skip
"""What people write -> the code that they mean: languages, car plates, names."""
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
    """A user's name that no system account or group has; may be empty."""
    if value in TAKEN.split():
        raise ValueError(f"{value!r} cannot be a user's name: the system has an account or a group of that name")
    if value and not USER.fullmatch(value):
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


def country(value: str) -> str:
    """A country's code in capitals; may be empty."""
    code = value.upper() if value.isascii() else value
    if value and code not in COUNTRIES.split():
        meant = MEANT.get(code)
        what = f"did you mean {meant}?" if meant else "two letters such as DE name one"
        raise ValueError(f"{value!r} is no country of ISO 3166-1; {what}")
    return code


def host_name(value: str) -> str:
    """A name for the board in its network, that programs do not take for something else; may be empty."""
    if value.lower() in TAKEN_HOSTS:
        raise ValueError(f"{value!r} means every machine itself, so no other could reach this one by it")
    with suppress(OSError):
        socket.inet_aton(value)
        raise ValueError(f"{value!r} is a number, which programs take for an address")
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

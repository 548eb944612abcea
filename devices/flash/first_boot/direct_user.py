"""The person's account, written into an image's files: what useradd, usermod and a first boot's wizard would do."""

from __future__ import annotations

from collections.abc import Iterator

from ....errors import InputError
from ..card.card import Card
from ..changes import Change, MakeFolder, MakeLink, Place, WriteFile
from ..image.contents import Contents
from .accounts import PEOPLE, Accounts

GROUPS = (
    "adm", "dialout", "cdrom", "audio", "video", "sudo", "plugdev", "games", "users", "input", "render", "netdev",
    "gpio", "i2c", "spi",
)  # fmt: skip
"""As Raspberry Pi OS gives them to its first user; those that the image has."""
SSH = "/lib/systemd/system/ssh.service"
NOPASSWD = "/etc/sudoers.d/010_pi-nopasswd"
HOST_KEYS = "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n"
"""Makes the board's own host keys before the server starts; an image must not bring any."""


def with_card_user(accounts: Accounts, card: Card, contents: Contents, groups: tuple[str, ...] = GROUPS) -> Accounts:
    """The accounts with the card's user: the image's own user `pi` under another name, else a new one.

    Raises InputError: the image has a system account of that name.
    """
    name = card.user.name
    if not name:
        return accounts
    home = f"/home/{name}"
    check_user(accounts, name)
    known = accounts.user(name)
    if known is None and contents.board == "raspberrypi" and accounts.user_number(1000) == "pi":
        accounts = accounts.renamed("pi", name, home)
    accounts = accounts.with_user(name, PEOPLE, home, "/bin/bash")
    for group in groups:
        accounts = accounts.with_member(group, name)
    return accounts.with_password(name, card.user.password_hash or "!")


def check_user(accounts: Accounts, name: str) -> None:
    """Raises InputError unless a name is new to an image or one of a person's there: its user may become root."""
    user, group = accounts.user(name), accounts.group_number(name)
    for what, number in (("account", user[0] if user else None), ("group", group)):
        if number is not None and number not in PEOPLE:
            raise InputError(
                f"{name} is a system {what} of the image, with the number {number}",
                cause="a card's user is one that the image does not have, or has as a person's",
                hint="choose another user.name in card.toml",
            )


def user_changes(card: Card, accounts: Accounts, contents: Contents) -> Iterator[Change]:
    """Home, keys, SSH and sudo of the card's user; the wizard that asks for a name is off."""
    found = accounts.user(card.user.name) if card.user.name else None
    if found is None:
        return
    place, (number, group, home) = Place.ROOT, found
    yield MakeFolder(place, home, 0o700, number, group, why="the user's home")
    for path, text in contents.root.items():
        if path.startswith("/etc/skel/"):
            target = f"{home}/{path.removeprefix('/etc/skel/')}"
            yield WriteFile(place, target, text.encode(), 0o644, number, group, why="as of a new user")
    if card.user.ssh_keys:
        keys = "".join(f"{key}\n" for key in card.user.ssh_keys).encode()
        yield MakeFolder(place, f"{home}/.ssh", 0o700, number, group)
        yield WriteFile(place, f"{home}/.ssh/authorized_keys", keys, 0o600, number, group, why="SSH keys")
    yield from _ssh(card, contents)
    if "/lib/systemd/system/userconfig.service" in contents.markers:
        yield MakeLink(place, "/etc/systemd/system/userconfig.service", "/dev/null", why="nobody has to be asked")
        if "/etc/ssh/sshd_config.d" in contents.markers:
            why = "SSH does not wait for the wizard"
            yield WriteFile(place, "/etc/ssh/sshd_config.d/rename_user.conf", b"", why=why)
    yield from _sudo(card, contents)


def _ssh(card: Card, contents: Contents) -> Iterator[Change]:
    if SSH not in contents.markers:
        return
    place = Place.ROOT
    wants = "/etc/systemd/system/multi-user.target.wants"
    yield MakeFolder(place, wants)
    yield MakeLink(place, f"{wants}/ssh.service", SSH, why="SSH is on")
    yield WriteFile(place, "/etc/systemd/system/ssh.service.d/fer-edge.conf", HOST_KEYS.encode(), why="own host keys")
    if not card.user.password_hash and "/etc/ssh/sshd_config.d" in contents.markers:
        text = b"PasswordAuthentication no\n"
        yield WriteFile(place, "/etc/ssh/sshd_config.d/10-fer-edge.conf", text, why="SSH keys alone")


def _sudo(card: Card, contents: Contents) -> Iterator[Change]:
    place, name = Place.ROOT, card.user.name
    if NOPASSWD in contents.root:
        text = "".join(
            f"{name} {line[3:]}" if line.startswith("pi ") else line
            for line in contents.root[NOPASSWD].splitlines(keepends=True)
        )
        yield WriteFile(place, NOPASSWD, text.encode(), 0o440, why="sudo for the user's new name")
    if not card.user.password_hash:
        text = f"{name} ALL=(ALL) NOPASSWD: ALL\n"
        yield WriteFile(
            place, "/etc/sudoers.d/010_fer-edge", text.encode(), 0o440, why="sudo has no password to ask for"
        )


def hosts(contents: Contents, hostname: str) -> str:
    """/etc/hosts with the card's name at Debian's own address for it."""
    lines = [line for line in contents.root.get("/etc/hosts", "").splitlines() if line.split()[:1] != ["127.0.1.1"]]
    return "".join(f"{line}\n" for line in [*lines, f"127.0.1.1\t{hostname}"])

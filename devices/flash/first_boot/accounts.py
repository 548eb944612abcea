"""A Linux system's accounts as texts: passwd(5), group(5), shadow(5), gshadow(5). Pure: nothing is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ....errors import InputError
from ..image.contents import Contents

SYSTEM = range(999, 100, -1)
"""Numbers of system accounts, as useradd --system of Debian takes them, downwards (login.defs(5), SYS_UID_MAX)."""
PEOPLE = range(1000, 60000)

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Accounts:
    """Rows of the files, each a tuple of its fields; shadow and gshadow may be without rows."""

    passwd: Rows
    group: Rows
    shadow: Rows = field(default=(), repr=False)
    gshadow: Rows = field(default=(), repr=False)

    @staticmethod
    def parse(passwd: str, group: str, shadow: str = "", gshadow: str = "") -> Accounts:
        """From the texts of an image; raises InputError when there are no accounts in them."""
        found = Accounts(_rows(passwd, 7), _rows(group, 4), _rows(shadow, 9), _rows(gshadow, 4))
        if not found.passwd or not found.group:
            raise InputError("the image has no accounts in /etc/passwd or /etc/group", cause="it is damaged")
        return found

    def files(self) -> dict[str, str]:
        """Path -> text."""
        rows = {"passwd": self.passwd, "group": self.group, "shadow": self.shadow, "gshadow": self.gshadow}
        return {f"/etc/{name}": "".join(":".join(r) + "\n" for r in found) for name, found in rows.items() if found}

    def user(self, name: str) -> tuple[int, int, str] | None:
        """Number, group's number and home of a user."""
        return next(((int(r[2]), int(r[3]), r[5]) for r in self.passwd if r[0] == name), None)

    def user_number(self, number: int) -> str:
        """The user's name; empty without one."""
        return next((r[0] for r in self.passwd if r[2] == str(number)), "")

    def group_number(self, name: str) -> int | None:
        """A group's number."""
        return next((int(r[2]) for r in self.group if r[0] == name), None)

    def with_group(self, name: str, among: Iterable[int], number: int | None = None) -> Accounts:
        """With a group, made when missing, of a number, or the first free one."""
        if self.group_number(name) is not None:
            return self
        taken = {r[2] for r in self.group} | {r[2] for r in self.passwd}
        free = number if number is not None else next(n for n in among if str(n) not in taken)
        gshadow = (*self.gshadow, (name, "!", "", "")) if self.gshadow else ()
        return replace(self, group=(*self.group, (name, "x", str(free), "")), gshadow=gshadow)

    def with_user(self, name: str, among: Iterable[int], home: str, shell: str) -> Accounts:
        """With a user and a group of the same name and number; one that is there stays as it is."""
        if self.user(name) is not None:
            return self
        taken = {r[2] for r in self.passwd} | {r[2] for r in self.group}
        known = self.group_number(name)
        number = next(n for n in among if str(n) not in taken)
        made = self if known is not None else self.with_group(name, among, number)
        row = (name, "x", str(number), str(known if known is not None else number), "", home, shell)
        shadow = (*made.shadow, (name, "!", "19700", "0", "99999", "7", "", "", ""))
        return replace(made, passwd=(*made.passwd, row), shadow=shadow)

    def renamed(self, old: str, new: str, home: str) -> Accounts:
        """With a user and its group under another name and with another home; memberships follow."""
        passwd = tuple((new, *r[1:5], home, r[6]) if r[0] == old else r for r in self.passwd)
        shadow = tuple((new, *r[1:]) if r[0] == old else r for r in self.shadow)
        group = tuple((_new(r[0], old, new), *r[1:3], _members(r[3], old, new)) for r in self.group)
        gshadow = tuple((_new(r[0], old, new), *r[1:3], _members(r[3], old, new)) for r in self.gshadow)
        return Accounts(passwd, group, shadow, gshadow)

    def with_member(self, group: str, user: str) -> Accounts:
        """With a user in a group; a group that is not there is left out."""
        rows = [
            tuple((*r[:3], _joined(r[3], user)) if r[0] == group else r for r in found)
            for found in (self.group, self.gshadow)
        ]
        return replace(self, group=rows[0], gshadow=rows[1])

    def with_password(self, user: str, hashed: str) -> Accounts:
        """With a password by its hash; "!" locks."""
        return replace(self, shadow=tuple((user, hashed, *r[2:]) if r[0] == user else r for r in self.shadow))


def accounts_of(contents: Contents) -> Accounts:
    """Those of an image; raises InputError when it has none."""
    return Accounts.parse(*(contents.root.get(f"/etc/{name}", "") for name in ("passwd", "group", "shadow", "gshadow")))


def _rows(text: str, width: int) -> Rows:
    rows = (tuple(line.split(":")) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return tuple(row for row in rows if len(row) == width)


def _joined(members: str, user: str) -> str:
    names = [name for name in members.split(",") if name]
    return ",".join(names if user in names else [*names, user])


def _members(members: str, old: str, new: str) -> str:
    return ",".join(_new(name, old, new) for name in members.split(",") if name)


def _new(name: str, old: str, new: str) -> str:
    return new if name == old else name

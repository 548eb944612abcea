"""Who is in which group: a table that people keep, as they do the list of who has which code."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from ...files import read_text

COLUMNS = ["subject", "group"]


def read_groups(table: Path, codes: Mapping[str, str]) -> dict[str, str]:
    """Code -> group of a CSV `subject,group`; raises InputError for whoever is not in the study, or in it twice."""
    try:
        rows = list(csv.reader(io.StringIO(read_text(table))))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{table} cannot be read: {error}", hint=f"ls -l {shlex.quote(str(table))}") from None
    if not rows or [cell.strip() for cell in rows[0]] != COLUMNS:
        raise _no_groups(table, "its first line is not subject,group")
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if fault := _fault(row, codes, found):
            raise InputError(f"{table}, line {number}: {fault}", hint=f"cat {shlex.quote(str(table))}")
        if row:
            found[row[0].strip()] = row[1].strip()
    if len(set(found.values())) < 2:
        raise _no_groups(table, "it has fewer than two groups")
    return found


def _no_groups(table: Path, why: str) -> InputError:
    return InputError(f"{table} does not say who is in which group: {why}", hint=f"cat {shlex.quote(str(table))}")


def _fault(row: Sequence[str], codes: Mapping[str, str], found: Mapping[str, str]) -> str:
    """What is wrong with a line of the table, or nothing."""
    if not row:
        return ""
    if len(row) != 2 or not row[1].strip():
        return "it needs a subject and a group"
    code = row[0].strip()
    other = next((c for c in codes if c.lower() == code.lower()), None)
    if other is None:
        return f"the study has no subject {code}"
    if other != code:
        return f"the study has {other}, which {code} differs from in capital letters"
    return f"{code} was there already" if code in found else ""

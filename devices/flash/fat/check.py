"""Is a FAT file system whole? Every chain followed once, tables compared, free clusters counted."""

from __future__ import annotations

from ....errors import InputError
from .filesystem import Fat
from .folder import Folder


def check_fat(fat: Fat) -> list[str]:
    """What is wrong with a FAT file system; empty when nothing is."""
    wrong: list[str] = []
    owners: dict[int, str] = {}
    if fat.layout.root:
        _own(fat, fat.layout.root, "/", owners, wrong)
    _walk(fat, fat.root_folder(), "", owners, wrong)
    rows, mask = fat.table.rows, fat.table.mask
    bad = fat.table.end - 1
    used = {n for n in range(2, fat.layout.clusters + 2) if rows[n] & mask and rows[n] & mask != bad}
    if lost := used - owners.keys():
        wrong.append(f"{len(lost)} clusters belong to no file")
    for copy in range(len(fat.layout.tables)):
        if fat.table.read(copy) != rows:
            wrong.append(f"table {copy + 1} differs from what is in memory")
    noted = fat.table.noted_free()
    if noted is not None and noted != fat.table.free:
        wrong.append(f"FSInfo counts {noted} free clusters, there are {fat.table.free}")
    return wrong


def _walk(fat: Fat, folder: Folder, path: str, owners: dict[int, str], wrong: list[str]) -> None:
    seen: set[str] = set()
    for entry in folder.entries():
        name = f"{path}/{entry.name}"
        if entry.name.lower() in seen:
            wrong.append(f"{name} is there twice")
        seen.add(entry.name.lower())
        count = _own(fat, entry.first, name, owners, wrong)
        if entry.folder and count:
            _walk(fat, fat.open_folder(entry), name, owners, wrong)
        elif not entry.folder and count != -(-entry.size // fat.layout.cluster):
            wrong.append(f"{name} has {entry.size} bytes in {count} clusters")


def _own(fat: Fat, first: int, name: str, owners: dict[int, str], wrong: list[str]) -> int:
    """Note whose a chain is; its length, 0 where it is damaged or shared."""
    try:
        chain = fat.table.chain(first)
    except InputError as error:
        wrong.append(f"{name}: {error.message}")
        return 0
    for number in chain:
        if number in owners:
            wrong.append(f"{name} and {owners[number]} share cluster {number}")
            return 0
        owners[number] = name
    return len(chain)

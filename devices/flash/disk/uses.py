"""What of the running system is on a disk: mounts, swap and what holds it open, through LVM, RAID and encryption."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ...detect import text_of

LOOP_GET_STATUS64, LOOP_INFO64 = 0x4C05, 232
"""Of linux/loop.h: the request, and bytes of what it fills in."""


def uses_of_disks(root: Path) -> dict[str, list[str]]:
    """Kernel name of a disk or partition -> what uses it, such as `sdb1 mounted at /media/card`."""
    above: dict[str, list[str]] = {}
    for below, holder in [*_holders(root), *_looped(root)]:
        above.setdefault(below, []).append(holder)
    direct: dict[str, list[str]] = {}
    for name, use in [*_mounted(root), *_swapped(root)]:
        direct.setdefault(name, []).append(use)
    return {  # a holder that nothing is mounted from still has the disk open
        name: [f"{n} {use}" for n in _with(name, above) for use in direct.get(n, [] if n == name else ["holds it"])]
        for name in {*above, *direct}
    }


def disk_behind(loop: Path, root: Path) -> str:
    """Kernel name of the disk or partition that a loop device lies over; empty when it is a file, as it should be.

    The kernel is asked for the device itself, for the path by which it was opened may be gone or stand for another now.
    """
    behind = text_of(loop / "loop/backing_file")
    if not behind:
        return ""
    numbers = {text_of(f): f.parent.name for f in _dev_files(root)}
    device = _device_behind(loop.name) if root == Path("/") else None
    if device is not None:
        return numbers.get(device, device) if device else ""
    name = Path(behind).name
    if behind == f"/dev/{name}" and name in numbers.values():
        return name
    gone = behind.endswith(" (deleted)")
    return name if gone or (root / behind.lstrip("/")).is_block_device() else ""


def _device_behind(loop: str) -> str | None:
    """Number, such as 8:0, of the device behind a loop device; empty for a file, None where we may not ask."""
    import fcntl  # not on Windows, where disks are not written

    try:
        opened = os.open(f"/dev/{loop}", os.O_RDONLY)
    except OSError:
        return None
    try:
        status = fcntl.ioctl(opened, LOOP_GET_STATUS64, bytes(LOOP_INFO64))
    except OSError:
        return None
    finally:
        os.close(opened)
    device = int.from_bytes(status[16:24], sys.byteorder)  # lo_rdevice, as new_encode_dev of linux/kdev_t.h packs it
    return f"{os.major(device)}:{os.minor(device)}" if device else ""


def _holders(root: Path) -> Iterator[tuple[str, str]]:
    for holder in [*(root / "sys/block").glob("*/holders/*"), *(root / "sys/block").glob("*/*/holders/*")]:
        yield holder.parent.parent.name, holder.name


def _looped(root: Path) -> Iterator[tuple[str, str]]:
    """A loop device over a disk holds it too, and the kernel does not list it among the holders."""
    for loop in (root / "sys/block").glob("loop*"):
        if behind := disk_behind(loop, root):
            yield behind, loop.name


def _with(name: str, above: dict[str, list[str]]) -> Iterator[str]:
    yield name
    for holder in above.get(name, []):
        yield from _with(holder, above)


def _mounted(root: Path) -> Iterator[tuple[str, str]]:
    """Name and `mounted at PLACE`; by device number, and by name where a file system has a number of its own."""
    numbers = {text_of(f): f.parent.name for f in _dev_files(root)}
    for line in text_of(root / "proc/self/mountinfo").splitlines():
        fields = line.split()
        if len(fields) < 10 or "-" not in fields:
            continue
        source = fields[fields.index("-") + 2]
        place = fields[4].replace("\\040", " ")
        name = numbers.get(fields[2]) or (Path(os.path.realpath(source)).name if source.startswith("/dev/") else "")
        if name:
            yield name, f"mounted at {place}"


def _dev_files(root: Path) -> Iterator[Path]:
    yield from (root / "sys/block").glob("*/dev")
    yield from (root / "sys/block").glob("*/*/dev")


def _swapped(root: Path) -> Iterator[tuple[str, str]]:
    for line in text_of(root / "proc/swaps").splitlines()[1:]:
        yield Path(os.path.realpath(line.split()[0])).name, "used for swap"

"""Whether what a process holds in memory can reach a disk as swapped pages: its control group and the swap there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .detect import text_of

GROUPS = "sys/fs/cgroup"
"""Control groups of version 2 (cgroup-v2.rst); under version 1 systemd's MemorySwapMax does nothing."""


def swap_on_disks(root: Path = Path("/"), group: Path | None = None) -> tuple[str, ...]:
    """The swap on disks or cards that memory of a control group may be written to; empty when it stays in memory.

    Args:
        root: of the file system to read.
        group: its folder below sys/fs/cgroup; None for this process's own.
    """
    group = group or own_group(root)
    return () if group is not None and _is_kept(group, root) else tuple(_swaps(root))


def own_group(root: Path = Path("/")) -> Path | None:
    """The folder of this process's control group; None where there is none of version 2."""
    for line in text_of(root / "proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            return root / GROUPS / line[3:].strip().lstrip("/")
    return None


def limits_memory(root: Path = Path("/")) -> bool:
    """Whether the kernel limits the memory of services at all."""
    return "memory" in text_of(root / GROUPS / "cgroup.controllers").split()


def _is_kept(group: Path, root: Path) -> bool:
    """Whether a group, or one that it is in, may have no swap."""
    top = root / GROUPS
    return any(text_of(folder / "memory.swap.max") == "0" for folder in (group, *group.parents) if folder != top)


def _swaps(root: Path) -> Iterator[str]:
    """Compressed memory is none, unless it is written back to a disk as Raspberry Pi OS Trixie has it."""
    for line in text_of(root / "proc/swaps").splitlines()[1:]:
        place = line.split()[0]
        name = Path(place).name
        behind = text_of(root / "sys/block" / name / "backing_dev")
        if not name.startswith("zram") or behind not in ("", "none"):
            yield place if behind in ("", "none") else f"{place}, over {behind}"

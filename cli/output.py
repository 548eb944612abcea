"""What verbs share: options for their jobs, progress of long work on a terminal or when piped, and tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import Any, TextIO, TypeVar

from ..errors import UsageError

LINE_EVERY_S = 10.0
LABEL_MAP = 'what folders mean: a TOML file ("Very happy" = "happy"), raf-db, fer2013, affectnet or ck+'
"""Help of the option that every verb has that reads labelled faces."""
T = TypeVar("T")


def add_language(parser: argparse.ArgumentParser) -> None:
    """The option of verbs that speak to people in their own language; `main` heeds it."""
    parser.add_argument("--lang", metavar="LANG", help="en or es, for what people read (default: the locale's)")


def options_of(kind: type[T], given: Mapping[str, Any], **more: Any) -> T:
    """A job's options: those of the verb that are named like the fields of their dataclass, and `more` instead."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    return kind(**{**{name: given[name] for name in names if name in given}, **more})


def chosen(kind: type[T], option: str, text: str) -> T:
    """`PATH,key=value,…` as a dataclass whose first field is the path, its commas left alone; raises UsageError."""
    words = text.split(",")
    names = {field.name: field.type for field in fields(kind)[1:]}  # type: ignore[arg-type]  # a dataclass
    values: dict[str, float | str] = {}
    while len(words) > 1 and "=" in words[-1]:
        name, _, value = words.pop().partition("=")
        if name not in names or name in values or not value:
            raise UsageError(
                f"{option} {text}: {name}={value} is none of " + ", ".join(f"{key}=…" for key in names),
                hint=f"{option} {','.join(words)}",
            )
        values[name] = _number(option, text, name, value) if "float" in str(names[name]) else value
    return kind(Path(",".join(words)), **values)  # type: ignore[call-arg]


def _number(option: str, text: str, name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"{option} {text}: {name} must be a number, not {value}", hint="write 0.5, say") from None


def watch(loop: Iterable[Any], total: int | None = None, desc: str = "") -> Iterable[Any]:
    """Wrap a loop so that its progress shows on standard error.

    Args:
        total: number of rounds; len(loop) when None and known.
        desc: what is being done.
    """
    if total is None and isinstance(loop, Sized):
        total = len(loop)
    if sys.stderr.isatty():
        from tqdm import tqdm

        bar: Iterable[Any] = tqdm(loop, total=total, desc=desc, leave=False, dynamic_ncols=True)
        return bar
    return _lines(loop, total, desc, sys.stderr)


def _lines(loop: Iterable[Any], total: int | None, desc: str, out: TextIO) -> Iterator[Any]:
    start = last = monotonic()
    done = 0
    for done, item in enumerate(loop, 1):
        yield item
        if monotonic() - last >= LINE_EVERY_S:
            last = monotonic()
            left = f", about {(last - start) / done * (total - done):.0f} s to go" if total else ""
            print(f"{desc}: {done} of {total or '?'} in {last - start:.0f} s{left}", file=out, flush=True)


class StatusLine:
    """One line that is rewritten in place on a terminal, or printed every few seconds when piped."""

    def __init__(self, out: TextIO | None = None, every_s: float = 5.0) -> None:
        self.out = out or sys.stderr
        self.live = self.out.isatty()
        self.every_s = 0.1 if self.live else every_s
        self._last = float("-inf")
        self._width = 0

    def show(self, text: str) -> None:
        """Show a text, unless the last one is too recent."""
        now = monotonic()
        if now - self._last < self.every_s:
            return
        self._last = now
        if self.live:
            self.out.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self.out.write(text + "\n")
        self.out.flush()

    def end(self) -> None:
        """Leave the line, so that what follows starts on a new one."""
        if self.live and self._width:
            self.out.write("\n")
            self.out.flush()


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Rows of equally many cells as text, columns under each other, those in `left` to the left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)

"""Figures that others published, and the sizes of the models they measured, from the tables in `published/`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import TypeVar

from ...devices.profile import load_profiles
from ...errors import InputError
from .workload import BYTES, Workload

PUBLISHED = Path(__file__).parent
MODELS, BOARDS = "models.csv", "boards.csv"
ITSELF = "self"
"""Host of a board: the board."""
TABLE = "the device table"
"""How the source of the table to reproduce begins."""
COLUMNS = ("device", "model", "input", "precision", "host", "fps", "mean_ms", "price_usd", "price_year", "source")
COUNTS = (
    *("model", "input", "dense_mmacs", "depthwise_mmacs", "params_m", "activations_m"),
    *("layers", "outputs", "source"),
)
T = TypeVar("T")
AGREE = 0.02
"""How far fps x mean ms may be from 1000: both are rounded."""


@dataclass(frozen=True)
class PublishedResult:
    """One published figure, batch 1.

    Attributes:
        device: a profile's name.
        input: pixels of the input's side; 0 where not stated.
        host: what an accelerator was plugged into: pc, rpi4, rpi3b+ …; `self` for a board; empty where not stated.
        fps, mean_ms: as stated; 0 where only the other is.
        price_usd, price_year: as stated; 0 where not.
        source: document or repository, path, and what column.
    """

    device: str
    model: str
    input: int
    precision: str
    host: str
    fps: float
    mean_ms: float
    price_usd: int
    price_year: int
    source: str

    @property
    def ms(self) -> float:
        """Mean milliseconds: as stated, else 1000 / fps."""
        return self.mean_ms or 1000 / self.fps

    @property
    def rate(self) -> float:
        """Frames per second: as stated, else 1000 / mean ms."""
        return self.fps or 1000 / self.mean_ms

    @property
    def tabled(self) -> bool:
        """Whether it belongs to the table to reproduce."""
        return self.source.startswith(TABLE)


def read_published(folder: Path = PUBLISHED, devices: Collection[str] | None = None) -> tuple[PublishedResult, ...]:
    """Every figure of every table in a folder, the table to reproduce first.

    Args:
        devices: the names a row may carry; those of the profiles when None.

    Raises:
        InputError: a table without its columns, or a wrong row, named with file and line.
    """
    known = load_profiles() if devices is None else devices
    files = [path for path in sorted(folder.glob("*.csv")) if path.name not in (MODELS, BOARDS)]
    if not files:
        raise InputError(f"{folder} holds no published figures", hint=f"ls -l {folder}")
    results = [result for path in files for result in _read(path, COLUMNS, lambda row: _result(row, known))]
    return tuple(sorted(results, key=lambda result: not result.tabled))


def read_models(folder: Path = PUBLISHED) -> dict[tuple[str, int], Workload]:
    """(model, pixels of its input's side) -> what it asks of a device; a count not known is not-a-number.

    Raises InputError: as read_published.
    """
    return {(name, work.size): work for name, work in _read(folder / MODELS, COUNTS, _workload)}


def read_ratios(board: str, other: str, folder: Path = PUBLISHED) -> tuple[tuple[float, ...], str]:
    """How many times as long a board took as another for each network that was run on both, and the source.

    Raises InputError: as read_published.
    """
    columns = ("model", "input", board, other, "source")
    rows = _read(folder / BOARDS, columns, lambda row: (_ms(row, board), _ms(row, other), _words(row, "source")))
    return tuple(here / there for here, there, _ in rows), "; ".join(sorted({source for _, _, source in rows}))


def _read(path: Path, columns: tuple[str, ...], make: Callable[[Mapping[str, str]], T]) -> list[T]:
    """One value a row; an error carries file and line."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            absent = [name for name in columns if name not in (reader.fieldnames or ())]
            if absent:
                raise _Wrong(f"has no column {', '.join(absent)}")
            made = []
            for row in reader:
                if None in row or None in row.values():
                    raise _Wrong(f"has not {len(reader.fieldnames or ())} columns")
                made.append(make(row))
            return made
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", hint=f"ls -l {path}") from None
    except (_Wrong, csv.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}, line {max(1, reader.line_num)}: {error}",
            cause="a row was added or changed by hand",
            hint=f"mend {path}",
        ) from None


class _Wrong(ValueError):
    """What is wrong with a row."""


def _result(row: Mapping[str, str], devices: Collection[str]) -> PublishedResult:
    if row["device"] not in devices:
        raise _Wrong(f"there is no device {row['device']!r}")
    if row["precision"] not in BYTES:
        raise _Wrong(f"precision is {row['precision']!r}, not one of {', '.join(BYTES)}")
    fps, ms = _number(row, "fps", 0), _number(row, "mean_ms", 0)
    if not fps and not ms:
        raise _Wrong("neither fps nor mean_ms is given")
    if fps and ms and abs(fps * ms / 1000 - 1) > AGREE:
        raise _Wrong(f"fps {fps:g} and mean_ms {ms:g} do not agree: their product is {fps * ms:.0f}, not 1000")
    sizes = [int(_number(row, name, 0)) for name in ("input", "price_usd", "price_year")]
    words = {name: _words(row, name) for name in ("model", "source")}
    return PublishedResult(
        device=row["device"], precision=row["precision"], host=row["host"], fps=fps, mean_ms=ms,
        input=sizes[0], price_usd=sizes[1], price_year=sizes[2], **words,
    )  # fmt: skip


def _workload(row: Mapping[str, str]) -> tuple[str, Workload]:
    _words(row, "source")
    dense, depthwise, params, activations = (1e6 * _number(row, name, nan) for name in COUNTS[2:6])
    size, outputs = (int(_number(row, name, 0)) for name in ("input", "outputs"))
    layers = _number(row, "layers", nan)
    return _words(row, "model"), Workload(size, dense, depthwise, params, activations, layers, outputs)


def _ms(row: Mapping[str, str], name: str) -> float:
    if not (value := _number(row, name, 0)):
        raise _Wrong(f"{name} gives no milliseconds")
    return value


def _words(row: Mapping[str, str], name: str) -> str:
    if not row[name].strip():
        raise _Wrong(f"{name} is empty")
    return row[name]


def _number(row: Mapping[str, str], name: str, absent: float) -> float:
    """A cell's number, 0 or greater; `absent` where it is empty."""
    if not row[name].strip():
        return absent
    try:
        value = float(row[name])
    except ValueError:
        raise _Wrong(f"{name} is {row[name]!r}, not a number") from None
    if not isfinite(value) or value < 0:
        raise _Wrong(f"{name} is {row[name]!r}, not a number of 0 or more")
    return value

"""Whether a results file is what it says: its form by the schema, its figures by its own samples."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...bundle.extras import load
from ...errors import InputError
from .metrics import latency_metrics

SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
TOLERANCE = 1e-6
"""Relative difference allowed between a figure and what its samples give: room for rounding, not for editing."""
MAX_MESSAGE = 200
"""Characters of a validator's message; it may quote a whole row."""


def validate(data: object, file: Path) -> None:
    """Hold what was read from `file` against the schema, and each row's figures against its samples.

    Raises:
        InputError: the first thing that is wrong, with its place, such as rows[3].figures.p50_ms.
        MissingExtra: the validator is absent.
    """
    validator = load("jsonschema", "report").Draft202012Validator
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    found = next(validator(schema).iter_errors(_without_good_samples(data)), None)
    if found is not None:
        raise _wrong(file, found.json_path.removeprefix("$").removeprefix("."), _shortened(found.message))
    assert isinstance(data, dict)  # the schema says so
    for place, value in _numbers({k: v for k, v in data.items() if k != "rows"}, ""):
        _finite(file, place, value)
    for index, row in enumerate(data["rows"]):
        place = f"rows[{index}]"
        for inner, value in _numbers({k: v for k, v in row.items() if k != "samples_ns"}, place):
            _finite(file, inner, value)
        _check_row(row, place, file)


def _check_row(row: Mapping[str, Any], place: str, file: Path) -> None:
    samples, said, state = row["samples_ns"], row["figures"], row["state"]
    if state == "measured" and not samples:
        raise _wrong(file, f"{place}.samples_ns", "the row is measured and has no samples")
    if state == "absent" and (samples or said):
        raise _wrong(file, f"{place}.samples_ns", "the row is absent and has samples or figures")
    if not samples and said:
        raise _wrong(file, f"{place}.figures", "there are figures without samples")
    if samples and not said:
        raise _wrong(file, f"{place}.figures", "there are samples without figures")
    if not samples:
        return
    try:
        right = latency_metrics(samples)
    except ValueError as error:
        raise _wrong(file, f"{place}.samples_ns", str(error)) from None
    for name, value in right.items():
        if not math.isclose(said[name], value, rel_tol=TOLERANCE, abs_tol=1e-9):
            raise _wrong(file, f"{place}.figures.{name}", f"it says {said[name]}, its samples give {value:.9g}")


def _without_good_samples(data: object) -> object:
    """The same with every list of samples that its schema allows left empty: a validator takes seconds for each."""
    if not isinstance(data, dict) or not isinstance(data.get("rows"), list):
        return data
    return {**data, "rows": [_light(row) for row in data["rows"]]}


def _light(row: object) -> object:
    samples = row.get("samples_ns") if isinstance(row, dict) else None
    if isinstance(row, dict) and isinstance(samples, list) and all(type(s) is int and s >= 0 for s in samples):
        return {**row, "samples_ns": []}
    return row


def _numbers(value: object, place: str) -> Iterator[tuple[str, float]]:
    """Every float in nested objects and lists, with its place."""
    if isinstance(value, float):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _numbers(inner, f"{place}[{index}]")


def _finite(file: Path, place: str, value: float) -> None:
    """Refuse NaN and infinity, which Python's reader takes and JSON has not."""
    if not math.isfinite(value):
        raise _wrong(file, place, f"{value} is no number of JSON")


def _wrong(file: Path, place: str, what: str) -> InputError:
    return InputError(
        f"{file}: {place or 'the file'}: {what}",
        cause="it was edited by hand, cut and joined, or written by another program",
        hint="fer-edge benchmark --out DIR",
    )


def _shortened(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE // 2]} … {message[-MAX_MESSAGE // 2 :]}"

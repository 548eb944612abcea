"""The one checker: lines of keys, what fits a dataclass, and every fault with its place."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fer_edge.toml_schema import DERIVED, Fault, NotToml, about, build, check, key, lines_of, parse_toml


@dataclass(frozen=True)
class Row:
    name: str
    share: float = 1.0


@dataclass(frozen=True)
class Table:
    size: int = field(metadata=about(low=1, high=9))
    kind: str = key("", choices=("a", "b"))
    sides: tuple[int, ...] = ()
    row: Row = field(default_factory=lambda: Row("default"))
    rows: tuple[Row, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    made: str = field(default="", metadata=DERIVED)


def test_what_fits_becomes_the_dataclass() -> None:
    text = (
        'size = 2\nkind = ""\nsides = [1, 2]\nrow.name = "x"\nfile = ""\nwords.a = "b"\n[[rows]]\nname = "y"\nshare = 2'
    )
    made = build(Table, parse_toml(text), whole="a table", wrong=lambda fault: ValueError(fault))
    assert made == Table(2, "", (1, 2), Row("x"), (Row("y", 2.0),), {"a": "b"})
    assert type(made.rows[0].share) is float


def test_every_fault_is_gathered_with_its_line() -> None:
    text = """size = 10
kin = "a"
sides = [1, true]
made = "x"
row = 1
words = { a = 1 }
[[rows]]
name = "y"
[[rows]]
name = 3
nam = 3
[[rows]]
share = "x"
"""
    _, faults = check(Table, parse_toml(text), text, "a table")
    assert [(f.line, f.name, f.kind, f.what) for f in faults] == [
        (1, "size", "wrong", "must be a whole number from 1 to 9, not 10"),
        (2, "kin", "unknown", "is not a key of a table; did you mean kind?"),
        (3, "sides", "wrong", "must be a list of whole numbers, not a list"),
        (4, "made", "unknown", "is not a key of a table"),
        (5, "row", "wrong", "must be a table, [row]"),
        (6, "words.a", "wrong", "must be a text, not 1"),
        (10, "rows[1].name", "wrong", "must be a text, not 3"),
        (11, "rows[1].nam", "unknown", "is not a key of [[rows]]; did you mean name?"),
        (13, "rows[2].share", "wrong", 'must be a number, not "x"'),
        (12, "rows[2]", "missing", "lacks name"),
    ]
    assert check(Table, {}, whole="a table")[1] == [Fault((), "lacks size", "missing")]


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = ", 2), ('a = 1\n\nb = """\nc = 1', 3), ("a = 1\na = 2\n", 2)])
def test_where_a_text_stops_being_toml(text: str, line: int) -> None:
    with pytest.raises(NotToml) as caught:
        parse_toml(text + "\n")
    assert caught.value.line == line


def test_lines_of_odd_but_valid_toml() -> None:
    text = '''# [web]
top = 1

[ "mqtt" ] # a table
host = """
[web]
port = 1
"""
"user" = 'a # b = c'
  port=1 # x = 2
[web]
list = [
  1, # [log]
  2,
]
title.deep = 3
[[rows]]
a = 1
[rows.inner]
b = 2
[[rows]]
a = 3
list = [{ c = 1 }]
[place.inner]
b = { c = 1, d = { e = 2 } }
[place.other]
'''
    assert lines_of(text) == {
        ("top",): 2,
        ("mqtt",): 4,
        ("mqtt", "host"): 5,
        ("mqtt", "user"): 9,
        ("mqtt", "port"): 10,
        ("web",): 11,
        ("web", "list"): 12,
        ("web", "title"): 16,
        ("web", "title", "deep"): 16,
        ("rows",): 17,
        ("rows", 0): 17,
        ("rows", 0, "a"): 18,
        ("rows", 0, "inner"): 19,
        ("rows", 0, "inner", "b"): 20,
        ("rows", 1): 21,
        ("rows", 1, "a"): 22,
        ("rows", 1, "list"): 23,
        ("rows", 1, "list", 0): 23,
        ("rows", 1, "list", 0, "c"): 23,
        ("place",): 24,
        ("place", "inner"): 24,
        ("place", "inner", "b"): 25,
        ("place", "inner", "b", "c"): 25,
        ("place", "inner", "b", "d"): 25,
        ("place", "inner", "b", "d", "e"): 25,
        ("place", "other"): 26,
    }


@pytest.mark.parametrize("seed", range(20))
def test_lines_by_construction(seed: int) -> None:
    draw = random.Random(seed)
    values = ["1", '"[t0]"', '"""\n[t1]\nk0 = 2\n"""', "[\n 1,\n\n 2 ]", "'''\n# x\n'''", "{ a = 1 }", '"k1 = 3" # ]']
    lines: list[str] = []
    expected: dict[tuple[str | int, ...], int] = {}
    for table in range(draw.randint(1, 5)):
        lines += draw.choices(["", "# [t9]", "   "], k=draw.randint(0, 3))
        expected[(f"t{table}",)] = len(lines) + 1
        lines.append(f"[t{table}]")
        for name in range(draw.randint(0, 6)):
            lines += draw.choices(["", "# k = 1"], k=draw.randint(0, 2))
            expected[(f"t{table}", f"k{name}")] = len(lines) + 1
            lines += f"k{name} = {draw.choice(values)}".split("\n")
    found = lines_of("\r\n".join(lines) if seed % 2 else "\n".join(lines))
    assert {path: line for path, line in found.items() if path[-1] != "a"} == expected

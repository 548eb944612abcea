"""The tables of docs/config.md, written from the dataclasses: `python -m fer_edge.runtime.config.page`."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from ...files import between_marks
from ...toml_schema import allowed, toml_value
from .keys import Entry, entries, section_lines

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"


def tables() -> str:
    """A heading, a line and a table for each section."""
    head = "| key | what it is | allowed | default | SIGHUP |\n|---|---|---|---|---|"
    parts = []
    for section, line in section_lines().items():
        rows = [_row(entry) for entry in entries().values() if entry.section == section]
        parts.append("\n".join([f"### [{section}]", line, "", head, *rows]))
    return "\n\n".join(parts)


def write_into(page: str) -> str:
    """The page with the tables between its marks; raises UsageError when it has none."""
    return between_marks(page, BEGIN, END, tables())


def _row(entry: Entry) -> str:
    unset = entry.hint == date | None and entry.default is None
    default = "" if unset else f"`{toml_value(entry.default)}`"
    taken = "taken" if entry.key.reload else "restart"
    cells = (f"`{entry.name}`", entry.key.doc, allowed(entry.hint, entry.key), default, taken)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(words: list[str] | None = None) -> None:
    """Print the tables, or write them into a page."""
    from ...bundle import write_text

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    args = parser.parse_args(words)
    if args.write:
        write_text(args.write, write_into(args.write.read_text(encoding="utf-8")))
    else:
        print(tables())


if __name__ == "__main__":
    main()

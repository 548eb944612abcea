"""`fer-edge compare`: the sessions of a study against each other: conditions, groups, a subject over time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..language import tr, trn
from .output import add_language, aligned

if TYPE_CHECKING:
    from ..runtime.comparison.compare import Comparison
    from ..runtime.comparison.contrasts import Contrast

SHOWN = 12
"""Sessions that were left out, told by name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `compare`."""
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's folder")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write tables, their dictionary and plots there")
    parser.add_argument("--subject", default="", metavar="CODE", help="only this one, over time")
    parser.add_argument("--condition", action="append", metavar="NAME", help="only sessions of it; several times")
    parser.add_argument("--groups", type=Path, metavar="TABLE.csv", help="who is in which group: subject,group")
    parser.add_argument(
        "--figures",
        metavar="NAMES",
        help="comma-separated, share:happy of one label (default: share,valence_index,expressivity,change)",
    )
    parser.add_argument("--leave-out", action="append", metavar="SESSION", help="not this session; several times")
    parser.add_argument("--model", default="", metavar="SHA", help="only sessions of the artifact that begins so")
    parser.add_argument("--without-resting", action="store_true", help="with every resting face put back")
    parser.add_argument("--parquet", action="store_true", help="with --out: the tables as Parquet, too")
    parser.add_argument("--no-plots", action="store_true", help="with --out: no plots, which need matplotlib")
    parser.add_argument("--replace", action="store_true", help="with --out: overwrite the comparison that is there")
    add_language(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, print, and write where that is asked for."""
    from ..runtime.comparison.compare import FIGURES, CompareOptions, compare_study
    from ..runtime.comparison.sessions import Choice
    from ..runtime.comparison.write import WriteOptions, as_json, write_comparison

    choice = Choice(tuple(args.leave_out or ()), tuple(args.condition or ()), args.subject, args.model)
    names = FIGURES if args.figures is None else tuple(n.strip() for n in args.figures.split(",") if n.strip())
    found = compare_study(
        CompareOptions(args.study, names, args.groups, choice, args.out is not None, args.without_resting)
    )
    written = []
    if args.out:
        written = write_comparison(found, WriteOptions(args.out, args.parquet, not args.no_plots, args.replace))
    if args.json:
        print(json.dumps(as_json(found, written)))
        return 0
    print("\n".join(_lines(found)))
    for path in written:
        print(f"{path.name + ':':20} {path}")
    return 0


def _lines(found: Comparison) -> list[str]:
    from ..runtime.comparison.cautions import cautions

    sessions, subjects = len({s.session for s in found.sessions}), len(found.ids)
    of = tr("{sessions} of {subjects}", sessions=trn(sessions, "session"), subjects=trn(subjects, "subject"))
    lines = [f"{found.title or found.study}: {of}"]
    warnings = cautions(found.sessions, found.contrasts, bool(found.groups))  # again: those of `found` are English
    lines += [f"{tr('beware')}: {line}" for line in warnings]
    for one in found.left_out[:SHOWN]:
        lines.append(f"{tr('left out')}: {one.session}{f', {one.subject}' if one.subject else ''}: {tr(one.why)}")
    if len(found.left_out) > SHOWN:
        lines.append(f"{tr('left out')}: " + tr("{more} more, in --json", more=len(found.left_out) - SHOWN))
    blocks: dict[str, list[Contrast]] = {}
    for c in found.contrasts:
        blocks.setdefault(_title(c), []).append(c)
    for title, rows in blocks.items():
        lines += ["", title, aligned([_header(rows[0]), *map(_cells, rows)])]
    if not blocks:
        lines.append(
            tr("nothing to compare: no two conditions or groups with two subjects, no three sessions of a subject")
        )
    return lines


def _title(c: Contrast) -> str:
    inside = " " + tr("in {condition}", condition=c.condition) if c.condition else ""
    if c.kind == "trend":
        over = tr("{subject} over {sessions} sessions", subject=c.subject, sessions=c.n_a)
        return f"{over}{inside}, {tr('change in a week')}"
    kind = tr("the same subjects") if c.kind == "conditions" else tr("groups")
    return f"{tr('{b} against {a}', b=c.b, a=c.a)}{inside} ({kind})"


def _header(c: Contrast) -> Sequence[str]:
    if c.kind == "trend":
        return (tr("figure"), tr("first"), tr("last"), tr("a week"), "95 %", "tau", "p", tr("p corrected"))
    return (tr("figure"), c.a, c.b, tr("difference"), "95 %", "g", "n", "p", tr("p corrected"))


def _cells(c: Contrast) -> Sequence[str]:
    name = tr(c.figure) + (f" {tr(c.label)}" if c.label else "")
    span = "-" if c.low is None else f"{_signed(c.low)} … {_signed(c.high)}"
    effect = "-" if c.effect is None else f"{c.effect:+.2f}"
    ends = (name, f"{c.mean_a:.3f}", f"{c.mean_b:.3f}", _signed(c.estimate), span, effect)
    tests = ("-" if p is None else f"{p:.4f}" for p in (c.p, c.p_holm))
    if c.kind == "trend":
        return (*ends, *tests)
    return (*ends, f"{c.n_a}" if c.kind == "conditions" else f"{c.n_a}+{c.n_b}", *tests)


def _signed(value: float | None) -> str:
    """Never -0.000."""
    return "-" if value is None else f"{round(value, 3) + 0.0:+.3f}"

"""Estimates for people, and the tables of docs/estimates.md: `python -m fer_edge.benchmarks.estimates.text`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...bundle import write_text
from ...export.table import write_into
from ..published.verdicts import HOST_TITLES, TABLE_MODELS
from .estimates import Estimate, Spec, find_workload, fits, predict
from .roofline import TERMS, Fit

SHOWN = ("default", "edgetpu", *TABLE_MODELS)
"""Models of the page: the two bundles that ship, and the table's three."""


def render(estimates: Sequence[Estimate]) -> str:
    """What the command prints: every line says that it is an estimate, how good it is and what it rests on."""
    lines = []
    for e in estimates:
        host = HOST_TITLES.get(e.host, e.host)
        place = f"{e.device} ({host})" if host else e.device
        lines.append(f"estimate, not a measurement: {e.model}, {e.size} x {e.size} pixels, on {place}")
        lines += [f"  {line}" for line in _lines(e)]
    return "\n".join(lines)


def _lines(e: Estimate) -> list[str]:
    if e.error is None:
        return [f"no figure: {e.reason}"]
    where = f"in {e.precision}"
    lines = [f"mean {_ms(e.mean_ms)} ms {where}, {e.fps:.3g} frames/s (1000 / mean)" if e.mean_ms and e.fps else ""]
    if e.low_ms is not None and e.high_ms is not None:
        lines = [f"mean {_ms(e.low_ms)} to {_ms(e.high_ms)} ms {where}"]
    whole = sum(e.parts.values())
    shares = [f"{name} {_ms(ms)} ms ({ms / whole:.0%})" for name, ms in e.parts.items() if ms > 0]
    lines.append("of which, by the fit: " + ", ".join(shares))
    lines.append(f"leave-one-out error {e.error:.0%} in the mean, {e.worst:.0%} at worst, {_rests_on(e)}")
    lines += [e.reason] if e.reason else []
    return [*lines, *(f"from {source}" for source in e.sources)]


def _ms(value: float) -> str:
    """Three digits; never an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _rests_on(e: Estimate) -> str:
    return f"{e.figures} published figures of {e.models} models"


def page_tables() -> str:
    """The fitted costs of every device and host, then what they give for the models of the page."""
    head = "| device | host | precision | ms a unit | figures | models | error | worst |\n" + "|---" * 8 + "|"
    fitted = fits()
    costs = [head, *(_cost_row(spec, found) for spec, found in fitted)]
    head = "| device | host | " + " | ".join(SHOWN) + " |\n" + "|---" * (2 + len(SHOWN)) + "|"
    cells: dict[tuple[str, str], list[str]] = {}
    for title, work in (find_workload(model, None) for model in SHOWN):
        for device in dict.fromkeys(spec.device for spec, _ in fitted):
            for e in predict(fitted, device, title, work):
                cells.setdefault((device, e.host), []).append(_cell(e))
    rows = [f"| {device} | {_host(host)} | {' | '.join(row)} |" for (device, host), row in cells.items()]
    return "\n".join([*costs, "", "Estimates, in milliseconds:", "", head, *rows])


def _cost_row(spec: Spec, found: Fit | None) -> str:
    words = f"| {spec.device} | {_host(spec.host)} | {spec.chip.precision} | "
    if found is None:
        return words + "too few published | - | - | - | - |"
    costs = [f"{_ms(ms)} a {TERMS[n].unit}" for n, ms in found.costs.items()]
    costs += [f"a {TERMS[n].unit} as on {_host(spec.given_from[1])}" for n in found.given]
    models = len({(o.published.model, o.work.size) for o in found.observations})
    counts = f"{len(found.observations)} | {models}"
    return words + f"{'; '.join(costs)} | {counts} | {found.error:.0%} | {found.worst:.0%} |"


def _host(host: str) -> str:
    return HOST_TITLES.get(host, host) or "itself"


def _cell(e: Estimate) -> str:
    """A figure or a range; a star where no published model takes as little or as much."""
    star = "*" if "extrapolated" in e.reason else ""
    if e.mean_ms is not None:
        return f"{_ms(e.mean_ms)}{star}"
    if e.low_ms is not None and e.high_ms is not None:
        return f"{_ms(e.low_ms)} to {_ms(e.high_ms)}{star}"
    return "-"


def main(argv: list[str] | None = None) -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.estimates.text", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    args = parser.parse_args(argv)
    tables = page_tables()
    if args.write:
        write_text(args.write, write_into(args.write.read_text(encoding="utf-8"), tables))
    else:
        print(tables)


if __name__ == "__main__":
    main()

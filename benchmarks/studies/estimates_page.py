"""The tables of docs/estimates.md: `python -m fer_edge.benchmarks.studies.estimates_page`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...bundle import shipped_bundles
from ...export.table import show
from ..estimates.estimates import Estimate, Spec, find_workload, fits, predict
from ..estimates.roofline import TERMS, Fit
from ..estimates.text import milliseconds
from ..published.verdicts import HOST_TITLES, TABLE_MODELS


def page_tables() -> str:
    """The fitted costs of every device and host, then what they give for our bundles and the table's models."""
    shown = (*shipped_bundles(), *TABLE_MODELS)
    head = "| device | host | precision | ms a unit | figures | models | error | worst |\n" + "|---" * 8 + "|"
    fitted = fits()
    costs = [head, *(_cost_row(spec, found) for spec, found in fitted)]
    head = "| device | host | " + " | ".join(shown) + " |\n" + "|---" * (2 + len(shown)) + "|"
    cells: dict[tuple[str, str], list[str]] = {}
    for title, work in (find_workload(model, None) for model in shown):
        for device in dict.fromkeys(spec.device for spec, _ in fitted):
            for e in predict(fitted, device, title, work):
                cells.setdefault((device, e.host), []).append(_cell(e))
    rows = [f"| {device} | {_host(host)} | {' | '.join(row)} |" for (device, host), row in cells.items()]
    return "\n".join([*costs, "", "Estimates, in milliseconds:", "", head, *rows])


def _cost_row(spec: Spec, found: Fit | None) -> str:
    words = f"| {spec.device} | {_host(spec.host)} | {spec.chip.precision} | "
    if found is None:
        return words + "too few published | - | - | - | - |"
    costs = [f"{milliseconds(ms)} a {TERMS[n].unit}" for n, ms in found.costs.items()]
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
        return f"{milliseconds(e.mean_ms)}{star}"
    if e.low_ms is not None and e.high_ms is not None:
        return f"{milliseconds(e.low_ms)} to {milliseconds(e.high_ms)}{star}"
    return "-"


def main(argv: list[str] | None = None) -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.estimates_page", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    args = parser.parse_args(argv)
    show(page_tables(), args.write)


if __name__ == "__main__":
    main()

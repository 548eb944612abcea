"""The page's table of exported artifacts, written from the bundles' manifests: `python -m fer_edge.export.table`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..bundle import Artifact, Bundle, open_bundle, write_text
from ..files import between_marks
from ..words import counted

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def rows_of(bundle: Bundle) -> list[str]:
    """One Markdown row an artifact; a dash where nothing was measured."""
    rows = []
    for a in bundle.manifest.artifacts:
        m, p = a.metrics, a.parity
        error = f"{p['logit_error']:.1e}" if "logit_error" in p else "-"
        equal = f"{p['label_agreement']:.1%} of {p['pictures']}" if "label_agreement" in p else "-"
        accuracy = f"{m['accuracy']:.4f}" if "accuracy" in m else "-"
        change = f"{100 * m['accuracy_change']:+.2f}" if "accuracy_change" in m else "-"
        size = f"{bundle.size(a) / 1e6:.1f}"
        rows.append(
            f"| {' '.join(filter(None, a.kind))} | {size} | {error} | {equal} | {accuracy} | {change} | {_ran(a)} |"
        )
    return rows


def table(bundle: Bundle) -> str:
    """A Markdown table with a line above that says of what."""
    m = bundle.manifest
    measured_on = [a.metrics for a in m.artifacts if "set" in a.metrics]
    sets = sorted({f"`{f['set']}` ({counted(f['images'], 'picture')})" for f in measured_on})
    head = "| artifact | MB | logit error | labels equal | accuracy | points | computed by |\n" + "|---" * 7 + "|"
    measured = f", accuracy on {', '.join(sets)}" if sets else ""
    title = f"**{m.name} {m.version}**, {m.input.size} x {m.input.size} pixels{measured}:"
    return "\n".join([title, "", head, *rows_of(bundle)])


def _ran(a: Artifact) -> str:
    """What computed the figures, and what the target's own tool said."""
    words = [str(a.parity.get("ran_on", "-"))]
    if "mapped" in a.report:
        words.append(f"{a.report['mapped']} of {a.report['operators']} operators ({a.report['checked_by']})")
    if "predicted_off_chip_bytes" in a.report:
        words.append(f"predicted off chip {a.report['predicted_off_chip_bytes'] / 1e6:.1f} MB")
    if "estimate_ms" in a.report:
        words.append(f"vela's estimate {a.report['estimate_ms']:.2f} ms")
    return "; ".join(words)


def show(tables: str, page: Path | None) -> None:
    """Write the tables between the marks of a page, or print them; raises UsageError where it has none."""
    if page:
        write_text(page, between_marks(page.read_text(encoding="utf-8"), BEGIN, END, tables))
    else:
        print(tables)


def main() -> None:
    """Print the tables of some bundles, or write them into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    args = parser.parse_args()
    show("\n\n".join(table(open_bundle(path)) for path in args.bundles), args.write)


if __name__ == "__main__":
    main()

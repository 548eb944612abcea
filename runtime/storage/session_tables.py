"""A session as CSV and JSON lines, and its distribution."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from ...bundle import writing
from .session import Session

COLUMNS = ["frame", "time_s", "track", "label", "confidence", "raw_label"]
BOX = ["left", "top", "width", "height"]


def write_csv(session: Session, path: Path) -> None:
    """One row an observation: what was shown, the box, and one `p_<label>` column a label. Raises OutputError."""
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*COLUMNS, *BOX, *(f"p_{label}" for label in session.labels)])
        for o in session.observations():
            shown = [o.frame, f"{o.time_s:.3f}", o.track, o.label, f"{o.confidence:.4f}", o.raw_label]
            table.writerow([*shown, *(f"{v:.1f}" for v in o.box), *(f"{p:.4f}" for p in o.probabilities)])


def write_jsonl(session: Session, path: Path) -> None:
    """One JSON object an observation, probabilities by label. Raises OutputError."""
    with writing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for o in session.observations():
            row = asdict(o)
            row["probabilities"] = dict(zip(session.labels, o.probabilities, strict=True))
            row["box"] = dict(zip(BOX, o.box, strict=True))
            file.write(json.dumps(row) + "\n")


def distribution(session: Session) -> dict[str, float]:
    """Share of observations that showed each label, largest first; labels never shown are left out."""
    tally = Counter(o.label for o in session.observations())
    total = sum(tally.values())
    return {label: count / total for label, count in tally.most_common()}

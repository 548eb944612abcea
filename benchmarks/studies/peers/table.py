"""The comparison as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from .compare import PeerResult

COLUMNS = (
    *("package", "version", "licence", "input", "accuracy", "mean recall"),
    *("p50 ms", "p90 ms", "p50 over the rounds", "run by", "how, or why not"),
)
NONE = "-"
MAX_REASON = 200
"""Letters of a reason; a package manager's may be a page."""


def markdown(rows: Sequence[PeerResult]) -> str:
    """A table in GitHub's Markdown, a line a row, and one sentence on what was measured."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(_plain(cell) for cell in _cells(row))} |" for row in rows]
    done = next((row for row in rows if not row.absent), None)
    if done is None:
        return "\n".join([*lines, "", "Nothing could be measured."]) + "\n"
    return "\n".join([*lines, "", _note(done)]) + "\n"


def _cells(row: PeerResult) -> list[str]:
    about = [row.name, row.version, row.licence, f"{row.size}" if row.size else NONE]
    if row.absent or row.p50_range is None:
        reason = row.absent if len(row.absent) <= MAX_REASON else f"{row.absent[:MAX_REASON]}…"
        return [*about, *[NONE] * 6, f"absent: {reason}"]
    low, high = row.p50_range
    return [
        *about,
        f"{row.accuracy:.3f}",
        f"{row.mean_recall:.3f}",
        f"{row.p50_ms:.2f}",
        f"{row.p90_ms:.2f}",
        f"{low:.2f} to {high:.2f}",
        row.runtime,
        row.how,
    ]


def _plain(cell: str) -> str:
    return " ".join(cell.replace("|", "/").split())


def _note(row: PeerResult) -> str:
    return (
        f"Accuracy on the same {row.images} pictures. Latency of one picture, from its uint8 crop to seven "
        f"probabilities, scaling included: medians over {row.rounds} rounds of {row.pictures} pictures, every package "
        "in turn. Ours was trained on FER2013's training pictures with FER+ labels, which favours it on FER+'s test "
        "pictures; on other faces the distances may be smaller."
    )

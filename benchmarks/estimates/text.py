"""Estimates for people."""

from __future__ import annotations

from collections.abc import Sequence

from ...words import counted
from ..published.verdicts import HOST_TITLES
from .estimates import Estimate


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
    lines = [
        f"mean {milliseconds(e.mean_ms)} ms {where}, {e.fps:.3g} frames/s (1000 / mean)" if e.mean_ms and e.fps else ""
    ]
    if e.low_ms is not None and e.high_ms is not None:
        lines = [f"mean {milliseconds(e.low_ms)} to {milliseconds(e.high_ms)} ms {where}"]
    whole = sum(e.parts.values())
    shares = [f"{name} {milliseconds(ms)} ms ({ms / whole:.0%})" for name, ms in e.parts.items() if ms > 0]
    lines.append("of which, by the fit: " + ", ".join(shares))
    basis = f"{counted(e.figures, 'published figure')} of {counted(e.models, 'model')}"
    lines.append(f"leave-one-out error {e.error:.0%} in the mean, {e.worst:.0%} at worst, {basis}")
    lines += [e.reason] if e.reason else []
    return [*lines, *(f"from {source}" for source in e.sources)]


def milliseconds(value: float) -> str:
    """Three digits; never an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

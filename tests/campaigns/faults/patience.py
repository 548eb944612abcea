"""How long a return may take by design: whoever lost something tries again, each time after a longer wait."""

from __future__ import annotations


def latest_attempt(
    outage_s: float, first_s: float, longest_s: float, jitter: float = 0.0, attempt_s: float = 0.0, tried: int = 0
) -> float:
    """Seconds from the loss to the beginning of the attempt that finds all well again, at the latest.

    Waits double from first_s to longest_s, each shortened or lengthened by up to the share `jitter`; an attempt in vain
    takes up to attempt_s. The worst attempt fails just before the outage ends, and the next waits its longest.

    Args:
        outage_s: from the loss to the moment when an attempt would succeed.
        tried: waits that had already doubled before the loss.
    """
    soonest = latest = worst = 0.0
    wait = min(first_s * 2**tried, longest_s)
    while soonest <= outage_s:
        latest = min(latest, outage_s) + attempt_s + wait * (1 + jitter)
        worst = max(worst, latest)
        soonest += wait * (1 - jitter)
        wait = min(2 * wait, longest_s)
    return worst

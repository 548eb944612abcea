"""How the kiosks are, by what Prometheus scraped: two instant queries of its HTTP API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DeviceFailed, DeviceNotFound
from ..words import printable
from .inventory import FleetKiosk, PrometheusAccess
from .status import OFFLINE, UNREADABLE, UNSEEN, WORST_FIRST, KioskStatus, number

TIMEOUT_S = 20.0
NOW = '{{__name__=~"up|fer_edge_(health|kiosk_info|temperature_celsius|disk_used_ratio|paused)",job={job}}}'
LAST = "max by (kiosk) (last_over_time(fer_edge_time_seconds{{job={job}}}[1d]))"
NO_HEALTH = "what answers there tells no health: another program, or a kiosk in its first seconds"
Sample = tuple[Mapping[str, str], float]
"""Labels, value."""


def scraped(access: PrometheusAccess, kiosks: Sequence[FleetKiosk]) -> list[KioskStatus]:
    """A row of each kiosk; targets are known by their label `kiosk`. Raises DeviceNotFound, DeviceFailed."""
    job = json.dumps(access.job)
    found: dict[str, list[Sample]] = defaultdict(list)
    for labels, value in query(access, NOW.format(job=job)):
        found[labels.get("kiosk", "")].append((labels, value))
    last = {labels.get("kiosk", ""): number(value) for labels, value in query(access, LAST.format(job=job))}
    now = time.time()
    seen = {name: round(now - at_s, 1) for name, at_s in last.items() if at_s is not None}
    return [_row(k.name, found[k.name], seen.get(k.name)) for k in kiosks]


def query(access: PrometheusAccess, expression: str) -> list[Sample]:
    """An instant vector; raises DeviceNotFound: nobody answers; DeviceFailed: it does not understand."""
    url = f"{access.url.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    hint = f"curl {access.url.rstrip('/')}/-/ready"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            told: Any = json.load(answer)
        return [(row["metric"], float(row["value"][1])) for row in told["data"]["result"]]
    except urllib.error.HTTPError as error:
        error.close()
        raise DeviceFailed(f"Prometheus at {access.url} answers {error.code}", hint=hint) from None
    except OSError as error:
        why = getattr(error, "reason", error)
        raise DeviceNotFound(f"no Prometheus at {access.url}: {why}", hint=hint) from None
    except (ValueError, KeyError, TypeError) as error:
        what = f"what answers at {access.url} is no Prometheus: {error}"
        raise DeviceFailed(what, cause="another program has that port", hint=hint) from None


def _row(name: str, samples: Sequence[Sample], seen_s: float | None) -> KioskStatus:
    by: dict[str, list[Sample]] = defaultdict(list)
    for labels, value in samples:
        by[labels["__name__"]].append((labels, value))
    up = [value for _, value in by["up"]]
    conditions = [labels.get("condition", "") for labels, value in by["fer_edge_health"] if value]
    told = next((word for word in WORST_FIRST if word in conditions), UNREADABLE if up else UNSEEN)
    health = OFFLINE if 0.0 in up else told
    info = by["fer_edge_kiosk_info"][0][0] if by["fer_edge_kiosk_info"] else {}
    return KioskStatus(
        name,
        health,
        NO_HEALTH if health == UNREADABLE else "",
        printable(info.get("version", "")),
        printable(info.get("model", "")),
        seen_s,
        _first(by["fer_edge_temperature_celsius"]),
        _first(by["fer_edge_disk_used_ratio"]),
        bool(_first(by["fer_edge_paused"])) if by["fer_edge_paused"] else None,
    )


def _first(samples: Sequence[Sample]) -> float | None:
    return number(samples[0][1]) if samples else None

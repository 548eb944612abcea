"""The rounds: what is done to a town, and what has to be so afterwards. Each says what it counted, or what is wrong."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from support import waiting
from support.brokers import Listener
from support.centre import FLEET, answered

from . import wire
from .town import Town

AWAY_S, SKEW_S = 12.0, 3600
LOOK_S = 2.0
until = partial(waiting.until, every_s=LOOK_S)
"""`fleet status` takes a core for a second; in between, the town has it."""
Told = wire.Told
TELLS_OF_FEW = (
    "min_over_time(fer_edge_faces[1h]) < 5",
    'max_over_time(fer_edge_expression_share{label="fear"}[1h]) > 0',
    'fer_edge_expressions_total{label="fear"} > 0',
    'fer_edge_expressions_total{label="neutral"} != on(kiosk) 2 * fer_edge_expressions_total{label="surprise"} '
    '+ on(kiosk) fer_edge_expressions_total{label="happy"}',
)
"""Of Prometheus; the last: moments without the returning one were counted."""


@dataclass(frozen=True)
class Outcome:
    """What a round found.

    Attributes:
        counted: in words, what was counted.
        wrong: everything that should not be so.
    """

    name: str
    counted: str
    wrong: Sequence[str]


def heard_by(listener: Listener) -> list[Told]:
    """Topic and text of all that came, but for what a new subscription repeats."""
    return [(topic, text) for topic, text, kept in list(listener.heard) if not kept]


def all_well(town: Town) -> None:
    """Wait until the centre says that every kiosk is well."""
    until(lambda: town.health() == {"ok": town.names()}, "every kiosk is well")


def availability(town: Town, listener: Listener, gone: set[str]) -> list[str]:
    """Whose last word on `status` is not what it should be."""
    last = {topic.rpartition("/")[0]: text for topic, text, _ in list(listener.heard) if topic.endswith("/status")}
    return [
        f"{name} is said to be {last.get(name)}"
        for name in sorted(town.names())
        if last.get(name) != ("offline" if name in gone else "online")
    ]


def quiet(town: Town) -> None:
    """Wait until no kiosk has anything that the broker did not acknowledge, by what each says of itself."""
    until(lambda: not [r for r in answered(town.prometheus, "fer_edge_broker_queued") if float(r["value"][1]) > 1])


def broker_restart(town: Town, listener: Listener) -> Outcome:
    """The broker is away for longer than a kiosk's snapshots are apart."""
    all_well(town)
    before = len(heard_by(listener))
    town.broker.stop(signal.SIGTERM)
    time.sleep(AWAY_S)
    town.broker.start()
    back = len(listener.heard)
    until(lambda: {t.split("/")[0] for t, text, _ in listener.heard[back:] if text == "online"} >= town.names())
    all_well(town)
    quiet(town)
    heard = heard_by(listener)
    late = sum(topic.endswith("/history") for topic, _ in heard[before:])
    wrong = [*wire.lost(heard), *wire.disordered(heard), *availability(town, listener, set())]
    told = sum(len(texts) for texts in wire.snapshots(heard).values())
    return Outcome(
        "broker restart", f"{len(town.kiosks)} came back, {told} snapshots, {late} of them late, none may miss", wrong
    )


def half_without_power(town: Town, listener: Listener) -> Outcome:
    """Half the town ends at once: processes are killed, and of one the connections stay open, as of a dead machine."""
    all_well(town)
    gone = {kiosk.name for process in town.cut for kiosk in process.kiosks}
    town.cut[0].kill(signal.SIGSTOP)
    for process in town.cut[1:]:
        process.kill()
    until(lambda: town.health().get("offline") == gone, "last wills spoke")
    until(lambda: town.health(town.scraped).get("offline") == gone, "Prometheus misses them")
    until(lambda: alarmed(town, "KioskGone") == gone, "people hear of them, and of no other")
    wrong = availability(town, listener, gone)
    place = len(heard_by(listener))
    rest = town.names() - gone
    until(lambda: set(wire.snapshots(heard_by(listener)[place:])) >= rest, "the rest goes on")
    town.cut[0].kill()
    for process in town.cut:
        process.start()
    for process in town.cut:
        process.ready()
    all_well(town)
    quiet(town)
    heard = heard_by(listener)
    wrong += [*wire.lost(heard), *wire.disordered(heard), *availability(town, listener, set())]
    return Outcome("half without power", f"{len(gone)} gone and back, {len(rest)} went on", wrong)


def alarmed(town: Town, alert: str) -> set[str]:
    """Kiosks of which Prometheus has that alert now."""
    return {row["metric"]["kiosk"] for row in answered(town.prometheus, f'ALERTS{{alertname="{alert}"}}')}


def clocks(town: Town, listener: Listener) -> Outcome:
    """One clock an hour ahead, one an hour behind, both set right later: told, and newest is what came last."""
    all_well(town)
    names = {name: process.kiosks[0].name for name, process in town.skewed.items()}
    for name, sign in (("ahead", "+"), ("behind", "-")):
        set_clock(town, name, f"{sign}{SKEW_S}")
    off = {names["ahead"]: -SKEW_S, names["behind"]: SKEW_S}

    def seen() -> bool:
        rows = town.status()
        return all(abs(rows[name]["seen_s"] - seconds) < 600 for name, seconds in off.items())

    until(seen, "fleet status tells of their clocks")
    asked = next(line for line in (FLEET / "rules.yml").read_text().splitlines() if "fer_edge_time_seconds)" in line)
    asked = asked.strip().removeprefix("or ")  # the other half is the kernel's word, which a machine without NTP has
    found = until(lambda: {r["metric"]["kiosk"] for r in answered(town.prometheus, asked)} == set(off) and set(off))
    for name in town.skewed:
        set_clock(town, name, "+0")
    until(lambda: all(abs(row["seen_s"]) < 600 for row in town.status().values()), "set right")
    until(lambda: all(abs(row["seen_s"]) < 600 for row in town.status(town.scraped).values()), "Prometheus, too")
    all_well(town)
    quiet(town)
    heard = heard_by(listener)
    wrong = [*wire.lost(heard), *wire.disordered(heard)]
    steps = sum(_back(told) for name, told in wire.snapshots(heard).items() if name in off)
    if not steps:
        wrong.append("no clock went back, so that nothing was tried")
    return Outcome("clocks", f"{len(found)} of {len(town.kiosks)} an hour off and told; {steps} steps back", wrong)


def set_clock(town: Town, name: str, words: str) -> None:
    """Set a process' wall clock so far from this machine's."""
    place = town.skewed[name].clock
    assert place is not None
    beside = Path(f"{place}.new")
    beside.write_text(f"{words}\n")
    beside.replace(place)


def _back(told: Sequence[dict[str, str]]) -> int:
    """How often a kiosk's snapshots say an earlier time than the one before."""
    times = [t["time"] for t in told]
    return sum(later < earlier for earlier, later in pairwise(times))


def privacy(town: Town, listener: Listener) -> Outcome:
    """All that crossed the wire from here on, as a subscriber of `#` hears it, and Prometheus tell of no few."""
    heard = heard_by(listener)
    wrong = wire.leaks(heard)
    told = [t for texts in wire.snapshots(heard).values() for t in texts]
    grouped = sum(t["faces"] is not None for t in told)
    for query in TELLS_OF_FEW:
        wrong += [f"{query}: {row['metric']['kiosk']}" for row in answered(town.prometheus, query)]
    if not grouped or grouped == len(told):
        wrong.append("there was no group, or always one, so that nothing was tried")
    return Outcome("privacy", f"{len(told)} snapshots, {grouped} with a group, {len(heard)} messages", wrong)


Round = Callable[[Town, Listener], Outcome]


def tried(step: Round, town: Town, listener: Listener) -> Outcome:
    """A round; what never happened is what was wrong with it."""
    try:
        return step(town, listener)
    except AssertionError as error:
        return Outcome(step.__name__, "not finished", [str(error)])

"""Everybody's figures of a session as one record: for JSON, for tables, for the report."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...bundle import write_text
from ...files import writing
from ..storage.session import Marker, Session
from .bootstrap import LEVEL
from .episodes import Episode, Transition, episodes_of, transitions_of
from .figures import BY_LABEL, PLAIN, Estimate, Figures, figures_of
from .lane import Lane, lanes_of
from .reactions import AROUND_S, MeanReaction, Reaction, mean_reactions, reactions_of
from .without_rest import after_rest, known_in_numbers, without_rest

EPISODES = ("who", "label", "start_s", "length_s", "peak", "peak_s", "onset")


@dataclass(frozen=True)
class RestingEffect:
    """One person's figures with the resting face taken off and with it put back, over the same stretch of time.

    Attributes:
        from_s: seconds from the beginning where it starts: after those in which the face was learnt.
    """

    from_s: float
    taken_off: Figures
    put_back: Figures


@dataclass(frozen=True)
class PersonRecord:
    """All that is told of one person: figures, episodes, transitions, and reactions where there were markers.

    `resting`: None where none was taken off, or it is not known in numbers.
    """

    lane: Lane
    figures: Figures
    episodes: Sequence[Episode]
    transitions: Sequence[Transition]
    reactions: Sequence[Reaction]
    mean_reactions: Sequence[MeanReaction]
    resting: RestingEffect | None = None


@dataclass(frozen=True)
class FigureOptions:
    """What figures are made of.

    Attributes:
        around_s: seconds looked at before and after each marker.
        smoothed: as `lanes_of`.
    """

    around_s: float = AROUND_S
    smoothed: bool = True


USUAL = FigureOptions()


def session_figures(session: Session, options: FigureOptions = USUAL) -> list[PersonRecord]:
    """One record a person; none where nobody was seen for half a second.

    Raises:
        UsageError: it is of pictures; InputError: damaged, times run backwards.
    """
    markers = session.markers()
    effects = _resting_effects(session, options.smoothed) if known_in_numbers(session) else {}
    lanes = lanes_of(session, smoothed=options.smoothed)
    return [_record(lane, markers, options.around_s, effects.get(lane.who)) for lane in lanes]


def _resting_effects(session: Session, smoothed: bool) -> dict[str, RestingEffect]:
    """By person; nothing of one whose face was not read in either."""
    without = without_rest(session)
    off = {lane.who: lane for lane in lanes_of(after_rest(without), smoothed=smoothed)}
    back = {lane.who: lane for lane in lanes_of(without, smoothed=smoothed)}
    both = [who for who in off if who in back and off[who].read.any()]
    return {who: RestingEffect(without.until_s, figures_of(off[who]), figures_of(back[who])) for who in both}


def _record(lane: Lane, markers: Sequence[Marker], around_s: float, effect: RestingEffect | None) -> PersonRecord:
    episodes, reactions = episodes_of(lane), reactions_of(lane, markers, around_s)
    means = mean_reactions(lane.labels, reactions)
    return PersonRecord(lane, figures_of(lane), episodes, transitions_of(episodes), reactions, means, effect)


def as_json(session: Session, records: Sequence[PersonRecord], options: FigureOptions = USUAL) -> dict[str, Any]:
    """As docs/session-figures.md describes it."""
    resting = session.facts.get("resting")
    return {
        "session": str(session.folder),
        "finished": "ended" in session.facts,
        "level": LEVEL,
        "expressivity_against": "the resting face" if resting else "the model's neutral",
        "around_s": options.around_s,
        "smoothed": options.smoothed,
        "people": [_person(record) for record in records],
    }


def write_figures(session: Session, records: Sequence[PersonRecord], options: FigureOptions = USUAL) -> list[Path]:
    """Write figures.json and episodes.csv into the session's folder; raises OutputError."""
    figures, episodes = session.folder / "figures.json", session.folder / "episodes.csv"
    write_text(figures, json.dumps(as_json(session, records, options), indent=1) + "\n")
    with writing(episodes) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(EPISODES)
        for record in records:
            table.writerows([record.lane.who, *_cells(episode)] for episode in record.episodes)
    return [figures, episodes]


def _cells(e: Episode) -> list[str]:
    peak = ["", ""] if e.peak is None or e.peak_s is None else [f"{e.peak:.4f}", f"{e.peak_s:.3f}"]
    return [e.label, f"{e.start_s:.3f}", f"{e.length_s:.3f}", *peak, str(int(e.onset))]


def _person(record: PersonRecord) -> dict[str, Any]:
    lane, effect = record.lane, record.resting
    return {
        "who": lane.who,
        "seconds": round(lane.seconds, 3),
        "several_faces_s": round(lane.several_s, 3),
        "block_s": record.figures.block_s,
        **_figures(record.figures, lane.states),
        "episodes": [rounded(asdict(e)) for e in record.episodes],
        "transitions": [rounded(asdict(t)) for t in record.transitions],
        "reactions": [rounded(asdict(r)) for r in record.reactions],
        "mean_reactions": [rounded(asdict(m)) for m in record.mean_reactions],
        "resting": effect
        and {
            "from_s": effect.from_s,
            "taken_off": _figures(effect.taken_off, lane.states),
            "put_back": _figures(effect.put_back, lane.states),
        },
    }


def _figures(figures: Figures, states: Sequence[str]) -> dict[str, Any]:
    found = figures.estimates
    plain = {name: _shown(found[name, ""]) for name in PLAIN}
    return {**plain, **{name: {state: _shown(found[name, state]) for state in states} for name in BY_LABEL}}


def _shown(estimate: Estimate) -> dict[str, float | None]:
    return dict(rounded(asdict(estimate)))


def rounded(value: Any, digits: int = 4) -> Any:
    """The same JSON value with its numbers rounded."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, dict):
        return {key: rounded(inner, digits) for key, inner in value.items()}
    return [rounded(inner, digits) for inner in value] if isinstance(value, (list, tuple)) else value

"""Ours and the peers on the same pictures in one run: latency in interleaved rounds, then accuracy."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import LABELS, Image
from ....bundle.dataset import Sample, read_image
from ....errors import DatasetError, FerEdgeError, UsageError
from ....export.metrics import report
from ....words import counted
from ...results.metrics import stage_metrics
from ...results.results import reason_of
from .peer import Answers, Peer, Say, Session

ROUNDS, PICTURES = 5, 200
WARM_UP = 50
"""Pictures before the first round: JavaScript is compiled while it runs, TensorFlow plans at the first calls."""


@dataclass(frozen=True)
class PeerResult:
    """One peer's line of the table.

    Attributes:
        name, version, licence, size, how: as in About.
        runtime: what ran it, with versions and threads.
        accuracy, mean_recall: shares of the `images`; None where not measured.
        p50_ms, p90_ms: median over the rounds of each round's percentile; None where not measured.
        p50_range, p90_range: least and largest of the rounds.
        pictures, rounds: what the latencies were taken from.
        absent: why there are no figures; empty where there are.
    """

    name: str
    version: str
    licence: str
    size: int
    how: str
    runtime: str = ""
    accuracy: float | None = None
    mean_recall: float | None = None
    images: int = 0
    p50_ms: float | None = None
    p90_ms: float | None = None
    p50_range: tuple[float, float] | None = None
    p90_range: tuple[float, float] | None = None
    pictures: int = 0
    rounds: int = 0
    absent: str = ""


class Entrant:
    """A peer on its way through the measurement; after an error it has a reason and answers no more."""

    def __init__(self, peer: Peer) -> None:
        self.about = peer.about
        self.absent = peer.missing()
        self.rounds: list[NDArray[np.int64]] = []
        self.metrics: dict[str, Any] = {}
        self._peer = peer
        self._session: Session | None = None

    def enter(self, say: Say) -> None:
        """Prepare and open it."""
        if self.absent:
            return
        try:
            self._peer.prepare(say)
            self._session = self._peer.open()
        except FerEdgeError as error:
            self.absent = reason_of(error)

    def ask(self, images: Sequence[Image]) -> Answers | None:
        """Its answers, or None when it is out."""
        if self.absent or self._session is None:
            return None
        try:
            return ask_all(self._session, images)
        except FerEdgeError as error:
            self.absent = reason_of(error)
            return None

    def leave(self) -> None:
        """Close what is open."""
        if self._session is not None:
            self._session.close()

    def row(self) -> PeerResult:
        """Its line."""
        known = asdict(self.about)
        if self.absent or self._session is None:
            return PeerResult(**known, absent=self.absent)
        each = [stage_metrics(nanoseconds) for nanoseconds in self.rounds]
        p50, p90 = ([r[key] for r in each] for key in ("p50_ms", "p90_ms"))
        return PeerResult(
            **known,
            runtime=self._session.describe(),
            **{key: self.metrics[key] for key in ("accuracy", "mean_recall", "images")},
            p50_ms=statistics.median(p50),
            p90_ms=statistics.median(p90),
            p50_range=(min(p50), max(p50)),
            p90_range=(min(p90), max(p90)),
            pictures=len(self.rounds[0]),
            rounds=len(self.rounds),
        )


def measure(
    peers: Sequence[Peer], samples: Sequence[Sample], rounds: int = ROUNDS, pictures: int = PICTURES, *, say: Say
) -> tuple[PeerResult, ...]:
    """Measure all peers; one that is absent, does not install or fails is a row with the reason.

    Args:
        samples: face crops; those without a label are left out.
        rounds: passes over the latency pictures, each peer in turn.
        pictures: how many, spread over the samples, the latencies are taken from.

    Raises:
        DatasetError: no labelled sample, or one that cannot be decoded; UsageError: no round or no picture.
    """
    labelled = [s for s in samples if s.label is not None]
    if not labelled:
        raise DatasetError("none of the pictures has a label", cause="the split is empty, or its taggers disagreed")
    if rounds < 1 or pictures < 1:
        raise UsageError(f"nothing is measured by {counted(rounds, 'round')} of {counted(pictures, 'picture')}")
    images = [read_image(s.path) for s in labelled]
    truth = np.array([s.label for s in labelled], np.int64)
    entrants = [Entrant(peer) for peer in peers]
    try:
        for entrant in entrants:
            entrant.enter(say)
        _latencies(entrants, images[:: max(1, len(images) // pictures)][:pictures], rounds, say)
        _accuracies(entrants, images, truth, say)
        return tuple(entrant.row() for entrant in entrants)
    finally:
        for entrant in entrants:
            entrant.leave()


def ask_all(session: Session, images: Sequence[Image]) -> Answers:
    """Answers for pictures of any sizes, at least one, in their order; neighbours of one size go together."""
    some = [session.ask(np.stack(list(group))) for _, group in groupby(images, key=lambda image: image.shape)]
    return Answers(np.concatenate([a.probabilities for a in some]), np.concatenate([a.nanoseconds for a in some]))


def _latencies(entrants: Sequence[Entrant], images: Sequence[Image], rounds: int, say: Say) -> None:
    for entrant in entrants:
        entrant.ask((list(images) * WARM_UP)[:WARM_UP])
    for i in range(rounds):
        for entrant in entrants:
            if answers := entrant.ask(images):
                entrant.rounds.append(answers.nanoseconds)
        say(f"latency: round {i + 1} of {rounds}, {counted(len(images), 'picture')} for each")


def _accuracies(entrants: Sequence[Entrant], images: Sequence[Image], truth: NDArray[np.int64], say: Say) -> None:
    for entrant in entrants:
        if answers := entrant.ask(images):
            entrant.metrics = report(answers.probabilities, truth, LABELS)
            say(f"accuracy: {entrant.about.name}, {counted(len(images), 'picture')}")

"""Whose face is which: subjects by their seat before the camera, or in the order in which they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...bundle.resting import RestingProfile
from ...errors import InputError
from ..types import Track
from .resting_face import KnownRest
from .smoothing import Probabilities

ASSIGN = ("seat", "order")
"""`seat`: the picture has as many equal parts from left to right as there are subjects; `order`: of their coming."""


class Seating:
    """Says of each track which subject it is, decided when it is first seen; every other face is nobody's.

    By seat, a face belongs to its part of the picture unless somebody is in view there already: so whoever walks by
    beside a subject is nobody, and stays so. One subject alone has the whole picture. By order, the first face is the
    first subject's and so on; faces after them are nobody's, also that of a subject who was out of view for a second.
    """

    def __init__(self, subjects: Sequence[str], by: str = "seat") -> None:
        """Args: subjects from the left, or in order; by is one of ASSIGN."""
        self._subjects, self._by = tuple(subjects), by
        self._of: dict[int, str] = {}
        self._come = 0

    def see(self, tracks: Sequence[Track], width: int) -> None:
        """Take the faces of one frame of so many pixels' width."""
        held: set[str] = set()
        for track in sorted(tracks, key=lambda t: t.number):  # of two, as after a gap, the earlier one keeps the seat
            subject = self._of.get(track.number, "")
            if subject and subject in held:
                self._of[track.number] = ""
            held.add(subject)
        new = [t for t in tracks if t.number not in self._of]
        for track in sorted(new, key=lambda t: -t.face.box[2] * t.face.box[3]):
            subject = self._choose(track, width)
            self._of[track.number] = "" if subject in held else subject
            held.add(subject)

    def of(self, track: int) -> str:
        """The subject of a track; empty: nobody."""
        return self._of.get(track, "")

    def _choose(self, track: Track, width: int) -> str:
        if self._by == "order":
            self._come += 1
            return self._subjects[self._come - 1] if self._come <= len(self._subjects) else ""
        left, _, side, _ = track.face.box
        part = int((left + side / 2) / width * len(self._subjects))
        return self._subjects[min(max(part, 0), len(self._subjects) - 1)]


class SubjectsRest:
    """See RestingFace: of each subject's face the subject's own resting face is taken off, and of nobody else's any."""

    timed = False

    def __init__(self, profiles: Mapping[str, RestingProfile], seating: Seating) -> None:
        """Args: profiles by subject, one or more. Raises UsageError: there is no label `neutral`."""
        self._known = {subject: KnownRest(profile, subject) for subject, profile in profiles.items()}
        self._seating = seating
        self._left: set[int] = set()

    def take_off(self, track: int, time_s: float, probabilities: Probabilities) -> Probabilities:
        """See RestingFace."""
        known = self._known.get(self._seating.of(track))
        if known is None:
            self._left.add(track)
            return probabilities
        return known.take_off(track, time_s, probabilities)

    def describe(self) -> dict[str, Any]:
        """See RestingFace; the numbers of each subject, and where it is one's, as of anybody."""
        told = [known.describe() for known in self._known.values()]
        about = {name: sum(t[name] for t in told) for name in ("pictures", "seconds", "learnt", "faces")}
        about |= {"from": f"the study's, of {' and '.join(self._known)}", "left": len(self._left)}
        about["doubtful"] = any(t["doubtful"] for t in told)
        about["subjects"] = {who: t["log_probabilities"] for who, t in zip(self._known, told, strict=True)}
        return about if len(told) > 1 else {**told[0], **about}

    def profile(self) -> RestingProfile:
        """See RestingFace."""
        raise InputError("the study keeps these resting faces already")

"""Looking where faces are: between two looks at the whole picture, a detector sees only the places of known faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...bundle import Image
from ..types import Face
from .detectors.detector import DOUBTFUL, SCORE, Detector
from .tracker import overlap

WHOLE_S = 0.3
"""A face that is new is found within so much of the film's time."""
KEPT_S = 1.0
"""So long is a place looked at where a face was seen last; pictures further apart do not belong together."""
MOST_PLACES = 12
"""With more places than these, the whole picture costs little more than their regions."""
SAME = 0.3
"""Overlap of two boxes from which they are one face, as for the detector."""


@dataclass(frozen=True)
class Place:
    """Where a face is or was, when it was seen there last, and whether it was told in the last picture."""

    face: Face
    seen_s: float
    told: bool


@dataclass(frozen=True)
class Memory:
    """All that a search remembers: with the same memory it finds the same faces in the same pictures.

    Attributes:
        places: where faces are or were; shape: of the last picture.
        whole_s, last_s: seconds of the last picture that was looked at as a whole, and of the last one.
        since: pictures from that one on; 0: the next is looked at as a whole.
    """

    places: tuple[Place, ...]
    shape: tuple[int, ...]
    whole_s: float
    last_s: float
    since: int


class RegionSearch:
    """Finds the faces of pictures that follow each other as the detector would find them in each, for less."""

    def __init__(self, detector: Detector, every: int = 0, most: int = 0) -> None:
        """Remember nothing yet.

        Args:
            every: the detector sees the whole of every n-th picture; 1: of each one; 0: as soon as WHOLE_S have passed.
            most: faces of one picture, the best first; 0: all.
        """
        self.detector, self.every, self.most = detector, every, most or None
        self._places: list[Place] = []
        self._shape: tuple[int, ...] = ()
        self._whole_s = self._last_s = 0.0
        self._since = 0

    def find(self, image: Image, time_s: float) -> list[Face]:
        """Faces in a BGR uint8 picture of that second, best score first.

        The whole picture is looked at when its turn comes, at once when a known face is no longer where it was, and in
        pictures of another size, or not within a second after the last one.
        """
        if image.shape != self._shape or not 0 < time_s - self._last_s <= KEPT_S:
            self._places, self._shape, self._since = [], image.shape, 0
        self._places = [p for p in self._places if time_s - p.seen_s <= KEPT_S]
        self._last_s = time_s
        if self._turn(time_s) or not self._look_near(image, time_s):
            self._look_at_all(image, time_s)
        return self.faces

    @property
    def faces(self) -> list[Face]:
        """Those of the last picture, best score first."""
        return sorted((p.face for p in self._places if p.told), key=lambda face: -face.score)[: self.most]

    @property
    def memory(self) -> Memory:
        """What it remembers now; set, it goes on from there."""
        return Memory(tuple(self._places), self._shape, self._whole_s, self._last_s, self._since)

    @memory.setter
    def memory(self, told: Memory) -> None:
        self._places, self._shape = list(told.places), told.shape
        self._whole_s, self._last_s, self._since = told.whole_s, told.last_s, told.since

    def _turn(self, time_s: float) -> bool:
        """Whether the whole picture is to be looked at now."""
        late = self._since >= self.every if self.every else time_s - self._whole_s >= WHOLE_S
        return self._since == 0 or late or len(self._places) > MOST_PLACES

    def _look_at_all(self, image: Image, time_s: float) -> None:
        faces = self.detector.detect(image, DOUBTFUL)[: self.most]
        fresh = [Place(face, time_s, face.score >= SCORE) for face in faces]
        left = [p for p in self._places if all(overlap(p.face.box, face.box) < SAME for face in faces)]
        self._places = fresh + [replace(p, told=False) for p in left]
        self._whole_s, self._since = time_s, 1

    def _look_near(self, image: Image, time_s: float) -> bool:
        """Look at the known places; False when one has lost the face that was told there, and all stays as it was."""
        if self._places:
            around = self.detector.near(image, [p.face.box for p in self._places])
            places = _taken(self._places, around, time_s)
            if any(old.told and not new.told for old, new in zip(self._places, places, strict=True)):
                return False
            self._places = places
        self._since += 1
        return True


def _taken(places: Sequence[Place], around: Sequence[Sequence[Face]], time_s: float) -> list[Place]:
    """The same places, each with the face around it that is most like its own; none goes to two of them.

    A face elsewhere in the region is another one, or the part of one that the region's edge cuts. A face that was told
    is told again though it is doubtful: it may be smaller here than in the whole picture.
    """
    nearest: list[tuple[int, Face]] = []
    for number, (place, faces) in enumerate(zip(places, around, strict=True)):
        face = max(faces, key=lambda face: (overlap(face.box, place.face.box), face.score), default=None)
        if face and overlap(face.box, place.face.box) >= SAME:
            nearest.append((number, face))
    taken: list[Face] = []
    after = [replace(place, told=False) for place in places]
    for number, face in sorted(nearest, key=lambda pair: -pair[1].score):
        if all(overlap(face.box, other.box) < SAME for other in taken):
            taken.append(face)
            after[number] = Place(face, time_s, places[number].told or face.score >= SCORE)
    return after

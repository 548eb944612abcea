"""When the faces in view are classified: all of them together, so that one frame shows who was there at once."""

from __future__ import annotations

from collections.abc import Sequence

from ..types import Track

LONGEST_S = 0.5
"""A face is classified again after so long, however many there are: the time constant of smoothing."""


class Turns:
    """Spaces the classifications of faces, in time and by how many faces there are.

    Attributes:
        every_s: least seconds between two of a face; 0: in every frame.
        per_frame: of so many faces a frame takes its turn, in the mean: of n of them each is classified in every
            n-th frame over this, and after LONGEST_S in any case; 0: all in every frame.
    """

    def __init__(self, every_s: float = 0.0, per_frame: int = 0) -> None:
        self.every_s, self.per_frame = every_s, per_frame
        self._last_s, self._frames, self._newest, self._skipped = float("-inf"), 0, 0, False

    @property
    def hold_s(self) -> float:
        """Seconds for which an answer stands, as a face that is in view may have no newer one."""
        return max(self.every_s, LONGEST_S if self._skipped else 0.0)

    def due(self, found: Sequence[Track], time_s: float) -> list[Track]:
        """The faces to be classified in a frame, in which these are: all, or new ones."""
        newest, self._newest = self._newest, max([self._newest, *(t.number for t in found)])
        self._frames += 1
        since_s = time_s - self._last_s
        many = self._frames * self.per_frame < len(found) and since_s < LONGEST_S if self.per_frame else False
        if since_s >= 0 and (since_s < self.every_s or many):
            self._skipped |= many
            return [t for t in found if t.number > newest]
        if found:
            self._last_s, self._frames = time_s, 0
        return list(found)

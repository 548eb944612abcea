"""Reading a face twice, once mirrored: what is the same on both sides of a face counts more than how it is lit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ...errors import NotFinite
from ..types import Face

if TYPE_CHECKING:
    from ..pipeline import FaceClassifier


class MirroredClassifier:
    """Stands where a Classifier does, and gives the mean of its probabilities for a face and its mirror image.

    For pictures, where there is time for it and no second look. Of 2,570 validation faces of FER+ it puts 56 right and
    28 wrong (accuracy 0.857 to 0.868); in a film the smoother does as much, from faces that differ more.
    """

    def __init__(self, classifier: FaceClassifier) -> None:
        self.labels, self._classifier = classifier.labels, classifier

    def crop(self, bgr: Image, face: Face) -> Image:
        """See FaceClassifier."""
        return self._classifier.crop(bgr, face)

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See FaceClassifier."""
        try:
            return _halves(self._classifier.probabilities(np.concatenate([crops, crops[:, :, ::-1]])))
        except NotFinite as error:
            answer = _halves(error.answer)  # where one look gave no number, the mean is none either
            raise NotFinite(answer, int((~np.isfinite(answer).all(axis=1)).sum())) from None

    def idle(self) -> None:
        """See FaceClassifier."""
        self._classifier.idle()

    def describe(self) -> dict[str, Any]:
        """See FaceClassifier."""
        return {**self._classifier.describe(), "mirrored": True}


def _halves(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the first half of some rows and the second."""
    return np.asarray(rows.reshape(2, len(rows) // 2, -1).mean(axis=0), np.float32)

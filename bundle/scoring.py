"""Whose labels are counted: a model's and the data's may be other words, in another order, or not the same set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .labels import LABELS, WORDS, common_names, unknown_label
from .logits import Logits

NONE = -1
"""In a row of places: a label that the model does not have."""


@dataclass(frozen=True)
class SharedLabels:
    """The labels that a model and labelled faces both have.

    Attributes:
        names: as the model calls them, in its order.
        columns: of the model's logits, one a name.
        places: for each of the data's labels its position in `names`, or NONE.
        unasked: the model's labels that the data does not know; their logits are not counted.
        unscored: the data's label -> its pictures, which the model cannot name; they are not counted.
    """

    names: tuple[str, ...]
    columns: NDArray[np.int64]
    places: NDArray[np.int64]
    unasked: tuple[str, ...]
    unscored: dict[str, int]

    def place(self, label: int | None) -> int:
        """Position in `names` of one of the data's labels, or NONE."""
        return NONE if label is None else int(self.places[label])

    def truth(self, labels: Sequence[int | None]) -> NDArray[np.int64]:
        """Positions in `names`, int64 (N,), with NONE for what cannot be scored."""
        return np.array([self.place(label) for label in labels], np.int64)

    def pick(self, logits: Logits) -> Logits:
        """Logits float32 (N, names) of a model's (N, classes)."""
        return np.ascontiguousarray(logits[:, self.columns])

    def facts(self) -> dict[str, Any]:
        """What a metrics file says of it; empty where every label and picture counts."""
        kept = {"labels": list(self.unasked), "pictures": self.unscored}
        return {"not_scored": kept} if self.unasked or self.unscored else {}

    def notices(self) -> list[str]:
        """The same, for people."""
        said = []
        if self.unasked:
            said.append(f"scored without the model's {', '.join(self.unasked)}, which the data does not know")
        if self.unscored:
            told = ", ".join(f"{name} {count}" for name, count in self.unscored.items())
            said.append(f"left out, pictures of labels that the model does not have: {told}")
        return said


def shared_labels(model: Sequence[str], data: Sequence[str], used: Sequence[int | None], where: str) -> SharedLabels:
    """What of a model can be measured on labelled faces.

    Args:
        model: its labels, in the order of its logits; data: the dataset's.
        used: the labels of the pictures to be scored, indices into `data`.
        where: the data's name, for errors.

    Raises:
        DatasetError: a label that is no usual word and not the model's either; or the two share too little.
    """
    counts = Counter(label for label in used if label is not None)
    theirs = common_names(model)
    for label in counts:
        if data[label] not in theirs and data[label] not in WORDS:
            raise unknown_label(data[label], where, model)
    columns = [i for i, name in enumerate(theirs) if name in data and theirs.index(name) == i]
    common = [theirs[i] for i in columns]
    places = np.array([common.index(name) if name in common else NONE for name in data], np.int64)
    unscored = {data[label]: counts[label] for label in sorted(counts) if places[label] == NONE}
    scored = [label for label in counts if places[label] != NONE]
    if len(common) < 2 or (unscored and len(scored) < 2):
        raise DatasetError(
            f"a model of the labels {', '.join(model)} cannot be measured on {where}",
            cause=f"its pictures show {', '.join(data[label] for label in sorted(counts)) or 'no label'}, and to score "
            "takes at least two labels that both have",
            hint="choose a folder with the model's own labels, or name them in a --label-map FILE",
        )
    unasked = tuple(name for i, name in enumerate(model) if i not in columns)
    return SharedLabels(tuple(model[i] for i in columns), np.array(columns, np.int64), places, unasked, unscored)


def in_our_order(model: Sequence[str], what: str) -> list[int]:
    """For each of LABELS its column in a model's logits; raises DatasetError naming `what` where one is missing."""
    theirs = common_names(model)
    missing = [name for name in LABELS if name not in theirs]
    if missing:
        raise DatasetError(f"{what} has no label {', '.join(missing)}", cause=f"its labels are: {', '.join(model)}")
    return [theirs.index(name) for name in LABELS]

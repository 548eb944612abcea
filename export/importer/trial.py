"""How a foreign model wants its pictures, and whether it reads faces as its labels say: tried on faces that smile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bundle.labels import common_names
from ...bundle.logits import Logits, logits_from, softmax
from ...bundle.portraits import smiles
from ...errors import UsageError
from .affine import Affine
from .form import Foreign, Form, Say

GREY = (0.299, 0.587, 0.114)
"""Luma of ITU-R BT.601, as OpenCV and Pillow take it."""
COLORS = {
    "rgb": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "bgr": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "gray": (GREY, GREY, GREY),
}
RANGES = {
    "0 to 255": ((0.0,), (1.0,)),
    "0 to 1": ((0.0,), (255.0,)),
    "-1 to 1": ((127.5,), (127.5,)),
    "ImageNet's mean and deviation": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}
"""Usual ways to prepare a picture -> mean and deviation in grey levels; the last is torchvision's, for R, G and B."""
CLEARLY = 0.1
"""Difference of two probabilities below which neither way to read a face is the better one."""


@dataclass(frozen=True)
class Preparation:
    """What is done to a picture before a foreign model sees it: colours in an order, then (value - mean) / std.

    `mean` and `std` are in grey levels, 0..255, one for all channels or one each, in the order of `color`.
    """

    color: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def entry(self, form: Form) -> Affine:
        """The same as a map from R, G and B to the model's input."""
        mean, std = (np.resize(np.asarray(v, np.float32), form.channels) for v in (self.mean, self.std))
        matrix = np.asarray(COLORS[self.color][: form.channels], np.float32) / std[:, None]
        return Affine(form.name, matrix, (-mean / std).astype(np.float32))


class Smiles:
    """The portraits that smile, and how sure a model is that they are happy."""

    def __init__(self, foreign: Foreign, labels: Sequence[str], outputs: str) -> None:
        self._foreign, self._outputs = foreign, outputs
        names = common_names(labels)
        self.happy = names.index("happy") if "happy" in names else None
        self.crops = np.stack(smiles(foreign.form.size))

    def probabilities(self, preparation: Preparation, crops: NDArray[np.uint8] | None = None) -> Logits:
        """Of each label, (N, classes), for the smiles or other crops."""
        entry = preparation.entry(self._foreign.form)
        rows = self._foreign.rows(entry.apply(self.crops if crops is None else crops))
        return softmax(rows if self._outputs == "logits" else logits_from(rows))

    def score(self, preparation: Preparation) -> float:
        """How much surer it is that a smile is happy than that the same picture upside down is."""
        assert self.happy is not None
        both = [self.probabilities(preparation, c)[:, self.happy].mean() for c in (self.crops, self.crops[:, ::-1])]
        return float(both[0] - both[1])


def choose(form: Form, smiles: Smiles, given: Preparation | None, color: str, guessed: Say) -> Preparation:
    """The preparation: as the person says, else by the graph's input type, else the one that reads smiles best.

    Args:
        given: with the person's mean and std, where these were said.
        guessed: told what was chosen, and how sure that is.
    """
    ranges = [name for name in RANGES if form.channels == 3 or len(RANGES[name][0]) == 1]
    if form.layout == "nchw" and form.channels == 3:
        ranges = ranges[::-1]  # as torchvision's users have it
    if given is not None:
        return given
    if form.dtype.kind != "f":
        return Preparation(color, (128.0 if form.dtype == np.int8 else 0.0,), (1.0,))
    tried = {name: _prepared(color, name) for name in ranges}
    if smiles.happy is None:
        guessed(f"values {ranges[0]}, which could not be tried, as no label is happy: --mean and --std say it")
        return tried[ranges[0]]
    scores = {name: smiles.score(p) for name, p in tried.items()}
    fitting = [name for name in ranges if scores[name] >= max(scores.values()) - CLEARLY]
    others = f"; as well would do {' or '.join(fitting[1:])}: --mean and --std say it" if fitting[1:] else ""
    why = "which reads smiling faces best" if max(scores.values()) > CLEARLY else "though no usual range reads smiles"
    guessed(f"values {fitting[0]}, {why}{others}")
    return tried[fitting[0]]


def _prepared(color: str, name: str) -> Preparation:
    mean, std = RANGES[name]
    return Preparation(color, mean[::-1] if color == "bgr" else mean, std[::-1] if color == "bgr" else std)


def said_by(
    color: str, mean: Sequence[float] | None, std: Sequence[float] | None, form: Form, guessed: Say
) -> Preparation | None:
    """The preparation that --mean and --std say; None where neither was said.

    Args:
        mean, std: in grey levels, or all of them as fractions of 255, as torchvision has them; 0 and 1 change nothing.
        guessed: told in which of these two ways they were taken.

    Raises UsageError: a wrong number of them, a deviation of 0, or a model that takes whole grey levels.
    """
    if mean is None and std is None:
        return None
    mean, std = tuple(mean or (0.0,)), tuple(std or (1.0,))
    if form.dtype.kind != "f":
        raise UsageError(
            f"the model takes whole grey levels ({form.dtype}), from which no mean is taken",
            hint="leave --mean and --std out",
        )
    if {len(mean), len(std)} - {1, form.channels} or min(std) <= 0:
        raise UsageError(
            f"--mean and --std take one number, or {form.channels}, and every deviation is above 0",
            hint="the same command with --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        )
    nothing = not any(mean) and set(std) == {1.0}
    unit = 255.0 if not nothing and max(map(abs, (*mean, *std))) <= 1 else 1.0
    guessed(f"mean and std as {'fractions of 255' if unit > 1 else 'grey levels from 0 to 255'}, from their size")
    return Preparation(color, tuple(v * unit for v in mean), tuple(v * unit for v in std))


def doubts(labels: Sequence[str], smiles: Smiles, chosen: Preparation) -> list[str]:
    """What speaks against labels or colours being as they were said or guessed, one sentence each."""
    if smiles.happy is None:
        return [f"labels and colours were not checked on faces: none of {', '.join(labels)} is happy"]
    read = smiles.probabilities(chosen)
    right = int((read.argmax(1) == smiles.happy).sum())
    found = []
    if right < len(read) / 2:
        called = labels[int(np.bincount(read.argmax(1)).argmax())]
        found.append(
            f"of {len(read)} faces that smile the model calls {right} {labels[smiles.happy]}, most of them {called}: "
            "the order of --labels, --color, --mean or --std is wrong, or the model is bad"
        )
    if chosen.color != "gray":
        turned = Preparation("bgr" if chosen.color == "rgb" else "rgb", chosen.mean, chosen.std)
        better = smiles.probabilities(turned)[:, smiles.happy].mean() - read[:, smiles.happy].mean()
        if better > CLEARLY:
            found.append(
                f"faces that smile are happy to the model by {better:.2f} more with their colours as {turned.color}: "
                f"try --color {turned.color}"
            )
    return found

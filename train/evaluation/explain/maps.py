"""Heat maps over a face crop, and whether they point at what the answer hangs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ....bundle import Image
from .probe import Probe

Heat = NDArray[np.float64]
"""(S, S), at least 0: how much the label's probability or score owes to a place."""
Answer = Callable[[Sequence[Image]], NDArray[np.float32]]
CELLS = 8
"""A crop is covered, and deleted, in CELLS x CELLS squares."""
STEP = 0.01
"""Of a channel's deviation: by how much it is raised to see what the score does."""
RANDOM_ORDERS = 3


def occlusion(answer: Answer, picture: Image, label: int) -> Heat:
    """By how much the label's probability falls when two by two cells are painted over (Zeiler and Fergus 2014).

    The squares overlap by half; a place has the mean of those that cover it. Rises count as 0.
    """
    size = len(picture)
    edges = np.linspace(0, size, CELLS + 1).round().astype(int)
    windows = [(edges[r], edges[r + 2], edges[c], edges[c + 2]) for r in range(CELLS - 1) for c in range(CELLS - 1)]
    covered = []
    for top, bottom, left, right in windows:
        changed = picture.copy()
        changed[top:bottom, left:right] = _paint(picture)
        covered.append(changed)
    before = answer([picture])[0, label]
    drops = before - answer(covered)[:, label]
    total, count = np.zeros((size, size)), np.zeros((size, size))
    for (top, bottom, left, right), drop in zip(windows, drops, strict=True):
        total[top:bottom, left:right] += max(float(drop), 0.0)
        count[top:bottom, left:right] += 1
    return np.asarray(total / count)


def grad_cam(probe: Probe, picture: Image, label: int) -> Heat:
    """Grad-CAM (Selvaraju et al. 2017): the last feature map's channels, by what the label's score owes to each.

    The weight is the score's derivative when a whole channel rises, by a small difference: behind the map there is only
    its mean, so that this is the gradient, and a bundle needs no torch.
    """
    from ....opencv import cv2

    values = probe.look_inside(picture)[probe.feature]
    score = probe.head
    before = float(score(values)[label])
    step = max(STEP * float(values.std()), 1e-6)
    weights = []
    for channel in range(values.shape[1]):
        raised = values.copy()
        raised[0, channel] += step
        weights.append((float(score(raised)[label]) - before) / step)
    heat = np.maximum(np.tensordot(np.array(weights), values[0].astype(np.float64), axes=1), 0)
    return np.asarray(cv2.resize(heat, (len(picture), len(picture)), interpolation=cv2.INTER_LINEAR), np.float64)


def deletion(answer: Answer, picture: Image, label: int, heat: Heat) -> NDArray[np.float64]:
    """The label's probability as cells are painted over, hottest first (Petsiuk et al. 2018): CELLS + 1 values.

    A row of cells' worth at a time, from none to all.
    """
    size = len(picture)
    edges = np.linspace(0, size, CELLS + 1).round().astype(int)
    cells = [(r, c) for r in range(CELLS) for c in range(CELLS)]
    hot = [heat[edges[r] : edges[r + 1], edges[c] : edges[c + 1]].mean() for r, c in cells]
    order = [cells[i] for i in np.argsort(-np.array(hot), kind="stable")]
    changed, paint = picture.copy(), _paint(picture)
    shown = [picture]
    for place, (r, c) in enumerate(order, 1):
        changed[edges[r] : edges[r + 1], edges[c] : edges[c + 1]] = paint
        if place % CELLS == 0:
            shown.append(changed.copy())
    return np.asarray(answer(shown)[:, label], np.float64)


def random_deletion(answer: Answer, picture: Image, label: int, seed: int) -> NDArray[np.float64]:
    """The same in random orders: what a map has to beat."""
    rng, size = np.random.default_rng(seed), len(picture)
    curves = []
    for _ in range(RANDOM_ORDERS):
        heat = np.kron(rng.random((CELLS, CELLS)), np.ones((size // CELLS + 1,) * 2))[:size, :size]
        curves.append(deletion(answer, picture, label, np.asarray(heat, np.float64)))
    return np.asarray(np.mean(curves, axis=0), np.float64)


def _paint(picture: Image) -> NDArray[np.uint8]:
    """The picture's mean colour, uint8 (3,): it says nothing about the face."""
    return np.asarray(picture.reshape(-1, 3).mean(axis=0).round(), np.uint8)

"""Made-up tracks: still faces as a cheap camera would see them, one picture after the other, some with a change.

Nobody labelled a video, so frames are pictures of labelled faces, each altered anew as in the recipes' `harsh`. Half of
the tracks change to another face with another label in between, since no person is here with two expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import Logits, softmax, whole_image
from ....bundle.dataset import Sample, Watch, read_face
from ....export.metrics import Classes
from ....train.data.augment import build_augment
from ....train.torch_import import import_torch

FRAMES = 12
"""Of a track: what the head has seen of it at most, and the smoothing, too."""
CHANGING = 0.5
"""Share of the tracks in which the expression changes: far more than in life, so that slowness costs as it should."""
SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
"""Of the newest frame in the exponential average, of which the best is taken; 1 does not smooth."""


@dataclass(frozen=True)
class Tracks:
    """N made-up tracks of FRAMES frames.

    Attributes:
        faces: int (N, FRAMES), each frame's place among the pictures.
        truth: int (N, FRAMES), its label.
        changed: bool (N,), whether it changes.
    """

    faces: NDArray[np.int64]
    truth: Classes
    changed: NDArray[np.bool_]

    def part(self, start: int, stop: int | None = None) -> Tracks:
        """Some of them."""
        return Tracks(self.faces[start:stop], self.truth[start:stop], self.changed[start:stop])


@dataclass(frozen=True)
class Seen:
    """What a network makes of N tracks: float32 embeddings (N, FRAMES, E) and logits (N, FRAMES, classes)."""

    embeddings: NDArray[np.float32]
    logits: Logits

    def part(self, start: int, stop: int | None = None) -> Seen:
        """Some of them."""
        return Seen(self.embeddings[start:stop], self.logits[start:stop])


def make_tracks(truth: Classes, count: int, seed: int) -> Tracks:
    """At most `count` tracks, each begun by another of the labelled faces; the same for the same seed.

    Args:
        truth: (pictures,), labels.
    """
    rng = np.random.default_rng(seed)
    first = rng.permutation(len(truth))[:count]
    faces = np.repeat(first[:, None], FRAMES, axis=1).astype(np.int64)
    changed = rng.random(len(first)) < CHANGING
    for row, face in enumerate(first):
        others = np.flatnonzero(truth != truth[face])
        changed[row] &= len(others) > 0
        if changed[row]:
            faces[row, rng.integers(1, FRAMES) :] = rng.choice(others)
    return Tracks(faces, truth[faces], changed)


def see(network: Any, samples: Sequence[Sample], tracks: Tracks, size: int, watch: Watch) -> Seen:
    """Show a network every frame, altered; what its classifier was given and said.

    Args:
        network: of train/network.py, in evaluation mode.
    """
    torch, augment = import_torch(), build_augment("harsh")
    assert augment is not None
    head, newest = network.body.get_classifier(), dict[str, Any]()
    hook = head.register_forward_pre_hook(lambda module, given: newest.update(given=given[0]))
    # All at once: a little that is kept of each track, between much that is not, would keep the heap from being reused.
    embeddings, logits = (
        np.empty((len(tracks.faces), FRAMES, size_of), np.float32) for size_of in (head.in_features, head.out_features)
    )
    with torch.inference_mode():
        for row, places in enumerate(watch(tracks.faces, desc="tracks")):
            faces = {int(p): whole_image(read_face(samples[p]), size) for p in set(places.tolist())}
            crops = [augment(faces[int(p)], row * FRAMES + frame) for frame, p in enumerate(places)]
            logits[row] = network(torch.from_numpy(np.stack(crops))).numpy()
            embeddings[row] = newest["given"].numpy()
    hook.remove()
    return Seen(embeddings, logits)


def smoothed(probabilities: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """The exponential average up to each frame, (N, FRAMES, classes), which moves by `share` at each frame."""
    rows = [probabilities[:, 0]]
    for frame in range(1, probabilities.shape[1]):
        rows.append(rows[-1] + np.float32(share) * (probabilities[:, frame] - rows[-1]))
    return np.stack(rows, axis=1)


def best_share(logits: Logits, tracks: Tracks) -> float:
    """The share of SHARES whose average is most often right over all frames; the slowest of equal ones comes last."""
    probabilities = softmax(logits)
    return max(SHARES, key=lambda share: accuracy(smoothed(probabilities, share), tracks)["all frames"])


def accuracy(scores: NDArray[np.float32], tracks: Tracks) -> dict[str, float]:
    """Share of right frames: of all, of tracks that stay, and of tracks that change.

    Args:
        scores: (N, FRAMES, classes), of which the highest is the answer.
    """
    right = scores.argmax(axis=2) == tracks.truth
    parts = {"all frames": right, "steady": right[~tracks.changed], "changing": right[tracks.changed]}
    return {name: float(part.mean()) for name, part in parts.items() if part.size}

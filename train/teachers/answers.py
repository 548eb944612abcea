"""What teachers say of every training picture, asked once and kept in the work folder.

A teacher at every step costs more than the step; asked once, of the undistorted picture and its mirror image, it costs
minutes in all, may take larger crops than the student, and warm-up sizes and mixup go with it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ...bundle import LABELS, whole_image, writing
from ...bundle.dataset import Sample, Watch, read_face, unwatched
from ...errors import UsageError
from ...words import counted
from .ensemble import Member, mean_probabilities

BATCH = 16
VIEWS = 2
"""The picture and its mirror image."""


def answers_once(
    members: Sequence[Member],
    samples: Sequence[Sample],
    work: Path,
    temperature: float,
    watch: Watch = unwatched,
    say: Callable[[str], None] = lambda line: None,
) -> NDArray[np.float32]:
    """The ensemble's distribution over labels for each sample, float32 (N, classes).

    Each teacher's logits are kept in `work`, in a file named after its graph and these pictures: an interrupted run
    goes on with the next picture, a finished one asks nobody.

    Args:
        temperature: at which probabilities are taken; 1 where they join labels in one target.

    Raises:
        OutputError: disk full; NotFinite: a teacher's answer is no number; UsageError: several processes would ask.
    """
    tables = [_answers_of(member, samples, work, watch, say) for member in members]
    return mean_probabilities(tables, [m.weight for m in members], temperature)


def _answers_of(
    member: Member, samples: Sequence[Sample], work: Path, watch: Watch, say: Callable[[str], None]
) -> NDArray[np.float32]:
    """One teacher's logits (N, VIEWS, classes), what is missing of them asked now."""
    path = work / f"answers-{member.name}-{_key(member, samples)}.npy"
    if not path.is_file():
        _begin(path, len(samples))
    table = open_memmap(path, mode="r+")
    missing = np.flatnonzero(np.isnan(table).any(axis=(1, 2)))
    if len(missing) and int(os.environ.get("WORLD_SIZE", "1")) > 1:  # torch's launcher says so; they would race
        raise UsageError(
            f"{member.name} has not answered yet, and several processes are not to ask it at once",
            hint="begin without accelerate launch, stop at the first epoch, then go on with it and --resume",
        )
    if len(missing) < len(samples):
        say(f"{member.name} answered {counted(len(samples) - len(missing), 'picture')} before")
    starts = range(0, len(missing), BATCH)
    for start in watch(starts, total=len(starts), desc=f"asking {member.name}, {BATCH} pictures a time"):
        rows = missing[start : start + BATCH]
        crops = np.stack([whole_image(read_face(samples[i]), member.size) for i in rows])
        mirrored = np.ascontiguousarray(crops[:, :, ::-1])
        table[rows] = np.stack([member.ask(crops), member.ask(mirrored)], axis=1)
    table.flush()
    return np.asarray(table)


def _begin(path: Path, count: int) -> None:
    """A file of answers in which every one is missing; raises OutputError."""
    with writing(path) as temporary:
        table = open_memmap(temporary, mode="w+", dtype=np.float32, shape=(count, VIEWS, len(LABELS)))
        table[:] = np.nan
        table.flush()


def _key(member: Member, samples: Sequence[Sample]) -> str:
    """Of this graph and these faces in this order."""
    total = hashlib.sha256(member.sha256.encode())
    for sample in samples:
        total.update(sample.content.encode())
    return total.hexdigest()[:16]

"""Teachers: bundles that answer for every face, alone or several together by their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle, Logits, open_bundle, softmax
from ...bundle.scoring import in_our_order
from ...devices.cpu import usable_cores
from ...errors import UsageError
from ...runtime.inference.classifier import Classifier, choose_artifact
from ..options import TeacherChoice

Teacher = Callable[[NDArray[np.uint8]], Logits]
"""uint8 crops (N, S, S, 3) RGB -> float32 logits (N, classes)."""


@dataclass(frozen=True)
class Member:
    """One teacher of an ensemble, opened.

    Attributes:
        ask: gives its logits, in the order of LABELS.
        size: side of the crops it takes; weight: beside the others; sha256: of the graph that runs.
    """

    name: str
    ask: Teacher
    size: int
    weight: float = 1.0
    sha256: str = ""


def open_members(choices: Sequence[TeacherChoice], threads: int | None = None) -> list[Member]:
    """The teachers' graphs, run as a device would run them; raises UsageError, BundleError, DatasetError."""
    check_choices(choices, "--teacher")
    return [_open(choice, threads or usable_cores()) for choice in choices]


def check_choices(choices: Sequence[TeacherChoice], option: str) -> None:
    """Raises UsageError where one of what an option names cannot count beside others."""
    for choice in choices:
        if not choice.weight > 0:
            raise UsageError(
                f"{option} {choice.bundle}: a weight must be above 0", hint="leave out the model that is not to count"
            )
        if choice.bundle.suffix == ".onnx":
            raise UsageError(
                f"{option} takes a bundle, and {choice.bundle.name} is a bare graph that does not say what its outputs "
                "mean",
                hint=f"fer-edge bundle import {choice.bundle} --labels angry,disgust,fear,happy,neutral,sad,surprise",
            )


def at_every_step(members: Sequence[Member], size: int, temperature: float) -> Teacher:
    """One teacher for altered crops of a recipe's size; raises UsageError when a member takes another size.

    Several together answer with the logits whose softmax at the temperature is the mean of their probabilities there.
    """
    for member in members:
        if member.size != size:
            raise UsageError(
                f"the teacher {member.name} takes faces of {member.size} pixels, the recipe of {size}",
                hint=f'set size = {member.size} in the recipe, or distill_answers = "once"',
            )
    if len(members) == 1:
        return members[0].ask

    def ask(crops: NDArray[np.uint8]) -> Logits:
        said = mean_probabilities([m.ask(crops) for m in members], [m.weight for m in members], temperature)
        return np.asarray(temperature * np.log(np.maximum(said, 1e-12)), np.float32)

    return ask


def mean_probabilities(logits: Sequence[Logits], weights: Sequence[float], temperature: float) -> NDArray[np.float32]:
    """The teachers' mean distribution (N, classes) at a temperature.

    Args:
        logits: one (N, classes) a teacher, or (N, views, classes), whose views count alike.
    """
    total: NDArray[np.float64] | None = None
    for said, weight in zip(logits, weights, strict=True):
        flat = np.asarray(said, np.float32).reshape(-1, said.shape[-1])
        one = softmax(flat / np.float32(temperature)).reshape(said.shape).astype(np.float64) * weight
        mean = one.mean(axis=1) if one.ndim == 3 else one
        total = mean if total is None else total + mean
    if total is None:
        raise ValueError("an ensemble has at least one teacher")
    return np.asarray(total / sum(weights), np.float32)


def _open(choice: TeacherChoice, threads: int) -> Member:
    bundle: Bundle = open_bundle(choice.bundle)
    order = in_our_order(bundle.labels, f"the teacher {bundle.manifest.name}")
    artifact = choose_artifact(bundle)
    graph = Classifier(bundle, artifact, threads=threads)
    size = bundle.manifest.input.size
    return Member(
        bundle.manifest.name, lambda crops: graph.logits(crops)[:, order], size, choice.weight, artifact.sha256
    )

"""The index of valence: which expressions count as positive and which as negative, for figures and rules alike."""

from __future__ import annotations

from collections.abc import Sequence

INDEX = "valence_index"
"""Its name wherever it is told or asked for."""
POSITIVE = frozenset({"happy"})
NEGATIVE = frozenset({"angry", "contempt", "disgust", "fear", "sad"})
"""Expressions that the index adds and takes away; neutral, surprise and `uncertain` are neither."""


def signs_of(labels: Sequence[str]) -> list[float]:
    """1 of a positive label, -1 of a negative one, else 0; whatever the bundle calls them."""
    from ...bundle.labels import known_label

    names = [known_label(label) or label for label in labels]
    return [(name in POSITIVE) * 1.0 - (name in NEGATIVE) for name in names]


def has_index(labels: Sequence[str]) -> bool:
    """Whether labels have both kinds: with one alone there is no index."""
    return {-1.0, 1.0} <= set(signs_of(labels))

"""The seven expressions, in the order every stage uses."""

from __future__ import annotations

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Ekman's six basic expressions and neutral; a logit's position is its label's position here."""

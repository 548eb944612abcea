"""Where a kiosk may stand, as far as a program can ask: the answer is written down, and what is prohibited is refused.

Regulation (EU) 2024/1689, the AI Act, Art. 5(1)(f), applicable since 2 February 2025, prohibits "the placing on the
market, the putting into service for this specific purpose, or the use of AI systems to infer emotions of a natural
person in the areas of workplace and education institutions, except where the use of the AI system is intended to be put
in place or into the market for medical or safety reasons". We recognise expressions and claim no more; whether that is
another thing is not ours to decide, so the kiosk refuses. This is not legal advice.
"""

from __future__ import annotations

KINDS = ("public-space", "shop", "museum", "clinic", "research", "home", "event", "workplace", "education", "other")
PROHIBITED = ("workplace", "education")
EXCEPTIONS = ("medical", "safety")
ARTICLE = (
    "Art. 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689) prohibits AI systems that infer emotions of a natural "
    "person in the areas of workplace and education institutions, except for medical or safety reasons"
)
NO_ADVICE = "this is not legal advice"


def refusal(kind: str, exception: str) -> str:
    """Why a kiosk of this kind is refused, as the end of a sentence that begins with the key; empty when it is not."""
    if kind not in PROHIBITED or exception in EXCEPTIONS:
        return ""
    return f"{kind} is refused: {ARTICLE}. {NO_ADVICE.capitalize()}"


def caution(kind: str, exception: str) -> str:
    """What the one who runs the kiosk answers for when an exception is stated; empty when none is."""
    if exception not in EXCEPTIONS:
        return ""
    if kind not in PROHIBITED:
        return "has no effect: this kind of place needs no exception"
    return f"{exception} is what you answer for: {ARTICLE}. {NO_ADVICE.capitalize()}"

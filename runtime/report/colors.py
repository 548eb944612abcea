"""One colour an expression, in video, plots and page alike."""

from __future__ import annotations

from ..vision.quality_gate import UNSUITABLE

COLORS: dict[str, tuple[int, int, int]] = {
    "angry": (213, 94, 0),
    "disgust": (0, 158, 115),
    "fear": (149, 97, 170),
    "happy": (240, 200, 40),
    "neutral": (150, 150, 150),
    "sad": (0, 114, 178),
    "surprise": (86, 180, 233),
}
"""R, G, B, 0..255; after Okabe and Ito's palette, which people with colour blindness can tell apart."""
OTHER, UNREAD = (210, 210, 210), (238, 238, 238)


def color_of(label: str) -> tuple[int, int, int]:
    """R, G, B of a label; light grey for `uncertain` and labels of other bundles, lighter for `unsuitable`."""
    return UNREAD if label == UNSUITABLE else COLORS.get(label, OTHER)


def hex_of(label: str) -> str:
    """The same as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*color_of(label))

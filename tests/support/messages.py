"""Every message that a reader may get in their own language, found in the code and its pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fer_edge.bundle.labels import WORDS
from fer_edge.runtime.comparison import cautions, contrasts
from fer_edge.runtime.figures.figures import BY_LABEL, PLAIN
from fer_edge.runtime.report.glance import EFFECT, FIVE
from fer_edge.runtime.run import INTERRUPTED
from fer_edge.runtime.vision.quality_gate import REASONS, UNSUITABLE
from fer_edge.runtime.vision.smoothing import UNCERTAIN
from fer_edge.runtime.web import pages
from fer_edge.runtime.web.settings import NOTICE
from support.source_rules import ROOT, _tree

ROOMS = ("cli", "runtime")
MARK = re.compile(r'\{\{"(.*?)"\}\}', re.DOTALL)
KEYS = ("_told",)
"""Functions that translate the text they are given first."""
VALUES = (
    *(*WORDS, UNCERTAIN, UNSUITABLE, *REASONS, *BY_LABEL, *PLAIN, NOTICE, pages.NO_TOKEN, pages.TOO_OFTEN),
    *(*EFFECT.values(), *(word for pair in FIVE.values() for word in pair), *cautions.TOLD.values()),
    *(contrasts.CONDITIONS, contrasts.GROUPS, contrasts.TREND, INTERRUPTED, "source ended", "not finished"),
    *("connection", "tuned", "session", "video", "pictures", "resting"),  # keys of a run's facts and outputs
    *("it was broken off, or goes on", "its folder is gone", "another model made it"),  # of LeftOut
)
"""What is translated by its value: texts that programs read in English, and people in their language."""


def messages() -> dict[str, str]:
    """Message -> its form for several, or nothing."""
    found = dict.fromkeys(VALUES, "")
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            found |= dict(_calls(_tree(path.read_text())))
        for path in sorted((ROOT / room).rglob("*.html")):
            found |= {" ".join(text.split()): "" for text in MARK.findall(path.read_text())}
    return found


def _calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        words = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if call.func.id in ("tr", *KEYS) and words:
            if isinstance(call.args[0], ast.Constant):
                yield words[0], ""
        elif call.func.id == "trn":
            noun, form = (*words, "")[:2]
            yield noun, form or noun + "s"

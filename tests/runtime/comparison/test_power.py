"""What `compare` finds in seeded studies: planted effects, and hardly anything where there is none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fer_edge.runtime.comparison import exact
from fer_edge.runtime.comparison.compare import CompareOptions, Comparison, compare_study
from support.compared import FRAMES, Planted, plant_study, random_shares

NULL, WITH = 100, 50
"""Studies without any effect, and with."""
SPREAD = 0.04
"""Of a share from session to session; subjects differ by as much again."""
PAIRED, BETWEEN, A_WEEK = 1.5, 2.0, 1.0
"""What is planted: between conditions in standard deviations of a subject's difference, between groups in those of a
subject's value, over time in SPREAD a week."""
SHARES = {"happy": 0.2, "sad": 0.15, "angry": 0.12, "surprise": 0.1}
FIGURES = 8
"""That vary and so are tested: five shares, the index of valence, expressivity and change."""


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory: thousands of stores would wait for the disk."""
    place = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=place if os.access(place, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


def compared(folder: Path, seed: int, size: float) -> Comparison:
    """Twelve subjects in two groups and two conditions, one of them eight times; `size` 0: nothing differs.

    With a size, all are happier in the film, group b is sadder, and the one subject gets angrier over the weeks.
    """
    draw = np.random.default_rng(seed)
    sessions = []
    for i in range(12):
        base = random_shares(draw, SHARES, SPREAD)
        base["sad"] += size * BETWEEN * SPREAD * 2**0.5 * (i % 2)
        for j, condition in enumerate(("rest", "film")):
            shown = random_shares(draw, base, SPREAD)
            shown["happy"] += size * PAIRED * SPREAD * 2**0.5 * j
            sessions.append(Planted(f"P{i:02}", condition, j + i / 100, shown))
        for week in range(1, 8) if i == 0 else ():
            shown = random_shares(draw, base, SPREAD)
            shown["angry"] += size * A_WEEK * SPREAD * week
            sessions.append(Planted("P00", "rest", 7.0 * week, shown))
    study = plant_study(folder / "s", sessions, ("rest", "film"))
    (folder / "groups.csv").write_text("subject,group\n" + "".join(f"P{i:02},{'ab'[i % 2]}\n" for i in range(12)))
    found = compare_study(CompareOptions(study.folder, groups=folder / "groups.csv"))
    shutil.rmtree(study.folder)
    return found


def shown(found: Comparison) -> set[tuple[str, str, str]]:
    """Kind, figure and condition of what is significant after the correction."""
    return {
        (c.kind, c.label or c.figure, c.condition) for c in found.contrasts if c.p_holm is not None and c.p_holm <= 0.05
    }


def test_nothing_is_found_where_there_is_nothing(memory: Path) -> None:
    """Of 100 studies, in at most 5 of each kind of question anything at all is significant."""
    studies = Counter(kind for seed in range(NULL) for kind in {k for k, _, _ in shown(compared(memory, seed, 0.0))})
    print(dict(studies))
    assert all(studies[kind] <= 0.05 * NULL for kind in ("conditions", "groups", "trend")), studies


def stated(kind: str) -> float:
    """The power that the tests themselves have for such effects, on normal numbers; a family of nothing else.

    A share is of whole frames, which makes ties, and these count against a trend.
    """
    draw, found = np.random.default_rng(9), 0
    for _ in range(1000):
        a, b = draw.normal(size=(2, 12))
        verdict = {
            "conditions": lambda a=a: exact.paired(0 * a, a + PAIRED),
            "groups": lambda a=a, b=b: exact.unpaired(a[:6], b[:6] + BETWEEN),
            "trend": lambda a=a: exact.trend(range(8), np.round(FRAMES * SPREAD * (a[:8] + A_WEEK * np.arange(8)))),
        }[kind]()
        found += verdict.p is not None and verdict.p <= 0.05 / (FIGURES * (2 if kind == "groups" else 1))
    return found / 1000


def test_what_was_planted_is_found_as_often_as_it_should_be(memory: Path) -> None:
    """Within three standard deviations of the count of it; a tenth more, as Holm takes less where much is found."""
    found: Counter[tuple[str, str, str]] = Counter()
    for seed in range(WITH):
        found.update(shown(compared(memory, 1000 + seed, 1.0)))
    print({key: n / WITH for key, n in found.items()})
    for key in (("conditions", "happy", ""), ("groups", "sad", "film"), ("trend", "angry", "rest")):
        power = stated(key[0])
        print(key, power)
        margin = 3 * (power * (1 - power) / WITH) ** 0.5
        assert power - margin <= found[key] / WITH <= power + margin + 0.1, (key, power, found)
    assert found["conditions", "surprise", ""] <= 0.1 * WITH, "which was not planted"

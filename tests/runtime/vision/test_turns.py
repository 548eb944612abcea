"""Several faces are read the more seldom the more there are, all of them together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from fer_edge.runtime.storage.session import Session, open_session
from fer_edge.runtime.types import Face, Track
from fer_edge.runtime.vision.turns import LONGEST_S, Turns

FACE = Face((0.0, 0.0, 40.0, 40.0), 0.9)


def read_at(turns: Turns, counts: list[int], fps: float = 12.0) -> list[int]:
    """How many faces are read in each frame, of so many in view."""
    return [len(turns.due([Track(n, FACE) for n in range(1, count + 1)], i / fps)) for i, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("per_frame", "faces", "read"),
    [
        (1, 1, [1] * 8),
        (1, 2, [2, 0] * 4),
        (1, 4, [4, 0, 0, 0] * 2),
        (2, 4, [4, 0] * 4),
        (0, 4, [4] * 8),
        (1, 0, [0] * 8),
    ],
)
def test_the_more_faces_the_more_seldom(per_frame: int, faces: int, read: list[int]) -> None:
    assert read_at(Turns(per_frame=per_frame), [faces] * 8) == read


def test_who_is_new_is_read_at_once() -> None:
    assert read_at(Turns(per_frame=1), [3, 3, 4, 4, 4, 4, 4]) == [3, 0, 1, 0, 4, 0, 0]


def test_nobody_waits_longer_than_smoothing_looks_back() -> None:
    turns = Turns(per_frame=1)
    read = read_at(turns, [12] * 25)
    assert [i for i, n in enumerate(read) if n] == [0, 6, 12, 18, 24]
    assert turns.hold_s == LONGEST_S == 6 / 12


def test_an_answer_stands_no_longer_than_it_has_to() -> None:
    turns = Turns(every_s=0.1, per_frame=1)
    read_at(turns, [1] * 8)
    assert turns.hold_s == 0.1


@pytest.fixture
def seen(
    clips: Path, yunet: Path, command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> Callable[..., tuple[dict[str, object], Session]]:
    """Runs over a clip of two people."""

    def run(name: str, *words: object) -> tuple[dict[str, object], Session]:
        clip = clips / "head-pose-face-detection-female-and-male.gif"
        done = command("run", clip, "--out", tmp_path / name, "--json", "--threads", "1", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), open_session(tmp_path / name)

    return run


def test_two_faces_of_a_film(seen: Callable[..., tuple[dict[str, object], Session]]) -> None:
    whole, every = seen("every")
    half, some = seen("some", "--faces-per-frame", "1")
    assert (every.facts["infer_every_s"], some.facts["infer_every_s"]) == (0.0, LONGEST_S)
    count, least = len(list(every.observations())), len(list(some.observations()))
    assert 0.45 * count < least < 0.65 * count
    assert whole["faces"] == half["faces"]
    together = Counter(Counter(o.frame for o in some.observations()).values())
    assert together[2] > 4 * together[1], "both are read in one frame, but for one who is new or alone"
    assert whole["faces_at_once"] == half["faces_at_once"] == 2
    for label, share in dict(whole["expressions"]).items():  # type: ignore[call-overload]
        assert abs(dict(half["expressions"]).get(label, 0.0) - share) < 0.1  # type: ignore[call-overload]

"""What a frame's stages cost: each is done for real, counted below valgrind, and timed against faces and pixels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from fer_edge.benchmarks.studies.costs import curves, instructions
from fer_edge.benchmarks.studies.costs.curves import FACES, PIXELS, Point, measure
from fer_edge.benchmarks.studies.costs.instructions import Cost, count, milliseconds
from fer_edge.benchmarks.studies.costs.pictures import one_face, wall_of
from fer_edge.benchmarks.studies.costs.stages import HEIGHT, WIDTH, prepare
from fer_edge.bundle import LABELS, shipped_bundles
from fer_edge.errors import DeviceNotFound, InputError
from fer_edge.runtime.build import PipelineOptions, build_pipeline
from fer_edge.runtime.types import Observation

CLIP = "head-pose-face-detection-male.gif"


def test_the_shipped_bundles_begin_with_the_default_one() -> None:
    assert shipped_bundles()[:2] == ("default", "edgetpu")


def test_each_stage_does_its_work(clips: Path, yunet: Path) -> None:
    def once(stage: str) -> object:
        return prepare(stage, clips / CLIP, "default")()

    picture, found, near = once("capture"), once("detect"), once("near")
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert isinstance(found, list)
    assert isinstance(near, list)
    assert len(found) == len(near) == len(near[0]) == 1
    assert once("crop") == "", "the gate lets the face through"
    answer = once("infer")
    assert isinstance(answer, np.ndarray)
    assert answer.shape == (1, len(LABELS))
    (told,) = once("smooth")  # type: ignore[misc]
    assert isinstance(told, Observation)


def test_a_clip_without_a_face_is_refused(yunet: Path, tmp_path: Path) -> None:
    import cv2

    film = cv2.VideoWriter(str(tmp_path / "grey.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    film.write(np.full((240, 320, 3), 128, np.uint8))
    film.release()
    with pytest.raises(InputError, match=r"grey\.avi has no face"):
        prepare("near", tmp_path / "grey.avi", "default")


def test_instructions_are_counted_and_the_same_again(clips: Path) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("needs valgrind")
    first, again = (count("capture", clips / CLIP, "default") for _ in range(2))
    assert first > 100_000
    assert again == pytest.approx(first, rel=0.02)


def test_without_valgrind_it_says_so(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DeviceNotFound, match="valgrind is not installed"):
        count("capture", clips / CLIP, "default")


def test_a_frame_is_the_sum_of_its_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = [Cost("", "detect", 40, 4.0), Cost("", "near", 20, 2.0)]
    costs += [Cost(name, "infer", ms * 10**6, ms) for name, ms in (("default", 3), ("edgetpu", 1))]
    lines = instructions.table(costs).splitlines()
    assert lines[2:4] == ["| detect |  | 0.00 | 4.00 |", "| near |  | 0.00 | 2.00 |"]
    assert lines[-2:] == [
        "| **a frame with one face** | default | 3.00 | 5.50 |",
        "| **a frame with one face** | edgetpu | 1.00 | 3.50 |",
    ]
    instructions.save(tmp_path / "a.csv", costs)
    assert (tmp_path / "a.csv").read_text().splitlines()[1] == ",detect,40,4.0000"


def test_time_against_faces_and_pixels(yunet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "ROUNDS", 1)
    monkeypatch.setattr(curves, "PASSES", 1)
    built = build_pipeline(PipelineOptions(threads=1, detector="yunet", mirrored=False))
    points = [measure(built.pipeline, "faces", str(n), wall_of(n), n) for n in (FACES[0], FACES[-1])]
    points += [measure(built.pipeline, "pixels", n, one_face(*PIXELS[n]), 1) for n in ("240p", "1080p")]
    with pytest.raises(InputError, match="1 faces were found in a picture of 2"):
        measure(built.pipeline, "faces", "2", wall_of(1), 2)
    built.classifier.close()
    assert all(ms > 0 for point in points for ms in point.ms.values())
    assert curves.table(points).count("| 1.00 |\n") == 2, "each curve begins with its own first"
    curves.save(tmp_path / "a.csv", "default", points)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 4 * 7
    pytest.importorskip("matplotlib", reason="needs the report extra")
    curves.plot(tmp_path / "a.png", points)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_frame_searches_the_whole_picture_now_and_then() -> None:
    assert Point("faces", "1", {"capture": 1.0, "detect": 4.0, "near": 2.0, "infer": 3.0}).frame == 6.5


def test_milliseconds_are_of_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    monkeypatch.setattr(instructions, "prepare", lambda *words: lambda: passes.append(1))
    assert milliseconds("capture", tmp_path, "default") >= 0
    assert len(passes) == (instructions.ROUNDS + 1) * instructions.TIMED

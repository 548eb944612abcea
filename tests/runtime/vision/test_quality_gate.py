"""Faces that are not to be read are told so, with the reason, in every place that tells of faces."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import Bundle, Image
from fer_edge.bundle.portraits import portraits
from fer_edge.runtime.build import PipelineOptions, build_pipeline
from fer_edge.runtime.classify import classify
from fer_edge.runtime.report.report import write_report
from fer_edge.runtime.run import RunOptions, run_session
from fer_edge.runtime.storage.session import open_session
from fer_edge.runtime.types import Face, Frame, Landmarks
from fer_edge.runtime.vision.quality_gate import REASONS, SIDE, UNSUITABLE, unsuitable

Command = Callable[..., subprocess.CompletedProcess[str]]
PICTURE = (640, 480)
FACE = Face((200.0, 100.0, 120.0, 120.0), 0.9)
FRONT: Landmarks = ((0.0, 0.0), (30.0, 0.0), (15.0, 16.5), (3.0, 30.0), (27.0, 30.0))


def crop(side: int = SIDE) -> Image:
    return portraits(side)[3]


def looking(x: float, y: float) -> Face:
    """A face whose nose lies elsewhere than from the front."""
    return replace(FACE, landmarks=(*FRONT[:2], (15 + x, 16.5 + y), *FRONT[3:]))


def lit(gain: float, offset: float = 0.0) -> Image:
    return np.clip(crop().astype(float) * gain + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [48, SIDE, 256])
def test_a_good_face_is_read_by_bundles_of_every_size(side: int) -> None:
    assert unsuitable(replace(FACE, landmarks=FRONT), crop(side), PICTURE) == ""


@pytest.mark.parametrize(
    ("face", "seen", "reason"),
    [
        (replace(FACE, box=(10.0, 10.0, 13.0, 13.0)), crop(), "small"),
        (replace(FACE, box=(-60.0, 100.0, 120.0, 120.0)), crop(), "cut off"),
        (replace(FACE, box=(600.0, 400.0, 120.0, 120.0)), crop(), "cut off"),
        (replace(FACE, box=(900.0, 100.0, 120.0, 120.0)), crop(), "cut off"),
        (looking(15, 0), crop(), "turned away"),
        (looking(-15, 0), crop(), "turned away"),
        (looking(0, -11), crop(), "turned away"),
        (looking(0, 11), crop(), "turned away"),
        (FACE, lit(0.03), "dark"),
        (FACE, lit(6, 100), "bright"),
        (FACE, np.full((SIDE, SIDE, 3), 250, np.uint8), "bright"),
        (FACE, np.asarray(cv2.GaussianBlur(crop(), (0, 0), 12), np.uint8), "blurred"),
    ],
)
def test_what_is_not_read(face: Face, seen: Image, reason: str) -> None:
    assert unsuitable(face, seen, PICTURE) == reason
    assert reason in REASONS


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with a good picture of a face and the same far out of focus; both are found."""
    from fer_edge.runtime.sources.demo import DemoSource

    picture = next(iter(DemoSource(0.1))).image
    (tmp_path / "faces").mkdir()
    cv2.imwrite(str(tmp_path / "faces" / "sharp.png"), picture)
    cv2.imwrite(str(tmp_path / "faces" / "soft.png"), cv2.GaussianBlur(picture, (0, 0), 14))
    return tmp_path / "faces"


def test_a_session_tells_it_everywhere(bundle: Bundle, pictures: Path, yunet: Path, command: Command) -> None:
    session = pictures.parent / "session"
    done = command("run", pictures, "--out", session, "--video", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["unsuitable"] == {"blurred": 1}
    assert told["expressions"] == {"happy": 0.5, UNSUITABLE: 0.5}
    sharp, soft = open_session(session).observations()
    assert (sharp.label, sharp.reason) == ("happy", "")
    assert (soft.label, soft.raw_label, soft.reason) == (UNSUITABLE, UNSUITABLE, "blurred")
    assert (soft.confidence, soft.probabilities) == (0.0, ())
    assert command("report", session).returncode == 0
    rows = list(csv.DictReader((session / "observations.csv").read_text().splitlines()))
    assert [row["reason"] for row in rows] == ["", "blurred"]
    assert rows[1]["p_happy"] == ""
    lines = [json.loads(line) for line in (session / "observations.jsonl").read_text().splitlines()]
    assert lines[1]["probabilities"] == {}
    assert lines[1]["reason"] == "blurred"
    assert "unsuitable" in (session / "report.html").read_text()
    people = command("run", pictures)
    assert "unsuitable:  a face was not read 1 time (blurred 1); --quality-gate off reads every one" in people.stdout
    everyone = json.loads(command("run", pictures, "--quality-gate", "off", "--json").stdout)
    assert everyone["unsuitable"] == {}
    assert UNSUITABLE not in everyone["expressions"]


def test_the_api_tells_it(bundle: Bundle, pictures: Path, yunet: Path) -> None:
    soft = cv2.imread(str(pictures / "soft.png"))
    (found,) = classify(soft, detect=True)
    assert (found.label, found.confidence, found.probabilities, found.reason) == (UNSUITABLE, 0.0, {}, "blurred")
    (read,) = classify(soft, detect=True, quality_gate=False)
    assert read.label in bundle.labels
    assert read.reason == ""


def test_a_device_that_is_not_asked_has_not_answered(bundle: Bundle, pictures: Path, yunet: Path) -> None:
    """A kiosk's watchdog goes by the time of inference: a face that is not read says nothing of the device."""
    pipeline = build_pipeline(PipelineOptions(detector="yunet")).pipeline
    looked_after: list[int] = []
    pipeline.classifier.idle = lambda: looked_after.append(1)
    (told,) = pipeline.process(Frame(0, 0.0, cv2.imread(str(pictures / "soft.png"))))
    assert (told.label, pipeline.tally.seconds["infer"], looked_after) == (UNSUITABLE, 0.0, [1])
    (told,) = pipeline.process(Frame(1, 0.1, cv2.imread(str(pictures / "sharp.png"))))
    assert told.label == "happy"
    assert pipeline.tally.seconds["infer"] > 0


def test_only_faces_that_were_not_read(bundle: Bundle, pictures: Path, yunet: Path) -> None:
    """Nothing is inferred, and a resting face, curves and a report do without."""
    (pictures / "sharp.png").unlink()
    summary = run_session(RunOptions(str(pictures), pictures.parent / "out"))
    assert summary.expressions == {UNSUITABLE: 1.0}
    write_report(open_session(pictures.parent / "out"))

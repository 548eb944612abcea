"""YuNet by ONNX Runtime, against OpenCV's own run of the same file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import Image
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.vision.detectors import open_detector
from fer_edge.runtime.vision.detectors.detector import DOUBTFUL, shrink
from fer_edge.runtime.vision.detectors.yunet_net import CANDIDATES, OVERLAP, YuNet


def by_opencv(model: Path, picture: Image) -> np.ndarray:
    """OpenCV's rows for a picture."""
    size = (picture.shape[1], picture.shape[0])
    found = cv2.FaceDetectorYN.create(str(model), "", size, DOUBTFUL, OVERLAP, CANDIDATES).detect(picture)[1]
    return np.empty((0, 15), np.float32) if found is None else found


@pytest.fixture(scope="module")
def pictures(clips: Path) -> list[Image]:
    """One or two people, at widths that are no multiple of 32, and a square around a face like those of a search."""
    frames = [f.image for f in open_source(str(clips / "head-pose-face-detection-female-and-male.gif"))][::12]
    made = [shrink(image, width)[0] for image in frames for width in (320, 203, 90)]
    middle = np.hstack([made[0][8:72, 100:164], made[0][40:104, 60:124]])
    return [*made, np.ascontiguousarray(middle), np.zeros((64, 64, 3), np.uint8)]


def test_the_rows_are_those_of_opencv(yunet_file: Path, pictures: list[Image]) -> None:
    net, faces = YuNet(yunet_file), 0
    for picture in pictures:
        there, here = by_opencv(yunet_file, picture), net.rows(picture)
        np.testing.assert_allclose(here, there, atol=1e-3)
        faces += len(here)
    assert faces > len(pictures), "or nothing was compared"


def test_a_sliver_holds_no_face(yunet_file: Path, pictures: list[Image]) -> None:
    """OpenCV gives an infinite box there now and then."""
    assert len(YuNet(yunet_file).rows(pictures[0][:3, :5])) == 0


def test_the_best_of_overlapping_boxes_is_kept(yunet: Path, pictures: list[Image]) -> None:
    found = open_detector("yunet")[0].detect(pictures[0])
    assert len(found) == 2
    assert found[0].score >= found[1].score

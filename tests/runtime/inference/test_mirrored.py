"""In pictures a face is read twice, once mirrored; in films it is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import Bundle
from fer_edge.bundle.portraits import portraits
from fer_edge.errors import NotFinite
from fer_edge.runtime.build import PipelineOptions
from fer_edge.runtime.classify import classify
from fer_edge.runtime.inference.classifier import Classifier, choose_artifact
from fer_edge.runtime.inference.mirrored import MirroredClassifier
from fer_edge.runtime.run import RunOptions, run_session


@pytest.fixture
def plain(bundle: Bundle) -> Classifier:
    return Classifier(bundle, choose_artifact(bundle))


def test_it_is_the_mean_of_both_sides(plain: Classifier) -> None:
    crops = np.stack(portraits(plain.size)[6:10])
    both = MirroredClassifier(plain)
    found = both.probabilities(crops)
    one, other = plain.probabilities(crops), plain.probabilities(np.ascontiguousarray(crops[:, :, ::-1]))
    assert np.allclose(found, (one + other) / 2, atol=1e-6)
    assert np.abs(one - other).max() > 0.01
    assert np.allclose(both.probabilities(np.ascontiguousarray(crops[:, :, ::-1])), found, atol=1e-6)
    assert both.describe()["mirrored"] is True


def test_a_side_without_a_number_leaves_that_face_out(plain: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = np.zeros((4, 7), np.float32)
    answer[3, 2] = np.nan  # the mirror image of the second face

    def fail(crops: np.ndarray) -> np.ndarray:
        raise NotFinite(answer, 1)

    monkeypatch.setattr(plain, "probabilities", fail)
    with pytest.raises(NotFinite) as caught:
        MirroredClassifier(plain).probabilities(np.zeros((2, plain.size, plain.size, 3), np.uint8))
    assert np.isfinite(caught.value.answer).all(axis=1).tolist() == [True, False]


def test_pictures_are_and_films_are_not(bundle: Bundle, tmp_path: Path) -> None:
    picture = cv2.cvtColor(portraits(112)[5], cv2.COLOR_RGB2BGR)
    (found,) = classify(picture)
    assert list(found.probabilities.values()) == pytest.approx(
        list(classify(np.ascontiguousarray(picture[:, ::-1]))[0].probabilities.values()), abs=1e-6
    )
    cv2.imwrite(str(tmp_path / "face.png"), cv2.copyMakeBorder(picture, 90, 90, 90, 90, cv2.BORDER_REPLICATE))
    for source, given, mirrored in ((tmp_path, None, True), (tmp_path, False, False), ("demo:0.1", None, False)):
        summary = run_session(RunOptions(str(source), pipeline=PipelineOptions(detector="haar", mirrored=given)))
        assert summary.device.get("mirrored", False) is mirrored

"""The studies behind what is done with a face before it is read: the gate's limits, and turning it upright."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.benchmarks.studies.quality_gate import FAULTS, SIDE, curves, mixed, spoil
from fer_edge.benchmarks.studies.upright_crops import study, table
from fer_edge.bundle import LABELS, Bundle
from fer_edge.bundle.portraits import portraits, smiles
from fer_edge.runtime.vision.quality_gate import unsuitable

HAPPY = LABELS.index("happy")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_weak_fault_passes_the_gate_and_a_strong_one_does_not(fault: str) -> None:
    picture = portraits(SIDE)[3]  # one of six of the 32 that six times the light whitens enough for the gate
    weak, strong = (max, min) if fault in ("pixels", "dark") else (min, max)
    for pick, passes in ((weak, True), (strong, False)):
        altered, face = spoil(picture, fault, pick(FAULTS[fault]))
        assert altered.shape == picture.shape
        whole = round(face.box[2])
        assert (unsuitable(face, altered, (whole, whole)) == "") is passes


def test_the_tables(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = [(picture, HAPPY) for picture in smiles(SIDE)]
    monkeypatch.setattr("fer_edge.benchmarks.studies.quality_gate.FAULTS", {"blur": (0.02, 0.1), "pixels": (32, 8)})
    lines = curves(bundle, faces).splitlines()
    assert [line.split()[4] for line in lines[1:]] == ["0.00", "1.00", "0.00", "1.00"]
    assert [" ".join(line.split()[5:]) for line in lines[1:]] == ["", "blurred", "", "small"]
    without, kept = mixed(bundle, faces).splitlines()[1:3]
    assert float(kept.split()[3]) >= float(without.split()[3])
    assert int(kept.split()[2]) < int(without.split()[2]) == len(faces)


def test_what_upright_crops_put_right_and_wrong() -> None:
    guesses = np.array([[0, 1, 0, 1], [1, 1, 0, 1], [1, 0, 1, 1]])
    lines = table(guesses, np.array([1, 1, 1])).splitlines()
    assert [line.split()[-2:] for line in lines[1:]] == [["0", "0"], ["1", "1"], ["0", "1"], ["1", "0"]]


def test_faces_are_found_and_read_both_ways(bundle: Bundle, yunet: Path, tmp_path: Path) -> None:
    for split in ("train", "valid"):
        (tmp_path / split / "happy").mkdir(parents=True)
        for number, picture in enumerate(smiles(SIDE)[:3]):
            cv2.imwrite(str(tmp_path / split / "happy" / f"{number}.png"), picture[:, :, ::-1])
    told = study("default", tmp_path, "valid", 3).splitlines()
    assert told[0].startswith("3 faces found")
    assert [float(line.split()[-4]) for line in told[2:]] == [1.0] * 4

"""The study behind the gate's limits: faults grow with their strength, and what the gate keeps is read better."""

from __future__ import annotations

import pytest
from fer_edge.benchmarks.studies.quality_gate import FAULTS, SIDE, curves, mixed, spoil
from fer_edge.bundle import LABELS, Bundle
from fer_edge.bundle.portraits import smiles
from fer_edge.runtime.vision.quality_gate import unsuitable

HAPPY = LABELS.index("happy")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_weak_fault_passes_the_gate_and_a_strong_one_does_not(fault: str) -> None:
    picture = smiles(SIDE)[0]
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

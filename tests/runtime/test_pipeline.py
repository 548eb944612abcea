"""The whole line on real clips with real weights."""

from __future__ import annotations

import re
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from conftest import Command
from fer_edge.bundle import Bundle
from fer_edge.bundle.portraits import portraits
from fer_edge.errors import BundleDamaged, DeviceNotFound, InputError, NotFinite, UsageError
from fer_edge.runtime.classify import classify
from fer_edge.runtime.inference.classifier import INT8_TOLERANCE, Classifier, choose_artifact
from fer_edge.runtime.pipeline import Pipeline, run
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.storage.session import open_session
from fer_edge.runtime.types import Observation
from fer_edge.runtime.vision.detectors import fetching, open_detector
from fer_edge.runtime.vision.detectors.fetching import fetch_model
from fer_edge.runtime.vision.detectors.weights import REGISTRY, add_model, find_model
from fer_edge.runtime.vision.smoothing import open_smoother
from support.front_door import run_verb
from support.odd_bundles import odd_bundle


def test_an_answer_that_is_no_number_is_left_out_and_told(tmp_path: Path, command: Command) -> None:
    """NaN at first, and then good answers to the same face: these are kept, and no average holds the NaN for ever."""
    out = tmp_path / "out"
    bundle = odd_bundle(tmp_path / "odd", limit=130)
    done = command("run", "--bundle", bundle, "--source", "demo:4", "--out", out, "--detector", "haar")
    assert done.returncode == 0, done.stderr
    assert int(re.findall(r"left out: +(\d+) faces.*NaN", done.stdout)[0]) > 10
    seen = list(open_session(out).observations())
    assert len(seen) > 10
    assert {o.label for o in seen} == {"happy"}


def test_a_model_that_never_answers_a_number_is_an_error(tmp_path: Path, command: Command) -> None:
    bundle = odd_bundle(tmp_path / "odd", limit=-1)
    run = ("run", "--bundle", bundle, "--source", "demo:1", "--detector", "haar")
    benchmark = ("benchmark", "--bundle", bundle, "--scope", "both", "--quick", "--detector", "haar")
    for words, code, times in [(run, 4, 1), (("bundle", "check", bundle), 2, 1), (benchmark, 4, 2)]:
        done = command(*words)
        said = done.stdout + done.stderr
        assert (done.returncode, said.count("NaN or infinite")) == (code, times), said
    with pytest.raises(NotFinite, match="in 1 of 1"):
        classify(np.zeros((50, 50, 3), np.uint8), bundle=bundle, quality_gate=False)


class Collect:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def write(self, frame: object, observations: tuple[Observation, ...]) -> None:
        self.seen += observations

    def close(self) -> None:
        pass


def watch(
    bundle: Bundle, path: Path, detector: str = "haar", precision: str = "auto", smoother: str = "exponential"
) -> list[Observation]:
    classifier = Classifier(bundle, choose_artifact(bundle, precision))
    pipeline = Pipeline(open_detector(detector)[0], classifier, open_smoother(smoother, bundle.labels))
    sink = Collect()
    source = open_source(str(path))
    tally = run(source, pipeline, [sink])
    source.close()
    assert tally.faces == len(sink.seen)
    return sink.seen


@pytest.mark.parametrize("detector", ["haar", "yunet"])
def test_two_runs_give_identical_observations(bundle: Bundle, clip: Path, yunet: Path, detector: str) -> None:
    assert watch(bundle, clip, detector) == watch(bundle, clip, detector)


def test_one_smiling_man_is_one_track_that_smiles(bundle: Bundle, clip: Path, yunet: Path) -> None:
    seen = watch(bundle, clip, "yunet")
    assert len(seen) >= 60
    assert {o.track for o in seen} == {1}
    shown = [o.label for o in seen]
    assert max(set(shown), key=shown.count) == "happy"
    for o in seen:
        assert sum(o.probabilities) == pytest.approx(1, abs=1e-5)
        assert 0 <= o.confidence <= 1


def test_two_people_are_two_tracks(bundle: Bundle, clips: Path, yunet: Path) -> None:
    seen = watch(bundle, clips / "head-pose-face-detection-female-and-male.gif", "yunet")
    by_track = {n: sum(o.track == n for o in seen) for n in {o.track for o in seen}}
    assert sorted(by_track.values())[-2:] >= [40, 40]


def test_both_smoothers_and_precisions_agree_on_the_smile(bundle: Bundle, clip: Path) -> None:
    for precision in ("float16", "int8"):
        shown = [o.label for o in watch(bundle, clip, precision=precision, smoother="majority")]
        assert max(set(shown), key=shown.count) == "happy"


def test_int8_agrees_with_float_on_real_crops(bundle: Bundle, clip: Path) -> None:
    big = Classifier(bundle, bundle.artifact("onnx", "float16"))
    small = Classifier(bundle, bundle.artifact("onnx", "int8"))
    detector, _ = open_detector("haar")
    crops = [big.crop(f.image, face) for f in open_source(str(clip)) for face in detector.detect(f.image)]
    stack = np.stack(crops)
    same = big.logits(stack).argmax(axis=1) == small.logits(stack).argmax(axis=1)
    assert same.mean() >= 0.9


def test_auto_takes_int8_only_when_its_accuracy_is_close(bundle: Bundle) -> None:
    from dataclasses import replace

    plain, small = bundle.artifact("onnx", "float16"), bundle.artifact("onnx", "int8")
    for drop, expected in ((INT8_TOLERANCE - 1e-4, "int8"), (INT8_TOLERANCE + 1e-4, "float16")):
        worse = replace(small, metrics={**small.metrics, "accuracy": plain.metrics["accuracy"] - drop})
        changed = replace(bundle, manifest=replace(bundle.manifest, artifacts=(plain, worse)))
        assert choose_artifact(changed).precision == expected
    unmeasured = replace(bundle, manifest=replace(bundle.manifest, artifacts=(plain, replace(small, metrics={}))))
    assert choose_artifact(unmeasured).precision == "float16"


def test_shipped_model_earns_int8(bundle: Bundle) -> None:
    assert choose_artifact(bundle).precision == "int8"


def test_yunet_finds_what_haar_finds(clip: Path, yunet: Path) -> None:
    from fer_edge.runtime.vision.tracker import overlap

    haar, best = open_detector("haar", 0)[0], open_detector("yunet")[0]
    pairs = [
        (a[0].box, b[0].box)
        for f in open_source(str(clip))
        if (a := haar.detect(f.image)) and (b := best.detect(f.image))
    ]
    assert len(pairs) > 30
    assert np.median([overlap(a, b) for a, b in pairs]) > 0.6  # both are framed like the training pictures


@pytest.mark.parametrize("shape", [(16, 16), (1000, 18), (18, 1002), (2160, 3840), (1, 640)])
@pytest.mark.parametrize("name", ["yunet", "haar"])
def test_detectors_survive_odd_sizes(name: str, shape: tuple[int, int], yunet: Path) -> None:
    detector = open_detector(name)[0]
    pictures = [np.random.default_rng(i).integers(0, 255, (*shape, 3), dtype=np.uint8) for i in range(3)]
    for picture in [*pictures, np.zeros((*shape, 3), np.uint8)]:
        for face in detector.detect(picture):
            assert np.isfinite(face.box).all()


def test_auto_says_when_it_falls_back_to_haar() -> None:
    detector, notice = open_detector("auto")
    assert detector.name == "haar"
    assert "fer-edge models fetch" in notice


def test_auto_takes_yunet_when_it_is_there(yunet: Path) -> None:
    detector, notice = open_detector("auto")
    assert (detector.name, notice) == ("yunet", "")


def test_yunet_asked_for_and_absent() -> None:
    with pytest.raises(DeviceNotFound, match="not in the cache"):
        open_detector("yunet")
    with pytest.raises(UsageError, match="no detector 'mtcnn'"):
        open_detector("mtcnn")


def test_a_group_is_found_whole(faces: Path, yunet: Path) -> None:
    """24 faces in one picture: their boxes are many times as many before those of one face are made one."""
    import random

    import cv2
    from fer_edge.bundle.dataset import read_dataset

    samples = list(read_dataset(faces).split("test"))
    found = []
    for seed in range(3):
        drawn = [cv2.imread(str(s.path)) for s in random.Random(seed).sample(samples, 24)]
        rows = [np.hstack([cv2.resize(p, (160, 160)) for p in drawn[n : n + 6]]) for n in range(0, 24, 6)]
        found.append(len(open_detector("yunet")[0].detect(np.vstack(rows))))
    assert sum(found) >= 3 * 20, f"it was 11 of 24 each: {found}"


def test_small_faces_are_found_in_a_wider_picture(yunet: Path) -> None:
    """24 faces of 31 pixels in 640 x 480, as docs/kiosk.md says."""
    picture = np.full((480, 640, 3), 128, np.uint8)
    for number, face in enumerate(portraits(31)[:24]):
        top, left = 45 + number // 6 * 120, 38 + number % 6 * 106
        picture[top : top + 31, left : left + 31] = face[:, :, ::-1]
    found = {width: len(open_detector("yunet", width)[0].detect(picture)) for width in (320, 640)}
    assert found[320] < 12, found
    assert found[640] > 14, found


def test_the_detector_is_fetched_once_by_itself(
    clip: Path, yunet_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    words = ("run", "--source", clip, "--seconds", 0.2)
    monkeypatch.setitem(REGISTRY, "yunet", replace(REGISTRY["yunet"], urls=(yunet_file.as_uri(),), wheel=""))
    code, said = run_verb(capsys, *words)
    assert (code, "detector haar" in said, "FER_EDGE_OFFLINE forbids" in said) == (0, True, True)
    monkeypatch.delenv("FER_EDGE_OFFLINE")
    code, said = run_verb(capsys, *words)
    assert (code, "detector yunet" in said, said.count("was fetched once")) == (0, True, 1)
    code, said = run_verb(capsys, *words)
    assert (code, "detector yunet" in said, "fetched" in said) == (0, True, False)


@pytest.mark.parametrize("place", ["hangs", "has something else"])
def test_a_start_does_not_wait_for_the_detector(
    place: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket
    from dataclasses import replace

    (tmp_path / "page.html").write_text("log in first")
    monkeypatch.delenv("FER_EDGE_OFFLINE")
    monkeypatch.setattr(fetching, "PATIENCE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/" if place == "hangs" else (tmp_path / "page.html").as_uri()
        monkeypatch.setitem(REGISTRY, "yunet", replace(REGISTRY["yunet"], urls=(url,), wheel=""))
        began = monotonic()
        detector, notice = open_detector("auto")
        assert monotonic() - began < 3
    assert detector.name == "haar"
    assert "the Haar detector serves" in notice
    assert "fer-edge models fetch" in notice


def test_exchanged_weights_are_refused(yunet: Path) -> None:
    yunet.write_bytes(yunet.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleDamaged, match="registered hash"):
        find_model("yunet")


def test_only_registered_bytes_enter_the_cache(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"something else")
    with pytest.raises(InputError, match="not a model that fer-edge knows"):
        add_model(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="is not a file"):
        add_model(tmp_path)
    assert find_model("yunet", required=False) is None


def test_fetch_trusts_the_hash_and_names_every_place(
    tmp_path: Path, yunet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"a login page")
    only_wrong = replace(REGISTRY["yunet"], urls=(wrong.as_uri(),), wheel="")
    monkeypatch.setitem(REGISTRY, "yunet", only_wrong)
    with pytest.raises(DeviceNotFound, match="any of 1 place"):
        fetch_model("yunet", lambda line: None)
    monkeypatch.setitem(REGISTRY, "yunet", replace(only_wrong, urls=(wrong.as_uri(), yunet_file.as_uri())))
    assert fetch_model("yunet", lambda line: None).read_bytes() == yunet_file.read_bytes()

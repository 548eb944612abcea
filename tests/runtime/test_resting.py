"""`run --resting` through the real command, on a film of somebody whose resting face the model takes for a smile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import fer_edge
import numpy as np
import pytest
from fer_edge.bundle import LABELS, Image
from fer_edge.bundle.portraits import SIDE, portraits
from fer_edge.runtime.resting import profile_path
from fer_edge.runtime.storage.session import open_session
from support.bundles import small_bundle
from support.front_door import run_verb
from support.ip_cameras import IpCamera

RESTS, SMILES = 11, 13
"""Of the portraits: the mouth covered, which reads happy by 2 nats all the same, and a broad smile."""
FPS = 5


def scene(number: int) -> Image:
    """A picture, BGR, of one of the portraits."""
    picture = np.full((360, 480, 3), 128, np.uint8)
    picture[60:284, 120:344] = cv2.resize(
        portraits(SIDE)[number][:, :, ::-1], (224, 224), interpolation=cv2.INTER_CUBIC
    )
    return picture


@pytest.fixture
def here(tmp_path: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a film of three seconds at rest and two of a smile, and a picture of each; and no kept faces."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    rest, smile = scene(RESTS), scene(SMILES)
    writer = cv2.VideoWriter("film.avi", cv2.VideoWriter.fourcc(*"MJPG"), FPS, rest.shape[1::-1])
    for image in [rest] * 3 * FPS + [smile] * 2 * FPS:
        writer.write(image)
    writer.release()
    (tmp_path / "rest").mkdir()
    for name, image in (("rest/0.png", rest), ("rest/empty.png", np.zeros_like(rest)), ("smile.png", smile)):
        cv2.imwrite(name, image)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """What `run … --json` prints, of a run that did what it should."""
    code, said = run_verb(capsys, "run", *words, "--json")
    assert code == 0, said
    return dict(json.loads(said.splitlines()[-1]))


def neutral_share(summary: dict[str, Any]) -> float:
    return float(summary["expressions"].get("neutral", 0.0))


def test_a_face_that_reads_happy_at_rest_reads_neutral_and_its_smile_still_happy(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = told(capsys, "film.avi")
    assert plain["expressions"]["happy"] == 1
    assert plain["resting"] is None
    summary = told(capsys, "film.avi", "--resting", "first:2s", "--resting-save", "anna", "--out", "s")
    assert summary["expressions"]["neutral"] == pytest.approx(0.6, abs=0.1)
    assert summary["expressions"]["happy"] == pytest.approx(0.4, abs=0.1)
    resting = summary["resting"]
    assert (resting["from"], resting["pictures"], resting["learnt"], resting["left"]) == ("first:2s", 10, 1, 0)
    assert summary["outputs"]["resting"] == str(profile_path("anna"))
    again = told(capsys, "film.avi", "--resting", "anna")
    assert again["expressions"] == pytest.approx(summary["expressions"], abs=0.05)
    session = open_session(here / "s")
    assert session.facts["resting"] == resting
    for seen in session.observations():  # label and probabilities are of the same: what was left
        assert session.labels[int(np.argmax(seen.probabilities))] == seen.raw_label
    assert run_verb(capsys, "report", "s", "--only", "html")[0] == 0
    assert "first:2s, taken off" in (here / "s" / "report.html").read_text()
    code, said = run_verb(capsys, "run", "film.avi", "--resting", "s")
    assert (code, "was taken off already" in said) == (2, True)
    assert profile_path("anna").stat().st_mode & 0o077 == 0


def test_pictures_and_sessions_of_the_person_at_rest(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "rest/0.png", "--out", "still")
    told(capsys, "film.avi", "--out", "film")  # which shows the resting face most of the time
    told(capsys, "rest/0.png", "--resting", "rest", "--resting-save", "kept")
    for words in ("rest", "still", "film/observations.db", profile_path("kept")):
        summary = told(capsys, "film.avi", "--resting", words)
        assert 0.5 < neutral_share(summary) < 0.7, words
        assert summary["resting"]["from"] == Path(words).name


def test_a_smile_given_for_rest_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = run_verb(capsys, "run", "film.avi", "--resting", "smile.png")
    assert "smile.png (1 picture) taken off 1 face; it looks like an expression" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("film.avi", "--resting", ""), "no such picture"),
        (("film.avi", "--resting", "nobody"), "no such picture, folder, session or kept resting face"),
        (("film.avi", "--resting", "rest/empty.png"), "no face that can be read was found in rest/empty.png"),
        (("film.avi", "--resting", "film.avi"), "is a film, and --resting takes pictures"),
        (("film.avi", "--resting", "first:0s"), "as in first:2s, of at most 60 s"),
        (("film.avi", "--resting", "own:1 minute"), "as in own:2s"),
        (("smile.png", "--resting", "first:2s"), "pictures, which have no first seconds"),
        (("film.avi", "--resting-save", "anna"), "there is no resting face to be kept"),
        (("film.avi", "--resting", "own:5s", "--resting-save", "anna"), "is not kept"),
        (("film.avi", "--resting", "rest", "--resting-save", "../anna"), "is no name for a resting face"),
    ],
)
def test_what_cannot_be_taken_off_or_kept(
    words: tuple[str, ...], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output = run_verb(capsys, "run", *words)
    assert (code, said in output) == (2, True), output
    assert not profile_path("anna").exists()


def test_a_kept_face_of_another_model(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told(capsys, "rest/0.png", "--resting", "rest", "--resting-save", "anna")
    told(capsys, "rest/0.png", "--out", "s")
    other = small_bundle(tmp_path / "other", LABELS, [0.0] * 7)
    for kept, hint in (("anna", "--resting first:2s --resting-save anna"), ("s", "--out DIR --replace")):
        code, said = run_verb(capsys, "run", "film.avi", "--resting", kept, "--bundle", other)
        assert (code, "another model" in said, hint in said) == (2, True, True), said
    odd = small_bundle(tmp_path / "odd", ("happy", "sad"), [0.0, 1.0])
    code, said = run_verb(capsys, "run", "film.avi", "--resting", "anna", "--bundle", odd)
    assert (code, "has no label `neutral`" in said) == (2, True)


def test_before_a_camera_it_asks_for_a_relaxed_face_and_says_when_it_has_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jpeg = cv2.imencode(".jpg", scene(RESTS))[1].tobytes()
    camera = IpCamera(lambda number: jpeg, 0.05)
    try:
        url = f"http://127.0.0.1:{camera.server_port}/"
        code, said = run_verb(capsys, "run", url, "--seconds", 2, "--resting", "first:1s", "--json")
    finally:
        camera.switch_off()
    assert code == 0
    assert "look at the camera with a relaxed face for 1 s" in said
    assert "done: the resting face of 1 person is known" in said


def test_from_python(here: Path) -> None:
    rest, smile = cv2.imread("rest/0.png"), cv2.imread("smile.png")
    assert [face.label for face in fer_edge.classify([rest, smile], detect=True)] == ["happy", "happy"]
    seen = fer_edge.classify([rest, smile], detect=True, resting="rest/0.png")
    assert [face.label for face in seen] == ["neutral", "happy"]
    with fer_edge.analyze("film.avi", options=fer_edge.PipelineOptions(resting="first:2s")) as analysis:
        list(analysis)
    assert analysis.pipeline.resting is not None
    seen = fer_edge.classify(rest, detect=True, resting=analysis.pipeline.resting.profile())
    assert seen[0].label == "neutral"
    with pytest.raises(ValueError, match="needs a film"):
        fer_edge.classify(rest, resting="first:2s")

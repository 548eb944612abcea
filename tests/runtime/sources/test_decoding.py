"""What recorders, phones and browsers write: every frame as a person would see it, or none and a word about it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.errors import SourceError
from fer_edge.runtime.sources import Source, open_source
from fer_edge.runtime.sources import open as opening
from fer_edge.runtime.types import Frame
from support.films import FIELDS, card, corners, film

pytest.importorskip("av", reason="needs the video extra")
MPEG2 = {"flags": "+ildct+ilme"}
GAP = [0, 0.033, 0.067, *(4.8 + n / 30 for n in range(36))]
INTERLACED = [("a.mp4", "libx264", FIELDS), ("a.mpg", "mpeg2video", MPEG2), ("a.avi", "dvvideo", {})]


@pytest.fixture
def without_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)


def seen(path: object) -> tuple[Source, list[Frame]]:
    source = open_source(str(path))
    try:
        return source, list(source)
    finally:
        source.close()


def written(folder: Path, name: str, codec: str, options: dict[str, str]) -> Path:
    return film(folder / name, 30, codec, (720, 576) if codec == "dvvideo" else (320, 240), options=options)


@pytest.mark.parametrize(("name", "codec", "options"), INTERLACED)
def test_interlaced_video_is_woven_to_the_last_frame(
    name: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    _, frames = seen(written(tmp_path, name, codec, options))
    assert len(frames) == 30
    size = frames[0].image.shape[1::-1]
    assert all(np.abs(f.image.astype(int) - cv2.resize(card(), size)).mean() < 8 for f in frames)
    assert [f.time_s for f in frames] == pytest.approx([n / 30 for n in range(30)], abs=0.002)


@pytest.mark.parametrize(("name", "codec", "options"), INTERLACED)
def test_opencv_alone_refuses_interlaced_video_or_decodes_it(
    name: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    """4.13 and 4.14 give what was in memory; 4.12 decodes it. By the command: FFmpeg is silenced once in a process."""
    path = written(tmp_path, name, codec, options)
    script = "import sys\nsys.modules['av'] = None\nfrom fer_edge.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", script, "run", path, "--detector", "haar"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    if cv2.__version__ < "4.13":
        assert (done.returncode, "30 frames" in done.stdout) == (0, True), done.stderr
        return
    assert (done.returncode, "is interlaced" in done.stderr) == (2, True), done.stderr
    assert "pip install" in done.stderr


@pytest.mark.parametrize(("turned", "upright"), [(90, [1, 3, 0, 2]), (180, [3, 2, 1, 0]), (270, [2, 0, 3, 1])])
@pytest.mark.parametrize("aspect", [None, Fraction(4, 3)])
@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
def test_a_phone_that_was_turned(
    turned: int,
    upright: list[int],
    aspect: Fraction | None,
    decoder: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Players turn such a film, and its wide pixels with it."""
    path = film(tmp_path / "a.mp4", 3, turned=turned, aspect=aspect)
    if decoder == "opencv":
        request.getfixturevalue("without_pyav")
        if aspect:
            pytest.skip("OpenCV turns the picture and not its pixels")
    frame = seen(path)[1][0]
    assert corners(frame.image) == upright
    wide = 427 if aspect else 320
    assert frame.image.shape[:2] == ((wide, 240) if turned % 180 else (240, wide))


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(4, 3), (427, 240)), (Fraction(3, 4), (320, 320))])
@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
def test_pixels_that_are_not_square(
    aspect: Fraction, size: tuple[int, int], decoder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = film(tmp_path / "a.mkv", 3, aspect=aspect)
    if decoder == "opencv":
        request.getfixturevalue("without_pyav")
    assert {frame.image.shape[1::-1] for frame in seen(path)[1]} == {size}


def test_a_size_that_changes_on_the_way(tmp_path: Path) -> None:
    first, second = film(tmp_path / "a.ts"), film(tmp_path / "b.ts", size=(640, 360))
    (tmp_path / "ab.ts").write_bytes(first.read_bytes() + second.read_bytes())
    _, frames = seen(tmp_path / "ab.ts")
    assert [frame.image.shape[:2] for frame in frames] == [(240, 320)] * 30 + [(360, 640)] * 30
    assert all(corners(frame.image) == [0, 1, 2, 3] for frame in frames)
    assert all(a.time_s < b.time_s for a, b in pairwise(frames))


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.mp4", "libx264")])
@pytest.mark.parametrize(("times", "last_s"), [(GAP, 1 / 30), ([0, 0.1, 0.2], 5.0), ([0, 0.1, 2.9], 1 / 30)])
@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
def test_whole_files_of_any_rate(
    name: str,
    codec: str,
    times: list[float],
    last_s: float,
    decoder: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Screen recorders write a frame when something changes, and the last one for as long as it stood."""
    path = film(tmp_path / name, codec=codec, times_s=times, last_s=last_s)
    if decoder == "opencv":
        request.getfixturevalue("without_pyav")
        if name == "a.mp4" and last_s > 1:
            pytest.skip("OpenCV does not say how long a frame is shown")
    _, frames = seen(path)
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=0.002)


@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_a_file_of_variable_rate_that_is_cut(
    name: str, decoder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    codec = "libvpx" if name == "a.webm" else "libx264"
    path = film(tmp_path / name, codec=codec, times_s=GAP, options={"g": "1"})
    os.truncate(path, path.stat().st_size * 2 // 3)
    if decoder == "opencv":
        request.getfixturevalue("without_pyav")
    with pytest.raises(SourceError, match=r"ends after \d\.\d of 6\.0 s"):
        seen(path)


CUT = [("mkv", "libx264"), ("flv", "libx264"), ("ts", "mpeg2video"), ("mpg", "mpeg2video"), ("avi", "mjpeg"),
       ("gif", "gif"), ("apng", "apng"), ("dv", "dvvideo")]  # fmt: skip


@pytest.mark.parametrize("left", [0.47, 0.83])
@pytest.mark.parametrize(("kind", "codec"), CUT)
def test_a_file_of_any_kind_that_is_cut(kind: str, codec: str, left: float, tmp_path: Path) -> None:
    """It is said, and half a picture is none; a stream of packets has no end of its own that could be missed."""
    pixels = {"mjpeg": "yuvj420p", "gif": "rgb8", "apng": "rgb24"}.get(codec, "yuv420p")
    size = (720, 576) if codec == "dvvideo" else (320, 240)
    options = {"bf": "0", "g": "10"} if codec in ("libx264", "mpeg2video") else {}
    path = film(tmp_path / f"a.{kind}", 30, codec, size, options=options, pixels=pixels, noise=True)
    _, whole = seen(path)
    os.truncate(path, int(path.stat().st_size * left))
    source, frames = open_source(str(path)), []
    with suppress(SourceError):
        frames.extend(source)
        assert "damaged picture" in source.skipped[0]  # type: ignore[attr-defined]
    assert 0 < len(frames) < 30
    sure = frames[:-1] if kind == "dv" else frames  # weaving the last fields, one looks at those after them
    assert all(np.array_equal(f.image, w.image) for f, w in zip(sure, whole, strict=False))


def test_pictures_made_from_damage_are_left_out_and_counted(tmp_path: Path) -> None:
    """FFmpeg gives what follows a damaged frame as if it were good, to the next key frame."""
    path = film(tmp_path / "a.mkv", 40, options={"g": "10", "bf": "0"}, noise=True)
    good = {round(frame.time_s, 2): frame.image for frame in seen(path)[1]}
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data) // 2, 400):
        data[at] ^= 0xFF
    path.write_bytes(data)
    source, frames = seen(path)
    left_out = source.skipped[0]  # type: ignore[attr-defined]
    assert 20 <= len(frames) < 40
    told = re.fullmatch(
        r"(\d+) damaged pictures of a\.mkv(?:, and ([\d.]+) s more)?", left_out
    )  # more: of lost packets
    assert told, left_out
    assert abs(int(told[1]) + 30 * float(told[2] or 0) - (40 - len(frames))) <= 2
    assert all(np.abs(good[round(f.time_s, 2)].astype(int) - f.image).max() < 3 for f in frames)


def test_times_begin_at_nought(tmp_path: Path) -> None:
    """A recorder that runs on numbers its pictures on."""
    path = film(tmp_path / "a.ts", times_s=[3600 + n / 30 for n in range(10)], options={"bf": "0"})
    assert [frame.time_s for frame in seen(path)[1]] == pytest.approx([n / 30 for n in range(10)], abs=0.002)


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_pictures_that_move(name: str, tmp_path: Path) -> None:
    animation = cv2.Animation()
    animation.frames = [np.roll(card(), 20 * n, axis=1) for n in range(6)]
    animation.durations = np.array([100, 100, 500, 100, 100, 100])
    path = tmp_path / name
    assert cv2.imwriteanimation(str(path), animation)
    source, frames = seen(path)
    assert not source.still
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.7, 0.8, 0.9], abs=0.002)
    shifted = [np.abs(f.image.astype(int) - r).mean() for f, r in zip(frames, animation.frames, strict=True)]
    assert max(shifted) < 12


@pytest.mark.parametrize(
    "name", [b"caf\xe9.mp4", b"12:30:05.mp4", b"data:x.mp4", b"concat:a.mp4", b"2024", b"camera:0"]
)
@pytest.mark.parametrize("decoder", ["pyav", "opencv"])
def test_names_of_every_kind(
    name: bytes, decoder: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.mp4", 5)
    path.rename(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    monkeypatch.chdir(tmp_path)
    if decoder == "opencv":
        request.getfixturevalue("without_pyav")
    source, frames = seen(os.fsdecode(name))
    assert len(frames) == 5
    assert source.name.encode() == name.replace(b"\xe9", "\ufffd".encode())
    assert len(seen(Path(os.fsdecode(name)).absolute().as_uri())[1]) == 5


def test_a_folder_whose_name_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0").mkdir()
    cv2.imwrite(str(tmp_path / "0" / "a.png"), card())
    monkeypatch.chdir(tmp_path)
    assert seen("0")[0].still


@pytest.mark.parametrize(
    ("installed", "file", "stream"),
    [
        ("10.0.0", opening.OpenCvVideo, opening.OPENCV),
        ("14.1.0", opening.OpenCvVideo, opening.OPENCV),
        ("14.2.0", opening.OpenCvVideo, opening.PYAV),
        ("16.0.1", opening.OpenCvVideo, opening.PYAV),
        ("16.1.0", opening.VideoSource, opening.PYAV),
    ],
)
def test_an_old_pyav_is_taken_for_none(
    installed: str, file: type[Source], stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's own, which picamera2 brings along, would miss pictures or stop."""
    monkeypatch.setattr("av.__version__", installed)
    monkeypatch.setattr("importlib.metadata.version", lambda package: installed)
    source, frames = seen(film(tmp_path / "a.mp4", 3))
    assert isinstance(source, file)
    assert len(frames) == 3
    reader = opening.live_reader("rtsp://127.0.0.1/a")
    assert reader
    assert json.loads(reader._request)["file"] == str(stream)


def test_pictures_that_are_kept_for_a_while_take_no_new_memory_each_time(tmp_path: Path) -> None:
    """In a process of its own: memory is kept by what was freed in it before."""
    path = film(tmp_path / "a.mkv", 60, size=(640, 480))
    script = """
import resource, sys
from fer_edge.runtime.sources import open_source
for index, frame in enumerate(open_source(sys.argv[1], 1)):
    if index == 9:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (index - 9))
"""
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 640 * 480 * 3 / 4096 / 4

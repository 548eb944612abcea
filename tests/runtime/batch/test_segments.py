"""`fer-edge batch --segment`: long films in segments, of which the result is that of whole ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from fer_edge.errors import UsageError
from fer_edge.runtime.batch.files import plan
from fer_edge.runtime.batch.run import BatchOptions, run_batch
from fer_edge.runtime.batch.segments.divide import WARM_S, divide
from fer_edge.runtime.batch.segments.film import Film
from fer_edge.runtime.batch.segments.seen import pictures
from fer_edge.runtime.build import PipelineOptions
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.sources.video import VideoSource
from support.batches import Command, contents
from support.children import gone
from support.films import film
from support.made_once import made_once
from support.waiting import until

HAAR = ("--detector", "haar")
FPS, SECONDS, SHORT, PARTS = 12, 36, 24, 4


@pytest.fixture(scope="session")
def turning(clips: Path) -> Callable[[int], Path]:
    """Makes films of so many seconds: a man turns his head, over and over, with a key frame a second."""
    av = pytest.importorskip("av", reason="needs the video extra")
    pytest.importorskip("pyarrow", reason="needs the batch extra")
    clip = clips / "head-pose-face-detection-male.gif"

    def make(folder: Path, seconds: int) -> None:
        images = [frame.image for frame in open_source(str(clip))]
        high, wide = (side // 2 * 2 for side in images[0].shape[:2])
        with av.open(str(folder / "film.mp4"), "w") as file:
            options = {"g": f"{FPS}", "keyint_min": f"{FPS}", "sc_threshold": "0", "preset": "veryfast"}
            track = file.add_stream("libx264", rate=FPS, width=wide, height=high, pix_fmt="yuv420p", options=options)
            for number in range(FPS * seconds):
                image = np.ascontiguousarray(images[number % len(images)][:high, :wide])
                file.mux(track.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            file.mux(track.encode())

    return lambda seconds: made_once(f"turning-{seconds}", [clip], lambda place: make(place, seconds)) / "film.mp4"


@pytest.fixture(scope="session")
def archive(turning: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film of half a minute, which stands here for hours."""
    folder = tmp_path_factory.mktemp("archive")
    shutil.copyfile(turning(SECONDS), folder / "film.mp4")
    return folder


@pytest.fixture(scope="session")
def whole(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a batch makes of it without segments."""
    out = tmp_path_factory.mktemp("whole")
    words = ("batch", archive, "--out", out, "--workers", "1", *HAAR)
    subprocess.run([sys.executable, "-m", "fer_edge", *words], check=True, capture_output=True)
    assert record(out)["segments"] == 0
    return out


def record(out: Path) -> dict[str, Any]:
    (path,) = out.glob("sessions/*/record.json")
    return dict(json.loads(path.read_text()))


@pytest.mark.parametrize(("engine", "workers"), [("local", 1), ("local", 2), ("ray", 2)])
def test_the_same_bytes_as_of_the_whole_film(
    command: Command, archive: Path, whole: Path, tmp_path: Path, engine: str, workers: int
) -> None:
    """Every observation, whatever the number of workers; all but a few pictures are looked at no second time."""
    if engine == "ray":
        pytest.importorskip("ray", reason="needs the ray extra")
    words = ("--segment", 10, "--workers", workers, "--engine", engine, *HAAR)
    done = command("batch", archive, "--out", "o", *words)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "o") == contents(whole)
    assert not (tmp_path / "o" / "segments").exists()
    told = record(tmp_path / "o")
    assert (told["segments"], told["undivided"], told["frames"]) == (PARTS, "", FPS * SECONDS)
    assert told["looked_again"] < (FPS * SECONDS / 2 if workers > 1 else 1)  # by one worker each knows where it begins


@pytest.fixture
def begun(archive: Path, tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Starts a batch by one worker, and waits until so many segments are finished."""
    batches = []

    def start(finished: int) -> subprocess.Popen[str]:
        words = ["batch", archive, "--out", "o", "--segment", "10", "--workers", "1", *HAAR]
        own = {**os.environ, "HOME": str(tmp_path / "home")}
        batch = subprocess.Popen([sys.executable, "-m", "fer_edge", *words], cwd=tmp_path, env=own, text=True)
        batches.append(batch)
        until(lambda: batch.poll() is not None or len(list(segments(tmp_path / "o"))) >= finished)
        assert batch.poll() is None
        return batch

    yield start
    for batch in batches:
        batch.kill()
        batch.wait()


def segments(out: Path) -> list[Path]:
    return sorted(out.glob("segments/*/[!.]*.jsonl"))


def test_a_batch_that_is_killed_goes_on_with_the_next_segment(
    begun: Callable[[int], subprocess.Popen[str]], command: Command, archive: Path, whole: Path, tmp_path: Path
) -> None:
    out, batch = tmp_path / "o", begun(2)
    children = Path(f"/proc/{batch.pid}/task/{batch.pid}/children").read_text().split()
    batch.kill()
    until(lambda: all(gone(int(pid)) for pid in children), "the workers of a killed batch end")
    finished = segments(out)
    made = [path.stat().st_ino for path in finished]
    half = finished[0].with_name(".0003.1.part.jsonl")
    half.write_text("[")

    ends, rest = finished[1].read_text().split("\n", 1)
    before, last, memory, after = json.loads(ends)
    memory[-1] += 1  # as if the search had come there otherwise than the run will: it must look again
    finished[1].write_text(json.dumps([before, last, memory, after]) + "\n" + rest)

    (file,) = plan([str(archive)], out).files
    assert Film(out, file, 10.0).missing() == tuple(range(len(finished), PARTS))
    later = begun(len(finished) + 1)
    assert [path.stat().st_ino for path in finished] == made
    later.kill()
    later.wait()
    other = command("batch", archive, "--out", out, "--segment", 20, *HAAR)
    assert other.returncode == 2
    assert "was begun with segment_s 10.0, not 20.0" in other.stderr
    done = command("batch", archive, "--out", out, "--segment", 10, *HAAR)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(whole)
    assert (record(out)["segments"], record(out)["looked_again"]) == (PARTS, 1)
    assert not half.exists()


def test_a_film_that_is_damaged_in_a_segment(command: Command, turning: Callable[[int], Path], tmp_path: Path) -> None:
    """It is analysed as a whole, as it would be without segments: what is lost is lost in either."""
    (tmp_path / "archive").mkdir()
    content = bytearray(turning(SHORT).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    (tmp_path / "archive" / "film.mp4").write_bytes(content)
    for out, words in (("whole", ()), ("parts", ("--segment", 10))):
        assert command("batch", "archive", "--out", out, *words, *HAAR).returncode in (0, 1)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    told = record(tmp_path / "parts")
    assert told["skipped"]
    assert "could not be analysed by itself, for it is damaged" in told["undivided"]
    assert told["segments"] == 0


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"g": "30", "bf": "3"}),
        ("a.mkv", "libx264", {"g": "30", "x264-params": "open-gop=1:bframes=3:keyint=30:min-keyint=30:scenecut=0"}),
        ("a.ts", "libx264", {"g": "30"}),
        ("b.ts", "mpeg2video", {"g": "12", "bf": "2"}),
        ("a.webm", "libvpx", {"g": "30", "deadline": "realtime"}),
        ("a.avi", "mjpeg", {}),
    ],
)
def test_every_picture_is_in_one_segment(name: str, codec: str, options: dict[str, str], tmp_path: Path) -> None:
    """And decoded there as it is where the whole film is."""
    pytest.importorskip("av", reason="needs the video extra")
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = film(tmp_path / name, 30 * 18, codec, (128, 96), options=options, noise=True, pixels=pixels)
    division = divide(path, 6.0)
    assert len(division.segments) == 3, division.why
    film_itself = open_source(str(path), 1)
    assert isinstance(film_itself, VideoSource)
    expected = [(stamp_s, crc32(image)) for stamp_s, image in film_itself.pictures()]
    assert [stamp_s for stamp_s, _ in expected] == list(division.times)
    found, early = [], 0
    for segment in division.segments:
        looked = [(stamp_s, crc32(image)) for stamp_s, image in pictures(path, 1, segment)]
        found += [picture for picture in looked if picture[0] > segment.begin_s]
        early += looked[0][0] <= segment.begin_s - WARM_S + 1
    assert found == expected
    assert early == 2


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("one.mp4", {"g": "9999", "sc_threshold": "0"}, "no key frame"),
        ("raw.h264", {"g": "30"}, "no times or no key frame"),
        ("cut.mkv", {"g": "30"}, "it is damaged"),
        ("short.mp4", {"g": "30"}, ""),
    ],
)
def test_what_stays_whole(name: str, options: dict[str, str], why: str, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs the video extra")
    path = film(tmp_path / name, 30 * (5 if name.startswith("short") else 18), size=(128, 96), options=options)
    if name.startswith("cut"):
        path.write_bytes(path.read_bytes()[:-300])
    division = divide(path, 6.0)
    assert division.segments == ()
    assert why in division.why
    assert bool(why) == bool(division.why)


@pytest.mark.parametrize(
    ("seconds", "pipeline", "said"),
    [
        (5.0, {}, "at least 10 seconds"),
        (float("nan"), {}, "at least 10 seconds"),
        (60.0, {"infer_every_s": 0.5}, "--segment does not go together with infer_every_s"),
        (60.0, {"faces_per_frame": 1}, "--segment does not go together with faces_per_frame"),
    ],
)
def test_what_cannot_be_divided(seconds: float, pipeline: dict[str, Any], said: str, tmp_path: Path) -> None:
    options = BatchOptions((str(tmp_path),), tmp_path / "o", pipeline=PipelineOptions(**pipeline), segment_s=seconds)
    with pytest.raises(UsageError, match=said):
        run_batch(options)

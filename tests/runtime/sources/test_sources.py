"""Sources: real files, and every kind of bad one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge import classify
from fer_edge.errors import DeviceNotFound, FerEdgeError, SourceError, UsageError
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.sources.camera_process import CameraProcess
from fer_edge.runtime.sources.capture import Capture
from fer_edge.runtime.sources.demo import WALL, DemoSource
from fer_edge.runtime.sources.live import LiveSource
from fer_edge.runtime.sources.open import live_reader
from support.children import FAULTY_CAMERA


def frames(text: object) -> list:
    source = open_source(str(text))
    try:
        return list(source)
    finally:
        source.close()


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """The demo's portrait as a picture file."""
    image = frames("demo:0.01")[0].image
    path = tmp_path / "portrait.png"
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of MPEG-4 in film.mp4; film.mkv beside it holds the same."""
    folder = tmp_path_factory.mktemp("film")
    for name in ("film.mkv", "film.mp4"):
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 240))
        for i in range(50):
            writer.write(np.random.default_rng(i).integers(0, 255, (240, 320, 3), dtype=np.uint8))
        writer.release()
    return folder / "film.mp4"


def test_video_gives_every_frame_in_order(clip: Path) -> None:
    seen = frames(clip)
    assert [f.index for f in seen] == list(range(62))
    assert all(b.time_s > a.time_s for a, b in pairwise(seen))
    assert seen[0].image.shape == (270, 480, 3)
    assert seen[-1].time_s == pytest.approx(5.08, abs=0.1)


def test_demo_is_the_same_every_time() -> None:
    first, second = frames("demo:0.2"), frames("demo:0.2")
    assert len(first) == 6
    assert first[0].image.shape == (480, 640, 3)
    assert all((a.image == b.image).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("second", "label"), [(2, "happy"), (6, "neutral"), (8, "sad"), (11, "angry")])
def test_the_expressions_of_the_demo_change(second: int, label: str, yunet: Path) -> None:
    assert [f.label for f in classify(DemoSource().picture(30 * second), detect=True)] == [label]


def test_the_wall_of_the_demo_is_drawn_again() -> None:
    pytest.importorskip("skimage", reason="needs scikit-image")
    from support.demo_wall import draw

    assert np.abs(draw().astype(int) - cv2.imread(str(WALL))).mean() < 3


def test_folder_of_pictures_goes_by_name_and_names_what_it_skips(portrait: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(portrait, folder / "b.png")
    shutil.copy(portrait, folder / "a.png")
    (folder / "c.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("x")
    source = open_source(str(folder))
    assert len(list(source)) == 2
    assert source.frames == 3
    assert "1 other file, not pictures by their names: .txt" in source.skipped[0]  # type: ignore[attr-defined]
    assert "c.jpg is not a picture" in source.skipped[1]  # type: ignore[attr-defined]


def test_a_pattern_names_pictures_of_sub_folders(portrait: Path, tmp_path: Path) -> None:
    for name in ("x/one.png", "y/deep/two.png", "y/three.PNG", "y/other.jpg"):
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(portrait, tmp_path / "p" / name)
    assert [f.name for f in frames(tmp_path / "p")] == ["x/one.png", "y/deep/two.png", "y/other.jpg", "y/three.PNG"]
    assert [f.name for f in frames(tmp_path / "p" / "**" / "*.png")] == ["x/one.png", "y/deep/two.png"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP"])
def test_pictures_of_every_kind_are_upright(kind: str, tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image", reason="needs Pillow to write them")
    left_white = np.zeros((40, 80, 3), np.uint8)
    left_white[:, :40] = 255
    turned = pil.Exif()
    turned[274] = 6  # a quarter clockwise makes it upright: what was left is on top
    path = tmp_path / f"a.{kind.lower()}"
    if kind == "BMP":  # has no EXIF
        pil.fromarray(np.rot90(left_white, -1)).save(path)
    else:
        pil.fromarray(left_white).save(path, kind, exif=turned)
    (seen,) = frames(path)
    assert seen.image.shape == (80, 40, 3)
    assert seen.image[:30].mean() > 250
    assert seen.image[-30:].mean() < 5


def test_a_kind_without_decoder_is_named(portrait: Path) -> None:
    (portrait.parent / "b.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    source = open_source(str(portrait.parent))
    assert len(list(source)) == 1
    assert "b.heic is not read (OpenCV here has no decoder for .heic)" in source.skipped[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["demo:x", "demo:0", "demo:-1", "camera:x"])
def test_misspelt_sources(text: str) -> None:
    with pytest.raises(UsageError):
        open_source(text)


def test_absent_camera() -> None:
    if Path("/dev/video63").exists():
        pytest.skip("this machine has 64 cameras")
    with pytest.raises(DeviceNotFound, match="no camera 63") as caught:
        open_source("camera:63")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nowhere.mp4", None, "no file or folder"),
        ("a.mp4", b"", "is empty"),
        ("a.png", b"", "not a picture that can be read"),
        ("a.png", b"\x89PNG\r\n\x1a\n cut", "not a picture that can be read"),
        ("a.png", b"just text", "not a picture that can be read"),
        ("", None, "holds no picture"),
    ],
)
def test_what_holds_nothing(name: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=said):
        open_source(str(tmp_path / name))


def test_truncated_mp4_has_no_index(film: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copy(film, tmp_path / "cut.mp4"))
    os.truncate(broken, film.stat().st_size // 2)
    with pytest.raises(SourceError, match="holds no video that can be read"):
        frames(broken)


def test_truncated_matroska_says_where_it_ends(clips: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copy(clips / "walk.mkv", tmp_path / "cut.mkv"))
    os.truncate(broken, broken.stat().st_size // 2)
    source = open_source(str(broken))
    seen: list[object] = []
    with pytest.raises(SourceError, match=r"ends after \d\.\d of 3\.0 s"):
        seen.extend(iter(source))
    assert 10 < len(seen) < 80


def test_sound_without_pictures(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        import wave

        with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(b"\0\0" * 8000)
        path = tmp_path / "a.wav"
    else:
        path = tmp_path / "a.mp4"
        tone = ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac"]
        subprocess.run(["ffmpeg", "-v", "error", *tone, path], check=True)
    with pytest.raises(SourceError, match="holds no video"):
        frames(path)


def test_one_pixel_picture(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(SourceError, match="1x1 pixels, too small"):
        open_source(str(tmp_path / "a.png"))


def test_folder_with_only_bad_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(SourceError, match="has 1 picture, and none can be used"):
        frames(tmp_path)


def test_stream_nobody_serves() -> None:
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1 failed: no video came") as caught:
        open_source("http://user:secret@127.0.0.1:9/stream")
    assert "secret" not in str(caught.value)


def test_stream_over_http(film: Path) -> None:
    """A real server on loopback; the file arrives as a stream."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(film.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = open_source(f"http://127.0.0.1:{server.server_port}/film.mkv")
        assert source.live
        assert len(list(source)) == 50
        source.close()
        server.shutdown()


def live(what: str) -> LiveSource:
    return LiveSource(CameraProcess(FAULTY_CAMERA, what, {}, name="camera:0"))


def test_a_camera_that_ends_is_told_and_nothing_waits_for_whoever_looks() -> None:
    source, seen = live("small,grey,small,small,small,grey,grey,grey,grey,grey,end"), []

    def look_slowly() -> None:
        for frame in source:
            seen.append(frame)
            time.sleep(0.02)  # slower than the camera

    with pytest.raises(SourceError, match="camera:0 gives no more pictures"):
        look_slowly()
    source.close()
    assert [frame.index for frame in seen] == list(range(len(seen)))
    assert seen[0].time_s == 0.0 < seen[1].time_s
    assert seen[1].image.shape == (48, 64, 3)
    assert source.dropped > 0
    assert len(seen) + source.dropped <= 10
    assert (source.fps, source.live, source.frames) == (30.0, True, None)
    with pytest.raises(SourceError, match="camera:0 opened but gave no picture"):
        live("end")


def test_a_camera_that_hangs_does_not_hang_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Capture.__init__, "__kwdefaults__", {**Capture.__init__.__kwdefaults__, "deadline_s": 1.0})
    source = live("small,hang")
    with pytest.raises(SourceError, match=r"camera:0 gave no picture for 1\.0 s"):
        list(source)
    source.close()


@pytest.mark.parametrize("text", ["0", "camera:0", "picamera:0", "RTSP://cam/x", "http://cam/x", "udp://cam:1"])
def test_whatever_is_live_is_read_with_a_deadline(text: str) -> None:
    assert isinstance(live_reader(text), CameraProcess)
    assert live_reader("demo") is live_reader("film.mp4") is None


def test_every_source_error_is_one_of_ours() -> None:
    for kind in (SourceError, UsageError, DeviceNotFound):
        assert issubclass(kind, FerEdgeError)

"""A camera in a process of its own: pictures cross whole, deadlines hold, a crash is a sentence, nothing stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from fer_edge.errors import DeviceNotFound, SourceError, UsageError
from fer_edge.runtime.child_process.process import CHILD
from fer_edge.runtime.masking import without_secrets
from fer_edge.runtime.sources import camera_process, open_source
from fer_edge.runtime.sources import open as opening
from fer_edge.runtime.sources.camera_process import CameraProcess
from fer_edge.runtime.sources.open import OPENCV, PICAMERA, PYAV, live_reader, reader_for
from fer_edge.runtime.sources.source_reader import SourceReader
from support.children import FAULTY_CAMERA, gone, kill_the_parent, without_shared_memory
from support.old_pythons import bare_python, old_python, with_fakes
from support.waiting import until

Open = Callable[..., CameraProcess]


def faulty(what: str, share: bool = True) -> CameraProcess:
    return CameraProcess(FAULTY_CAMERA, what, {}, name="fake:0", share=share)


def expected(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """What faulty.py gives as its picture of that number, as BGR."""
    image = np.random.default_rng(count).integers(0, 256, shape, np.uint8)
    image = image[:, :, None] if image.ndim == 2 else image
    return np.repeat(image, 3, 2) if image.shape[2] == 1 else image[:, :, :3]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens a reader, or a faulty one by its name; it is closed at the end."""
    with ExitStack() as held:

        def open_it(what: str | CameraProcess, limit_s: float = 10, share: bool = True) -> CameraProcess:
            reader = held.enter_context(closing(faulty(what, share) if isinstance(what, str) else what))
            reader.open(limit_s)
            return reader

        yield open_it


@pytest.mark.parametrize("share", [True, False], ids=["shared memory", "pipe"])
def test_pictures_cross_whole(opened: Open, share: bool) -> None:
    """Grey, with and without a third dimension, BGRA, sizes that grow, shrink and are odd."""
    shapes = {"small": (48, 64, 3), "odd": (479, 641, 3), "big": (1080, 1920, 3), "dot": (1, 1, 3)}
    shapes |= {"grey": (48, 64), "grey1": (48, 64, 1), "bgra": (48, 64, 4)}
    words = [*shapes, "big"]
    reader = opened(",".join(words), share=share)
    for count, word in enumerate(words, 1):
        picture = reader.read(5)
        assert picture.image.flags.owndata
        assert np.array_equal(picture.image, expected(count, shapes[word])), word
        assert picture.time_s is None
    assert reader.about["backend"] == "faulty"


def test_where_the_kernel_offers_no_shared_memory(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    without_shared_memory(monkeypatch)
    assert np.array_equal(opened("odd").read(5).image, expected(1, (479, 641, 3)))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("crash", "ended by SIGSEGV"),
        ("exit", "ended by exit code 7"),
        ("hang", "gave no picture for 0.5 s"),
        ("raise", "failed: the sensor said no"),
        ("garbage", "something that is no picture"),
        ("end", "gives no more pictures"),
        ("float", "float32 pixels are not understood"),
        ("two", r"shape \(48, 64, 2\)"),
    ],
)
def test_a_fault_is_a_sentence(opened: Open, what: str, said: str) -> None:
    reader = opened(what)
    pid = reader.pid
    with pytest.raises(SourceError, match=said) as caught:
        reader.read(0.5)
    assert caught.value.message.startswith("fake:0 ")
    if what == "crash":
        assert caught.value.cause == "libcam: about to fall over"
    reader.close()
    reader.close()
    assert pid is not None
    assert gone(pid)


def test_a_camera_that_does_not_open() -> None:
    reader = faulty("deaf")
    with pytest.raises(SourceError, match=r"fake:0 did not open within 0\.5 s"):
        reader.open(0.5)
    pid = reader.pid
    reader.close()
    assert pid is not None
    assert gone(pid)


def test_a_stream_whose_server_says_nothing(opened: Open) -> None:
    """A real socket that accepts; FFmpeg waits, and is not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = reader_for(f"rtsp://user:s3cret@127.0.0.1:{server.getsockname()[1]}/live")
        with pytest.raises(SourceError, match=r"rtsp://127\.0\.0\.1 did not open within") as caught:
            opened(reader, 2.0)
    assert "s3cret" not in str(caught.value)


def test_stopped_in_the_middle(opened: Open) -> None:
    reader = opened("small")
    reader.read(5)
    assert reader.pid is not None
    os.kill(reader.pid, signal.SIGSTOP)
    with pytest.raises(SourceError, match="gave no picture"):
        reader.read(0.3)
    pid = reader.pid
    reader.close()
    assert gone(pid)


def test_a_child_that_cuts_the_memory_short_cannot(opened: Open) -> None:
    """Reading a file in memory beyond its end would kill this process, not the child."""
    reader = opened("odd,cut,odd")
    for shape in ((479, 641, 3), (48, 64, 3), (479, 641, 3)):
        assert reader.read(5).image.shape == shape


def test_a_talking_library_does_not_disturb(opened: Open) -> None:
    reader = opened("talk")
    assert all(reader.read(5).image.shape == (48, 64, 3) for _ in range(5))


def test_a_child_that_does_not_let_go_is_ended(opened: Open) -> None:
    reader = opened("stuck")
    pid = reader.pid
    reader.close()
    assert pid is not None
    assert gone(pid)


def test_interrupted_while_it_is_waited_for() -> None:
    reader, said = faulty("hang"), list[str]()

    def wait() -> None:
        try:
            reader.read(60)
        except SourceError as error:
            said.append(error.message)

    opener = threading.Thread(target=lambda: (reader.open(10), wait(), reader.close()))
    opener.start()
    until(lambda: reader.about)
    reader.interrupt()
    opener.join(10)
    assert said == ["fake:0 was closed"]
    late = faulty("small")
    late.interrupt()
    with pytest.raises(SourceError, match="was closed"):
        late.open(10)
    late.close()


def test_no_picture_reaches_the_disk_in_a_core(opened: Open) -> None:
    reader = opened("small")
    limits = Path(f"/proc/{reader.pid}/limits").read_text().splitlines()
    assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]


def test_the_child_goes_with_its_parent() -> None:
    """Killed in the middle of a read, the parent cannot say good-bye; the kernel does."""
    script = (
        "from pathlib import Path\nfrom fer_edge.runtime.sources.camera_process import CameraProcess\n"
        f"r = CameraProcess(Path({str(FAULTY_CAMERA)!r}), 'hang', {{}}, name='fake')\n"
        "r.open(10)\nprint(r.pid, flush=True)\nr.read(60)\n"
    )
    child = kill_the_parent(script)
    until(lambda: gone(child))


def test_a_child_whose_parent_is_gone_already_ends() -> None:
    command = [sys.executable, "-I", CHILD, camera_process.CHILD, "-1", str(os.getppid())]
    assert subprocess.run(command, input=b"", capture_output=True).returncode == 0
    done = subprocess.run(command, input=b"N\0\0\0\0", capture_output=True)
    assert done.stdout == b""


def test_what_cannot_be_started() -> None:
    reader = CameraProcess(FAULTY_CAMERA, "small", {}, name="fake:0", python="/no/python")
    with pytest.raises(DeviceNotFound, match=r"/no/python for fake:0 cannot be started"):
        reader.open(10)
    reader.close()
    with pytest.raises(SourceError, match="is not open"):
        reader.read(1)


def test_the_files_for_other_interpreters_parse_there() -> None:
    old = bare_python("3.9") or pytest.skip("no Python 3.9 on this machine")
    for path in (CHILD, camera_process.CHILD, OPENCV, PICAMERA):
        compile_it = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
        assert subprocess.run([old, "-c", compile_it, path]).returncode == 0


def test_a_real_video_through_the_child(clip: Path, opened: Open) -> None:
    reader = opened(CameraProcess(PYAV, str(clip), {}, name="clip"), 20)
    frames = list(open_source(str(clip)))
    assert all(np.array_equal(reader.read(5).image, frame.image) for frame in frames)
    with pytest.raises(SourceError, match="no more pictures"):
        reader.read(5)


def test_an_absent_camera() -> None:
    if Path("/dev/video63").exists():
        pytest.skip("this machine has 64 cameras")
    reader = reader_for("camera:63")
    with pytest.raises(DeviceNotFound, match="camera:63 cannot be opened"):
        reader.open(20)
    reader.close()


def test_a_camera_is_asked_for_a_size(tmp_path: Path, opened: Open) -> None:
    python = with_fakes(tmp_path / "python", modules="camera")
    options = {"width": 1200, "height": 700, "fps": 15.0}
    reader = opened(CameraProcess(OPENCV, "0", options, name="camera:0", python=python))
    assert {k: reader.about[k] for k in ("width", "height", "fps")} == {"width": 1280, "height": 720, "fps": 15.0}
    picture = reader.read(5)
    assert picture.image.shape == (720, 1280, 3)
    assert picture.image[0, 0, 0] == 1  # the buffer holds one picture: the newest
    with pytest.raises(DeviceNotFound, match="camera:1 cannot be opened"):
        opened(CameraProcess(OPENCV, "1", options, name="camera:1", python=python))


def test_names_and_kinds(tmp_path: Path) -> None:
    assert reader_for("0").name == reader_for("camera:0").name == "camera:0"
    assert reader_for("picamera:1").name == "picamera:1"
    assert reader_for("RTSP://user:pw@cam.local/live?k=1").name == "rtsp://cam.local"
    assert all(reader_for(text).live for text in ("0", "picamera:0", "http://cam/x"))
    assert isinstance(reader_for(str(tmp_path / "film.mp4")), SourceReader)
    assert reader_for(str(tmp_path / "film.mp4")).name == "film.mp4"
    for text in ("camera:x", "picamera:", "picamera:one"):
        with pytest.raises(UsageError, match="is not a camera"):
            reader_for(text)


@pytest.mark.parametrize(
    "text",
    [
        "open rtsp://user:s3cret@cam/live?key=9988 failed",
        "401 for rtsp://other:name@cam",
        "method DESCRIBE of /live?key=9988 refused s3cret",
        "bad p%40ss or p@ss",
        "key=9988 is wrong",
    ],
)
def test_what_may_be_a_password_is_hidden(text: str) -> None:
    hidden = without_secrets(text, "rtsp://user:s3cret@cam/live?key=9988")
    hidden = without_secrets(hidden, "rtsp://user:p%40ss@cam")
    assert not [word for word in ("s3cret", "9988", "other", "p%40ss", "p@ss", "/live") if word in hidden]


def test_what_a_library_says_of_a_stream_is_hidden(opened: Open) -> None:
    url = "rtsp://user:s3cret@cam/live?key=9988"
    reader = opened(CameraProcess(FAULTY_CAMERA, "leak", {"url": url}, name="rtsp://cam", secret=url))
    with pytest.raises(SourceError) as caught:
        reader.read(5)
    assert caught.value.cause == "libcam: cannot go on with ***"


def test_hiding_leaves_other_words_alone() -> None:
    words = "Connection to tcp://10.0.0.7:554 failed: Connection refused"
    assert without_secrets(words, "rtsp://10.0.0.7/") == words


@pytest.fixture
def pi_python(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The system's Python of a Pi: another one than ours, with numpy and picamera2."""
    python = with_fakes(tmp_path / "python3", old_python("3.9", kept, "numpy==1.24.4"), modules="picamera2")
    monkeypatch.setattr(opening, "SYSTEM_PYTHON", python)
    return python


def test_a_ribbon_camera_under_the_systems_python(pi_python: str, opened: Open) -> None:
    reader = opened(live_reader("picamera:0", 641, 479, 100.0), 20)
    assert reader.about["python"].startswith("3.9.")
    assert (reader.about["width"], reader.about["height"], reader.about["fps"]) == (640, 478, 100.0)
    first, second = reader.read(5), reader.read(5)
    assert first.image.shape == (478, 640, 3)
    assert first.image[5, 5].tolist() == [200, 0, 0]  # blue first
    assert first.image[0, 0, 1] != second.image[0, 0, 1]
    assert first.at_s < second.at_s


def test_a_ribbon_camera_as_a_source(pi_python: str) -> None:
    source = open_source("picamera:0")
    assert (source.name, source.live, source.fps) == ("picamera:0", True, 30.0)
    frames = iter(source)
    first, second = next(frames), next(frames)
    assert (first.index, first.time_s, second.index) == (0, 0.0, 1)
    assert second.time_s > 0
    assert first.image.shape == (720, 1280, 3)
    source.close()
    with pytest.raises(DeviceNotFound, match=r"picamera:3 cannot be opened: list index out of range"):
        open_source("picamera:3")


def test_without_picamera2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "SYSTEM_PYTHON", sys.executable)
    with pytest.raises(DeviceNotFound, match="No module named 'picamera2'") as caught:
        open_source("picamera:0")
    assert "import picamera2" in caught.value.hint

"""Privacy as a property: every byte and connection of a kiosk with all outputs on, by its system calls."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import face_crop
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.vision.detectors import open_detector
from support.brokers import MOSQUITTO, Broker
from support.ip_cameras import IpCamera
from support.kiosks import Running, cache_with
from support.waiting import until

ROOT = Path(__file__).resolve().parents[3]
RUN = 16
"""Bytes in a row; with eight values that differ, no database has the same by chance."""
PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"WEBPVP8", b"ftypisom", b"\x1aE\xdf\xa3")
"""How JPEG, PNG, WebP, MP4 and WebM begin."""
CALLS = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,connect,bind,sendfile,copy_file_range"


@dataclass
class Traced:
    """What a kiosk and its children did."""

    files: set[str] = field(default_factory=set)
    written: dict[str, bytearray] = field(default_factory=dict)
    connects: set[tuple[str, int]] = field(default_factory=set)
    listens: set[tuple[str, int]] = field(default_factory=set)


_OPEN = re.compile(r'(?:openat\(AT_FDCWD<[^>]*>, |open\(|creat\()"((?:\\x[0-9a-f]{2})*)"[^)]*?(O_WRONLY|O_RDWR|creat)')
_WRITE = re.compile(r'(?:write|pwrite64)\(\d+<((?:\\x[0-9a-f]{2})+)>[^,]*, "((?:\\x[0-9a-f]{2})*)"')
_OTHER = re.compile(r"(writev|pwritev2?|sendfile|copy_file_range)\(\d+<((?:\\x[0-9a-f]{2})+)>")
_PLACE = re.compile(r'(connect|bind)\(.*sin6?_port=htons\((\d+)\).*?"((?:\\x[0-9a-f]{2})+)"')


def plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def read_trace(folder: Path) -> Traced:
    """strace's files, one a thread."""
    traced = Traced()
    for file in folder.glob("trace.*"):
        for line in file.read_text().splitlines():
            if (opened := _OPEN.search(line)) and "= -1" not in line:
                traced.files.add(plain(opened[1]).decode())
            if written := _WRITE.search(line):
                name = plain(written[1]).decode()
                traced.written.setdefault(name, bytearray()).extend(plain(written[2]))
            if other := _OTHER.search(line):
                traced.files.add(f"{other[1]} {plain(other[2]).decode()}")
            if (place := _PLACE.search(line)) and place[2] != "0":  # a client lets the kernel choose its port
                where = (plain(place[3]).decode(), int(place[2]))
                (traced.connects if place[1] == "connect" else traced.listens).add(where)
    return traced


@pytest.fixture
def camera(clip: Path) -> Iterator[int]:
    """The port of an IP camera that shows the clip again and again."""
    frames = [cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in open_source(str(clip))]
    server = IpCamera(lambda number: frames[number % len(frames)], 0.05)
    yield server.server_port
    server.switch_off()


def run_traced(running: Running, folder: Path, enough: Callable[[], object]) -> Traced:
    """A kiosk under strace until it has done enough; `enough` is asked from its first snapshot on."""
    folder.mkdir()
    strace = ["strace", "-ff", "--seccomp-bpf", "-qq", "-xx", "-y", "-s", "1000000", "-e"]
    running.start(prefix=(*strace, f"trace={CALLS}", "-o", str(folder / "trace")))
    running.state()
    until(enough, limit_s=180)
    assert running.process is not None
    child = int(Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()[0])
    os.kill(child, signal.SIGTERM)
    assert running.process.wait(60) == 0
    running.process = None
    running._socket.close()
    return read_trace(folder)


@pytest.fixture(scope="module")
def runs(clip: Path, yunet_file: Path, tmp_path_factory: pytest.TempPathFactory) -> set[bytes]:
    """Byte runs of every third frame, BGR and RGB, and of the crops that the model is given, but of no plain area."""
    with cache_with(yunet_file, tmp_path_factory.mktemp("cache")):
        detector, runs = open_detector("yunet")[0], set[bytes]()
    for frame in islice(open_source(str(clip)), 0, None, 3):
        pictures = [frame.image, frame.image[:, :, ::-1]]
        pictures += [face_crop(frame.image[:, :, ::-1], f.box, 256) for f in detector.detect(frame.image)]
        for picture in pictures:
            for line in np.ascontiguousarray(picture)[:: picture.shape[0] // 24].reshape(-1, picture.shape[1] * 3):
                row = line.tobytes()
                runs |= {r for i in range(0, len(row) - RUN, 32) if len(set(r := row[i : i + RUN])) >= 8}
    return runs


def found_in(data: bytes, runs: set[bytes]) -> int:
    return sum(data[i : i + RUN] in runs for i in range(len(data) - RUN + 1))


def is_allowed(name: str, folder: Path) -> bool:
    """The store, the broker's queue, and what lives in memory."""
    own = [f"{folder}/state/store/", f"{folder}/state/queue.db"]
    memory = ("/memfd:", "/dev/null", "/dev/shm", "pipe:", "writev pipe:", "socket:", "/dev/urandom", "anon_inode:")
    memory += ("/proc/self/",)
    compiled = "/__pycache__/" in name  # Python's own, of a module that runs for the first time
    return name.startswith((*own, *memory)) or name == f"{folder}/log" or compiled


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_no_frame_reaches_a_disk_and_nothing_else_is_reached(
    tmp_path: Path, yunet: Path, camera: int, runs: set[bytes]
) -> None:
    broker = Broker(tmp_path / "broker") if MOSQUITTO.is_file() else None
    running = Running(tmp_path / "kiosk", f"http://127.0.0.1:{camera}/")
    if broker is not None:
        broker.start()
        lines = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ninterval_s = 0.1\n'
        running.write(f"http://127.0.0.1:{camera}/", lines)
    text = running.config.read_text().replace("commit_s = 0.2", "commit_s = 0.2\nkeep_probabilities = true")
    running.config.write_text(text)
    try:
        # Rows and not frames are counted: most frames bring none, since a face is classified ten times a second.
        traced = run_traced(running, tmp_path / "traces", lambda: running.stored() > 20)
    finally:
        running.stop(signal.SIGKILL)
        if broker is not None:
            broker.stop()
    assert running.rows() > 20
    unknown = {name for name in (*traced.files, *traced.written) if not is_allowed(name, running.folder)}
    assert not unknown
    assert len(runs) > 10_000
    kept = [data for name, data in traced.written.items() if name.startswith("/") and not name.startswith("/memfd")]
    assert sum(map(len, kept)) > 10_000  # the store was seen
    for data in kept:
        assert not found_in(bytes(data), runs)
        assert not [mark for mark in PICTURES if mark in data]
    ports = {camera, *([broker.port] if broker is not None else [])}
    assert traced.connects == {("127.0.0.1", port) for port in ports}
    assert traced.listens == {("127.0.0.1", running.port)}


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_scan_finds_a_picture_that_was_asked_for(tmp_path: Path, clip: Path, yunet: Path) -> None:
    """The scan can fail: with a recorded video there are files and marks that the other test would have refused."""
    folder = tmp_path / "sessions"
    lines = f'[record]\non = true\nfolder = "{folder}"\nvideo = true'
    running = Running(tmp_path / "kiosk", str(clip), lines)

    def recorded() -> bool:
        running.ask("/api/record", {"recording": True})  # a second request changes nothing
        return any(folder.glob("*/*annotated*"))

    try:
        traced = run_traced(running, tmp_path / "traces", recorded)
    finally:
        running.stop(signal.SIGKILL)
    unknown = {name for name in (*traced.files, *traced.written) if not is_allowed(name, running.folder)}
    assert any("/sessions/" in name for name in unknown)
    assert any(mark in data for data in traced.written.values() for mark in PICTURES)


def test_the_scan_knows_a_frame(clip: Path, runs: set[bytes]) -> None:
    frame = next(iter(open_source(str(clip)))).image
    assert found_in(b"before" + frame.tobytes()[:200_000] + b"after", runs) > 10


def test_only_these_files_can_make_a_picture() -> None:
    """Encoders of pictures and films are called in few places; each is one that somebody has to ask for."""
    makers = {"imwrite", "imencode", "VideoWriter", "savefig"}
    found = {
        str(path.relative_to(ROOT))
        for room in ("bundle", "devices", "runtime")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in makers
    }
    portraits = {"bundle/portraits.py"}  # of the one that ships
    recorded = ("encoders", "pictures", "plots", "report", "thumbnails")  # thumbnails: of a film that was asked for
    asked_for = {f"runtime/report/{name}.py" for name in recorded}
    assert found <= {*asked_for, "runtime/kiosk/page.py", "runtime/comparison/plots.py", *portraits}


def test_the_store_has_the_columns_that_are_told(tmp_path: Path) -> None:
    from fer_edge.runtime.storage.history import History

    store = History(tmp_path / "store", start=False)
    store.commit()
    store.close()
    with closing(sqlite3.connect(tmp_path / "store" / "kiosk.db")) as database:
        columns = {row[1] for row in database.execute("PRAGMA table_info(observations)")}
    told = (ROOT / "docs" / "data.md").read_text()
    assert columns == {"seq", "wall_ms", "clock_ok", "run", "track", "label", "confidence", "probabilities", "camera"}
    assert all(f"`{column}`" in told for column in columns)


def test_we_say_expression(clip: Path) -> None:
    """What people read speaks of expressions; `emotion` stands only where the law is quoted or its word explained."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "runtime" / "web").glob("*.html")]
    for page in pages:
        for line in page.read_text().splitlines():
            if "emotion" in re.sub("`[^`]*`", "", line).lower():  # in backticks stands somebody else's name
                assert page.name in ("config.md", "privacy.md"), f"{page.name}: {line}"

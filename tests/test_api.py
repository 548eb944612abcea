"""The Python API: the page's examples as they stand, what an import costs, and that everything is closed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import cv2
import fer_edge
import numpy as np
import pytest
from fer_edge.errors import InputError, OutputError, SourceError, UsageError
from fer_edge.runtime.report.video import VideoSink

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a face as a picture and as two seconds of video."""
    from fer_edge.runtime.sources.demo import DemoSource

    monkeypatch.chdir(tmp_path)
    frames = [frame.image for frame in DemoSource(2.0)]
    (tmp_path / "faces").mkdir()
    for i in range(32):  # crops of the face that moves
        cv2.imwrite(f"faces/{i:02}.png", frames[i][40 : 200 - i, 80:240])
    cv2.imwrite("face.png", frames[0])
    writer = cv2.VideoWriter("clip.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 30, frames[0].shape[1::-1])
    for image in frames:
        writer.write(image)
    writer.release()
    return tmp_path


def test_the_examples_of_the_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)
    assert len(examples) >= 6
    names: dict[str, object] = {}
    for example in examples:
        if any(importlib.util.find_spec(name) is None for name in re.findall(r"^# needs: (\w+)", example, flags=re.M)):
            continue
        exec(compile(example, "docs/api.md", "exec"), names)
    said = capsys.readouterr().out
    assert "face 1: happy" in said
    assert "there is no file or folder absent.mp4" in said
    assert (here / "session" / "observations.db").is_file()


def test_the_import_costs_nothing() -> None:
    script = (
        "import sys, fer_edge\nfound = {'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)\nassert not found, found\n"
        "assert set(fer_edge.__all__) <= set(dir(fer_edge))\n"
        "for name in fer_edge.__all__: getattr(fer_edge, name)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("first", ["import fer_edge", "import fer_edge.export.run", "from fer_edge import export"])
def test_export_is_a_function_whatever_was_imported_first(first: str) -> None:
    """Importing a file of the package `export` puts the package in the function's place."""
    script = (
        f"{first}\nimport fer_edge\nfrom fer_edge.errors import UsageError\n"
        "for again in range(2):\n"
        "    try: fer_edge.export('default', target='abacus', calibration='.', out='x')\n"
        "    except UsageError as error: assert \"no target 'abacus'\" in str(error)\n"
        "    else: raise SystemExit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(AttributeError, match="analyse"):
        fer_edge.analyse  # noqa: B018


def test_a_loop_that_is_left_closes_the_run(here: Path) -> None:
    analysis = fer_edge.analyze("clip.mp4")
    for seen in analysis:
        assert seen.label
        break
    with pytest.raises(UsageError):
        _ = fer_edge.analyze("clip.mp4").session  # not read yet
    analysis.close()
    assert 0 < analysis.session.frames < 60
    assert analysis.session.interrupted


def test_what_the_session_says(here: Path) -> None:
    analysis = fer_edge.analyze("clip.mp4", out=here / "kept", seconds=1)
    seen = list(analysis)
    session = analysis.session
    assert session.frames == 30
    assert session.faces == len(seen) > 0
    assert session.ended == "source ended"
    assert not session.interrupted
    assert session.failure is None
    assert sum(session.expressions.values()) == pytest.approx(1)


ONE_THREAD = """
import os, sys, time
import fer_edge
from pathlib import Path
from fer_edge.runtime.build import PipelineOptions
from threadpoolctl import threadpool_info
import cv2
def others():
    own = os.getpid()
    return sum(sum(map(int, (t / "stat").read_text().rpartition(")")[2].split()[11:13]))
               for t in Path("/proc/self/task").iterdir() if int(t.name) != own)
seen = iter(fer_edge.analyze("clip.mp4", options=PipelineOptions(threads=1)))
next(seen)
before, began = others(), time.process_time()
for _ in seen: pass
share = (others() - before) / os.sysconf("SC_CLK_TCK") / (time.process_time() - began)
pools = {p["prefix"]: p["num_threads"] for p in threadpool_info()}
assert pools and set(pools.values()) == {1} and cv2.getNumThreads() == 1, (pools, cv2.getNumThreads())
assert share < 0.1, f"{share:.0%} of the work was done by other threads"
"""


def test_every_pool_of_threads_obeys_the_setting(here: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ONE_THREAD], cwd=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_broken_source_raises_and_leaves_nothing(here: Path) -> None:
    (here / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError):
        list(fer_edge.analyze("bad.mp4", out=here / "none"))
    assert not (here / "none").exists()


def test_a_video_that_cannot_be_begun_leaves_no_session(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: VideoSink, folder: Path, fps: float) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(VideoSink, "__init__", refuse)
    with pytest.raises(OutputError, match="full"):
        fer_edge.analyze("clip.mp4", out=here / "none", video=True)
    assert not (here / "none").exists()


@pytest.mark.parametrize("color", ["bgr", "rgb"])
def test_colour_order_is_told(here: Path, color: str) -> None:
    picture = cv2.imread("face.png")
    assert picture is not None
    given = picture if color == "bgr" else np.ascontiguousarray(picture[:, :, ::-1])
    faces = fer_edge.classify([given], detect=True, color=color)
    assert [f.label for f in faces] == ["happy"]
    assert faces[0].confidence == pytest.approx(faces[0].probabilities["happy"])
    assert faces == fer_edge.classify(picture, detect=True)


@pytest.mark.parametrize("picture", [np.zeros((8, 8, 3)), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8)])
def test_what_is_no_picture_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(InputError):
        fer_edge.classify(picture)


def test_a_benchmark_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_edge.benchmarks.measure import run, singlestream

    monkeypatch.setitem(singlestream.RULES, "quick", singlestream.Rules("quick", 8, 0.1))
    results = fer_edge.benchmark("cpu", mode="quick", out=tmp_path / "kept")
    assert [row.state for row in results.rows] == ["measured"]
    assert len(results.rows[0].samples_ns) >= 8
    assert (tmp_path / "kept" / "results.json").is_file()
    assert run.benchmark is fer_edge.benchmark
    assert fer_edge.benchmark("coral-usb", mode="quick").rows[0].state == "absent"

"""The measurement itself: rules, rows, misfortunes, and MLPerf's own LoadGen beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from fer_edge.benchmarks.measure import board, matrix
from fer_edge.benchmarks.measure.model_row import Judge, model_row
from fer_edge.benchmarks.measure.pipeline_row import STAGES, Loop, paced, pipeline_row
from fer_edge.benchmarks.measure.singlestream import MAX_WARM, MIN_WARM, WINDOW, Rules, measure, warm_up
from fer_edge.benchmarks.measure.system_under_test import SystemUnderTest
from fer_edge.benchmarks.published.literature import read_published
from fer_edge.benchmarks.report.report import write_report
from fer_edge.benchmarks.results.metrics import latency_metrics
from fer_edge.benchmarks.results.results import ResultRow, Results, load_results, save_results
from fer_edge.bundle import Bundle, open_bundle
from fer_edge.devices.profile import PROFILES, find_profile, load_profiles, read_profile
from fer_edge.errors import DeviceFailed, OutputError, UsageError
from fer_edge.runtime.types import Frame

Command = Callable[..., subprocess.CompletedProcess[str]]
FAULTY = Path(__file__).resolve().parents[1] / "fakes" / "backends" / "faulty.py"
SHORT = Rules("quick", 30, 0.05)


class Clock:
    """Nanoseconds that go on only when a query takes them."""

    def __init__(self, *times_ms: float) -> None:
        self.now, self._times = 0, times_ms

    def __call__(self) -> int:
        return self.now

    def query(self, number: int) -> None:
        self.now += int(1e6 * self._times[min(number, len(self._times) - 1)])


# The loop


def test_both_least_queries_and_least_seconds() -> None:
    for rules, wanted in ((Rules("", 50, 0.1), 50), (Rules("", 5, 0.2), 20), (Rules("", 0, 0.0), 1)):
        clock, samples = Clock(10), list[int]()
        measure(clock.query, rules, samples, clock)
        assert samples == [10_000_000] * wanted


def test_warming_up_ends_when_two_windows_agree() -> None:
    clock = Clock(*([50] * WINDOW), *([20] * WINDOW), 10)
    warm = warm_up(clock.query, clock)
    assert (warm.queries, warm.settled) == (4 * WINDOW, True)
    steady = Clock(10)
    assert warm_up(steady.query, steady).queries == 2 * WINDOW >= MIN_WARM
    never = Clock(*(1.1**i for i in range(MAX_WARM)))
    warm = warm_up(never.query, never)
    assert (warm.queries, warm.settled) == (MAX_WARM, False)


def test_an_interrupt_and_a_fault_leave_what_was_measured() -> None:
    for misfortune in (KeyboardInterrupt, DeviceFailed):

        def query(number: int, kind: type[BaseException] = misfortune) -> None:
            if number == 7:
                raise kind("gone")

        samples: list[int] = []
        with pytest.raises(misfortune):
            measure(query, SHORT, samples)
        assert len(samples) == 7


def test_frames_lost_at_a_cameras_pace() -> None:
    """25 frames a second: at 30 ms each none is lost, at 90 ms more than half are."""
    frames = [Frame(i, i / 25, np.zeros((1, 1, 3), np.uint8)) for i in range(10)]
    lost = {}
    for ms in (30, 90):
        now, seen = [0.0], list[int]()

        def process(frame: Frame, ms: int = ms, now: list[float] = now, seen: list[int] = seen) -> None:
            now[0] += ms / 1000
            seen.append(frame.index)

        def wait(seconds: float, now: list[float] = now) -> None:
            now[0] += seconds + 1e-6

        lost[ms] = paced(process, frames, 25, 4.0, lambda now=now: now[0], wait)
        assert seen == sorted(set(seen))
    assert lost[30] == 0
    assert 0.5 < lost[90] < 0.62


# Rows


@pytest.fixture
def system(bundle: Bundle) -> SystemUnderTest:
    return SystemUnderTest(find_profile("cpu"), bundle, "default")


def test_a_row_holds_what_was_measured(system: SystemUnderTest) -> None:
    row = model_row(system, SHORT, Judge(lambda c: {"set": "s", "images": 1, "accuracy": 0.5, "mean_recall": 0.4}))
    assert (row.state, row.device, row.model, row.size) == ("measured", "cpu", "default", 112)
    assert len(row.samples_ns) >= 30
    assert row.figures == latency_metrics(row.samples_ns)
    assert row.first_ms is not None
    assert row.first_ms > row.figures["min_ms"]
    assert row.peak_mib is not None
    assert 20 < row.peak_mib < 4000
    assert row.sha256 == system.artifact().sha256
    assert row.accuracy == {"set": "s", "images": 1, "accuracy": 0.5, "mean_recall": 0.4, "points": 0.0}
    assert (row.degraded, row.simulated) == (False, False)
    assert row.warmup["queries"] >= MIN_WARM


def test_every_stage_of_the_pipeline_is_timed(system: SystemUnderTest, clip: Path, yunet: Path) -> None:
    row = pipeline_row(system, Rules("quick", 70, 0.1), str(clip))  # longer than the clip: it begins again
    assert row.state == "measured"
    assert set(row.stages) == set(STAGES)
    assert sum(s["mean_ms"] for s in row.stages.values()) == pytest.approx(row.figures["mean_ms"], rel=0.1)
    assert row.stages["infer"]["p50_ms"] > 0.1
    assert row.camera["fps"] == pytest.approx(12.5)
    assert 0 <= row.camera["dropped"] < 1
    assert (row.backend["detector"], row.backend["clip"]) == ("yunet", clip.name)


def test_a_clip_goes_on_as_if_it_never_ended(clip: Path) -> None:
    loop = iter(Loop(str(clip)))
    frames = [next(loop) for _ in range(130)]
    assert [f.index for f in frames] == list(range(130))
    steps = np.diff([f.time_s for f in frames])
    assert steps.min() > 0
    assert steps.max() < 0.3
    with pytest.raises(UsageError, match="wants a video file"):
        Loop(str(Path(__file__).resolve().parents[2] / "docs" / "timeline.png"))


def test_interrupted_rows_are_partial(system: SystemUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_edge.runtime.inference.classifier import Classifier

    plain, calls = Classifier.logits, [0]

    def logits(self: Classifier, crops: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] > MAX_WARM + 30:  # a busy machine never settles, and opening takes some of them
            raise KeyboardInterrupt
        return plain(self, crops)

    monkeypatch.setattr(Classifier, "logits", logits)
    row = model_row(system, Rules("", 1000, 60.0))
    assert (row.state, row.reason) == ("partial", "interrupted")
    assert row.figures["queries"] == len(row.samples_ns) >= 15
    results = matrix.run_steps([lambda: row, lambda: pytest.fail("the run went on")], begun(), lambda r: None)
    assert (results.complete, results.ended, len(results.rows)) == (False, "interrupted", 1)


def own_profile(path: Path, **more: str) -> Path:
    keys = {"name": "mine", "title": "Mine", "backend": "tflite", "target": "edgetpu", "precision": "int8"}
    path.write_text("".join(f'{k} = "{v}"\n' for k, v in {**keys, "isolation": "process", **more}.items()))
    return path


def test_a_stand_in_says_so(student: Path, tmp_path: Path, command: Command) -> None:
    """In the row, in the JSON and in the exit code, unless that was asked for."""
    profile = own_profile(tmp_path / "mine.toml", interpreter=sys.executable)
    profile.write_text(profile.read_text() + '[options]\ndelegate = "libnowhere.so.9"\n')
    own = Path(shutil.copytree(student, tmp_path / "own"))
    manifest = json.loads((own / "bundle.json").read_text())
    next(a for a in manifest["artifacts"] if a["target"] == "edgetpu")["report"]["compiled"] = True  # it was not
    (own / "bundle.json").write_text(json.dumps(manifest))
    system = SystemUnderTest(read_profile(profile), open_bundle(own), "own")
    row = model_row(system, SHORT)
    assert row.state == "absent"
    assert "libnowhere.so.9 cannot be loaded" in row.reason
    row = model_row(replace(system, fallback="cpu"), SHORT)
    assert (row.state, row.degraded) == ("measured", True)
    words = ("benchmark", "--quick", "--device", profile, "--bundle", own, "--fallback", "cpu")
    done = command(*words, "--out", "r")
    assert done.returncode == 1
    assert "DEGRADED: the processor stood in" in done.stdout
    assert load_results(tmp_path / "r").rows[0].degraded


def test_a_device_that_gives_up_is_a_failed_row(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_edge.benchmarks.measure import system_under_test as module
    from fer_edge.runtime.inference.classifier import Classifier
    from fer_edge.runtime.inference.worker_client import RemoteBackend

    def crashing(*_: object, **__: object) -> Classifier:
        return Classifier(bundle, bundle.reference, backend=RemoteBackend(FAULTY, Path("crash"), {}))

    monkeypatch.setattr(module, "open_device", crashing)
    row = model_row(SystemUnderTest(find_profile("cpu"), bundle, "default"), SHORT)
    assert row.state == "failed"
    assert "SIGSEGV" in row.reason
    assert row.figures == {}


# The board


def test_what_makes_figures_doubtful() -> None:
    calm = {"others_share": 0.01, "before": {"temperature_c": 50.0}, "after": {"temperature_c": 52.0}}
    steady = [1_000_000] * 90
    assert board.warnings(calm, steady, "performance") == []
    assert "powersave" in board.warnings(calm, steady, "powersave")[0]
    assert "31%" in board.warnings({**calm, "others_share": 0.31}, steady, "")[0]
    assert "+20%" in board.warnings(calm, steady[:60] + [1_200_000] * 30, "")[0]
    assert "12 degrees" in board.warnings({**calm, "after": {"temperature_c": 62.0}}, steady, "")[0]
    assert "0x50004" in board.warnings({**calm, "after": {"throttled": 0x50004}}, steady, "")[0]
    assert not board.warnings({**calm, "after": {"throttled": 0x50000}}, steady, "")  # it was, before this run
    assert "set by +86400 s" in board.warnings({**calm, "clock_jump_s": 86400.2}, steady, "")[0]


def test_a_clock_that_jumps_changes_no_latency(system: SystemUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, calls = time.time, [0]

    def jumping() -> float:
        calls[0] += 1
        return plain() + 86400 * calls[0]

    monkeypatch.setattr(time, "time", jumping)
    row = model_row(system, SHORT)
    assert row.figures["max_ms"] < 10_000
    assert any("wall clock was set" in w for w in row.warnings)


def test_other_programs_are_noticed() -> None:
    before = board.mark()
    child = "import time; end = time.time() + 1.5\nwhile time.time() < end: pass"
    busy = subprocess.Popen(["sh", "-c", f"'{sys.executable}' -c '{child}' & wait"])  # a grandchild is not ours
    time.sleep(1.4)
    seen = board.between(before, board.mark(), 1)
    busy.wait()
    assert seen["others_share"] > 0.3
    assert seen["before"]["load_1m"] >= 0


# A whole run


def begun(*rows: ResultRow) -> Results:
    return Results("0", "2026-01-01T00:00:00+00:00", "quick", {"queries": 1, "seconds": 0}, {"board": "b"}, rows)


def test_what_was_finished_is_kept_when_the_disk_fills_up(system: SystemUnderTest, small_disk: Path) -> None:
    """ResultRow one is written; then somebody fills the disk, and row two does not fit any more."""
    folder = small_disk / "results"

    def second() -> ResultRow:
        free = shutil.disk_usage(small_disk).free
        (small_disk / "filler").write_bytes(bytes(free))
        return model_row(system, SHORT)

    with pytest.raises(OutputError, match="No space left"):
        matrix.run_steps(
            [lambda: model_row(system, SHORT), second], begun(), lambda r: save_results(folder / "results.json", r)
        )
    kept = load_results(folder)
    assert [row.state for row in kept.rows] == ["measured"]
    assert (kept.complete, kept.ended) == (False, "running")


def test_ctrl_c_leaves_a_valid_folder(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "fer_edge", "benchmark", "--strict", "--out", "r"]
    child = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        said = re.search(r"(\d+) of \d+ queries", line)
        if said and int(said[1]) > 20:  # on a busy machine the first line comes with the first query
            break
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=300)
    assert child.returncode == 130
    kept = load_results(tmp_path / "r")
    assert (kept.complete, kept.ended) == (False, "interrupted")
    assert kept.rows[0].state == "partial"
    assert len(kept.rows[0].samples_ns) > 10
    assert "PARTIAL" in out
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 2
    assert "holds results already" in again.stderr


def test_cells_of_devices_that_are_not_here_stay_empty() -> None:
    rows = list(matrix.absent_rows(list(load_profiles().values()), ["cpu"], read_published()))
    assert len(rows) == 18
    assert all(row.state == "absent" and not row.figures and not row.samples_ns for row in rows)
    found = {(row.device, row.model): row for row in rows}
    coral = found["coral-usb", "mobilenetv2"]
    assert (coral.published["mean_ms"], coral.published["verdict"]) == (2.73, "no device here")
    assert "ratio" not in coral.published or coral.published["ratio"] is None
    assert "mean_ms" not in found["coral-usb", "resnet50"].published  # never published
    assert "roofline" in found["rk3588", "resnet50"].estimate["tool"]


def test_a_measured_row_is_held_against_the_table(tmp_path: Path) -> None:
    row = ResultRow("coral-usb", "mobilenetv2", 224, "model", "measured", precision="int8", figures={"mean_ms": 3.0})
    published = read_published()
    assert matrix.against_published(row, published, tmp_path).published["verdict"] == "within ±30 %"
    slow = replace(row, figures={"mean_ms": 30.0})
    assert matrix.against_published(slow, published, tmp_path).published["verdict"] == "outside"
    unreal = replace(row, degraded=True)
    assert "the processor stood in" in matrix.against_published(unreal, published, tmp_path).published["verdict"]
    assert matrix.against_published(replace(row, scope="pipeline"), published).published == {}
    assert matrix.against_published(replace(row, device="cpu"), published).published == {}


def test_the_command(tmp_path: Path, command: Command, clip: Path, yunet: Path) -> None:
    words = ("benchmark", "--quick", "--scope", "both", "--clip", clip, "--out", "r")
    done = command(*words, FER_EDGE_CACHE=os.environ["FER_EDGE_CACHE"])
    assert done.returncode == 0, done.stderr
    assert "quick" in done.stdout
    results = load_results(tmp_path / "r")  # holds it against the schema, and every figure against its samples
    assert [row.scope for row in results.rows] == ["model", "pipeline"]
    assert results.complete
    assert results.environment["libraries"]["onnxruntime"]
    assert {p.name for p in (tmp_path / "r").iterdir()} >= {"results.json", "results.csv", "results.md", "report.html"}
    same = command("benchmark", "--compare", "r", "r", "--json")
    assert same.returncode == 0, same.stderr
    assert "within noise" in same.stdout


def test_wrong_use(command: Command, tmp_path: Path) -> None:
    text = (PROFILES / "coral-usb.toml").read_text().replace('"coral-usb"', '"my-own"')
    (tmp_path / "own.toml").write_text(text)  # a profile that only its file knows
    absent, hint = "is not here: looked for USB 1a6e:089a", "try: lsusb -d 18d1:9302"
    estimate = "fer-edge benchmark estimate --device coral-usb"
    refusals: list[tuple[list[object], int, list[str]]] = [
        (["--device", "coral"], 3, [f"coral-usb {absent}", hint, estimate]),
        (["--device", "own.toml"], 3, [f"my-own {absent}", hint]),
        (["--device", "corall"], 3, []),
        (["--input", "200"], 2, ["takes 112 pixels, not 200"]),
        (["--out", "/proc/nowhere"], 2, ["cannot write /proc/nowhere"]),
        (["--threads", "0"], 2, []),
        (["--clip", tmp_path / "absent.mp4", "--scope", "pipeline"], 2, []),
        (["estimate"], 2, []),
        (["estimate", "--device", "cpu"], 1, []),
    ]
    for words, code, said in refusals:
        done = command("benchmark", *words)
        assert done.returncode == code, words
        assert [part for part in said if part not in done.stderr] == []
    done = command("benchmark", "estimate", "--device", "coral")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("estimate, not a measurement: edgetpu, 112 x 112 pixels, on coral-usb")


@pytest.mark.train
def test_a_model_of_the_table_is_built_once(kept: Path, bundle: Bundle, tmp_path: Path, own_cache: Path) -> None:
    if any(find_spec(module) is None for module in ("torch", "timm", "onnx")):
        pytest.skip("needs the train extra")
    from fer_edge.benchmarks.measure.models import find_model

    said: list[str] = []
    name, made = find_model("mobilenetv2", find_profile("cpu"), 96, "auto", said.append)
    assert name == "mobilenetv2"
    assert made.manifest.provenance["weights"] == "random"
    row = model_row(
        SystemUnderTest(find_profile("cpu"), made, name, "int8"), SHORT, Judge(lambda c: pytest.fail("of random"))
    )
    assert (row.model, row.size, row.precision, row.accuracy) == ("mobilenetv2", 96, "int8", {})
    spoken = len(said)
    again = find_model("mobilenetv2", find_profile("cpu"), 96, "auto", said.append)[1]
    assert len(said) == spoken
    assert again.reference.sha256 == made.reference.sha256


def test_loadgen_says_the_same_of_the_same_queries(system: SystemUnderTest) -> None:
    """MLPerf's own harness drives the session; both time the very same queries, in one quiet session of three: what a
    busy machine puts between the two clocks parts them now and then, another definition would do it each time."""
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen has no wheel here")
    from fer_edge.benchmarks.studies.loadgen import default_query, same_queries

    query, close = default_query()
    sessions = [same_queries(query, 300, 1.0) for _ in range(3)]
    close()
    for name in sessions[0]:
        assert min(abs(ratios[name] - 1) for ratios in sessions) < 0.03, (name, sessions)


def test_a_query_that_fails_under_loadgen_is_an_error() -> None:
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen has no wheel here")
    from fer_edge.benchmarks.studies.loadgen import drive

    def failing(number: int) -> None:
        if number == 3:
            raise DeviceFailed("unplugged")

    with pytest.raises(DeviceFailed, match="a query failed under LoadGen: unplugged"):
        drive(failing, 10, 0.01)


def test_a_report_can_be_written_again_and_again(system: SystemUnderTest, tmp_path: Path) -> None:
    row = model_row(system, SHORT)
    for count in (0, 1, 2):
        write_report(tmp_path / "r", begun(*[row] * count))
    assert len(load_results(tmp_path / "r").rows) == 2


def test_the_vendors_compiler_estimates_a_device_that_is_not_here(exported: Path, command: Command) -> None:
    """vela compiled the bundle for an i.MX 93 and said what it expects; the row says that it is its estimate."""
    done = command("benchmark", "--device", "imx93", "--bundle", exported / "bundle", "--json")
    assert done.returncode == 3
    row = json.loads(done.stdout)["rows"][0]
    assert (row["state"], row["figures"], row["samples_ns"]) == ("absent", {}, [])
    assert row["estimate"]["tool"].startswith("vela 5")
    assert 0.5 < row["estimate"]["mean_ms"] < 50
    assert "an estimate" in done.stderr

"""`fer-edge tune`: what is installed is timed, and what was fastest runs from then on."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fer_edge.bundle import Artifact, Bundle, default_bundle, open_bundle
from fer_edge.devices import tuned
from fer_edge.devices.tuned import Timing, best, recall, remember, told
from fer_edge.errors import DeviceNotFound, UsageError
from fer_edge.runtime.inference.tune import TuneOptions, tune, ways
from fer_edge.runtime.storage.history import History
from support.front_door import run_verb

INT8, FLOAT = "onnx/model_int8.onnx", "model.onnx"


def timing(backend: str = "onnxruntime", artifact: str = INT8, threads: int = 1, p50_ms: float = 1.0) -> Timing:
    return Timing(backend, artifact, "float16" if artifact == FLOAT else "int8", threads, p50_ms)


def test_the_fastest_with_the_fewest_threads() -> None:
    rows = [timing(threads=4, p50_ms=1.0), timing(threads=2, p50_ms=1.04), timing(threads=1, p50_ms=1.2)]
    assert best(rows) == rows[1], "two threads need hardly longer than four"
    assert best(rows, threads=1) == rows[2]
    assert best(rows, threads=3) is None
    assert best([]) is None


def test_only_what_is_accurate_enough_is_timed(bundle: Bundle) -> None:
    """int8 within half a point of the float graph on the same set; without figures it stays out."""
    assert ("onnxruntime", INT8) in [(backend, a.path) for backend, a in ways(bundle)]
    for change in ({"accuracy": 0.85}, {"set": "another"}, {}):
        artifacts = []
        for a in bundle.manifest.artifacts:
            metrics = ({**a.metrics, **change} if change else {}) if a.path == INT8 else a.metrics
            artifacts.append(Artifact(**{**vars(a), "metrics": metrics}))
        worse = Bundle(bundle.folder, replace(bundle.manifest, artifacts=tuple(artifacts)))
        assert INT8 not in [a.path for _, a in ways(worse)]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_run_takes_what_was_measured(
    backend: str, bundle: Bundle, clip: Path, yunet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    words = ("run", "--source", clip, "--seconds", 0.2, "--json", "--debug")
    remember(bundle, [timing(backend, FLOAT, 1, 0.5), timing()])
    about = json.loads(run_verb(capsys, *words)[1])["device"]
    assert (about["backend"], about["artifact"], about["threads"]) == (backend, FLOAT, 1)
    assert about["tuned"].endswith("the next best way needs 1.00 ms")
    for asked, artifact in (("--precision", INT8), ("--threads", INT8)):  # what is asked for has the last word
        value = "int8" if asked == "--precision" else 3
        about = json.loads(run_verb(capsys, *words, asked, value)[1])["device"]
        assert (about["backend"], about["artifact"], "tuned" in about) == ("onnxruntime", artifact, False)
    assert f"tuned: {backend}" in run_verb(capsys, "devices", "cpu")[1]
    assert backend in next(r for r in run_verb(capsys, "doctor")[1].splitlines() if r.split()[1:2] == ["tuned"])


def test_the_command_times_all_and_keeps_it(capsys: pytest.CaptureFixture[str], own_cache: Path) -> None:
    code, said = run_verb(capsys, "tune", "--bundle", "edgetpu", "--seconds", 0.05)
    assert code == 0, said
    bundle = open_bundle(default_bundle("edgetpu"))
    rows = recall(bundle)
    assert {r.artifact for r in rows} >= {FLOAT, INT8}
    assert {r.threads for r in rows} >= {1}
    assert f"chosen, and kept for fer-edge run: {best(rows)}" in said
    assert recall(open_bundle()) == (), "another bundle was not timed"


@pytest.mark.parametrize("change", ["processor", "version", "garbage"])
def test_another_machine_or_version_is_not_tuned(change: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    path = remember(bundle, [timing()])
    assert told(bundle) == "onnxruntime int8, 1 thread: 1.00 ms"
    if change == "processor":
        monkeypatch.setattr(tuned.cpu, "model_name", lambda: "another")
    elif change == "version":
        monkeypatch.setattr("importlib.metadata.version", lambda package: "0.0")
    else:
        path.write_text('{"timings": [{"backend": 1')
    assert (recall(bundle), told(bundle)) == ((), "")


def test_the_acceptance_run_sends_it(bundle: Bundle, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What was timed here goes into the file to send us; nothing where nothing was, or where its file is broken."""
    words = ("verify", "--device", "cpu", "--seconds", 0.05, "--out", tmp_path / "verify.json")
    code, said = run_verb(capsys, *words)
    assert code == 0, said
    assert "never tuned here" in said
    assert "tuned" not in json.loads((tmp_path / "verify.json").read_text())
    kept = remember(bundle, [timing(threads=2, p50_ms=1.5), timing(artifact=FLOAT, p50_ms=4)])
    code, said = run_verb(capsys, *words)
    assert code == 0, said
    assert "tuned: onnxruntime int8, 2 threads: 1.50 ms; the next best way needs 4.00 ms" in said
    sent = json.loads((tmp_path / "verify.json").read_text())["tuned"]
    assert sent == json.loads(kept.read_text())
    assert {"processor", "cores", "versions", "artifacts", "timings"} <= set(sent)
    for broken in ("[]", '{"timings": [{"backend": 1}]}', "{"):
        kept.write_text(broken)
        run_verb(capsys, *words)
        assert "tuned" not in json.loads((tmp_path / "verify.json").read_text())


def test_a_library_that_says_something_else_is_left_out(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_edge.runtime.inference import tune as module

    monkeypatch.setattr(module, "agreement", lambda classifier, bundle: {"label_agreement": 0.5})
    with pytest.raises(DeviceNotFound, match="nothing here runs"):
        tune(TuneOptions(bundle, 0.01, 1))
    assert recall(bundle) == ()


def test_the_first_start_of_a_kiosk(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fer_edge.runtime.config import load_config
    from fer_edge.runtime.inference import tune as module
    from fer_edge.runtime.kiosk.factory import tune_model

    timed: list[object] = []
    real = module.tune
    monkeypatch.setattr(
        module, "tune", lambda options: timed.append(options) or real(TuneOptions(options.bundle, 0.02))
    )
    (tmp_path / "k.toml").write_text(
        '[place]\nname = "hall"\nkind = "museum"\npurpose = "counting"\ndeclared = 2026-01-01\n'
        f'[store]\nfolder = "{tmp_path}/state/store"\n'
    )
    with closing(History(tmp_path / "state" / "store")), pytest.raises(UsageError, match="another process"):
        tune_model(load_config(tmp_path / "k.toml", {}))
    assert not timed, "another kiosk is at work, or begins"
    for flags in (["model.tune=false"], ["model.precision=float32"], [], []):
        tune_model(load_config(tmp_path / "k.toml", {}, flags))
    assert len(timed) == 1, "once, where nothing else was asked for"
    assert recall(bundle)

"""Google's compiled models for a Coral, from a server of our own: offered, fetched once, held to their bytes, timed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fer_edge.benchmarks.measure.compiled import COMPILED, Compiled
from fer_edge.benchmarks.measure.singlestream import RULES, Rules
from fer_edge.bundle import sha256_of
from fer_edge.cli.main import main
from fer_edge.runtime.vision.detectors.fetching import OFFLINE
from fer_edge.runtime.vision.detectors.weights import Model
from support.coral import coral_profile

NAME = "google-mobilenetv2"
FILE = "model_edgetpu.tflite"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """Serves the file of which the sum is registered; a graph of seven logits and 112 pixels in the place of theirs."""
    (tmp_path / "site").mkdir()
    file = tmp_path / "site" / FILE
    file.write_bytes((student / "edgetpu" / "model_int8.tflite").read_bytes())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(file.parent))) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{FILE}"
        model = Model(NAME, FILE, sha256_of(file), "Apache-2.0", (url,))
        monkeypatch.setitem(COMPILED, NAME, Compiled(model, 112))
        monkeypatch.delenv(OFFLINE)
        yield server
        server.shutdown()


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A short benchmark of a stick that is here."""
    (tmp_path / "stick").write_text("here")
    monkeypatch.setenv("FAKE_EDGETPU", str(tmp_path / "stick"))
    monkeypatch.setitem(RULES, "quick", Rules("quick", 5, 0.01))
    return ["benchmark", "--device", str(coral_profile(tmp_path, identified=False)), "--quick", "--json"]


def test_who_has_no_compiler_is_offered_a_model_and_gets_a_row(
    words: list[str], site: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the coral extra")
    assert main(words) == 2
    assert f"fer-edge benchmark --device coral --model {NAME}" in capsys.readouterr().err
    assert main([*words, "--model", NAME]) == 0
    said = capsys.readouterr()
    (row,) = json.loads(said.out)["rows"]
    assert (row["device"], row["model"], row["size"], row["state"]) == ("coral-usb", "mobilenetv2", 112, "measured")
    assert (row["sha256"], row["degraded"]) == (COMPILED[NAME].model.sha256, False)
    assert row["backend"]["device"].endswith("libedgetpu.so.1")
    assert row["published"]  # it stands beside the published figure of that name
    assert said.err.count("fetching") == 1
    monkeypatch.setenv(OFFLINE, "1")  # it is here now
    assert main([*words, "--model", NAME]) == 0
    assert "fetching" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("other bytes", "the bytes that came differ from the registered ones"),
        ("not there", "a server answered 404"),
        ("no network", "this machine has no network"),
        ("forbidden", f"{OFFLINE} forbids to fetch it"),
    ],
)
def test_why_it_cannot_be_fetched_is_said(
    fault: str,
    cause: str,
    words: list[str],
    site: ThreadingHTTPServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault == "other bytes":
        (tmp_path / "site" / FILE).write_text("log in first")
    elif fault == "not there":
        (tmp_path / "site" / FILE).unlink()
    elif fault == "no network":
        site.shutdown()
        site.server_close()
    else:
        monkeypatch.setenv(OFFLINE, "1")
    assert main([*words, "--model", NAME]) == 3
    told = json.loads(capsys.readouterr().out)
    assert cause in told["cause"]
    assert "fer-edge models add FILE" in told["hint"]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (["--device", "cpu"], "compiled for an Edge TPU, and nothing else runs it"),
        (["--input", "96"], "takes 112 pixels"),
    ],
)
def test_what_it_cannot_do_is_refused(
    more: list[str],
    error: str,
    words: list[str],
    site: ThreadingHTTPServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["benchmark", *more, "--quick", "--json"] if "--device" in more else [*words, *more]
    assert main([*asked, "--model", NAME]) == 2
    assert error in json.loads(capsys.readouterr().out)["error"]


def test_the_registered_models_are_pinned() -> None:
    for name, compiled in COMPILED.items():
        (url,) = compiled.model.urls
        assert name.startswith("google-")
        assert len(bytes.fromhex(compiled.model.sha256)) == 32
        assert url.endswith("_edgetpu.tflite")
        assert len(url.split("/")[-2]) == 40  # of one commit

"""The fleet's centre for tests: Debian's prometheus and alertmanager with packaging/fleet's configurations."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.kiosks import free_port
from support.source_rules import ROOT
from support.waiting import until

FLEET = ROOT / "packaging" / "fleet"
SCRAPE_S = 5
"""Seconds, as Prometheus waits no longer for an answer than until it asks again, and a busy machine is slow."""


def program(*names: str) -> str:
    """The first of these that is installed; skips without one."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    return found or pytest.skip(f"needs {names[0]}")


def get(url: str) -> Any:
    """JSON or text that a program answers; None while it does not."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None
    return json.loads(text) if text[:1] in ("{", "[") else text


@contextmanager
def running(words: list[str], ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program, as soon as it answers at `ready`; ended afterwards."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: process.poll() is not None or get(ready) is not None, ready)
        assert process.poll() is None, words
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def prometheus(
    folder: Path, targets: str, token: str, alertmanager: int = 9, scrape_s: int = SCRAPE_S
) -> Iterator[str]:
    """Prometheus' address; it scrapes every `scrape_s`, waits as long for an answer, and judges alerts without a wait.

    Args:
        targets: the file of targets.
        alertmanager: the port of one.
    """
    path, port = program("prometheus"), free_port()
    (folder / "targets").mkdir(parents=True)
    (folder / "targets" / "fleet.json").write_text(targets)
    (folder / "scrape-token").write_text(token + "\n")
    lines = (
        (FLEET / "prometheus.yml").read_text().replace(": 30s", f": {scrape_s}s").replace(":9093", f":{alertmanager}")
    )
    (folder / "prometheus.yml").write_text(lines)
    rules = (FLEET / "rules.yml").read_text()
    for wait in ("5m", "10m", "30m", "1h"):
        rules = rules.replace(f"for: {wait}", "for: 0s")
    (folder / "rules.yml").write_text(rules)
    words = [path, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    address = f"http://127.0.0.1:{port}"
    with running([*words, f"--web.listen-address=127.0.0.1:{port}"], f"{address}/-/ready"):
        yield address


@contextmanager
def alertmanager(folder: Path, receiver: int) -> Iterator[int]:
    """Its port; it tells a receiver on another port, at once."""
    path, port = program("alertmanager", "prometheus-alertmanager"), free_port()
    folder.mkdir(parents=True)
    lines = (FLEET / "alertmanager.yml").read_text().replace(":9095", f":{receiver}").replace("30s", "1s")
    (folder / "alertmanager.yml").write_text(lines)
    words = [path, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data"]
    words += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with running(words, f"http://127.0.0.1:{port}/-/ready"):
        yield port


@contextmanager
def receiver() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Who is told of alerts: a port, and the alerts that came."""
    alerts: list[dict[str, Any]] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            alerts.extend(json.loads(body)["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], alerts
        server.shutdown()
        thread.join()


def answered(address: str, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers; raises AssertionError when it does not understand."""
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    told = get(url)
    assert told is not None, f"Prometheus does not understand {expression}"
    assert told["status"] == "success"
    return list(told["data"]["result"])

"""A kiosk that asks for its updates: a real HTTPS server, a real card's key, and what a stranger may try."""

from __future__ import annotations

import functools
import json
import shutil
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fer_edge.devices.update.pull import RECORD
from fer_edge.devices.update.releases import Releases
from fer_edge.devices.update.signature import KEY, make_keys, sign
from support.front_door import run_verb
from support.source_rules import ROOT
from support.updates import brought, releases, site

__all__ = ["releases"]  # fixtures
pytest.importorskip("minisign", reason="needs the flash extra")
Command = Callable[..., SimpleNamespace]
Pull = Callable[..., SimpleNamespace]


class Server:
    """What the web server does beside giving out its folder."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.folder, self.moved, self.asked = folder, "", list[str]()
        folder.mkdir()
        server = self

        class Serve(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                if server.moved:
                    self.send_response(302)
                    self.send_header("Location", server.moved + self.path)
                    self.end_headers()
                else:
                    super().do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(keys / "broker.crt", keys / "broker.key")
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Serve, directory=str(folder)))
        self._http.socket = trust.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://localhost:{self._http.server_address[1]}/"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of a server on localhost, by the fleet's own script."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("authority")
    subprocess.run([ROOT / "packaging/fleet/keys.sh", "init", "localhost"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def server(tmp_path: Path, authority: Path) -> Iterator[Server]:
    made = Server(tmp_path / "served", authority)
    yield made
    made.close()


@pytest.fixture
def key(releases: Releases, tmp_path: Path) -> Path:
    """The key that the card was flashed with."""
    secret, public = make_keys(tmp_path / "ours")
    (releases.root / KEY).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(public, releases.root / KEY)
    return secret


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """`fer-edge …` in this process; what it printed on both streams is in `said`."""
    before = signal.getsignal(signal.SIGHUP)

    def call(*words: object) -> SimpleNamespace:
        code, said = run_verb(capsys, *words)
        return SimpleNamespace(returncode=code, said=said)

    yield call
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def publish(command: Command, server: Server, key: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def call(words: str, *more: object, key: Path = key) -> dict[str, Any]:
        new = brought(tmp_path / words, words)
        done = command("update", "publish", new, server.folder, "--key", key, "--json", *more)
        assert done.returncode == 0, done.said
        return dict(json.loads(done.said))

    return call


@pytest.fixture
def pull(
    command: Command,
    server: Server,
    releases: Releases,
    authority: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Pull:
    """The command on the kiosk, which trusts that authority, and is healthy unless there is a file `ill`."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.crt"))
    service = ("--restart", "true", "--healthy", f"test ! -e {tmp_path}/ill", "--hold", "0", "--limit", "1")

    def call(*words: object, url: str = server.url) -> SimpleNamespace:
        return command("update", "pull", url, *words, "--root", releases.root, *service)

    return call


def test_a_newer_update_comes_once_and_an_older_one_only_when_asked(
    server: Server, publish: Callable[..., dict[str, Any]], pull: Pull, releases: Releases, tmp_path: Path
) -> None:
    first = publish("two")
    saved = shutil.copytree(server.folder, tmp_path / "saved")
    done = pull()
    assert (done.returncode, site(releases)) == (0, "two"), done.said
    assert "is healthy" in done.said
    server.asked.clear()
    again = pull()
    assert (again.returncode, again.said) == (0, f"update {first['number']} is here already\n")
    assert not [path for path in server.asked if path.endswith(".tar")]
    second = publish("three")
    assert second["number"] > first["number"]
    assert len(list(server.folder.glob("update-*.tar"))) == 1
    assert (pull().returncode, site(releases)) == (0, "three")
    shutil.rmtree(server.folder)
    shutil.copytree(saved, server.folder)
    older = pull()
    assert (older.returncode, site(releases)) == (2, "three")
    assert f"offers update {first['number']}, and this kiosk had {second['number']}" in older.said
    assert (pull("--older").returncode, site(releases)) == (0, "two")
    assert not (releases.home / "pulled").exists()


def test_one_that_was_taken_back_is_not_tried_every_hour(
    publish: Callable[..., dict[str, Any]], pull: Pull, releases: Releases, tmp_path: Path
) -> None:
    publish("two")
    (tmp_path / "ill").touch()
    assert (pull().returncode, site(releases)) == (1, "one")
    (tmp_path / "ill").unlink()
    waits = pull()
    assert (waits.returncode, site(releases)) == (0, "one")
    assert "was tried here and taken back" in waits.said
    assert (pull("--again").returncode, site(releases)) == (0, "two")


def test_a_canary_goes_first(publish: Callable[..., dict[str, Any]], pull: Pull, releases: Releases) -> None:
    publish("two", "--only", "canary")
    other = pull("--name", "foyer")
    assert (other.returncode, site(releases)) == (0, "one")
    assert "is not for foyer" in other.said
    assert (pull("--name", "canary").returncode, site(releases)) == (0, "two")


def resign(folder: Path, key: Path, **changes: Any) -> None:
    """The manifest with other words, signed by that key."""
    place = folder / "update.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **changes}))
    sign(place, key)


def test_what_is_not_ours_changes_nothing(
    server: Server, publish: Callable[..., dict[str, Any]], pull: Pull, releases: Releases, key: Path, tmp_path: Path
) -> None:
    stranger = make_keys(tmp_path / "stranger")[0]
    found = publish("two")
    saved = shutil.copytree(server.folder, tmp_path / "saved")
    tar = server.folder / found["file"]

    def edited() -> None:
        place = server.folder / "update.json"
        place.write_text(place.read_text().replace('"only": []', '"only": ["x"]'))

    for change, said in (
        (lambda: resign(server.folder, stranger), f"{server.url}update.json is not signed by the key of this card"),
        (edited, "update.json is not signed by the key of this card"),
        (lambda: (server.folder / "update.json.minisig").unlink(), "answers 404"),
        (lambda: (server.folder / "update.json.minisig").write_text("x"), "is no signature"),
        (lambda: (server.folder / "update.json").write_bytes(b"x" * 70_000), "gives more than the 65536 bytes"),
        (lambda: resign(server.folder, key, number="x"), "number must be a whole number"),
        (lambda: resign(server.folder, key, number=-1), "number must be a whole number"),
        (lambda: resign(server.folder, key, file="../x.tar"), "file must be the name of a .tar"),
        (lambda: resign(server.folder, key, schema=2), "does not state schema 1"),
        (lambda: resign(server.folder, key, size=10), "gives more than the 10 bytes"),
        (lambda: resign(server.folder, key, size=1 << 50), "size must be"),
        (lambda: resign(server.folder, key, sha256="0" * 64), "is not the file that the manifest names"),
        (lambda: tar.write_bytes(tar.read_bytes()[:-1024]), "is not the file that the manifest names"),
        (lambda: sign(tar, stranger), "is not signed by the key of this card"),
        (lambda: tar.unlink(), "answers 404"),
    ):
        shutil.rmtree(server.folder)
        shutil.copytree(saved, server.folder)
        change()
        done = pull()
        assert (done.returncode in (2, 3), said in done.said, "Traceback" in done.said) == (True, True, False), (
            said,
            done.said,
        )
        assert site(releases) == "one"
        assert not (releases.home / RECORD).exists()
        assert not (releases.home / "pulled").exists()


def test_where_it_does_not_ask(server: Server, publish: Callable[..., dict[str, Any]], pull: Pull) -> None:
    publish("two")
    for url, code, said in (
        ("http://localhost/", 2, "begins with https://"),
        ("/some/folder", 2, "begins with https://"),
        ("https://localhost:9/", 3, "cannot be fetched"),
        ("https://local host/", 2, "cannot be fetched"),
        (server.url.replace("localhost", "127.0.0.1"), 3, "certificate"),
    ):
        done = pull(url=url)
        assert (done.returncode, said in done.said) == (code, True), done.said
    server.moved = "http://127.0.0.1:9"
    assert "which is no https" in pull().said


def test_a_record_that_cannot_be_read_keeps_everything_out(
    publish: Callable[..., dict[str, Any]], pull: Pull, releases: Releases
) -> None:
    """It is what keeps older updates out; so it is not taken for a kiosk that had none."""
    publish("two")
    (releases.home / RECORD).write_text("{")
    done = pull()
    assert (done.returncode, "cannot be read" in done.said, site(releases)) == (2, True, "one"), done.said


def test_publishing_needs_a_key_and_an_update(command: Command, key: Path, tmp_path: Path) -> None:
    new = brought(tmp_path / "new", "new")
    assert "needs a key" in command("update", "publish", new, tmp_path / "out").said
    (new / "install.sh").write_text("something else")
    done = command("update", "publish", new, tmp_path / "out", "--key", key)
    assert done.returncode == 2
    assert not list((tmp_path / "out").iterdir())

"""What hostile and broken clients cannot do: end the kiosk, shut others out, fill the log, or get an answer 500."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest

pytest.importorskip("aiohttp", reason="needs the kiosk extra")

from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from fer_edge.runtime.web import guard
from fer_edge.runtime.web import server as running
from fer_edge.runtime.web.connections import Connections, room
from fer_edge.runtime.web.server import WebServer
from fer_edge.runtime.web.server_log import SELDOM
from fer_edge.runtime.web.settings import KioskControl, known_host, whose
from fer_edge.runtime.web.token_auth import BEARER, FAILURES_S, FORM, MAX_FAILURES, MAX_GUESSERS, Guesses, TokenAuth
from support.kiosks import Running
from support.waiting import until
from support.web_client import TOKEN, Told, ask, control_of, serving

FORM_KIND = "application/x-www-form-urlencoded"
DESCRIPTORS = 256
"""That the attacked kiosk may open: a quarter of the usual, so that a quarter of the attack does."""
UNFINISHED = f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM_KIND}\r\nContent-Length: 99\r\n\r\ntoken="


@pytest.fixture(autouse=True)
def fresh_log() -> None:
    SELDOM._told.clear()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving(control_of(Told()), TOKEN) as server:
        yield server


def connect(port: int, address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 60, (address, 0))


def sent(port: int, request: str | bytes, address: str = "127.0.0.1") -> int:
    """The status that answers a request as it stands here."""
    with closing(connect(port, address)) as client:
        client.sendall(request if isinstance(request, bytes) else request.encode())
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer.status


def login(token: str, kind: str = FORM_KIND) -> str:
    body = urlencode({"token": token})
    head = f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}"


def bearer(token: str) -> str:
    return f"GET /api/state HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"


def hold(port: int, address: str, count: int, held: list[socket.socket]) -> None:
    """Begin so many logins, and finish none."""
    for _ in range(count):
        with suppress(OSError):  # of which the server ends some at once
            held.append(connect(port, address))
            held[-1].sendall(UNFINISHED.encode())


def gets_in(port: int, address: str = "127.0.0.1") -> bool:
    """With the right token, unless its own address holds on to too much."""
    with suppress(ConnectionError):
        return sent(port, login(TOKEN), address) == 303
    return False


def test_a_client_that_is_gone_before_its_body_is_read_is_no_fault_of_ours() -> None:
    async def read() -> None:
        protocol = BaseProtocol(asyncio.get_running_loop())  # without a transport, as after its connection's end
        request = make_mocked_request("POST", "/login", payload=StreamReader(protocol, 4096))
        request.protocol.transport = None
        with pytest.raises(ConnectionError):  # of aiohttp's a RuntimeError, which the log would have as our own
            await guard.text_of(request)

    asyncio.run(read())


def test_the_kiosk_goes_on_while_logins_are_begun_and_never_finished(tmp_path: Path, clip: Path, yunet: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    kiosk = Running(tmp_path / "kiosk", str(clip))
    kiosk.config.write_text(kiosk.config.read_text().replace("[web]", f'[web]\ntoken_file = "{tmp_path}/token"'))
    kiosk.start(prefix=("sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh")).ready()
    held: list[socket.socket] = []
    try:
        threads = [
            threading.Thread(target=hold, args=(kiosk.port, f"127.0.0.{address}", 50, held)) for address in range(2, 10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        hold(kiosk.port, "127.0.0.1", 40, held)  # the owner's own address, too
        assert kiosk.process is not None
        assert len(list(Path(f"/proc/{kiosk.process.pid}/fd").iterdir())) < DESCRIPTORS / 2
        until(lambda: gets_in(kiosk.port))
        frames = until(lambda: seen(kiosk))
        until(lambda: kiosk.ended() or seen(kiosk) > frames + 62)  # the clip has so many: it was opened anew
        assert not kiosk.ended(), kiosk.log()
        assert "Traceback" not in kiosk.log()
        assert kiosk.log().count("\n") < 10, kiosk.log()
        assert kiosk.stop() == 0
    finally:
        kiosk.stop(signal.SIGKILL)
        for client in held:
            client.close()


def seen(kiosk: Running) -> int:
    """Frames, as a program asks that has the token; 0 where its address gets no place now."""
    with (
        closing(http.client.HTTPConnection("127.0.0.1", kiosk.port, timeout=60)) as connection,
        suppress(ConnectionError),
    ):
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        lines = connection.getresponse().read().decode().splitlines()
        return int(next((float(line.split()[1]) for line in lines if line.startswith("fer_edge_frames_total ")), 0))
    return 0


def test_who_is_at_work_is_not_put_out_by_who_only_holds_on(server: WebServer) -> None:
    """The address that holds most loses first, its oldest first; who may come in stays, and gets in anywhere."""
    held: list[socket.socket] = []
    stream = connect(server.port, "127.0.0.1")
    stream.sendall(bearer(TOKEN).replace("state", "events").encode())
    assert stream.recv(12) == b"HTTP/1.1 200"
    hold(server.port, "127.0.0.2", 80, held)
    for client in held:
        client.setblocking(False)
    until(lambda: [over(client) for client in held].count(True) >= 16)  # a quarter of 256 stays, until all are late
    for address in range(3, 12):
        hold(server.port, f"127.0.0.{address}", 40, held)
    assert sent(server.port, login(TOKEN)) == 303
    assert sent(server.port, bearer(TOKEN)) == 200
    until(lambda: gets_in(server.port, "127.0.0.2"))
    stream.settimeout(60)
    assert stream.recv(4096)
    for client in (*held, stream):
        client.close()


def test_nobody_keeps_a_place_by_taking_nothing(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logins that do not end, answers that nobody takes, connections kept: all are over by the deadline."""
    monkeypatch.setattr(running, "SLOW_S", 0.5)
    monkeypatch.setattr(running, "SWEEP_S", 0.05)
    with serving(control_of(Told()), TOKEN) as quick:
        form = "GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n"
        clients = [connect(quick.port, "127.0.0.2") for _ in range(3)]
        for client, words in zip(clients, (UNFINISHED, form * 3000, form), strict=True):
            with suppress(BlockingIOError, ConnectionError):
                client.setblocking(False)
                client.send(words.encode())
        until(lambda: all(over(client) for client in clients))
        for client in clients:
            client.close()


def over(client: socket.socket) -> bool:
    """Whether the server has ended it; reads what is there."""
    try:
        while client.recv(1 << 20):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_the_page_takes_a_part_of_the_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    for soft, connections in ((1024, 256), (256, 64), (524288, 256), (resource.RLIM_INFINITY, 256), (3, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, soft=soft: (soft, soft))
        assert room() == Connections(1.0).limit == connections


def test_wrong_tokens_lock_out_who_sends_them(server: WebServer) -> None:
    """By that way alone: at another address, and by the other way, the right token is taken."""
    for request, refused in ((login, 403), (bearer, 401)):
        for number in range(MAX_FAILURES):
            assert sent(server.port, request(f"wrong {number}"), "127.0.0.2") == refused
        for token in ("wrong", TOKEN):
            assert sent(server.port, request(token), "127.0.0.2") == 429
        assert sent(server.port, request(TOKEN), "127.0.0.3") in (200, 303)
        if request is login:
            assert sent(server.port, bearer(TOKEN), "127.0.0.2") == 200


def test_guesses_at_once_are_not_more_guesses(server: WebServer) -> None:
    """Requests that begin together and end one after the other are counted as they end."""
    clients = [connect(server.port, "127.0.0.2") for _ in range(2 * MAX_FAILURES)]
    requests = [login(f"wrong {number}").encode() for number in range(len(clients))]
    for client, request in zip(clients, requests, strict=True):
        client.sendall(request[:-1])
    told = []
    for client, request in zip(clients, requests, strict=True):
        client.sendall(request[-1:])
        told.append(client.recv(12)[-3:])
        client.close()
    assert told == [b"403"] * MAX_FAILURES + [b"429"] * MAX_FAILURES


def test_a_program_with_an_old_token_locks_nobody_out_beside_it(server: WebServer) -> None:
    for _ in range(MAX_FAILURES + 2):
        assert sent(server.port, bearer("the token of last year")) == 401
    assert sent(server.port, bearer(TOKEN)) == 200


def test_guesses_by_a_clock_that_nobody_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    now, today = [0.0], [1.8e9]
    auth = TokenAuth(TOKEN, lambda: today[0], guesses := Guesses(lambda: now[0]))
    for number in range(MAX_FAILURES):
        assert not auth.matches(str(number), "a", FORM)
    assert not auth.matches(TOKEN, "a", FORM)
    assert auth.throttled("a", FORM)
    assert not auth.throttled("a", BEARER)
    today[0] -= 30 * 24 * 3600
    now[0] += FAILURES_S
    assert auth.matches(TOKEN, "a", FORM)
    for number in range(2 * MAX_GUESSERS):
        guesses.add(f"address {number}", FORM, "wrong")
    assert len(guesses._wrong) == MAX_GUESSERS
    assert TokenAuth(TOKEN)._guesses._clock.__name__ == "monotonic"


def test_whose_an_address_is() -> None:
    assert whose("192.168.1.5") == whose("::ffff:192.168.1.5") == "192.168.1.5"
    assert whose("fd00:1:2:3::1%eth0") == whose("fd00:1:2:3:ffff::9") != whose("fd00:1:2:4::1")
    assert whose("") == ""


CHARSETS = ("nope", "zlib", "rot13", "hex", "idna", "unicode_escape", "utf-7", "utf-16", "undefined", "é")
JSON_KIND = "application/json"
KINDS = (FORM_KIND.encode(), JSON_KIND.encode(), b"multipart/form-data; boundary=x", b"text/plain")
BODIES = (b"[" * 4000, b'{"a":' * 800, b"\xff\xfe", b"1" * 4090, b"token=%ff%00", b"&" * 4000, b"", b"NaN")
HEADERS = (
    b"Accept: \xff", b"Authorization: Bearer \xff\xfe", b"Authorization: bearer", b"Content-Encoding: br",
    b"Content-Encoding: deflate", b"Content-Encoding: gzip", b"Content-Encoding: nope", b"Content-Length: 5",
    b"Content-Type: ;;;=", b"Content-Type: application/json; charset=a\x01b", b'Content-Type: x/y; charset="',
    b"Content-Type: multipart/form-data; boundary=" + b"x" * 3000, b"Cookie: \xff=\xff; fer-edge=\xff.\xff",
    b"Expect: 100-continue", b"Expect: nonsense", b"Host: 127.0.0.1:\xc2\xb2", b"Host: [::1%<script>]",
    b"Host: [fe80::1%\xff]", b"If-Modified-Since: \xff", b"Origin: http://[", b"Range: bytes=9-1",
    b"Transfer-Encoding: chunked", b"Upgrade: websocket\r\nConnection: upgrade",
)  # fmt: skip
PATHS = (
    b"/",
    b"/sign",
    b"/login",
    b"/login?to=%ff",
    b"/logout",
    b"/api/pause",
    b"/healthz",
    b"/metrics",
    b"/api/timeline",
)


def test_a_host_is_a_name_or_an_address_and_nothing_more() -> None:
    for header in ("[fe80::1%25eth0]", "[::1%<b>]", "127.0.0.1:\xb2", "127.0.0.1:80:80", "127.0.0.1 ", "[::1", "::1]"):
        assert not known_host(header, (header,)), header


def answered(server: WebServer, request: bytes) -> bytes:
    """The status, or nothing where the connection is just ended."""
    with closing(connect(server.port, "127.0.0.1")) as client, suppress(ConnectionError):
        client.sendall(request)
        return client.recv(12)[9:]
    return b""


def post(path: str, kind: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_what_cannot_be_read_is_400(caplog: pytest.LogCaptureFixture) -> None:
    with serving(control_of(Told())) as server:
        for path, kind in (("/login", FORM_KIND), ("/api/pause", JSON_KIND)):
            for charset in CHARSETS:
                request = post(path, f"{kind}; charset={charset}", b"token=x")
                assert answered(server, request) == b"400", request
        assert answered(server, post("/api/pause", JSON_KIND, b"[" * 4000)) == b"400"
        assert answered(server, post("/login", FORM_KIND, b"token=\xff")) == b"400"
        assert answered(server, post("/login", "multipart/form-data; boundary=x", b"--x--")) == b"415"
    assert not caplog.records, caplog.text


@pytest.mark.parametrize("token", [TOKEN, ""], ids=["outside", "inside"])
def test_no_request_is_our_fault(token: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every odd header on every path, with bodies that fit it and do not; and bytes turned at random."""
    monkeypatch.setattr(guard, "BODY_S", 0.05)
    dice = random.Random(7)
    requests = []
    for path in PATHS:
        for header in HEADERS:
            host = b"" if header.startswith(b"Host") else b"Host: localhost\r\n"
            kind, body = dice.choice(KINDS), dice.choice(BODIES)
            lines = [
                b"POST" if body else b"GET",
                b" ",
                path,
                b" HTTP/1.1\r\n",
                host,
                header,
                b"\r\nContent-Type: ",
                kind,
            ]
            requests.append(b"".join(lines) + b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    for request in requests[:]:
        turned = bytearray(request)
        for _ in range(3):
            turned[dice.randrange(len(turned))] = dice.randrange(256)
        requests.append(bytes(turned))
    with serving(control_of(Told()), token) as server:
        for request in requests:
            assert answered(server, request)[:1] in (b"1", b"2", b"3", b"4", b""), request
        assert sent(server.port, bearer(TOKEN)) == 200
    assert not caplog.records, caplog.text


def test_our_own_fault_is_told_and_not_each_time(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> tuple[str, str]:
        raise RuntimeError("a fault of ours")

    with serving(KioskControl(metrics=broken)) as server:
        for _ in range(5):
            answer, body = ask(server, "/metrics")
            assert (answer.status, json.loads(body)) == (500, {"error": "the server failed"})
    assert [record.getMessage() for record in caplog.records] == ["no answer to '/metrics'"]
    assert "a fault of ours" in caplog.text


def test_a_slow_client_gets_the_whole_page(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (curl := shutil.which("curl")):
        pytest.skip("needs curl")
    monkeypatch.setattr(running, "SLOW_S", 0.2)
    monkeypatch.setattr(running, "SWEEP_S", 0.05)
    with serving(control_of(Told()), TOKEN) as quick:
        url = f"http://127.0.0.1:{quick.port}/"
        whole = ask(quick, "/", Authorization=f"Bearer {TOKEN}")[1]
        words = [curl, "-s", "--limit-rate", "5k", "-H", f"Authorization: Bearer {TOKEN}", url]
        assert subprocess.run(words, capture_output=True, check=True).stdout == whole

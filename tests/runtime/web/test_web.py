"""The kiosk's server over real sockets: who gets in, what they get, and what slow, big and hostile requests do not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from urllib.parse import urlencode

import pytest

pytest.importorskip("aiohttp", reason="needs the kiosk extra")

from fer_edge.errors import UsageError
from fer_edge.runtime.html import Markup, Template
from fer_edge.runtime.status.health import Condition, Health
from fer_edge.runtime.status.prometheus import CONTENT_TYPE, metrics_text
from fer_edge.runtime.status.snapshot import Snapshot
from fer_edge.runtime.web import events
from fer_edge.runtime.web.events import MAX_STREAMS
from fer_edge.runtime.web.guard import HEADERS, MAX_BODY, same_origin
from fer_edge.runtime.web.pages import Page
from fer_edge.runtime.web.server import WebServer
from fer_edge.runtime.web.settings import WebSettings, host_of, known_host
from fer_edge.runtime.web.token_auth import COOKIE, MAX_FAILURES, VALID_S, TokenAuth
from support.waiting import until
from support.web_client import SNAPSHOT, TOKEN, Told, ask, control_of, serving, streamed

PLACES = ("/", "/?kiosk=1", "/sign", "/icon.svg", "/openapi.json", "/preview", "/metrics", "/api/state")
PLACES += ("/api/events", "/nowhere", "/../../etc/passwd")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def start(told: Told) -> Iterator[Callable[..., WebServer]]:
    with ExitStack() as held:
        yield lambda token="", snapshot=SNAPSHOT: held.enter_context(serving(control_of(told), token, snapshot))


def log_in(server: WebServer, token: str = TOKEN) -> HTTPResponse:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    return ask(server, "/login", "POST", urlencode({"token": token}), **form)[0]


def listen(server: WebServer) -> socket.socket:
    return streamed(server, "/api/events")


def test_what_is_there_on_this_machine(start: Callable[..., WebServer]) -> None:
    server = start()
    answer, body = ask(server, "/api/state")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(body)["shares"] == {"happy": 0.5, "neutral": 0.5}
    answer, body = ask(server, "/metrics")
    assert (answer.headers["Content-Type"], body.decode()) == (CONTENT_TYPE, metrics_text([SNAPSHOT]))
    assert ask(server, "/healthz")[0].status == 200
    answer, body = ask(server, "/")
    assert b"/api/state" in body
    for name, value in HEADERS.items():
        assert answer.headers[name] == value or name == "Content-Security-Policy"
    assert answer.headers["Server"] == "fer-edge"


@pytest.mark.parametrize(
    ("condition", "status"),
    [(Condition.STARTING, 503), (Condition.OK, 200), (Condition.DEGRADED, 200), (Condition.FAILED, 503)],
)
def test_health_in_a_status(start: Callable[..., WebServer], condition: Condition, status: int) -> None:
    snapshot = Snapshot(1.7e9, True, Health(condition, "so"))
    server = start(snapshot=snapshot)
    answer, body = ask(server, "/healthz")
    assert answer.status == status
    assert json.loads(body) == {"condition": condition.value, "reason": "so"}
    server = start(TOKEN, snapshot)
    for more in ({}, {"Accept": "text/html"}, {"Authorization": "Bearer wrong"}):
        answer, body = ask(server, "/healthz", **more)
        assert (answer.status, json.loads(body)) == (status, {"ok": status == 200})
    assert "so" in ask(server, "/healthz", Authorization=f"Bearer {TOKEN}")[1].decode()


def test_before_there_is_anything_to_tell(start: Callable[..., WebServer]) -> None:
    server = start(snapshot=None)
    assert ask(server, "/healthz")[0].status == 503
    assert ask(server, "/api/state")[0].status == 503


def test_events_as_they_come(start: Callable[..., WebServer]) -> None:
    server = start()
    client = listen(server)
    stream = client.makefile("rb")
    lines = iter(stream.readline, b"")

    def data() -> dict[str, object]:
        return dict(json.loads(next(line for line in lines if line.startswith(b"data: "))[6:]))

    assert data()["frames"] == 7
    server.publish(Snapshot(1.7e9, True, Health(Condition.OK), frames=8))
    assert data()["frames"] == 8
    server.close()
    assert not [line for line in lines if line.startswith(b"data")]
    stream.close()
    client.close()


def test_a_quiet_stream_is_kept_alive(start: Callable[..., WebServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEPALIVE_S", 0.02)
    server = start()
    client, received = listen(server), b""
    while received.count(b": still here") < 3:
        received += client.recv(4096)
    assert received.count(b"data: ") == 1
    client.close()


def test_a_listener_that_takes_nothing_is_let_go(
    start: Callable[..., WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "WRITE_S", 0.1)
    server = start()
    client = listen(server)
    big = Snapshot(1.7e9, True, Health(Condition.OK), device={"backend": "x" * 1_000_000})
    until(lambda: server.publish(big) or (server._events is not None and server._events.streams == 0))
    assert ask(server, "/healthz")[0].status == 200
    client.close()


def test_two_hundred_idle_streams_and_no_more(start: Callable[..., WebServer]) -> None:
    server = start()
    streams = [listen(server) for _ in range(MAX_STREAMS)]
    answer, _ = ask(server, "/api/events")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert ask(server, "/api/state")[0].status == 200
    for stream in streams:
        stream.close()
    until(lambda: server.publish(SNAPSHOT) or (server._events is not None and server._events.streams == 0))
    listen(server).close()


@pytest.mark.parametrize("path", PLACES)
def test_without_a_login_there_is_nothing_but_a_login(start: Callable[..., WebServer], path: str) -> None:
    server = start(TOKEN)
    answer, body = ask(server, path)
    assert answer.status == 401
    assert json.loads(body) == {"error": "log in first"}
    answer, body = ask(server, path, Accept="text/html,*/*")
    on = {"/?kiosk=1": "?to=/?kiosk%3D1", "/sign": "?to=/sign"}
    assert (answer.status, answer.headers["Location"]) == (303, f"/login{on.get(path, '')}")
    assert b"happy" not in body
    assert ask(server, "/api/pause", "POST", '{"paused": true}', Content_Type="application/json")[0].status == 401
    answer, body = ask(server, "/login")
    assert answer.status == 200
    assert b'name="token"' in body


def test_logging_in(start: Callable[..., WebServer]) -> None:
    server = start(TOKEN)
    answer = log_in(server)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={VALID_S}"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    value = cookie.split(";")[0]
    assert ask(server, "/api/state", Cookie=value)[0].status == 200
    assert ask(server, "/api/state", Cookie=value[:-1] + "x")[0].status == 401
    until_s, _, signature = value.partition("=")[2].partition(".")
    longer = f"{COOKIE}={int(until_s) + 1}.{signature}"
    assert ask(server, "/api/state", Cookie=longer)[0].status == 401
    assert ask(server, "/api/state", Authorization=f"Bearer {TOKEN}")[0].status == 200
    assert ask(server, "/api/state", Authorization="Bearer wrong")[0].status == 401


def test_a_wrong_token_and_too_many_of_them(start: Callable[..., WebServer]) -> None:
    server = start(TOKEN)
    for number in range(MAX_FAILURES):
        answer = log_in(server, f"wrong {number}")
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers
    assert log_in(server).status == 429


def test_the_token_auth_by_its_clock() -> None:
    now = [1e9]
    auth = TokenAuth(TOKEN, lambda: now[0])
    cookie = auth.cookie()
    assert auth.admits(cookie, "", "")
    assert not TokenAuth(TOKEN + "x", lambda: now[0]).admits(cookie, "", "")
    assert not any(auth.admits(text, "", "") for text in ("", ".", "x", "9999999999.", "9999999999.é", "\udcff.\udcff"))
    now[0] += VALID_S
    assert not auth.admits(cookie, "", "")


def test_commands(start: Callable[..., WebServer], told: Told) -> None:
    server = start()
    kind = {"Content_Type": "application/json"}
    for on in (True, False):
        answer, body = ask(server, "/api/pause", "POST", json.dumps({"paused": on}), **kind)
        assert (answer.status, json.loads(body), told["pause"]) == (202, {"paused": on}, on)
    answer, body = ask(server, "/api/record", "POST", '{"recording": true}', **kind)
    assert (answer.status, json.loads(body)) == (409, {"error": "there is no room to record"})
    told.clear()
    bad = ['{"paused": 1}', '{"paused": true, "x": 1}', "[]", "null", "{", ""]
    for text in (*bad, "\ud800".encode("utf-8", "surrogatepass")):
        assert ask(server, "/api/pause", "POST", text, **kind)[0].status in (400, 422), text
    assert ask(server, "/api/pause", "POST", '{"paused": true}', Content_Type="text/plain")[0].status == 415
    odd = {"Content_Type": "application/json; charset=rot13"}
    assert ask(server, "/api/pause", "POST", '{"paused": true}', **odd)[0].status == 400
    assert ask(server, "/api/pause", "POST", "[" * MAX_BODY, **kind)[0].status == 400
    assert ask(server, "/api/pause")[0].status == 405
    assert not told


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", ""])
def test_another_name_for_this_machine_is_refused(start: Callable[..., WebServer], host: str) -> None:
    assert ask(start(), "/api/state", Host=host)[0].status == 421


def test_names_it_may_be_asked_for() -> None:
    good = "127.0.0.1 127.0.0.1:8080 [::1]:8080 [::1] localhost:1 192.168.1.5 LOCALHOST localhost."
    assert all(known_host(host, ()) for host in good.split())
    assert [host_of(host) for host in ("A.b.:80", "[::1]:80", "[::1]")] == ["a.b", "::1", "::1"]
    own = socket.gethostname()
    assert known_host(own, ())
    assert known_host(f"{own}.local:8080", ())
    assert known_host("kiosk.museum.example", ("Kiosk.museum.example",))
    assert not any(
        known_host(host, ()) for host in ["evil.example", "evil.example:127.0.0.1", "::1.evil", ":", "[evil]"]
    )


def test_another_sites_page_is_refused(start: Callable[..., WebServer], told: Told) -> None:
    server = start()
    body, kind = '{"paused": true}', {"Content_Type": "application/json"}
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{server.port + 1}", "file://"):
        assert ask(server, "/api/pause", "POST", body, Origin=origin, **kind)[0].status == 403
        assert ask(server, "/api/state", Origin=origin)[0].status == 403
    assert ask(server, "/api/pause", "POST", body, Sec_Fetch_Site="cross-site", **kind)[0].status == 403
    assert not told
    for site in ("cross-site", "same-site", "none"):
        headers = {"Origin": "null", "Sec_Fetch_Site": site, **kind}
        assert ask(server, "/api/pause", "POST", body, **headers)[0].status == 403
    assert not told
    assert ask(server, "/api/pause", "POST", body, Origin=f"http://127.0.0.1:{server.port}", **kind)[0].status == 202
    assert same_origin("https://kiosk", "kiosk")
    assert not same_origin("http://[", "[")


def test_big_bodies_are_not_read(start: Callable[..., WebServer], told: Told) -> None:
    server = start(TOKEN)
    big = b'{"paused": true' + b" " * MAX_BODY + b"}"
    bearer = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
    assert ask(server, "/api/pause", "POST", big, **bearer)[0].status == 413
    with socket.create_connection(("127.0.0.1", server.port), 60) as client:  # in pieces, its length untold
        head = f"POST /api/pause HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        client.sendall(f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with suppress(ConnectionError):
            for _ in range(20):
                client.sendall(b"400\r\n" + b" " * 0x400 + b"\r\n")
        assert client.recv(12) == b"HTTP/1.1 413"
    assert not told
    assert ask(server, "/login", "POST", b"token=" + b"x" * MAX_BODY)[0].status == 413
    assert ask(server, "/api/state", X_Long="x" * 20_000)[0].status == 400


def test_what_is_no_http_at_all(start: Callable[..., WebServer], caplog: pytest.LogCaptureFixture) -> None:
    server = start()
    odd_path = b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", odd_path):
        with socket.create_connection(("127.0.0.1", server.port), 60) as client:
            client.sendall(nonsense)
            client.shutdown(socket.SHUT_WR)
            assert not client.recv(64).startswith(b"HTTP/1.1 5")
    assert ask(server, "/api/state")[0].status == 200
    assert not caplog.records  # or anybody could fill the log


def let_go(client: socket.socket) -> bool:
    """Whether the server ended it without an answer, as soon as it does one or the other."""
    with suppress(ConnectionError):
        return client.recv(1) == b""
    return True


def test_clients_that_never_finish_are_let_go(start: Callable[..., WebServer]) -> None:
    server = start()
    stream = listen(server)
    slow = [socket.create_connection(("127.0.0.1", server.port), 60) for _ in range(50)]
    for client in slow:
        with suppress(ConnectionError):  # a busy machine's server may end it before that
            client.sendall(b"GET /api/state HTTP/1.1\r\nHost: loc")
    assert all(let_go(client) for client in slow)
    server.publish(Snapshot(1.7e9, True, Health(Condition.OK), frames=99))  # who listens is not idle
    received = b""
    while b'"frames": 99' not in received:
        received += stream.recv(4096)
    for client in (*slow, stream):
        client.close()


def test_a_page_may_run_what_is_in_it_and_nothing_else() -> None:
    policy = Page("<style>a{}</style><script>1</script><script>2</script>").policy
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 3
    assert "unsafe" not in policy
    assert "sha256" not in Page("<p>").policy


def test_a_page_with_gaps() -> None:
    template = Template("<!--if:a-->A {{x}}<!--if:b-->B<!--end:b--><!--end:a--><!--if:c-->{{y}}<!--end:c-->")
    assert template.fill({"x": "<script>"}, {"a"}) == "A &lt;script&gt;"
    assert template.fill({"x": Markup("<b>")}, {"a"}) == "A <b>"
    with pytest.raises(KeyError):
        template.fill({}, {"c"})


def test_where_it_cannot_or_may_not_listen() -> None:
    with pytest.raises(UsageError, match="open to other machines and needs a token"):
        WebServer(WebSettings(listen="0.0.0.0"))
    with pytest.raises(UsageError, match="fewer than 16"):
        WebServer(WebSettings(token="short"))
    assert "short" not in repr(WebSettings(token="short" * 5))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = threading.active_count()
        with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1 port"):
            WebServer(WebSettings(port=taken.getsockname()[1]))
        assert threading.active_count() == before


def test_telling_a_closed_server_is_harmless(start: Callable[..., WebServer]) -> None:
    server = start()
    server.close()
    server.publish(SNAPSHOT)
    server.close()

"""The live picture: who may watch, how many, what it costs, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="needs the kiosk extra")

from fer_edge.runtime.web import preview
from fer_edge.runtime.web.preview import MAX_VIEWERS
from fer_edge.runtime.web.server import WebServer
from support.waiting import until
from support.web_client import SNAPSHOT, TOKEN, Told, ask, control_of, serving, streamed

BEARER = f"Authorization: Bearer {TOKEN}"
HEADER = {"Authorization": f"Bearer {TOKEN}"}


class Camera:
    """Gives numbered pictures, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked, self.size, self.absent, self.broken = 0, 1000, False, False

    def __call__(self) -> bytes | None:
        self.asked += 1
        if self.broken:
            raise RuntimeError("no such frame")
        return None if self.absent else b"\xff\xd8" + f"{self.asked:08}".encode() + b"." * self.size + b"\xff\xd9"


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Camera:
    monkeypatch.setattr(preview, "PICTURES_PER_S", 50.0)
    monkeypatch.setattr(preview, "LOOK_S", 0.05)
    return Camera()


@pytest.fixture
def server(camera: Camera) -> Iterator[WebServer]:
    with serving(control_of(Told(), preview=camera), TOKEN) as server:
        yield server


def viewers(server: WebServer) -> int:
    assert server._events is not None
    return server._events.viewers


def at_rest(camera: Camera) -> None:
    """Wait until it is not asked for the time of five pictures."""

    def still() -> bool:
        asked = camera.asked
        time.sleep(0.1)
        return camera.asked == asked

    until(still)


class Viewer:
    """One that watches, with what it has received of the next picture."""

    def __init__(self, server: WebServer) -> None:
        self.socket = streamed(server, "/preview", BEARER)
        self._received = b""

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def numbers(self, count: int) -> list[int]:
        """The numbers of the next pictures."""
        found: list[int] = []
        while len(found) < count:
            received = self.socket.recv(65536)
            assert received
            *whole, self._received = (self._received + received).split(b"\xff\xd9")
            found += [int(part.partition(b"\xff\xd8")[2][:8]) for part in whole]
        return found


def test_it_is_made_only_while_somebody_watches(server: WebServer, camera: Camera) -> None:
    assert (camera.asked, viewers(server)) == (0, 0)
    with Viewer(server) as first, Viewer(server) as second:
        for viewer in (first, second):
            seen = viewer.numbers(5)
            assert seen == sorted(set(seen))
        assert viewers(server) == 2
    until(lambda: viewers(server) == 0)
    at_rest(camera)


def test_so_many_a_second_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the server's own clock: between two pictures it sleeps."""
    slept = list[float]()
    sleep = asyncio.sleep

    async def count(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(preview.asyncio, "sleep", count)
    camera = Camera()
    with serving(control_of(Told(), preview=camera), TOKEN) as server, Viewer(server) as viewer:
        viewer.numbers(5)
        assert set(slept) == {1 / preview.PICTURES_PER_S}
        assert camera.asked <= len(slept) + 1


def test_the_parts_as_a_browser_reads_them(server: WebServer) -> None:
    stream = streamed(server, "/preview", BEARER)
    received = b""
    while received.count(b"--picture\r\n") < 2:
        received += stream.recv(65536)
    stream.close()
    head, _, rest = received.partition(b"\r\n\r\n")
    assert b"Content-Type: multipart/x-mixed-replace; boundary=picture" in head
    assert b"Cache-Control: no-store" in head
    part = rest.split(b"--picture\r\n")[1]
    lines, _, body = part.partition(b"\r\n\r\n")
    assert b"Content-Type: image/jpeg" in lines
    assert f"Content-Length: {len(body.rstrip())}".encode() in lines


def test_where_it_is_not_offered(camera: Camera) -> None:
    with serving(control_of(Told(), preview=camera)) as server:  # on this machine, without a token
        assert ask(server, "/preview")[0].status == 404
        assert b'id="watch"' not in ask(server, "/")[1]
    with serving(control_of(Told()), TOKEN) as server:
        assert ask(server, "/preview", **HEADER)[0].status == 404
        assert b'id="watch"' not in ask(server, "/", **HEADER)[1]
    with serving(control_of(Told(), preview=camera), TOKEN) as server:
        assert ask(server, "/preview")[0].status == 401
        assert b'id="watch"' in ask(server, "/", **HEADER)[1]
    assert camera.asked == 0


def test_at_most_four_watch(server: WebServer) -> None:
    streams = [streamed(server, "/preview", BEARER) for _ in range(MAX_VIEWERS)]
    answer, _ = ask(server, "/preview", **HEADER)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    streams.pop().close()
    until(lambda: viewers(server) == MAX_VIEWERS - 1)
    streams.append(streamed(server, "/preview", BEARER))
    for stream in streams:
        stream.close()


def test_a_slow_viewer_is_let_go_and_does_not_hold_up_the_others(
    server: WebServer, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "WRITE_S", 0.2)
    camera.size = 500_000
    with Viewer(server), Viewer(server) as quick:
        while viewers(server) == 2:
            quick.numbers(1)
        assert viewers(server) == 1
        quick.numbers(2)


def test_a_viewer_that_left_is_noticed_without_a_picture(server: WebServer, camera: Camera) -> None:
    camera.absent = True
    stream = streamed(server, "/preview", BEARER)
    until(lambda: viewers(server) == 1 and camera.asked > 2)
    stream.close()
    until(lambda: viewers(server) == 0)


def test_while_paused_no_picture_is_looked_at(server: WebServer, camera: Camera) -> None:
    stream = Viewer(server)
    stream.numbers(1)
    server.publish(replace(SNAPSHOT, paused=True))
    until(lambda: server._events is not None and '"paused": true' in server._events.newest[""])
    at_rest(camera)
    asked = camera.asked
    server.publish(SNAPSHOT)
    until(lambda: camera.asked > asked)
    stream.socket.close()


def test_a_camera_that_fails_shows_nothing_and_ends_nothing(server: WebServer, camera: Camera) -> None:
    camera.broken = True
    with Viewer(server) as viewer:
        until(lambda: camera.asked > 2)
        camera.broken = False
        assert viewer.numbers(1)


def test_everybody_is_told_that_somebody_watches(server: WebServer) -> None:
    listener = streamed(server, "/api/events", BEARER)
    stream, received = streamed(server, "/preview", BEARER), b""
    while b'event: preview\ndata: {"viewers": 1}\n\n' not in received:
        received += listener.recv(65536)
    stream.close()
    while b'event: preview\ndata: {"viewers": 0}\n\n' not in received:
        received += listener.recv(65536)
    listener.close()


def test_a_server_ends_while_it_is_watched(server: WebServer) -> None:
    with Viewer(server) as viewer:
        viewer.numbers(1)
        server.close()
        assert not server._thread.is_alive()


def test_nothing_of_it_is_written(server: WebServer) -> None:
    written, watching = list[str](), threading.Event()

    def look(event: str, details: tuple[Any, ...]) -> None:
        if watching.is_set() and event == "open" and any(letter in str(details[1]) for letter in "wax+"):
            written.append(str(details[0]))

    sys.addaudithook(look)  # cannot be taken away: it sleeps when the test is over
    watching.set()
    with Viewer(server) as viewer:
        viewer.numbers(10)
    until(lambda: viewers(server) == 0)
    watching.clear()
    assert written == []

"""A kiosk's web server for the tests, over real sockets, and the client that asks it."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

from fer_edge.errors import DeviceFailed
from fer_edge.runtime.status.health import Condition, Health
from fer_edge.runtime.status.prometheus import CONTENT_TYPE, metrics_text
from fer_edge.runtime.status.snapshot import Snapshot
from fer_edge.runtime.web.server import WebServer
from fer_edge.runtime.web.settings import CameraControl, KioskControl, WebSettings
from support.waiting import until

TOKEN = "correct-horse-battery-staple"
NAME = "kiosk.test"
"""Leads here in the browsers of the tests: unlike 127.0.0.1, a name that a browser trusts no more than another's."""
SNAPSHOT = Snapshot(1.7e9, True, Health(Condition.OK), faces=4, shares={"happy": 0.5, "neutral": 0.5}, frames=7)


class Told(dict[str, bool]):
    """Commands that arrived."""

    def record(self, on: bool) -> None:
        raise DeviceFailed("there is no room to record")

    def pause(self, on: bool) -> None:
        self["pause"] = on


def control_of(told: Told, **more: Any) -> KioskControl:
    """Everything is offered but what `more` says otherwise; `timeline` and `preview` are of a lone camera."""
    own = {name: more.pop(name) for name in ("timeline", "preview") if name in more}
    more = {"cameras": {"": CameraControl(**own)}, **more}
    return KioskControl(
        lambda: (metrics_text([SNAPSHOT]), CONTENT_TYPE), {"pause": told.pause, "record": told.record}, **more
    )


@contextmanager
def serving(
    control: KioskControl, token: str = "", snapshot: Snapshot | None = SNAPSHOT, port: int = 0
) -> Iterator[WebServer]:
    """A server that has told one snapshot; its thread has ended afterwards."""
    server = WebServer(WebSettings(port=port, token=token, names=(NAME,)), control)
    try:
        if snapshot:
            server.publish(snapshot)
            until(lambda: server._events is not None and server._events.newest)
        yield server
    finally:
        server.close()
        assert not server._thread.is_alive()


def ask(
    server: WebServer, path: str, method: str = "GET", body: bytes | str | None = None, **headers: str
) -> tuple[HTTPResponse, bytes]:
    """One request; underscores in names of headers are hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def streamed(server: WebServer, path: str, *lines: str) -> socket.socket:
    """An open stream, the first words of its head read."""
    stream = socket.create_connection(("127.0.0.1", server.port), 60)
    stream.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode())
    assert stream.recv(12) == b"HTTP/1.1 200"
    return stream

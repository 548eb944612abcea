"""An IP camera of our own: motion JPEG over HTTP, from a real clip; it can vanish, hang and change its resolution."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
from fer_edge.bundle import Image
from fer_edge.runtime.sources import open_source

WIDTHS = (320, 480)
"""Pixels; the camera begins with the first and changes between them."""


class Camera:
    """On from the beginning; any thread may do something to it."""

    def __init__(self, clip: Path, port: int) -> None:
        """Play a clip at its own pace, forwards and backwards in turn, so that no face jumps."""
        source = open_source(str(clip))
        images = [frame.image for frame in source]
        self.apart_s = 1 / source.fps
        source.close()
        images += images[-2:0:-1]
        self._pictures = {width: [_jpeg(image, width) for image in images] for width in WIDTHS}
        self.port, self.width = port, WIDTHS[0]
        self.flowing = threading.Event()
        """Cleared, connections stay open and nothing comes."""
        self.flowing.set()
        self._server: _Server | None = None
        self.switch_on()

    @property
    def url(self) -> str:
        """What to open."""
        return f"http://127.0.0.1:{self.port}/stream"

    def switch_on(self) -> None:
        """Listen again."""
        self._server = _Server(self.port, self)

    def switch_off(self) -> None:
        """Cut every connection; a new one is refused."""
        if self._server is not None:
            self._server.end()
        self._server = None

    def change_resolution(self) -> None:
        """Go on with the other size, without a word."""
        self.width = WIDTHS[self.width == WIDTHS[0]]

    def picture(self) -> bytes:
        """What is seen now, a JPEG."""
        pictures = self._pictures[self.width]
        return pictures[int(time.monotonic() / self.apart_s) % len(pictures)]


class _Stream(BaseHTTPRequestHandler):
    """One client."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        camera = server.camera
        server.wait(camera)
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with suppress(OSError):
            while not server.off.wait(camera.apart_s):
                server.wait(camera)
                picture = camera.picture()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, camera: Camera) -> None:
        super().__init__(("127.0.0.1", port), _Stream)
        self.camera, self.off = camera, threading.Event()
        self._clients: set[socket.socket] = set()
        self._thread = threading.Thread(target=partial(self.serve_forever, 0.05), daemon=True)
        self._thread.start()

    def wait(self, camera: Camera) -> None:
        """Until it flows, or is off."""
        while not camera.flowing.wait(0.05) and not self.off.is_set():
            pass

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        self._clients.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of ours."""

    def end(self) -> None:
        self.off.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def _jpeg(image: Image, width: int) -> bytes:
    height = round(image.shape[0] * width / image.shape[1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())

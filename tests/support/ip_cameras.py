"""An IP camera on a loopback port: JPEG after JPEG for everybody who asks with the right password."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Answer(BaseHTTPRequestHandler):
    server: IpCamera

    def do_GET(self) -> None:
        if self.server.login and self.headers.get("Authorization") != self.server.login:
            self.server.refused += 1
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        while not self.server.off.wait(self.server.pause_s):
            picture = self.server.picture(number)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + picture + b"\r\n")
            except OSError:
                return
            number += 1

    def log_message(self, *args: object) -> None:
        pass


class IpCamera(ThreadingHTTPServer):
    """It runs from its making on, and can be switched off with everything that hangs on it."""

    def __init__(self, picture: Callable[[int], bytes], pause_s: float, login: str = "", port: int = 0) -> None:
        """Show `picture` of 0, 1, …; `login` is `name:password`."""
        super().__init__(("127.0.0.1", port), _Answer)
        self.picture, self.pause_s, self.off = picture, pause_s, threading.Event()
        self.refused = 0
        self.login = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self._thread = threading.Thread(target=partial(self.serve_forever, 0.05))
        self._thread.start()

    def switch_off(self) -> None:
        self.off.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

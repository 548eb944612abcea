"""A receiver of webhooks that verifies each message by Standard Webhooks' own library, and can be slow or refuse."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_YSBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz"


class Receiver:
    """Listens on loopback; `told` are messages whose signature was right, `tries` counts all that came."""

    def __init__(self, *statuses: int, silent: bool = False, drips: bool = False) -> None:
        """Answers with these in a row, then 204; `silent`: never; `drips`: a byte of an answer now and then."""
        self.told: list[dict[str, Any]] = []
        self.deliveries: list[str] = []
        self.tries, self._statuses = 0, list(statuses)
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.tries += 1
                if silent:
                    receiver._released.wait()
                while drips and not receiver._released.wait(0.05):
                    self.wfile.write(b"H")
                if silent or drips:
                    return
                status = receiver._statuses.pop(0) if receiver._statuses else 204
                if status == 204:
                    receiver._take(self.headers, body)
                self.send_response(status)
                if status // 100 == 3:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that went is none
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _take(self, headers: Any, body: bytes) -> None:
        """As docs/rules.md tells receivers to do."""
        self.told.append(Webhook(SECRET).verify(body, dict(headers)))
        self.deliveries.append(headers["webhook-id"])

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

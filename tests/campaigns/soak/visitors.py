"""Who looks at the page meanwhile: somebody who listens to its events, and a Prometheus that scrapes."""

from __future__ import annotations

import json
import threading
import urllib.request
from contextlib import suppress

PATIENCE_S = 30.0


class Listener:
    """An event stream held open from begin to end; `frames` is what the newest snapshot says."""

    def __init__(self, port: int) -> None:
        self.frames = self.events = 0
        self._url = f"http://127.0.0.1:{port}/api/events"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError, ValueError), urllib.request.urlopen(self._url, timeout=PATIENCE_S) as stream:
            for line in stream:
                if line.startswith(b"data: "):
                    self.frames = json.loads(line[6:])["frames"]
                    self.events += 1


def scrape(port: int) -> str:
    """The text of /metrics; empty when nobody answers."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())
    return ""


def ask_record(port: int, on: bool) -> None:
    """Begin or end a recording, as the page does; raises OSError."""
    body, kind = json.dumps({"recording": on}).encode(), {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/api/record", body, kind), timeout=5).close()

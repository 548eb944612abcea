"""A real Chromium, headless, driven by its DevTools protocol: just what the tests of the page need."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from support.waiting import PATIENCE_S, until
from support.web_client import NAME
from support.window import Window

FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--hide-scrollbars", "--mute-audio", "--remote-debugging-port=0"),
    f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
]


def chromium() -> str | None:
    """Where it is, if it is."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


class Browser(Window):
    """One process and one tab; commands from the test's thread, the socket in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        command = [chromium() or "", *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = folder / "DevToolsActivePort"
        until(lambda: port_file.is_file() and "\n/" in port_file.read_text(), "Chromium listens")
        port, path = port_file.read_text().splitlines()[:2]
        self.events: list[dict[str, Any]] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._number, self._session = 0, ""
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._work, args=(f"ws://127.0.0.1:{port}{path}",), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def _work(self, url: str) -> None:
        self._loop.run_until_complete(self._listen(url))
        self._loop.close()

    async def _listen(self, url: str) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as self._socket:
            self._ready.set()
            async for message in self._socket:
                told = message.json()
                if "id" not in told:
                    self.events.append(told)
                elif (waiting := self._answers.pop(told["id"], None)) is not None:
                    waiting.set_result(told)

    async def _send(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        waiting = self._answers[self._number] = self._loop.create_future()
        where = {"sessionId": self._session} if self._session else {}
        await self._socket.send_json({"id": self._number, "method": method, "params": params, **where})
        return await asyncio.wait_for(waiting, PATIENCE_S)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; an error of its is one here."""
        answer = asyncio.run_coroutine_threadsafe(self._send(method, params), self._loop).result(PATIENCE_S + 5)
        assert "error" not in answer, (method, answer)
        return dict(answer["result"])

    def js(self, expression: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, url: str, width: int = 1280, height: int = 900, dark: bool = False, scale: float = 1) -> None:
        """Load a page in a window of that size."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        small = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **small)
        self.call("Page.navigate", url=url)
        until(lambda: self.js(f"location.href.startsWith({url!r}) && document.readyState === 'complete'"), url)

    def press(self, selector: str) -> None:
        """A click of the mouse in the middle of it."""
        self.js(f"place = document.querySelector({selector!r}); place.scrollIntoView()")
        x, y = self.js("(b => [b.x + b.width / 2, b.y + b.height / 2])(place.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, words: str) -> None:
        """Put words into a field."""
        self.press(selector)
        self.call("Input.insertText", text=words)

    def picture(self, path: Path) -> None:
        """A screenshot of the window."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End it."""
        with suppress(AssertionError, asyncio.TimeoutError):
            self._session = ""
            self.call("Browser.close")
        self._process.wait(PATIENCE_S)
        self._thread.join(PATIENCE_S)

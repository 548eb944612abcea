"""A real Firefox, headless, driven by Marionette, its own protocol: just what the tests of the login need."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.waiting import PATIENCE_S, until
from support.web_client import NAME
from support.window import Window

PREFERENCES = {
    "marionette.port": 0,
    "network.dns.localDomains": NAME,
    "datareporting.policy.dataSubmissionEnabled": False,
}
PREFERENCES |= {"app.update.enabled": False, "network.captive-portal-service.enabled": False}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Key of an element's number, of the W3C's WebDriver."""


def firefox() -> str | None:
    """Where it is, if it is."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox(Window):
    """One process and one tab; Browser's methods of the same names."""

    def __init__(self, folder: Path) -> None:
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (folder / "user.js").write_text("\n".join(lines))
        command = [firefox() or "", "--headless", "--no-remote", "--marionette", "--profile", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = folder / "MarionetteActivePort"
        try:
            until(lambda: port_file.is_file() and port_file.read_text().strip(), "Firefox listens")
            self._socket = socket.create_connection(("127.0.0.1", int(port_file.read_text())), PATIENCE_S)
            self._stream, self._number = self._socket.makefile("rb"), 0
            self._read()  # it says who it is
            self.call("NewSession")
        except BaseException:
            self._process.kill()
            raise

    def _read(self) -> Any:
        length = b""
        while (letter := self._stream.read(1)) != b":":
            length += letter
        return json.loads(self._stream.read(int(length)))

    def call(self, name: str, **params: Any) -> Any:
        """One command of WebDriver; an error of its is one here."""
        self._number += 1
        words = json.dumps([0, self._number, f"WebDriver:{name}", params]).encode()
        self._socket.sendall(b"%d:%s" % (len(words), words))
        _, _, error, answer = self._read()
        assert error is None, (name, error)
        return answer

    def open(self, url: str) -> None:
        """Load a page."""
        self.call("Navigate", url=url)

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.call("ExecuteScript", script=f"return {expression}", args=[], sandbox=None)["value"]

    def press(self, selector: str) -> None:
        """A click of the mouse on it."""
        self.call("ElementClick", id=self._find(selector))

    def type(self, selector: str, words: str) -> None:
        """Put words into a field, by its keys."""
        self.call("ElementSendKeys", id=self._find(selector), text=words)

    def _find(self, selector: str) -> str:
        return str(self.call("FindElement", using="css selector", value=selector)["value"][ELEMENT])

    def close(self) -> None:
        """End it."""
        with suppress(OSError, ValueError):
            self._socket.close()
        self._process.terminate()
        self._process.wait(PATIENCE_S)

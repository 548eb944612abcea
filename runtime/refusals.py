"""A camera that refuses a user name or password is left alone for minutes, over restarts too.

Cameras lock a user, or the machine's address, after a handful of wrong passwords, and then refuse the right one too.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..bundle import write_text
from ..errors import OutputError

WAITS_S = (120, 240, 480, 960, 1800)
"""After each refusal in a row: four questions in the first quarter of an hour, then two an hour."""


@dataclass
class Refusals:
    """What one source refused, in a file that outlives the process; in memory alone where it cannot be written.

    Attributes:
        path: the file; it is gone when nothing is refused.
        source: URL with its password. The file has a salted scrypt of it, so that another password is tried at once
            and the file tells none.
    """

    path: Path
    source: str
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._known: dict[str, Any] = {}
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            known = json.loads(self.path.read_text(encoding="utf-8"))
            if known["source"] == self._digest(known["salt"]) and {"count", "at_s", "why"} <= known.keys():
                self._known = known

    def wait_s(self) -> float:
        """Seconds until it may be asked again, 0 for at once; a clock that was set back has the wait begin anew."""
        if not self._known:
            return 0.0
        wait = WAITS_S[min(int(self._known["count"]), len(WAITS_S)) - 1]
        passed = self.clock() - float(self._known["at_s"])
        if passed < 0:
            self._write(at_s=self.clock())
        return max(0.0, wait - max(0.0, passed))

    def why(self) -> str:
        """What it said, and when it is asked again by this machine's clock; empty when it refused nothing."""
        if not self._known:
            return ""
        again = datetime.fromtimestamp(self.clock() + self.wait_s()).astimezone().strftime("%H:%M")
        return f"{self._known['why']}; asked again at {again}, because cameras lock out who asks often"

    def add(self, why: str) -> None:
        """It refused just now; `why` must hold no secret."""
        salt = secrets.token_hex(8)
        count = int(self._known.get("count", 0)) + 1
        self._write(salt=salt, source=self._digest(salt), count=count, at_s=self.clock(), why=why)

    def forget(self) -> None:
        """It did not refuse."""
        self._known = {}
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _write(self, **facts: object) -> None:
        self._known |= facts
        with suppress(OutputError):
            write_text(self.path, json.dumps(self._known) + "\n")

    def _digest(self, salt: str) -> str:
        return hashlib.scrypt(self.source.encode(), salt=salt.encode(), n=1 << 12, r=8, p=1, dklen=16).hex()

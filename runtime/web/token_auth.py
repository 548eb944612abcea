"""The login: one token, and a cookie with its end of validity signed by that token, so the server keeps no sessions."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable

COOKIE = "fer-edge"
VALID_S = 12 * 3600
MAX_FAILURES, FAILURES_S = 10, 60.0
"""After so many wrong tokens in so many seconds, the form takes none until they are over."""


class TokenAuth:
    """Checks tokens and cookies against the one token; without a token, everybody is logged in."""

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._token, self._clock = token, clock
        self._key = hashlib.sha256(b"fer-edge cookie\0" + token.encode()).digest()
        self._failures: deque[float] = deque(maxlen=MAX_FAILURES)

    @property
    def open(self) -> bool:
        """Whether nobody has to log in."""
        return not self._token

    def throttled(self) -> bool:
        """Whether too many wrong tokens came lately."""
        full = len(self._failures) == MAX_FAILURES
        return full and self._clock() - self._failures[0] < FAILURES_S

    def matches(self, token: str) -> bool:
        """Whether it is the token; a wrong one is counted."""
        if hmac.compare_digest(token.encode(), self._token.encode()):
            return True
        self._failures.append(self._clock())
        return False

    def cookie(self) -> str:
        """A new one, valid for VALID_S."""
        until = str(int(self._clock()) + VALID_S)
        return f"{until}.{self._sign(until)}"

    def admits(self, cookie: str, authorization: str) -> bool:
        """Whether a request is let in: with our cookie, or with `Authorization: Bearer TOKEN` as programs send it."""
        if self.open:
            return True
        kind, _, token = authorization.partition(" ")
        if kind.lower() == "bearer":
            return self.matches(token.strip())
        until, _, signature = cookie.partition(".")
        genuine = hmac.compare_digest(signature.encode(), self._sign(until).encode())
        return genuine and self._clock() < int(until)

    def _sign(self, until: str) -> str:
        return hmac.new(self._key, until.encode(), hashlib.sha256).hexdigest()

"""The login: one token, and a cookie with its end of validity signed by that token, so the server keeps no sessions."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable

COOKIE = "fer-edge"
VALID_S = 12 * 3600
MAX_FAILURES, FAILURES_S = 10, 60.0
"""After so many wrong tokens in so many seconds, an address is believed none by that way until they are over."""
MAX_GUESSERS = 1024
"""Whose wrong tokens are remembered; the network of one house has 254 addresses."""
FORM, BEARER = "form", "bearer"
"""The ways that a token comes by."""
Clock = Callable[[], float]


class Guesses:
    """Wrong tokens of late, of each address by each way: nobody's guessing locks anybody else out."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Begin with none; the clock is one that nobody sets."""
        self._clock = clock
        self._wrong: dict[tuple[str, str], dict[bytes, float]] = {}

    def add(self, address: str, way: str, token: str) -> None:
        """One more. The same again is no other guess: a program with an old token locks nobody out beside it."""
        wrong = self._wrong.pop((address, way), {})
        wrong.setdefault(hashlib.sha256(_bytes(token)).digest(), self._clock())
        self._wrong[address, way] = wrong  # the last in the row
        if len(self._wrong) > MAX_GUESSERS:
            del self._wrong[next(iter(self._wrong))]

    def too_many(self, address: str, way: str) -> bool:
        """Whether MAX_FAILURES came within FAILURES_S; their times run from the first of them."""
        wrong = self._wrong.get((address, way), {})
        for token in [token for token, since in wrong.items() if self._clock() - since >= FAILURES_S]:
            del wrong[token]
        return len(wrong) >= MAX_FAILURES


class TokenAuth:
    """Checks tokens and cookies against the one token; without a token, everybody is logged in."""

    def __init__(self, token: str, clock: Clock = time.time, guesses: Guesses | None = None) -> None:
        """Begin; `clock` says how long a cookie holds, which has to mean the same after a restart."""
        self._token, self._clock, self._guesses = token, clock, guesses or Guesses()
        self._key = hashlib.sha256(b"fer-edge cookie\0" + token.encode()).digest()

    @property
    def open(self) -> bool:
        """Whether nobody has to log in."""
        return not self._token

    def throttled(self, address: str, way: str) -> bool:
        """Whether too many wrong tokens came from there by that way lately."""
        return self._guesses.too_many(address, way)

    def matches(self, token: str, address: str, way: str) -> bool:
        """Whether it is the token, from an address that is not throttled; a wrong one is counted."""
        if self.throttled(address, way):
            return False
        if hmac.compare_digest(_bytes(token), self._token.encode()):
            return True
        self._guesses.add(address, way, token)
        return False

    def cookie(self) -> str:
        """A new one, valid for VALID_S."""
        until = str(int(self._clock()) + VALID_S)
        return f"{until}.{self._sign(until)}"

    def admits(self, cookie: str, authorization: str, address: str) -> bool:
        """Whether a request is let in: with our cookie, or with `Authorization: Bearer TOKEN` as programs send it."""
        if self.open:
            return True
        if (token := bearer_of(authorization)) is not None:
            return self.matches(token, address, BEARER)
        until, _, signature = cookie.partition(".")
        genuine = hmac.compare_digest(_bytes(signature), self._sign(until).encode())
        return genuine and self._clock() < int(until)

    def _sign(self, until: str) -> str:
        return hmac.new(self._key, _bytes(until), hashlib.sha256).hexdigest()


def bearer_of(authorization: str) -> str | None:
    """The token of an Authorization header; None when it is of another kind, as a proxy's may be."""
    kind, _, token = authorization.partition(" ")
    return token.strip() if kind.lower() == BEARER else None


def _bytes(text: str) -> bytes:
    """As they came in a header, where bytes that are no text stand as half of a surrogate pair."""
    return text.encode(errors="surrogateescape")

"""Rules that are told to an address of the web: signed, from a thread of its own, tried again, never in the way."""

# ruff: noqa: RUF009  (key() is a dataclasses.field)
from __future__ import annotations

import base64
import hmac
import http.client
import json
import logging
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic, time
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ...errors import InputError
from ...toml_schema import key
from ..backoff import Backoff
from ..masking import first_line, shown_name

LEAST_SECRET = 24
"""Bytes of the key, as Standard Webhooks asks; a short one can be guessed from one signed message."""
PREFIX = "whsec_"
NEW_SECRET = 'echo "whsec_$(head -c 32 /dev/urandom | base64 -w0)" > SECRET && chmod 600 SECRET'
"""Makes a secret file."""
MAX_WAITING = 100
GIVE_UP_S = 900.0
"""What could not be told for so long is not worth telling any more."""
log = logging.getLogger(__name__)


def hook_url(text: str) -> str:
    """A URL as it is; raises ValueError with the end of a sentence when nothing can be posted to it."""
    if not text:
        return text
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username
    except ValueError:
        good = False
    if not good or not text.isascii() or any(c <= " " for c in text):
        raise ValueError("must be http:// or https:// with a host, without a user, a password or blanks")
    return text


def shown_url(url: str) -> str:
    """Scheme and host: the path of a webhook is often its secret."""
    return f"{shown_name(url)}/…" if url else ""


@dataclass(frozen=True)
class WebhookSettings:
    """The address that rules with `webhook = true` are posted to, as JSON, signed."""

    url: str = key("", 'http:// or https://; "": nothing is posted', high=1000, convert=hook_url, show=shown_url)
    secret_file: Path | None = key(None, "its first line is the secret that signs", secret_file=True)
    timeout_s: float = key(5.0, "an answer is waited for so long, in all", "seconds", low=0.1, high=60)


def secret_of(settings: WebhookSettings) -> bytes:
    """The key that the secret file holds in base64, `whsec_` before it or not; raises InputError."""
    if settings.secret_file is None:
        raise InputError("webhook.url needs webhook.secret_file", hint=NEW_SECRET)
    text = first_line(settings.secret_file, "[webhook] secret_file").strip().removeprefix(PREFIX)
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError:
        secret = b""
    if len(secret) < LEAST_SECRET:
        raise InputError(
            f"[webhook] secret_file {settings.secret_file} does not hold {LEAST_SECRET} bytes or more in base64 in its "
            "first line",
            cause="something else is in it, or it is short enough to be guessed",
            hint=NEW_SECRET.replace("SECRET", str(settings.secret_file)),
        )
    return secret


def signature(secret: bytes, number: str, stamp: str, body: bytes) -> str:
    """Version 1 of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 of number.stamp.body, in base64."""
    signed = f"{number}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, sha256).digest()).decode()


class WebhookSender:
    """`send` returns at once; a post that fails is tried again, and given up after GIVE_UP_S or a plain refusal."""

    def __init__(
        self,
        settings: WebhookSettings,
        secret: bytes,
        *,
        waits_s: tuple[float, float] = (1.0, 60.0),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Start the thread. Args: waits_s: the first wait after a failure, and the longest."""
        self._settings, self._secret, self._clock = settings, secret, clock
        self._parts: SplitResult = urlsplit(settings.url)
        self._backoff = Backoff(*waits_s)
        self._waiting: deque[tuple[float, str, bytes]] = deque(maxlen=MAX_WAITING)
        self._news, self._ended, self._trouble = threading.Event(), threading.Event(), ""
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
        self._thread.start()

    def send(self, told: Mapping[str, Any]) -> None:
        """Take what is to be told; the oldest goes when MAX_WAITING are waiting."""
        self._waiting.append((self._clock(), f"msg_{secrets.token_hex(8)}", json.dumps(told).encode()))
        self._news.set()

    def check(self) -> str:
        """What is wrong, in a sentence, or nothing."""
        return self._trouble

    def close(self) -> None:
        """End; what waits is lost, and a post on its way ends with the process."""
        self._ended.set()
        self._news.set()
        self._thread.join(1.0)

    def _work(self) -> None:
        while not self._ended.is_set():
            self._news.wait()
            self._news.clear()
            while self._waiting and not self._ended.is_set():
                self._next()

    def _next(self) -> None:
        """Post the oldest once; wait where it failed."""
        first = self._waiting[0]
        came_s, number, body = first
        why, again = self._post(number, body)
        if why and again and self._clock() - came_s < GIVE_UP_S:
            self._say(why)
            self._ended.wait(self._backoff.next_s())
            return
        if self._waiting and self._waiting[0] is first:  # else it went while 100 newer ones came
            self._waiting.popleft()
        self._backoff.reset()
        self._say(why and f"{why}; what a rule told is given up")

    def _say(self, why: str) -> None:
        if why and why != self._trouble:
            log.warning("%s", why)
        self._trouble = why

    def _post(self, number: str, body: bytes) -> tuple[str, bool]:
        """Why it failed, or nothing; and whether it may do later."""
        place = f"the webhook at {self._parts.netloc}"
        stamp = str(int(time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "fer-edge",
            "webhook-id": number,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._secret, number, stamp, body),
        }
        late = threading.Event()
        try:
            status = self._status(body, headers, late)
        except (
            OSError,
            http.client.HTTPException,
            ValueError,
        ) as error:  # ValueError: a length that is none
            slow = late.is_set() or isinstance(error, TimeoutError)
            said = f"did not answer within {self._settings.timeout_s:g} s" if slow else f"cannot be reached: {error}"
            return f"{place} {said}", True
        if 200 <= status < 300:
            return "", False
        return f"{place} answered {status}", status >= 500 or status in (408, 429)

    def _status(self, body: bytes, headers: Mapping[str, str], late: threading.Event) -> int:
        """The answer's status. No redirection is followed: what is told goes where it was configured to go."""
        parts, timeout_s = self._parts, self._settings.timeout_s
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)

        def end() -> None:
            late.set()
            with suppress(OSError):  # it has just ended by itself
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader, which closing does not

        limit = threading.Timer(timeout_s, end)  # a server that sends a byte now and then never times out
        limit.daemon = True
        limit.start()
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, dict(headers))
            return connection.getresponse().status
        finally:
            limit.cancel()
            connection.close()

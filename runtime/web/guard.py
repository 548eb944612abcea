"""Checks of every request (known Host, our Origin, small body, login), headers of every answer, idle connections."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .settings import WebSettings, known_host
from .token_auth import COOKIE, TokenAuth


class IdleConnections:
    """Knows which connections have a request at work, and when the others last had one."""

    def __init__(self, slow_s: float, max_connections: int) -> None:
        """Begin.

        Args:
            slow_s: a connection without a request for so long is ended.
            max_connections: connections at once; beyond, those without a request are ended, the newest first.
        """
        self._slow_s, self._max = slow_s, max_connections
        self._busy: dict[int, int] = {}
        self._idle_since: dict[int, float] = {}

    @property
    def middleware(self) -> Middleware:
        """For web.Application, outermost."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            key = id(request.protocol)
            self._busy[key] = self._busy.get(key, 0) + 1
            try:
                return await handler(request)
            finally:
                self._busy[key] -= 1
                self._idle_since[key] = monotonic()

        return count

    def sweep(self, connections: Sequence[Any], now: float) -> None:
        """End those that are idle for too long; call it now and then."""
        known = {id(connection) for connection in connections}
        self._busy = {key: count for key, count in self._busy.items() if key in known and count}
        self._idle_since = {key: self._idle_since.get(key, now) for key in known}
        idle = sorted((c for c in connections if id(c) not in self._busy), key=lambda c: self._idle_since[id(c)])
        for number, connection in enumerate(idle):
            late = now - self._idle_since[id(connection)] >= self._slow_s
            if late or len(connections) - len(idle) + number >= self._max:
                connection.force_close()


MAX_BODY = 4096
"""Bytes; the longest body we take is a token or two words of JSON."""
FREE = ("/login", "/logout", "/healthz")
"""What can be asked without a login; `/healthz` tells less then."""
PAGES = ("/", "/?kiosk=1", "/sign")
"""Where a browser goes on after the login, if it asked for one of them before."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Guard:
    """The middleware of these checks."""

    def __init__(self, settings: WebSettings, auth: TokenAuth) -> None:
        self._settings, self._auth = settings, auth

    @property
    def middleware(self) -> Middleware:
        """For web.Application."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                self._check(request)
                return await handler(request)
            except web.HTTPRedirection:
                raise
            except web.HTTPException as error:
                return refusal(error)
            except (LookupError, RecursionError, ValueError):  # a charset that is none, JSON nested without end
                return refusal(web.HTTPBadRequest(text="the request cannot be read"))

        return check

    @staticmethod
    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        """For `on_response_prepare`: the headers that every answer carries; a page brings its own policy."""
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = "fer-edge"

    def _check(self, request: web.Request) -> None:
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or not known_host(hosts[0], self._settings.names):
            raise web.HTTPMisdirectedRequest(text="this server is not asked for under that name")
        if foreign(request, hosts[0]):
            raise web.HTTPForbidden(text="another site's page asks; it may not")
        if (request.content_length or 0) > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY, request.content_length or 0, text="the body is too large")
        if request.path in FREE or logged_in(self._auth, request):
            return
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            asked = request.path_qs
            raise web.HTTPSeeOther(f"/login?{urlencode({'to': asked})}" if asked in PAGES[1:] else "/login")
        raise web.HTTPUnauthorized(text="log in first", headers={"WWW-Authenticate": "Bearer"})


def logged_in(auth: TokenAuth, request: web.Request) -> bool:
    """Whether a request brings our cookie or the token; a wrong token is counted."""
    return auth.admits(request.cookies.get(COOKIE, ""), request.headers.get("Authorization", ""))


def foreign(request: web.Request, host: str) -> bool:
    """Whether another site's page had the browser ask this.

    A page without a referrer, which extensions and proxies make of ours, sends `Origin: null` with its own forms; only
    Sec-Fetch-Site tells it from a foreign one then.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin == "null" and site == "same-origin":
        return False
    if origin is not None and not same_origin(origin, host):
        return True
    return site == "cross-site" and request.method not in ("GET", "HEAD")


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header is of this server, as it was asked for; whoever encrypts before us is let through."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def refusal(error: web.HTTPException) -> web.Response:
    """An error as JSON, with its headers and without anything of ours; the connection ends with an unread body."""
    kept = {name: error.headers[name] for name in ("WWW-Authenticate", "Retry-After", "Allow") if name in error.headers}
    answer = web.json_response({"error": error.text or error.reason}, status=error.status, headers=kept)
    if error.status == 413:
        answer.force_close()
    return answer

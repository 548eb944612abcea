"""Checks of every request (known Host, our Origin, small body, login) and the headers of every answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .settings import WebSettings, known_host
from .token_auth import COOKIE, TokenAuth

MAX_BODY = 4096
"""Bytes; the longest body we take is a token or two words of JSON."""
FREE = ("/login",)
"""What can be asked without a login."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
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
            except (UnicodeError, ValueError):
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
        origin = request.headers.get("Origin")
        if origin is not None and not same_origin(origin, hosts[0]):
            raise web.HTTPForbidden(text="another site's page asks; it may not")
        if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method not in ("GET", "HEAD"):
            raise web.HTTPForbidden(text="another site's page asks; it may not")
        if (request.content_length or 0) > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY, request.content_length or 0, text="the body is too large")
        inside = self._auth.admits(request.cookies.get(COOKIE, ""), request.headers.get("Authorization", ""))
        if inside or request.path in FREE:
            return
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            raise web.HTTPSeeOther("/login")
        raise web.HTTPUnauthorized(text="log in first", headers={"WWW-Authenticate": "Bearer"})


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

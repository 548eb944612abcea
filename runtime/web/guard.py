"""Checks of every request (known Host, our Origin, small body, login), and headers of every answer."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from .server_log import server_log
from .settings import WebSettings, known_host, whose
from .token_auth import BEARER, COOKIE, FAILURES_S, TokenAuth, bearer_of

MAX_BODY = 4096
"""Bytes; the longest body we take is a token or two words of JSON."""
BODY_S = 5.0
"""How long a body may take to come."""
UNREADABLE = "the request cannot be read"
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
            except asyncio.TimeoutError:
                return refusal(web.HTTPRequestTimeout(text="the body did not come"))
            except (web.RequestPayloadError, HttpProcessingError, ConnectionError):  # not the pieces it said, or gone
                return refusal(web.HTTPBadRequest(text=UNREADABLE))
            except Exception:  # ours, whatever it is: one answer fails, and the log says it now and then
                server_log().exception("no answer to %r", request.path)
                return refusal(web.HTTPInternalServerError(text="the server failed"))

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
        if request.path in FREE:
            return
        bearer = bearer_of(request.headers.get("Authorization", "")) is not None
        if bearer and self._auth.throttled(address_of(request), BEARER):
            wait = {"Retry-After": f"{FAILURES_S:.0f}"}
            raise web.HTTPTooManyRequests(text="too many wrong tokens from this address; wait a minute", headers=wait)
        if logged_in(self._auth, request):
            return
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            asked = request.path_qs
            raise web.HTTPSeeOther(f"/login?{urlencode({'to': asked})}" if asked in PAGES[1:] else "/login")
        raise web.HTTPUnauthorized(text="log in first", headers={"WWW-Authenticate": "Bearer"})


def logged_in(auth: TokenAuth, request: web.Request) -> bool:
    """Whether a request brings our cookie or the token; a wrong token is counted."""
    cookie, authorization = request.cookies.get(COOKIE, ""), request.headers.get("Authorization", "")
    return auth.admits(cookie, authorization, address_of(request))


def address_of(request: web.Request) -> str:
    """Whose a request is, see `whose`."""
    return whose(request.remote or "")


async def text_of(request: web.Request) -> str:
    """The body, plain UTF-8, which is all that is taken here; raises HTTPException, TimeoutError, ConnectionError."""
    body = await asyncio.wait_for(_whole(request), BODY_S)
    packed = request.headers.get("Content-Encoding", "identity").lower() != "identity"
    try:
        if not packed and (request.charset or "utf-8").lower() in ("utf-8", "us-ascii"):
            return body.decode()
    except ValueError:
        pass
    raise web.HTTPBadRequest(text=UNREADABLE)


async def _whole(request: web.Request) -> bytes:
    """What was sent; raises ConnectionError where the client left before, which aiohttp calls a RuntimeError."""
    try:
        return await request.read()
    except RuntimeError as error:
        if request.transport is None:
            raise ConnectionError(str(error)) from error
        raise


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
    if error.status in (408, 413):
        answer.force_close()
    return answer

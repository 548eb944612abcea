"""The server's routes and their handlers."""

from __future__ import annotations

import asyncio
import json
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from ...errors import FerEdgeError
from ..status.health import WORKING, Condition, Health, overall
from ..storage.session import MAX_NAME, marker_name
from .connections import Connections
from .events import Events
from .guard import MAX_BODY, PAGES, UNREADABLE, Guard, address_of, logged_in, text_of
from .page_values import Filled
from .pages import ICON, NO_TOKEN, TOO_OFTEN, Page
from .preview import Preview
from .settings import KioskControl, WebSettings
from .token_auth import COOKIE, FORM, VALID_S, TokenAuth

FORM_KIND = "application/x-www-form-urlencoded"
COMMANDS = {"pause": "paused", "record": "recording"}
"""Path below /api/ -> key of the JSON that is posted there."""


class Answers:
    """The handlers; one object a server."""

    def __init__(self, settings: WebSettings, control: KioskControl, events: Events) -> None:
        self.control, self.events = control, events
        self.filled = Filled(settings, control)
        self.auth = TokenAuth(settings.token)
        self.previews = {
            name: Preview(camera.preview or (lambda: None), self.paused, self.on_viewers)
            for name, camera in control.cameras.items()
        }
        self.description = resources.files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")

    def paused(self) -> bool:
        """Whether a newest snapshot says so; before the first, nothing is shown either."""
        newest = self.events.newest.values()
        return not newest or any(json.loads(text)["paused"] for text in newest)

    def on_viewers(self, viewers: int) -> None:
        """A live picture has another number of viewers."""
        self.events.on_viewers(sum(preview.viewers for preview in self.previews.values()))

    def camera_of(self, request: web.Request) -> str:
        """Whom `?camera=NAME` asks for; of a lone camera it may be left out."""
        names = list(self.control.cameras)
        name = request.query.get("camera", names[0] if len(names) == 1 else "")
        if name not in names:
            known = ", ".join(f"?camera={known}" for known in names if known)
            raise web.HTTPNotFound(
                text=f"say which camera: {known}" if known else "there is one camera, without a name"
            )
        return name

    async def home(self, request: web.Request) -> web.Response:
        """The page; `?kiosk=1` is for the kiosk's own screen."""
        return shown(self.filled.page(request.query.get("kiosk") == "1", wish_of(request)))

    async def sign(self, request: web.Request) -> web.Response:
        """The notice, to print and put up."""
        return shown(self.filled.sign(request.host, wish_of(request)))

    async def icon(self, request: web.Request) -> web.Response:
        """The icon beside the title in a browser."""
        return web.Response(text=ICON, content_type="image/svg+xml")

    async def openapi(self, request: web.Request) -> web.Response:
        """The OpenAPI description."""
        return web.Response(text=self.description, content_type="application/json")

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """The live picture, where it is offered."""
        if not self.filled.preview:
            raise web.HTTPNotFound(text="this kiosk does not offer that")
        return await self.previews[self.camera_of(request)].serve(request)

    async def login(self, request: web.Request) -> web.Response:
        """The form, and what it sends."""
        if request.method != "POST":
            return shown(self.filled.login("", wish_of(request)))
        if request.content_type != FORM_KIND:  # others may bring files, which would be written to disk
            raise web.HTTPUnsupportedMediaType(text="send the form")
        token = dict(parse_qsl(await text_of(request))).get("token", "").strip()
        address = address_of(request)
        if self.auth.throttled(address, FORM):
            return shown(self.filled.login(TOO_OFTEN, wish_of(request)), 429)
        if self.auth.open or not self.auth.matches(token, address, FORM):
            return shown(self.filled.login(NO_TOKEN, wish_of(request)), 403)
        to = request.query.get("to", "")
        answer = web.HTTPSeeOther(to if to in PAGES else "/")
        # Lax: with Strict, who follows a link to this page from another site is not logged in. Nothing is done by GET.
        answer.set_cookie(COOKIE, self.auth.cookie(), max_age=VALID_S, httponly=True, samesite="Lax", path="/")
        raise answer

    async def logout(self, request: web.Request) -> web.Response:
        """Have the browser forget that it was logged in."""
        answer = web.HTTPSeeOther("/login")
        answer.del_cookie(COOKIE, httponly=True, samesite="Lax", path="/")
        raise answer

    async def healthz(self, request: web.Request) -> web.Response:
        """200 while the kiosk does its work, degraded too; 503 while it starts, and when it gave up.

        Without a login, for whoever watches over machines: `ok`, and nothing else.
        """
        told = {name: json.loads(text)["health"] for name, text in self.events.newest.items()}
        known = {name: Health(Condition(h["condition"]), h["reason"]) for name, h in told.items()}
        health = overall(known) if known else Health(Condition.STARTING)
        good = health.condition in WORKING
        whole = {"condition": health.condition.value, "reason": health.reason} if known else {"condition": "starting"}
        answer = whole if logged_in(self.auth, request) else {"ok": good}
        return web.json_response(answer, status=200 if good else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """For Prometheus."""
        text, kind = self.control.metrics()
        return web.Response(body=text.encode(), headers={"Content-Type": kind})

    async def state(self, request: web.Request) -> web.Response:
        """The newest snapshot of a camera."""
        camera = self.camera_of(request)
        if camera not in self.events.newest:
            raise web.HTTPServiceUnavailable(text="there is nothing to tell yet", headers={"Retry-After": "1"})
        return web.Response(text=self.events.newest[camera], content_type="application/json")

    async def timeline(self, request: web.Request) -> web.Response:
        """What was told in the last ten minutes, for a page that is opened now."""
        camera = self.control.cameras[self.camera_of(request)]
        columns = await asyncio.to_thread(camera.timeline)
        told = [
            {"ago": ago, "shares": {label: round(share, 4) for label, share in shares.items()}}
            for ago, shares in sorted(columns.items())
        ]
        return web.json_response({"columns": told})

    async def command(self, request: web.Request) -> web.Response:
        """Pause or record, on or off: {"paused": true}, {"recording": false}."""
        name = request.path.rpartition("/")[2]
        if name not in self.control.commands:
            raise web.HTTPNotFound(text="this kiosk does not offer that")
        value = await json_of(request)
        key = COMMANDS[name]
        if not isinstance(value, dict) or set(value) != {key} or not isinstance(value[key], bool):
            raise web.HTTPUnprocessableEntity(text=f'send {{"{key}": true}} or false')
        try:
            self.control.commands[name](value[key])
        except FerEdgeError as error:
            raise web.HTTPConflict(text=error.message) from None
        return web.json_response({key: value[key]}, status=202)

    async def mark(self, request: web.Request) -> web.Response:
        """Mark this moment in the session that is recorded: {"name": "stimulus"}."""
        if self.control.mark is None:
            raise web.HTTPNotFound(text="this kiosk does not offer that")
        value = await json_of(request)
        name = value.get("name") if isinstance(value, dict) and set(value) == {"name"} else None
        if not isinstance(name, str) or not marker_name(name):
            raise web.HTTPUnprocessableEntity(text=f'send {{"name": "..."}}, 1 to {MAX_NAME} characters in one line')
        if not any(json.loads(text)["recording"] for text in self.events.newest.values()):
            raise web.HTTPConflict(text="no session is being recorded")
        self.control.mark(marker_name(name))
        return web.json_response({"name": marker_name(name)}, status=202)


async def json_of(request: web.Request) -> Any:
    """The JSON that was posted; raises HTTPException kinds."""
    if request.content_type != "application/json":  # a form of another site's cannot send it
        raise web.HTTPUnsupportedMediaType(text="send JSON")
    try:
        return json.loads(await text_of(request))
    except (ValueError, RecursionError):  # no JSON, or nested without end
        raise web.HTTPBadRequest(text=UNREADABLE) from None


def application(
    settings: WebSettings, control: KioskControl, events: Events, connections: Connections
) -> web.Application:
    """The application with all its routes behind the guard."""
    answers = Answers(settings, control, events)
    middlewares = [connections.middleware, Guard(settings, answers.auth).middleware]
    app = web.Application(client_max_size=MAX_BODY, middlewares=middlewares)
    app.on_response_prepare.extend([Guard.add_headers, connections.on_answer])
    app.on_shutdown.extend(preview.close for preview in answers.previews.values())
    app.add_routes(
        [
            web.get("/", answers.home),
            web.get("/sign", answers.sign),
            web.get("/icon.svg", answers.icon),
            web.get("/openapi.json", answers.openapi),
            web.get("/preview", answers.watch, allow_head=False),
            web.get("/login", answers.login),
            web.post("/login", answers.login),
            web.post("/logout", answers.logout),
            web.get("/healthz", answers.healthz),
            web.get("/metrics", answers.metrics),
            web.get("/api/state", answers.state),
            web.get("/api/timeline", answers.timeline),
            web.get("/api/events", events.serve, allow_head=False),
            *(web.post(f"/api/{name}", answers.command) for name in COMMANDS),
            web.post("/api/mark", answers.mark),
        ]
    )
    return app


def wish_of(request: web.Request) -> str:
    """Which languages a browser wishes."""
    return request.headers.get("Accept-Language", "")


def shown(page: Page, status: int = 200) -> web.Response:
    """A page with its own Content-Security-Policy."""
    headers = {"Content-Security-Policy": page.policy}
    return web.Response(text=page.text, status=status, content_type="text/html", headers=headers)

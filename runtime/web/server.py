"""The web server in a thread of its own: it starts with the kiosk, gets every snapshot and ends with the kiosk."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ...errors import MissingExtra, UsageError
from ..status.snapshot import Snapshot, state_json
from .server_log import server_log
from .settings import KioskControl, WebSettings

if TYPE_CHECKING:
    from .events import Events

SLOW_S = 15.0
"""A connection without a whole request for so long is ended: clients that never finish one would fill the server."""
SWEEP_S = 2.0
LINGER_S = 2.0
"""After an answer, so long is read of a body that nobody asked for: a client may not look before it has sent it."""
MAX_LINE = 4096
"""Bytes of a header or of the first line."""
START_S, STOP_S = 10.0, 3.0


class WebServer:
    """Serves from when it is made until it is closed."""

    def __init__(self, settings: WebSettings, control: KioskControl | None = None) -> None:
        """Start to serve; raises MissingExtra without aiohttp, UsageError for an address taken or not ours."""
        settings.check()
        try:
            import aiohttp  # noqa: F401
        except ImportError:
            raise MissingExtra("aiohttp", "kiosk") from None
        self.settings, self._control = settings, control or KioskControl()
        self.port = settings.port
        """The one that is listened on."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: Events | None = None
        self._stop = asyncio.Event()
        self._ready, self._error = threading.Event(), ""
        self._thread = threading.Thread(target=self._work, name="web", daemon=True)
        self._thread.start()
        self._ready.wait(START_S)
        if self._error:
            self._thread.join(STOP_S)
            raise UsageError(
                f"the web server cannot listen on {settings.listen} port {settings.port}: {self._error}",
                cause="another program uses the port, or the address is not of this machine",
                hint=f"ss -ltnp 'sport = :{settings.port}'",
            )

    def publish(self, snapshot: Snapshot) -> None:
        """Tell everybody who listens; returns at once."""
        if self._loop is not None and self._events is not None:
            with suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(self._events.publish, snapshot.camera, state_json(snapshot))

    def close(self) -> None:
        """End every connection and the thread; calling it twice is harmless."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_S)

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
            if self._ready.is_set():
                server_log().error("the page has ended: %s", self._error)  # the kiosk goes on
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from aiohttp import web

        from .app import application
        from .connections import Connections, listen
        from .events import Events

        loop, log = asyncio.get_running_loop(), server_log()
        loop.set_exception_handler(lambda _, facts: log.error("%s", facts["message"], exc_info=facts.get("exception")))
        self._events, connections = Events(), Connections(SLOW_S)
        runner = web.AppRunner(
            application(self.settings, self._control, self._events, connections),
            access_log=None,
            logger=log,
            handle_signals=False,
            shutdown_timeout=1.0,
            lingering_time=LINGER_S,
            auto_decompress=False,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
        )
        await runner.setup()
        assert runner.server is not None
        try:
            listeners = listen(self.settings.listen, self.settings.port)
        except OSError as error:
            self._error = error.strerror or str(error)
            await runner.cleanup()
            return
        self.port, self._loop = listeners[0].getsockname()[1], loop
        for listener in listeners:
            connections.take_from(listener, runner.server)
        self._ready.set()
        while not self._stop.is_set():
            connections.sweep()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), SWEEP_S)
        for listener in listeners:
            loop.remove_reader(listener)
            listener.close()
        self._events.close()
        await runner.cleanup()

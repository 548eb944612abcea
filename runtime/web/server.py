"""The web server in a thread of its own: it starts with the kiosk, gets every snapshot and ends with the kiosk."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from ...errors import MissingExtra, UsageError
from ..status.snapshot import Snapshot, state_json
from .settings import KioskControl, WebSettings

if TYPE_CHECKING:
    from .events import Events

SLOW_S = 15.0
"""A connection without a whole request for so long is ended: clients that never finish one would fill the server."""
SWEEP_S = 2.0
MAX_CONNECTIONS = 256
"""200 streams and some requests."""
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
                self._loop.call_soon_threadsafe(self._events.publish, state_json(snapshot))

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
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from aiohttp import web

        from .app import application
        from .events import Events
        from .guard import IdleConnections

        self._loop, self._events = asyncio.get_running_loop(), Events()
        events = self._events
        idle = IdleConnections(SLOW_S, MAX_CONNECTIONS)
        app = application(self.settings, self._control, events)
        app.middlewares.insert(0, idle.middleware)
        logger = logging.getLogger(f"{__name__}.requests")
        logger.addFilter(is_ours)
        runner = web.AppRunner(app, access_log=None, logger=logger, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.settings.listen, self.settings.port, backlog=64)
            await site.start()
        except OSError as error:
            self._error = error.strerror or str(error)
            await runner.cleanup()
            return
        self.port = runner.addresses[0][1]
        self._ready.set()
        while not self._stop.is_set():
            assert runner.server is not None
            idle.sweep(runner.server.connections, monotonic())
            try:
                await asyncio.wait_for(self._stop.wait(), SWEEP_S)
            except asyncio.TimeoutError:
                continue
        events.close()
        await runner.cleanup()


def is_ours(record: logging.LogRecord) -> bool:
    """Whether a log entry is about us: with entries on what clients send wrong, anybody could fill the log."""
    from aiohttp.http import HttpProcessingError

    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))

"""The live picture: JPEG after JPEG on one connection (MJPEG), made only while somebody watches, in memory alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

MAX_VIEWERS = 4
PICTURES_PER_S = 5.0
WRITE_S = 3.0
"""A viewer that takes no picture for so long is let go."""
LOOK_S = 1.0
"""While there is no picture, a viewer that left is noticed after so long."""
BOUNDARY = "picture"
log = logging.getLogger(__name__)


class Preview:
    """The newest picture, and who waits for the next one. For the server's loop alone."""

    def __init__(
        self, take: Callable[[], bytes | None], paused: Callable[[], bool], on_viewers: Callable[[int], None]
    ) -> None:
        """Begin with nobody watching.

        Args:
            take: the newest frame as JPEG, or None; called in a thread, at most PICTURES_PER_S times a second.
            paused: whether no picture may be looked at now.
            on_viewers: called with how many watch, whenever that changes.
        """
        self._take, self._paused, self._on_viewers = take, paused, on_viewers
        self.viewers = 0
        self._newest, self._number = b"", 0
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    async def close(self, app: web.Application | None = None) -> None:
        """End every view; for `on_shutdown`."""
        self._closed = True
        self._changed.set()
        if self._work is not None:
            await self._work

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One view, until the client or the server goes; 503 when there are MAX_VIEWERS already."""
        if self.viewers >= MAX_VIEWERS:
            raise web.HTTPServiceUnavailable(text="too many watch already", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers={"Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"})
        self._count(1)
        try:
            await response.prepare(request)
            await response.write(f"--{BOUNDARY}\r\n".encode())
            await self._show(request, response)
        except (ConnectionError, asyncio.TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # what waits in its buffer is dropped too
        finally:
            self._count(-1)
        return response

    def _count(self, change: int) -> None:
        self.viewers += change
        if not self.viewers:
            self._newest = b""
        elif self._work is None or self._work.done():
            self._work = asyncio.create_task(self._make())
        log.info("%d watch the live picture", self.viewers)
        self._on_viewers(self.viewers)

    async def _make(self) -> None:
        """Take pictures while somebody watches."""
        while self.viewers and not self._closed:
            picture = None if self._paused() else await asyncio.to_thread(self._safe_take)
            self._newest = picture if picture and self.viewers else b""
            if self._newest:
                self._number += 1
                self._changed.set()
                self._changed = asyncio.Event()
            await asyncio.sleep(1 / PICTURES_PER_S)

    def _safe_take(self) -> bytes | None:
        try:
            return self._take()
        except Exception as error:
            log.warning("no live picture: %s", error)
            return None

    async def _show(self, request: web.Request, response: web.StreamResponse) -> None:
        """Write each new picture; pictures that came while one was being written are skipped."""
        shown = self._number
        while not self._closed and request.transport is not None and not request.transport.is_closing():
            if self._number == shown:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), LOOK_S)
            if self._number != shown and self._newest and not self._closed:
                shown = self._number
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(self._newest)}\r\n\r\n".encode()
                part = head + self._newest + f"\r\n--{BOUNDARY}\r\n".encode()
                await asyncio.wait_for(response.write(part), WRITE_S)

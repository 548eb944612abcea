"""Server-sent events: whoever listens gets each camera's newest snapshot, and one too slow for it is let go."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

MAX_STREAMS = 200
KEEPALIVE_S = 15.0
"""Without a snapshot for so long, a comment is sent: it shows a dead connection, and keeps a live one."""
WRITE_S = 5.0
"""A client that takes nothing for so long is let go."""
RETRY_MS = 3000


class Events:
    """The newest snapshots, and who waits for the next one. For the server's loop alone."""

    def __init__(self) -> None:
        self.newest: dict[str, str] = {}
        """Camera -> JSON on one line; empty before the first."""
        self._numbers: dict[str, int] = {}
        self.streams = 0
        self.viewers = 0
        """Of the live picture; told of as events of their own kind."""
        self._number = 0
        self._changed = asyncio.Event()
        self._closed = False

    def publish(self, camera: str, newest: str) -> None:
        """A new snapshot of a camera."""
        self._number += 1
        self.newest[camera], self._numbers[camera] = newest, self._number
        self._wake()

    def on_viewers(self, viewers: int) -> None:
        """So many watch the live picture now."""
        self.viewers = viewers
        self._wake()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        """Whoever waits goes on; the next to wait has an event of its own."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One stream, until the client or the server goes; 503 when there are MAX_STREAMS already."""
        if self.streams >= MAX_STREAMS:
            raise web.HTTPServiceUnavailable(text="too many listen already", headers={"Retry-After": "10"})
        self.streams += 1
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
            await response.prepare(request)
            with suppress(ConnectionError, asyncio.TimeoutError):
                await asyncio.wait_for(response.write(f"retry: {RETRY_MS}\n\n".encode()), WRITE_S)
                await self._stream(response)
            return response
        finally:
            self.streams -= 1

    async def _stream(self, response: web.StreamResponse) -> None:
        sent = viewers = 0
        while not self._closed:
            if (self._number, self.viewers) == (sent, viewers):
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), KEEPALIVE_S)
            told = sorted((number, camera) for camera, number in self._numbers.items() if number > sent)
            words = "".join(f"id: {number}\ndata: {self.newest[camera]}\n\n" for number, camera in told)
            sent = self._number
            if self.viewers != viewers:
                viewers = self.viewers
                words += f'event: preview\ndata: {{"viewers": {viewers}}}\n\n'
            if not self._closed:
                await asyncio.wait_for(response.write((words or ": still here\n\n").encode()), WRITE_S)

"""Ending connections that bring no request: aiohttp waits for a header as long as the client likes."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


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

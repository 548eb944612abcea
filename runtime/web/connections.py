"""Who is connected: a hard bound, a share for each address, and an end for whoever finishes nothing."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .guard import FREE
from .server_log import server_log
from .settings import whose

MAX_CONNECTIONS = 256
"""200 streams and some requests."""
DESCRIPTORS_A_CONNECTION = 4
"""Of the descriptors that this process may open (1024 by default), the page takes at most one in so many."""
BACKLOG = 512
"""Connections that wait in the kernel until they are taken; one more would be tried again after a second."""
BATCH, RETRY_S = 32, 1.0
"""Taken in one turn of the loop; when none can be, the next try comes later."""
SHARE = 4
"""Of all connections, strangers at one address have at most one in so many; a browser opens six."""
GIVEN_S = 2.0
"""So long a stranger keeps its place from others of its own address."""


@dataclass(eq=False)
class Connection:
    """One that is open.

    Attributes:
        address: whose it is, see `settings.whose`.
        since, quiet_since: when it was made, and when something last happened on it; of `monotonic`.
        known: somebody who may come in was answered on it.
        busy: requests at work on it.
        waiting: bytes of answers that its client has not taken yet.
    """

    transport: asyncio.Transport
    address: str
    since: float
    quiet_since: float
    known: bool = False
    busy: int = 0
    waiting: int = 0

    @property
    def open(self) -> bool:
        """Whether it holds a descriptor; one that is being closed does, until its client took what was written."""
        return bool(self.transport.get_extra_info("socket").fileno() >= 0)


class Connections:
    """Those of one server; for its loop alone."""

    def __init__(self, slow_s: float, limit: int | None = None) -> None:
        """Begin with none.

        Args:
            slow_s: a stranger's connection lives no longer, a known one without a request neither.
            limit: connections at once; None: what the limit of descriptors leaves, MAX_CONNECTIONS at most.
        """
        self._slow_s, self.limit = slow_s, limit or room()
        self._open: dict[object, Connection] = {}
        self._taking: dict[asyncio.Task[None], str] = {}

    def take_from(self, listener: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        """Take who waits there now and, by the loop, whoever comes; many at once, since a turn of it may take long."""
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, self.take_from, listener, make)
        self._forget_closed()
        for _ in range(BATCH):
            try:
                taken, peer = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # this process has no descriptor left, or the machine no memory
                server_log().error("nobody can reach the page now: %s", error.strerror or error)
                loop.remove_reader(listener)
                loop.call_later(RETRY_S, self.take_from, listener, make)
                return
            address = whose(peer[0])
            if not self._make_room(address):
                taken.close()
                continue
            taken.setblocking(False)
            task = loop.create_task(self._connect(taken, address, make))
            self._taking[task] = address
            task.add_done_callback(self._taking.pop)

    async def _connect(self, taken: socket.socket, address: str, make: Callable[[], asyncio.Protocol]) -> None:
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(make, taken)
        except OSError:  # it has gone again
            taken.close()
            return
        now = monotonic()
        self._open[transport] = Connection(transport, address, now, now)

    def _make_room(self, address: str) -> bool:
        """Before one from that address is taken, end the one that it takes the place of; False: there is no place.

        Strangers go before those who may come in, of strangers the oldest of the address that has most: so whoever is
        quick, as a login is, gets in while others hold on to what they can. An address that has many itself gets no
        place of another's, and of its own only after GIVEN_S: to take and end without pause would be the server's end.
        """
        strangers = [c for c in self._open.values() if not c.known]
        counts = Counter([*(c.address for c in strangers), *self._taking.values()])
        own, most = counts[address], max(counts.values(), default=0)
        full = len(self._open) + len(self._taking) >= self.limit
        if own >= max(1, self.limit // SHARE) or (full and own and 2 * own >= most):
            oldest = next((c for c in strangers if c.address == address), None)
            return oldest is not None and monotonic() - oldest.since >= GIVEN_S and self._end(oldest)
        if not full:
            return True
        if strangers:
            return self._end(max(strangers, key=lambda c: (counts[c.address], -c.since)))
        idle = [c for c in self._open.values() if not c.busy]
        return bool(idle) and self._end(min(idle, key=lambda c: c.quiet_since))

    def _end(self, connection: Connection) -> bool:
        """At once; its descriptor is free in the loop's next turn, its place now."""
        connection.transport.abort()
        del self._open[connection.transport]
        return True

    @property
    def middleware(self) -> Middleware:
        """For web.Application, outermost."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = self._open.get(request.transport)
            if connection is None:  # it went while its request waited for another
                return await handler(request)
            connection.busy += 1
            try:
                return await handler(request)
            finally:
                connection.busy -= 1
                connection.quiet_since = monotonic()

        return count

    async def on_answer(self, request: web.Request, response: web.StreamResponse) -> None:
        """For `on_response_prepare`: who gets anything but the login may come in."""
        connection = self._open.get(request.transport)
        if connection is not None and response.status < 300 and request.path not in FREE:
            connection.known = True

    def sweep(self) -> None:
        """End those that are too slow; call it now and then."""
        now = monotonic()
        self._forget_closed()
        for connection in self._open.values():
            waiting = connection.transport.get_write_buffer_size()
            if waiting != connection.waiting:  # a slow client that takes something is given time
                connection.waiting, connection.quiet_since = waiting, now
            quiet = not connection.busy and now - connection.quiet_since >= self._slow_s
            if quiet if connection.known else now - connection.since >= self._slow_s:
                connection.transport.abort()

    def _forget_closed(self) -> None:
        self._open = {transport: c for transport, c in self._open.items() if c.open}


def room() -> int:
    """Connections that the limit of descriptors leaves to the page; the camera and the store need theirs."""
    import resource  # not on Windows, where no kiosk is

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 else max(1, min(MAX_CONNECTIONS, soft // DESCRIPTORS_A_CONNECTION))


def listen(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address of a name, such as both of localhost; raises OSError."""
    found, refused = [], None
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
        try:
            listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # which a machine without IPv6 says
                raise
            refused = error
            continue
        listener.setblocking(False)
        found.append(listener)
    if refused is not None and not found:
        raise refused
    return found

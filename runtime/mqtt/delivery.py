"""What goes over one connection: the newest snapshot to `TOPIC/state`, what waited before it to `TOPIC/history`.

Whoever reads `state` takes it for what is so now; Home Assistant's entities do. So after an outage the newest goes
first, and nothing older ever comes on `state` again. What was published while the connection stands is given out there
one at a time, in order; one that waited longer than OLD_S, as behind a link that hung, is not new any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from .connection import Connection
from .queue import OfflineQueue
from .settings import MqttSettings

MAX_EVENTS = 100
"""What rules told and the broker has not acknowledged; the oldest are dropped."""
MAX_IN_FLIGHT = 10
"""Messages on their way at once; paho keeps them in order up to 20."""
OLD_S = 2.0


class Events:
    """What rules told, in memory until the broker has acknowledged it; `put` is for any thread."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._number = 0

    def put(self, text: str) -> None:
        """Take one."""
        self._number += 1
        self._texts[self._number] = text
        if len(self._texts) > MAX_EVENTS:
            self._texts.pop(next(iter(self._texts)), None)

    def after(self, number: int) -> tuple[int, str] | None:
        """The first with a greater number, and its number."""
        return next(((n, text) for n, text in list(self._texts.items()) if n > number), None)

    def remove(self, number: int) -> None:
        """Forget one that was acknowledged."""
        self._texts.pop(number, None)


class Delivery:
    """Sends what the queue holds over a connection that was accepted, and forgets what was acknowledged."""

    def __init__(
        self,
        connection: Connection,
        queue: OfflineQueue,
        events: Events,
        settings: MqttSettings,
        sender: str,
        clock: Callable[[], float],
    ) -> None:
        """Begin: all that the queue holds now waited for this connection, and its last is the newest."""
        self._connection, self._queue, self._events, self._settings = connection, queue, events, settings
        self._events_on_way: dict[int, int] = {}
        self._last_event = 0
        self._sender, self._clock = sender, clock
        self._came_s: dict[int, float] = {}
        self._on_way: dict[int, int] = {}
        self._told = self._passed = self._state_mid = 0

    def add(self, number: int) -> None:
        """Note a snapshot that was published just now."""
        self._came_s[number] = self._clock()

    def send(self) -> bool:
        """Send as much as may be on its way; whether anything is, or waits."""
        if self._state_mid not in self._on_way and (message := self._next_state()):
            self._told, text = message
            self._state_mid = self._publish(self._settings.state, self._told, text, retain=True)
            self._came_s = {n: came_s for n, came_s in self._came_s.items() if n > self._told}
        while len(self._on_way) < MAX_IN_FLIGHT and (message := self._next_history()):
            self._passed, text = message
            self._publish(self._settings.history, self._passed, text, retain=False)
        while len(self._events_on_way) < MAX_IN_FLIGHT and (message := self._events.after(self._last_event)):
            self._last_event, text = message
            self._events_on_way[self._connection.send(self._settings.rule, text, False)] = self._last_event
        return bool(self._on_way or self._events_on_way) or self._queue.after(self._told) is not None

    def settle(self) -> int:
        """Forget what the broker has acknowledged; how many that were."""
        acknowledged = [self._on_way.pop(mid) for mid in self._connection.delivered if mid in self._on_way]
        for mid in self._connection.delivered:
            self._events.remove(self._events_on_way.pop(mid, 0))
        self._connection.delivered.clear()
        for number in acknowledged:
            self._queue.remove(number)
        return len(acknowledged)

    def _next_state(self) -> tuple[int, str] | None:
        """The first that is still new, else the newest: what is older than it goes to `history`."""
        now = self._clock()
        new = next((n for n, came_s in self._came_s.items() if n > self._told and now - came_s <= OLD_S), None)
        message = self._queue.newest() if new is None else self._queue.after(new - 1)
        return message if message and message[0] > self._told else None

    def _next_history(self) -> tuple[int, str] | None:
        """The next that the newest has overtaken."""
        while (message := self._queue.after(self._passed)) and message[0] in self._on_way.values():
            self._passed = message[0]
        return message if message and message[0] < self._told else None

    def _publish(self, topic: str, number: int, text: str, retain: bool) -> int:
        told = {**json.loads(text), "sequence": number, "sender": self._sender}
        mid = self._connection.send(topic, json.dumps(told), retain)
        self._on_way[mid] = number
        return mid

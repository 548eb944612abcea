"""Publishes snapshots to an MQTT broker from a thread of its own, which looks after the connection and the queue."""

from __future__ import annotations

import json
import logging
import os
import secrets
import select
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from ...bundle import LABELS
from ..backoff import Backoff
from ..status.snapshot import Snapshot, state_json, utc_text
from .connection import Connection, require_paho
from .delivery import Delivery, Events
from .discovery import COMMANDS, OFFLINE, ONLINE, discovery_messages
from .own_topics import OwnTopics, client_id
from .queue import OfflineQueue
from .settings import MqttSettings, password_of, trust_of

MAX_INBOX = 1000
LOOP_S = 1.0
SHORT_S, MOST_SHORT = 5.0, 3
"""After so many connections in a row that ended so soon, another client may have our name: take a new one."""


@dataclass(frozen=True)
class LinkState:
    """The connection to the broker: messages waiting, dropped since the start, acknowledged, and what is wrong."""

    connected: bool
    queued: int
    dropped: int
    delivered: int
    trouble: str


class MqttPublisher:
    """`publish` takes a snapshot and returns at once; connecting, sending and waiting happen in its thread."""

    def __init__(
        self,
        settings: MqttSettings,
        queue_path: Path,
        on_command: Callable[[str, bool], None] = lambda name, on: None,
        *,
        on_mark: Callable[[str], None] | None = None,
        labels: Sequence[str] = (*LABELS, "uncertain", "unsuitable"),
        title: str = "fer-edge",
        about: Mapping[str, str] | None = None,
        offered: Sequence[str] = COMMANDS,
        waits_s: tuple[float, float] = (0.5, 30.0),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Read password and certificate and open the queue; `start` connects.

        Args:
            queue_path: file for what the broker has not acknowledged.
            on_command: called with `pause` or `record` and on or off, from another thread; must return at once.
            on_mark: called with the name of a marker, likewise; None: they are not taken.
            labels: those for which Home Assistant gets a sensor; title, about, offered: see `discovery_messages`.
            waits_s: first and longest wait between two attempts to connect; each is twice the one before.

        Raises:
            MissingExtra: paho-mqtt is absent; InputError: the password or certificate file cannot be used.
        """
        require_paho()
        self.settings, self._command, self._clock = settings, on_command, clock
        self._client_id, self._short = client_id(queue_path, settings.topic), 0
        self._password, self._trust = password_of(settings), trust_of(settings)
        self._announced = (
            discovery_messages(settings, labels, title, about or {}, offered) if settings.discovery else []
        )
        announced = {topic for topic, _ in self._announced}
        self._topics = OwnTopics(settings, announced, self._on_command, clock, on_mark)
        self._backoff = Backoff(*waits_s)
        self._queue = OfflineQueue(queue_path, settings.queue_size, clock)
        self._inbox: deque[str] = deque()
        self._events = Events()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping, self._until_s, self._ended = threading.Event(), 0.0, False
        self._thread = threading.Thread(target=self._work, name="mqtt", daemon=True)
        self._published: tuple[object, ...] = ()
        self._last_s = self._corrected_s = float("-inf")
        self._connected, self._trouble, self._delivered, self._lost = False, "", 0, 0
        self._delivery: Delivery | None = None

    def start(self) -> None:
        """Begin to connect, and to send what an earlier run left."""
        self._thread.start()

    def publish(self, snapshot: Snapshot) -> None:
        """Take a snapshot: one every `interval_s`, and each in which health, pause or recording changed."""
        changes = (snapshot.health.condition, snapshot.paused, snapshot.recording)
        now = self._clock()
        if changes == self._published and now - self._last_s < self.settings.interval_s:
            return
        self._published, self._last_s = changes, now
        if len(self._inbox) >= MAX_INBOX:
            self._inbox.popleft()
            self._lost += 1
        self._inbox.append(state_json(snapshot))
        self._wake()

    def tell(self, told: Mapping[str, Any]) -> None:
        """Take what a rule tells; it waits for the broker in memory, and is sent again until it is acknowledged."""
        self._events.put(json.dumps(told))
        self._wake()

    def forget_before(self, moment_s: float) -> None:
        """Drop what waits for the broker and is older than a moment, seconds since 1970; from any thread."""
        oldest = utc_text(moment_s)
        self._queue.drop_while(lambda text: json.loads(text)["time"] < oldest)

    def check(self) -> str:
        """What is wrong, in a sentence, or nothing."""
        return self._trouble or self._queue.trouble or self._topics.check()

    def state(self) -> LinkState:
        """How the connection to the broker is."""
        waiting = len(self._queue) + len(self._inbox)
        return LinkState(self._connected, waiting, self._queue.dropped + self._lost, self._delivered, self.check())

    def stop(self, timeout_s: float = 3.0) -> None:
        """Send what can be sent within the time, say `offline`, and end; what is left is sent after the next start."""
        self._until_s = self._clock() + timeout_s
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s + 0.5)
        self._take_in()
        if not self._thread.is_alive() and not self._ended:  # else it hangs in a look-up, and ends with the process
            self._ended = True
            self._queue.close()
            for end in (self._wake_read, self._wake_write):
                os.close(end)

    def _wake(self) -> None:
        if not self._ended:
            with suppress(BlockingIOError):  # it is awake already
                os.write(self._wake_write, b"!")

    def _take_in(self) -> None:
        """Move what was published from memory into the queue."""
        if not self._ended:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        while self._inbox:
            number = self._queue.put(self._inbox.popleft())
            if self._delivery is not None:
                self._delivery.add(number)

    def _work(self) -> None:
        self._backoff.next_s()  # the first wait is for a broker that had accepted us; one that did not waits longer
        while not self._stopping.is_set():
            began_s = self._clock()
            try:
                served = self._serve()
            except Exception as error:  # a broker that talks nonsense makes paho raise struct.error and others
                served = False
                self._trouble = f"no broker at {self.settings.host}:{self.settings.port}: {error}"
            self._connected = False
            if served:
                self._backoff.reset()
                self._rename_if_ended_soon(self._clock() - began_s)
            self._rest(self._backoff.next_s())
        self._take_in()

    def _rename_if_ended_soon(self, lasted_s: float) -> None:
        """Two clients of one name would end each other's connections for ever, such as two copies of one card."""
        self._short = self._short + 1 if lasted_s < SHORT_S else 0
        if self._short >= MOST_SHORT:
            self._client_id, self._short = f"fer-edge-{secrets.token_hex(6)}", 0

    def _rest(self, seconds: float) -> None:
        """Wait, while what is published goes into the queue."""
        until = self._clock() + seconds
        while not self._stopping.is_set() and (left := until - self._clock()) > 0:
            select.select([self._wake_read], [], [], left)
            self._take_in()

    def _serve(self) -> bool:
        """One connection, to its end; returns whether the broker had accepted us."""
        connection = Connection(self.settings, self._password, self._trust, self._client_id, self._topics.hear)
        try:
            while connection.loop_once(LOOP_S, self._wake_read) and not connection.accepted:
                self._take_in()
                if self._stopping.is_set():
                    return False
            if not connection.accepted:
                why = connection.refused or "it closed the connection"
                self._trouble = f"the broker at {self.settings.host}:{self.settings.port} refused us: {why}"
                return False
            self._connected, self._trouble = True, ""
            self._exchange(connection)
        finally:
            self._delivery = None
            connection.drop()
        self._trouble = f"the broker at {self.settings.host}:{self.settings.port} went away"
        return True

    def _exchange(self, connection: Connection) -> None:
        """Send and listen until the connection is lost, or until it is time to stop."""
        connection.listen(self._topics.filters())
        for topic, text in self._announced:
            connection.send(topic, text)
        self._take_in()
        parts = (self._queue, self._events, self.settings, self._topics.sender)
        self._delivery = delivery = Delivery(connection, *parts, self._clock)
        delivery.send()  # before `online`, at which whoever listens shows the state that it knows
        connection.send(self.settings.status, ONLINE)
        alive = True
        while alive and not self._stopping.is_set():
            alive = connection.loop_once(LOOP_S, self._wake_read)
            self._put_right(connection)
            self._deliver(delivery)
        while alive and self._deliver(delivery) and self._clock() < self._until_s:
            alive = connection.loop_once(0.1, self._wake_read)
        if alive:
            self._say_offline(connection)

    def _deliver(self, delivery: Delivery) -> bool:
        """Take in what was published and send; whether anything is on its way or waits."""
        self._take_in()
        self._delivered += delivery.settle()
        return delivery.send()

    def _put_right(self, connection: Connection) -> None:
        """Say `online` again when another's word or an old session's last will says otherwise; clear ghosts."""
        while self._topics.ghosts:
            connection.send(self._topics.ghosts.pop(), "")
        if self._topics.contradicted and self._clock() - self._corrected_s >= LOOP_S:  # no faster, in a quarrel
            self._topics.contradicted, self._corrected_s = False, self._clock()
            connection.send(self.settings.status, ONLINE)

    def _say_offline(self, connection: Connection) -> None:
        """Publish `offline`, as the last will would, and disconnect."""
        number = connection.send(self.settings.status, OFFLINE)
        while number not in connection.delivered and self._clock() < self._until_s:
            if not connection.loop_once(0.1, self._wake_read):
                return
        connection.close()
        connection.loop_once(0.0, self._wake_read)

    def _on_command(self, name: str, on: bool) -> None:
        try:
            self._command(name, on)
        except Exception:
            logging.getLogger(__name__).exception("the command %s failed", name)

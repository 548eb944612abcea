"""The centre's own connection to the broker: hears the newest snapshot of each kiosk, and sends commands."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import Any

from ..errors import DeviceFailed, DeviceNotFound, InputError
from ..runtime.mqtt.connection import CONNECT_S, require_paho
from ..runtime.mqtt.settings import password_of, trust_of
from .inventory import BrokerAccess, FleetKiosk, Inventory
from .status import KioskStatus, status_of


def broker_of(inventory: Inventory) -> BrokerAccess:
    """The broker of an inventory; raises InputError without one."""
    if not inventory.broker.host:
        raise InputError(f"{inventory.path} has no [broker]", hint="fer-edge fleet init NEW.toml  # explains each key")
    return inventory.broker


class Watch:
    """A context in which everything that these kiosks publish is heard; what is retained comes at once."""

    def __init__(self, access: BrokerAccess, kiosks: Sequence[FleetKiosk]) -> None:
        """Prepare; raises MissingExtra without paho-mqtt, InputError for a file that cannot be used."""
        require_paho()
        self.kiosks, self._access = tuple(kiosks), access
        settings = access.settings()
        self._password, self._trust = password_of(settings), trust_of(settings)
        self._states: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._words: dict[str, dict[str, str]] = defaultdict(dict)
        self._by_topic = {kiosk.where: kiosk for kiosk in self.kiosks}
        self._news = threading.Condition()
        self._refused, self._ready = "", False

    def __enter__(self) -> Watch:
        """Connect and subscribe; raises DeviceNotFound: no broker; DeviceFailed: it refuses us."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        access, client = self._access, Client(CallbackAPIVersion.VERSION2, client_id="")
        client.on_connect, client.on_message, client.on_subscribe = self._connected, self._heard, self._subscribed
        client.connect_timeout = CONNECT_S
        if access.user:
            client.username_pw_set(access.user, self._password)
        if self._trust is not None:
            client.tls_set_context(self._trust)
        hint = "fer-edge fleet init NEW.toml  # explains how it is reached"
        try:
            client.connect(access.host, access.port)
        except OSError as error:
            raise DeviceNotFound(
                f"no broker at {access.host}:{access.port}: {error}",
                cause="it is down, another port is meant, or its certificate is not trusted",
                hint=hint,
            ) from error
        client.loop_start()
        self._client = client
        if not self.wait(lambda: self._ready or bool(self._refused), CONNECT_S * 4) or self._refused:
            self.__exit__(None, None, None)
            why = self._refused or "it closed the connection, as one does that wants another certificate"
            raise DeviceFailed(f"the broker at {access.host}:{access.port} refused us: {why}", hint=hint)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, happened: Callable[[], bool], limit_s: float) -> bool:
        """Wait until something is so, looked at whenever news come; False when it is not so within the time."""
        end = monotonic() + limit_s
        with self._news:
            while not happened():
                if (left := end - monotonic()) <= 0:
                    return False
                self._news.wait(left)
            return True

    def row(self, kiosk: FleetKiosk) -> KioskStatus:
        """How a kiosk is, by what was heard until now."""
        with self._news:
            states, words = dict(self._states[kiosk.name]), list(self._words[kiosk.name].values())
        return status_of(kiosk.name, states, words)

    def heard_of(self, kiosk: FleetKiosk) -> bool:
        """Whether a snapshot and a status of it came."""
        return bool(self._states[kiosk.name] and self._words[kiosk.name])

    def command(self, kiosk: FleetKiosk, name: str, on: bool) -> bool:
        """Send `pause` on or off; False when the kiosk was never heard of, so that nobody would take it.

        A kiosk with several cameras takes it on the topic of any of them.
        """
        if not self._states[kiosk.name]:
            return False
        camera = next(iter(self._states[kiosk.name]))
        place = f"{kiosk.where}/{camera}" if camera else kiosk.where
        self._client.publish(f"{place}/{name}/set", "ON" if on else "OFF", qos=1)
        return True

    def _connected(self, client: Any, data: object, flags: object, reason: Any, properties: object) -> None:
        if reason.is_failure:
            with self._news:
                self._refused = str(reason)
                self._news.notify_all()
            return
        ends = ("state", "status", "+/state", "+/status")
        client.subscribe([(f"{kiosk.where}/{end}", 0) for kiosk in self.kiosks for end in ends])

    def _subscribed(self, *words: object) -> None:
        with self._news:
            self._ready = True
            self._news.notify_all()

    def _heard(self, client: object, data: object, message: Any) -> None:
        head = message.topic.rpartition("/")[0]
        kiosk = self._by_topic.get(head) or self._by_topic.get(head.rpartition("/")[0])
        if kiosk is None:
            return
        camera, _, what = message.topic[len(kiosk.where) + 1 :].rpartition("/")
        with self._news:
            if what == "state":
                self._states[kiosk.name][camera] = bytes(message.payload)
                if not message.payload:  # cleared
                    del self._states[kiosk.name][camera]
            else:
                self._words[kiosk.name][camera] = message.payload.decode(errors="replace")
            self._news.notify_all()


HEAR_S = 5.0
"""What is retained comes at once; for kiosks of which nothing comes, so long is waited."""


def statuses(inventory: Inventory, kiosks: Sequence[FleetKiosk], limit_s: float | None = None) -> list[KioskStatus]:
    """A row of each kiosk, by the broker where the inventory has one, else by Prometheus.

    Args:
        limit_s: how long is waited for kiosks of which nothing comes; HEAR_S, when None.

    Raises InputError: it has neither; DeviceNotFound, DeviceFailed: it does not answer; MissingExtra.
    """
    if not inventory.broker.host and inventory.prometheus.url:
        from .prometheus import scraped

        return scraped(inventory.prometheus, kiosks)
    with Watch(broker_of(inventory), kiosks) as watch:
        watch.wait(lambda: all(watch.heard_of(kiosk) for kiosk in kiosks), HEAR_S if limit_s is None else limit_s)
        return [watch.row(kiosk) for kiosk in kiosks]

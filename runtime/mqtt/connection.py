"""One connection to the broker, from its opening to its loss; the next one is a new object."""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import MissingExtra
from .discovery import OFFLINE
from .settings import MqttSettings

KEEPALIVE_S = 30
"""A broker that is silent for longer after being asked is lost; also the longest TLS handshake."""
CONNECT_S = 5.0


def require_paho() -> None:
    """Raises MissingExtra when paho-mqtt is not installed."""
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError:
        raise MissingExtra("paho-mqtt", "kiosk") from None


class Connection:
    """A client of MQTT 3.1.1 with a last will; everything is sent at QoS 1. For one thread."""

    def __init__(
        self,
        settings: MqttSettings,
        password: str | None,
        trust: ssl.SSLContext | None,
        client_id: str,
        hear: Callable[[str, bytes, bool], None],
    ) -> None:
        """Connect; raises OSError when there is no broker, or its certificate is not trusted.

        Args:
            client_id: our name; the broker ends an older connection of the same name.
            hear: called with topic, payload and whether it was retained, from `loop_once`.
        """
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.accepted, self.refused = False, ""
        self.delivered: list[int] = []
        """Numbers of messages that the broker has acknowledged; whoever reads them empties the list."""
        self._hear = hear
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
        client.on_connect, client.on_publish, client.on_message = self._on_connect, self._on_publish, self._on_message
        client.will_set(settings.status, OFFLINE, qos=1, retain=True)
        client.connect_timeout = CONNECT_S
        if settings.user:
            client.username_pw_set(settings.user, password)
        if trust is not None:
            client.tls_set_context(trust)
        client.connect(settings.host, settings.port, keepalive=KEEPALIVE_S)
        self._client = client

    def loop_once(self, timeout_s: float, wake: int) -> bool:
        """Serve the network once, waiting for it or for the descriptor `wake`; False when the connection is lost."""
        client = self._client
        socket: Any = client.socket()
        if socket is None:
            return False
        waiting = getattr(socket, "pending", lambda: 0)()  # TLS may hold bytes that select does not see
        writing = [socket] if client.want_write() else []
        readable, _, _ = select.select([socket, wake], writing, [], 0 if waiting else timeout_s)
        if (socket in readable or waiting) and client.loop_read():
            return False
        if client.want_write() and client.loop_write():
            return False
        return not client.loop_misc() and client.socket() is not None

    def send(self, topic: str, text: str, retain: bool = True) -> int:
        """Send a message; returns the number, above 0, that appears in `delivered` once it was acknowledged."""
        return self._client.publish(topic, text, qos=1, retain=retain).mid

    def listen(self, filters: Sequence[str]) -> None:
        """Subscribe to topics, which may have wildcards."""
        self._client.subscribe([(topic, 1) for topic in filters])

    def close(self) -> None:
        """Disconnect properly, which keeps the broker from publishing the last will."""
        self._client.disconnect()

    def drop(self) -> None:
        """Close the socket without disconnecting."""
        socket = self._client.socket()
        if socket is not None:
            socket.close()
        del self._client  # it refers to us; this closes its descriptors now and not at the next garbage collection

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.accepted, self.refused = not reason.is_failure, str(reason) if reason.is_failure else ""

    def _on_publish(self, client: Any, data: Any, number: int, reason: Any, properties: Any) -> None:
        self.delivered.append(number)

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        self._hear(message.topic, bytes(message.payload), bool(message.retain))

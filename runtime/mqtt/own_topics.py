"""What comes on our own topics: commands, a status that is not true, another kiosk's snapshots, outdated entities."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from time import monotonic

from ..storage.session import marker_name
from .discovery import COMMANDS, ONLINE, is_ours
from .own_name import digest_of, machine_words
from .settings import MqttSettings

RIVAL_S = 600.0
"""Another kiosk is spoken of for so long after its last snapshot."""


def client_id(queue_path: Path, topic: str) -> str:
    """Our name on the broker, the same at every start, so that it ends a session of ours that it holds for open.

    Of 21 letters, for MQTT 3.1.1 lets a broker refuse more than 23. Another machine, folder or topic has another name.
    """
    known = [socket.gethostname(), str(queue_path.resolve()), topic, *machine_words()]
    return f"fer-edge-{digest_of(known)[:12]}"


class OwnTopics:
    """Judges every message that comes on them; for the publisher's thread."""

    def __init__(
        self,
        settings: MqttSettings,
        announced: Collection[str],
        on_command: Callable[[str, bool], None],
        clock: Callable[[], float] = monotonic,
        on_mark: Callable[[str], None] | None = None,
    ) -> None:
        """Begin.

        Args:
            announced: the discovery topics that we publish; others of ours are `ghosts`.
            on_command: called with `pause` or `record` and on or off.
            on_mark: called with the name of a marker; None: they are not listened to.
        """
        self.sender = secrets.token_hex(4)
        """Stands in each snapshot of this run: one with another is not ours."""
        self.contradicted = False
        """Our status was set to something else than `online`."""
        self.ghosts: list[str] = []
        """Retained discovery topics of ours that are no more; whoever clears them empties the list."""
        self._settings, self._announced, self._on_command, self._clock = settings, announced, on_command, clock
        self._commands = {settings.command(name): name for name in COMMANDS}
        self._on_mark = on_mark
        self._rival_s = float("-inf")

    def filters(self) -> list[str]:
        """What to subscribe to."""
        s = self._settings
        marks = [s.mark] if self._on_mark else []
        return [*self._commands, *marks, s.status, s.state, f"{s.discovery_prefix}/+/{s.node}/#"]

    def check(self) -> str:
        """Whether another kiosk uses our topic, in a sentence, or nothing."""
        if self._clock() - self._rival_s > RIVAL_S:
            return ""
        return f"another kiosk publishes to {self._settings.topic} too: each needs a [mqtt] topic of its own"

    def hear(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take a message; only of entities do those count that were there before us."""
        if retained:
            if topic not in self._commands and topic not in self._announced and is_ours(self._settings, topic, payload):
                self.ghosts.append(topic)
        elif topic == self._settings.status:
            self.contradicted = self.contradicted or payload != ONLINE.encode()
        elif topic == self._settings.mark:
            if self._on_mark and (marker := marker_name(payload.decode("utf-8", "replace"))):
                self._on_mark(marker)
        elif topic == self._settings.state:
            self._look_at(payload)
        elif (name := self._commands.get(topic)) and (word := payload[:8].upper()) in (b"ON", b"OFF"):
            self._on_command(name, word == b"ON")

    def _look_at(self, payload: bytes) -> None:
        """A snapshot that is not ours is another kiosk's; what is none may be anybody's mistake."""
        with suppress(ValueError):
            told = json.loads(payload)
            if isinstance(told, dict) and "health" in told and told.get("sender") != self.sender:
                self._rival_s = self._clock()

"""A real mosquitto for tests, somebody who listens to it, and a way to it that can be cut."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.waiting import until

MOSQUITTO = Path("/usr/sbin/mosquitto")


class Broker:
    """A mosquitto on a loopback port that keeps sessions over a restart, and can be killed."""

    def __init__(self, folder: Path, lines: str = "allow_anonymous true") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        folder.mkdir(exist_ok=True)
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nuser root\npersistence true\npersistence_location {folder}/\n"
            f"autosave_interval 1\nautosave_on_changes true\n{lines}\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [str(MOSQUITTO), "-c", str(self.config)]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "mosquitto did not start"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def save(self) -> None:
        """Have it write its sessions to the disk: one that is killed forgets what it has not written."""
        assert self.process is not None
        before = self._saved_ns()
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: self._saved_ns() != before)

    def _saved_ns(self) -> int:
        file = self.config.with_name("mosquitto.db")
        return file.stat().st_mtime_ns if file.is_file() else 0

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


class Hole:
    """A way to the broker that stays open on the broker's side when the client is gone, as after a power cut."""

    def __init__(self, broker: Broker, port: int = 0) -> None:
        self._listen = socket.create_server(("127.0.0.1", port))
        self.port, self.ended = self._listen.getsockname()[1], 0
        """ended: connections that the broker has closed."""
        self._held: list[socket.socket] = []
        self._to = ("127.0.0.1", broker.port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listen.accept()[0]
            except OSError:
                return
            far = socket.create_connection(self._to)
            self._held += [near, far]
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, from_broker: bool = False) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        self.ended += from_broker

    def close(self) -> None:
        for held in [self._listen, *self._held]:
            held.close()

    def cut(self) -> None:
        """End every connection at both ends, and take no more."""
        for held in [self._listen, *self._held]:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        self.close()


class Listener:
    """A subscriber that notes what comes, and whose session outlives the connection and the broker."""

    def __init__(self, broker: Broker, topic: str = "kiosk/#", trust: Any = None, user: str = "") -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[tuple[str, str, bool]] = []
        self.ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=f"listener-{id(self)}", clean_session=False)
        self.client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self._hear
        self.client.reconnect_delay_set(0.1, 0.1)  # type: ignore[arg-type]
        if trust is not None:
            self.client.tls_set_context(trust)
        if user:
            self.client.username_pw_set(user, "secret")
        self.client.connect("127.0.0.1" if trust is None else "localhost", broker.port)
        self.client.loop_start()
        assert self.ready.wait(60)

    def _hear(self, client: object, data: object, message: Any) -> None:
        """Note it, unless the broker says that it sends it to us again, not knowing that we have it."""
        told = (message.topic, message.payload.decode(), bool(message.retain))
        if not (message.dup and told in self.heard):
            self.heard.append(told)

    def of(self, topic: str) -> list[str]:
        return [text for name, text, _ in self.heard if name == topic]

    def frames(self, *topics: str) -> list[int]:
        """Of the snapshots on `state` or `history`; without the retained one, which a new subscription repeats.

        Of both topics, unless one is named, in the order in which they were made.
        """
        wanted = [f"kiosk/{topic}" for topic in topics or ("state", "history")]
        told = [json.loads(text) for topic, text, kept in self.heard if topic in wanted and not kept]
        return [t["frames"] for t in (told if topics else sorted(told, key=lambda t: int(t["sequence"])))]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

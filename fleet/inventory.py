"""The inventory: a TOML file that says which kiosks there are, and how the broker, Prometheus and each are reached."""

# ruff: noqa: RUF009  (key() is a dataclasses.field)
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..devices.ssh import SSH
from ..errors import InputError, UsageError
from ..runtime.mqtt.settings import MqttSettings, topic_of
from ..toml_schema import DERIVED, Fault, NotToml, build, key, read_toml

_NAME = r"[A-Za-z0-9_-]{1,64}"


@dataclass(frozen=True)
class BrokerAccess:
    """How the centre logs in at the broker, as [mqtt] of a kiosk; without a host there is none."""

    host: str = key("")
    port: int = key(1883, low=1, high=65535)
    tls: bool = key(False)
    ca_file: Path | None = key(None)
    cert_file: Path | None = key(None)
    key_file: Path | None = key(None, secret_file=True)
    user: str = key("")
    password_file: Path | None = key(None, secret_file=True)

    def settings(self) -> MqttSettings:
        """The same as a kiosk's, whose password and trust are read alike."""
        return MqttSettings(**vars(self))


@dataclass(frozen=True)
class PrometheusAccess:
    """Where Prometheus answers queries; without a url there is none."""

    url: str = key("", high=1000)
    job: str = key("fer-edge", low=1)


@dataclass(frozen=True)
class SshAccess:
    """The command that reaches a kiosk, before its host."""

    command: tuple[str, ...] = SSH


@dataclass(frozen=True)
class FleetKiosk:
    """One kiosk.

    Attributes:
        name: by which people know it.
        topic: its [mqtt] topic; empty: its name.
        ssh: its host as ssh takes it; empty: it cannot be reached so, and asks for updates itself.
        scrape: HOST:PORT of its page, for Prometheus.
        store: its [store] folder.
        groups: names by which several are chosen at once.
        apply: further words for `fer-edge update apply` there.
    """

    name: str = key("", low=1, high=64, pattern=_NAME, words="up to 64 letters, digits, _ and -")
    topic: str = key("", high=200)
    ssh: str = key("")
    scrape: str = key("", pattern=r"(\S+:\d{1,5})?", words="HOST:PORT")
    store: str = key("/var/lib/fer-edge/store", low=1)
    groups: tuple[str, ...] = ()
    apply: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Its topic."""
        return self.topic or self.name


@dataclass(frozen=True)
class Inventory:
    """All of it; `path` is the file that it was read from."""

    kiosk: tuple[FleetKiosk, ...] = ()
    broker: BrokerAccess = field(default_factory=BrokerAccess)
    prometheus: PrometheusAccess = field(default_factory=PrometheusAccess)
    ssh: SshAccess = field(default_factory=SshAccess)
    path: Path = field(default=Path("fleet.toml"), metadata=DERIVED)

    def chosen(self, names: Sequence[str]) -> tuple[FleetKiosk, ...]:
        """Those of these names and groups, in the inventory's order; of no names, all. Raises UsageError."""
        known = {name for kiosk in self.kiosk for name in (kiosk.name, *kiosk.groups)}
        if unknown := [name for name in names if name not in known]:
            raise UsageError(
                f"{self.path} has no kiosk or group {unknown[0]}", hint=f"fer-edge fleet status --inventory {self.path}"
            )
        return tuple(k for k in self.kiosk if not names or {k.name, *k.groups} & set(names))


def load_inventory(path: Path) -> Inventory:
    """Read an inventory; raises InputError when it cannot be read, or for the first thing in it that is wrong."""
    try:
        text, data = read_toml(path)
    except OSError as error:
        hint = f"fer-edge fleet init {path}"
        raise InputError(f"{path} cannot be read ({error.strerror})", hint=hint) from error
    except NotToml as error:
        raise InputError(f"{path} is not valid TOML: {error}", hint="fer-edge fleet init NEW.toml") from None

    def wrong(fault: Fault) -> InputError:
        hint = "fer-edge fleet init NEW.toml  # explains each key"
        return InputError(f"{path}, line {fault.line}: {fault.name} {fault.what}", hint=hint)

    found = build(Inventory, data, text, whole="an inventory", wrong=wrong)
    inventory = replace(found, broker=_beside(found.broker, path), path=path)
    for what in _conflicts(inventory.kiosk):
        raise InputError(f"{path}: {what}", hint="fer-edge fleet init NEW.toml  # explains each key")
    return inventory


def _beside(broker: BrokerAccess, path: Path) -> BrokerAccess:
    """With its files' paths, which start from the inventory's folder."""
    files: dict[str, Any] = {n: path.parent / v for n, v in vars(broker).items() if isinstance(v, Path)}
    return replace(broker, **files)


def _conflicts(kiosks: Sequence[FleetKiosk]) -> Iterator[str]:
    """What would make two kiosks one: a name twice, a group of a kiosk's name, a topic that is or holds another's."""
    names = Counter(kiosk.name for kiosk in kiosks)
    owner: dict[str, str] = {}
    if not kiosks:
        yield "it has no [[kiosk]]"
    for kiosk in kiosks:
        if not kiosk.name:
            yield "a [[kiosk]] has no name"
        if names[kiosk.name] > 1:
            yield f"{kiosk.name} is the name of two kiosks"
        for group in kiosk.groups:
            if group in names:
                yield f"{group} is a kiosk's name and a group of {kiosk.name}"
        try:
            topic_of(kiosk.where)
        except ValueError as error:
            yield f"the topic of {kiosk.name} {error}"
    for kiosk in sorted(kiosks, key=lambda kiosk: kiosk.where.count("/")):  # a topic comes before what lies below it
        levels = kiosk.where.split("/")
        for above in ("/".join(levels[:n]) for n in range(1, len(levels) + 1)):
            if above in owner:
                yield f"{kiosk.name} and {owner[above]} share the topic {above}"
        owner[kiosk.where] = kiosk.name


def targets_json(kiosks: Sequence[FleetKiosk]) -> str:
    """Prometheus' file of targets, by its documented form; of kiosks whose page's address is known."""
    targets = [{"targets": [k.scrape], "labels": {"kiosk": k.name}} for k in kiosks if k.scrape]
    return json.dumps(targets, indent=1) + "\n"


FIRST_INVENTORY = """\
# The kiosks of a fleet, for `fer-edge fleet`. A line that begins with # is an example; take the # away to use it.
# Paths start from the folder of this file.

# The broker, as the kiosks' [mqtt] have it, with a certificate of the centre's own (packaging/fleet/keys.sh).
#[broker]
#host = "broker.example"
#port = 8883
#tls = true
#ca_file = "ca.crt"
#cert_file = "centre.crt"
#key_file = "centre.key"

# Prometheus, for a fleet without a broker.
#[prometheus]
#url = "http://127.0.0.1:9090"

# How kiosks are reached; the host comes behind it.
#[ssh]
#command = ["ssh", "-oBatchMode=yes", "-oServerAliveInterval=15"]

[[kiosk]]
name = "foyer"
#topic = "foyer"                # its [mqtt] topic; else its name
#ssh = "pi@foyer.local"         # for update and wipe; sudo there asks for no password
#scrape = "foyer.local:8080"    # its page, for Prometheus; by its own name or address
#groups = ["museum"]            # to choose several at once
#store = "/var/lib/fer-edge/store"
#apply = []                     # further words for `fer-edge update apply` there
"""


def write_first_inventory(path: Path, replace: bool = False) -> None:
    """Write a first inventory; raises UsageError when it is there and not to be replaced, OutputError."""
    from ..files import write_text

    if path.exists() and not replace:
        raise UsageError(f"{path} is there already", hint=f"fer-edge fleet init {path} --replace")
    write_text(path, FIRST_INVENTORY)

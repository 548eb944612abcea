"""What keys ask of each other, and what is allowed but worth a word. Pure: the machine is not looked at."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from ..mqtt.settings import MqttSettings
from ..rules.rule import faults
from ..rules.webhook import NEW_SECRET
from ..web.settings import WebSettings, is_loopback
from .declaration import KINDS, PROHIBITED, caution, refusal
from .keys import Problem
from .sections import KioskConfig, Place, Source


def check_consistency(config: KioskConfig) -> list[Problem]:
    """Problems of keys together, errors and warnings."""
    return [
        *check_declaration(config.place),
        *_sources(config.source),
        *_pictures(config),
        *_kept(config),
        *_mqtt(config.mqtt),
        *_web(config.web, config.privacy.preview),
        *_rules(config),
        *_webhook(config),
    ]


def check_declaration(place: Place) -> Iterator[Problem]:
    """Whether place and purpose are declared, and may be."""
    for name in ("name", "kind", "purpose", "declared"):
        if not str(getattr(place, name) or "").strip():
            what = f"is missing: where the kiosk stands and what for has to be declared{_kinds(name)}"
            yield Problem(f"place.{name}", what, hint="fer-edge config init FILE  # asks, and writes it down")
    if why := refusal(place.kind, place.purpose_exception):
        hint = 'place.purpose_exception = "medical" or "safety", if that is the reason'
        yield Problem("place.kind", why, hint=hint)
    elif word := caution(place.kind, place.purpose_exception):
        yield Problem("place.purpose_exception", word, serious=False)


def _kinds(name: str) -> str:
    return f"; one of {', '.join(k for k in KINDS if k not in PROHIBITED)}" if name == "kind" else ""


def _sources(sources: Sequence[Source]) -> Iterator[Problem]:
    """Each by itself, and that their names tell them apart: in topics and files, some of which know no capitals."""
    if not sources:
        yield Problem("source", "has no table: where pictures come from has to be said")
    names = [source.name.lower() for source in sources]
    for number, source in enumerate(sources):
        full = f"source[{number}]" if len(sources) > 1 else "source"
        if bool(source.width) != bool(source.height):
            yield Problem(f"{full}.{'width' if source.width else 'height'}", "needs the other one too: both, or both 0")
        if len(sources) > 1 and not source.name:
            yield Problem(f"{full}.name", "is missing: of several cameras each needs a name")
        elif names.index(source.name.lower()) < number:
            yield Problem(f"{full}.name", f"{source.name!r} is another camera's name already")


def _pictures(config: KioskConfig) -> Iterator[Problem]:
    width = config.model.detect_width
    if 0 < width < 64:
        yield Problem("model.detect_width", f"must be 0 or at least 64, not {width}: faces vanish in smaller pictures")


def _kept(config: KioskConfig) -> Iterator[Problem]:
    if not config.store.keep_days and not config.store.keep_mib:
        yield Problem("store.keep_days", "and keep_mib are 0: everything is kept until the disk is full", False)
    elif not config.store.keep_days:
        yield Problem("store.keep_days", "is 0: observations of any age are kept", serious=False)
    record, store = config.record, config.store
    if record.on and store.folder in (record.folder, *record.folder.parents):
        yield Problem("record.folder", f"lies in store.folder ({store.folder}), which is for the store alone")
    if record.on and record.video:
        yield Problem(
            "record.video", "is true: pictures of people are written when somebody asks for it", serious=False
        )
    if config.privacy.least_group == 1:
        yield Problem("privacy.least_group", "is 1: what a person alone shows leaves the kiosk", serious=False)
    if config.work.max_faces < config.privacy.least_group:
        yield Problem("work.max_faces", "is below privacy.least_group: nothing of faces is ever told", serious=False)


def _mqtt(mqtt: MqttSettings) -> Iterator[Problem]:
    if mqtt.password_file and not mqtt.user:
        yield Problem("mqtt.password_file", "needs mqtt.user: MQTT knows no password without a name")
    if mqtt.password_file and mqtt.host and not mqtt.tls and not is_loopback(mqtt.host):
        what = "is false: the password crosses the network in clear text"
        yield Problem("mqtt.tls", what, serious=False, hint="mqtt.tls = true and mqtt.port = 8883")
    if bool(mqtt.cert_file) != bool(mqtt.key_file):
        yield Problem(f"mqtt.{'key' if mqtt.cert_file else 'cert'}_file", "is missing: certificate and key go together")
    for name in ("ca_file", "cert_file"):
        if getattr(mqtt, name) and not mqtt.tls:
            yield Problem(f"mqtt.{name}", "has no effect while mqtt.tls is false", serious=False)


def _web(web: WebSettings, preview: bool) -> Iterator[Problem]:
    hint = 'head -c 24 /dev/urandom | base64 > TOKEN && chmod 600 TOKEN  # and web.token_file = "TOKEN"'
    if not _is_address(web.listen):
        yield Problem("web.listen", f"must be an address of this machine such as 127.0.0.1 or ::1, not {web.listen!r}")
        return
    if not web.port:
        return
    outside = not is_loopback(web.listen)
    if outside and not web.token_file:
        yield Problem("web.listen", f"{web.listen} is open to other machines and needs web.token_file", hint=hint)
    elif outside:
        what = f"{web.listen} is open to other machines: pages and token cross the network in clear text"
        yield Problem("web.listen", what, serious=False)
    if preview and not web.token_file:
        yield Problem("privacy.preview", "shows faces and needs web.token_file", hint=hint)


def _is_address(host: str) -> bool:
    try:
        return host == "localhost" or bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _rules(config: KioskConfig) -> Iterator[Problem]:
    """Each by itself, whom it tells, and that their names tell them apart."""
    there = {"page": config.web.port, "mqtt": config.mqtt.host, "webhook": config.webhook.url}
    needs = {"page": "web.port, which is 0", "mqtt": "mqtt.host", "webhook": "webhook.url"}
    names = [rule.name for rule in config.rule]
    for number, rule in enumerate(config.rule):
        full = f"rule[{number}]" if len(names) > 1 else "rule"
        for name, what in faults(rule, config.privacy.least_group):
            yield Problem(f"{full}.{name}", what)
        if rule.name and names.index(rule.name) < number:
            yield Problem(f"{full}.name", f"{rule.name!r} is another rule's name already")
        for outlet, given in there.items():
            if getattr(rule, outlet) and not given:
                yield Problem(f"{full}.{outlet}", f"is true and needs {needs[outlet]}")


def _webhook(config: KioskConfig) -> Iterator[Problem]:
    hook = config.webhook
    if not hook.url:
        return
    if hook.secret_file is None:
        hint = f'{NEW_SECRET}  # and webhook.secret_file = "SECRET"'
        yield Problem("webhook.url", "needs webhook.secret_file: what is posted is signed", hint=hint)
    if hook.url.startswith("http://") and not is_loopback(urlsplit(hook.url).hostname or ""):
        yield Problem("webhook.url", "is http://: what rules tell crosses the network in clear text", serious=False)
    if not any(rule.webhook for rule in config.rule):
        yield Problem("webhook.url", "is told nothing: no rule has webhook = true", serious=False)

"""Home Assistant's MQTT discovery: one retained message an entity, by its documented fields.

Topics and fields: home-assistant.io/integrations/mqtt, sensor.mqtt and switch.mqtt. One message an entity and not one a
device, because versions of before 2024 understand it too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..status.health import Condition
from .settings import MqttSettings, plain_name

OFFLINE, ONLINE, ORIGIN = "offline", "online", "fer-edge"
COMMANDS = ("pause", "record")
_STATES = {"pause": "paused", "record": "recording"}
_ICONS = {"pause": "mdi:eye-off", "record": "mdi:record-rec"}


def discovery_messages(
    settings: MqttSettings,
    labels: Sequence[str],
    title: str,
    about: Mapping[str, str],
    offered: Sequence[str] = COMMANDS,
) -> list[tuple[str, str]]:
    """(topic, JSON) of every entity.

    Args:
        title: the kiosk's name for people.
        about: `version` of fer-edge, and `model`, the device that classifies.
        offered: the commands that are obeyed; the switch of another is taken away, if it was announced before.
    """
    node = settings.node
    common = {
        "state_topic": settings.state,
        "availability_topic": settings.status,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "qos": 1,
        "device": {
            "identifiers": [node],
            "name": title,
            "manufacturer": "fer-edge",
            "model": about.get("model", "kiosk"),
            "sw_version": about.get("version", ""),
        },
        "origin": {"name": ORIGIN, "sw_version": about.get("version", "")},
    }
    entities = [*(_share(label) for label in labels), *_sensors(), *(_switch(settings, name) for name in offered)]
    gone = [(_topic(settings, "switch", name), "") for name in COMMANDS if name not in offered]
    for _, _, own in entities:
        if "json_attributes_template" in own:
            own["json_attributes_topic"] = settings.state
    present = [
        (_topic(settings, component, key), json.dumps({**common, **own, "unique_id": f"{node}_{key}"}))
        for component, key, own in entities
    ]
    return [*present, *gone]


def is_ours(settings: MqttSettings, topic: str, payload: bytes) -> bool:
    """Whether a message announces an entity of this kiosk, of any version of fer-edge."""
    if not topic.startswith(f"{settings.discovery_prefix}/") or f"/{settings.node}/" not in topic:
        return False
    try:
        return bool(json.loads(payload)["origin"]["name"] == ORIGIN)
    except (ValueError, KeyError, TypeError):
        return False


def _topic(settings: MqttSettings, component: str, key: str) -> str:
    return f"{settings.discovery_prefix}/{component}/{settings.node}/{key}/config"


_TAKEN = ("faces", "health", "device")
"""Keys of our other sensors, which a label may not have too."""


def _key_of(label: str) -> str:
    """A label in the letters that Home Assistant allows in a topic; different for different labels."""
    return f"label_{plain_name(label)}" if label in _TAKEN else plain_name(label)


Entity = tuple[str, str, dict[str, Any]]
"""Component, key, its own fields."""


def _share(label: str) -> Entity:
    """Per cent of the last minute; unknown, which Home Assistant writes None, when nothing is told."""
    word = json.dumps(label, ensure_ascii=False)  # Jinja's strings know JSON's escapes, but for surrogates
    template = f"{{{{ (value_json.window.get({word}, 0.0) * 100) | round(1) if value_json.window else None }}}}"
    own = {
        "name": label.capitalize(),
        "value_template": template,
        "unit_of_measurement": "%",
        "state_class": "measurement",
        "suggested_display_precision": 1,
        "icon": "mdi:emoticon-outline",
    }
    return "sensor", _key_of(label), own


def _sensors() -> list[Entity]:
    faces = {
        "name": "Faces",
        "value_template": "{{ value_json.faces }}",
        "state_class": "measurement",
        "icon": "mdi:account-group",
    }
    health = {
        "name": "Health",
        "value_template": "{{ value_json.health.condition }}",
        "device_class": "enum",
        "options": [c.value for c in Condition],
        "json_attributes_template": "{{ value_json.health | tojson }}",
        "entity_category": "diagnostic",
        "icon": "mdi:heart-pulse",
    }
    device = {
        "name": "Device",
        "value_template": "{{ value_json.device.get('device', None) }}",
        "json_attributes_template": "{{ value_json.device | tojson }}",
        "entity_category": "diagnostic",
        "icon": "mdi:chip",
    }
    return [("sensor", "faces", faces), ("sensor", "health", health), ("sensor", "device", device)]


def _switch(settings: MqttSettings, name: str) -> Entity:
    own = {
        "name": name.capitalize(),
        "command_topic": settings.command(name),
        "value_template": f"{{{{ 'ON' if value_json.{_STATES[name]} else 'OFF' }}}}",
        "payload_on": "ON",
        "payload_off": "OFF",
        "state_on": "ON",
        "state_off": "OFF",
        "retain": False,
        "icon": _ICONS[name],
    }
    return "switch", name, own

"""Home Assistant itself, under its own Python, with MQTT set up as a person does it by its dialogue.

Prints a line of JSON for each state that an entity takes, and for each warning. argv: folder, broker's port.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

from homeassistant import bootstrap, runner  # type: ignore[import-not-found]
from homeassistant.core import callback  # type: ignore[import-not-found]


def say(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


class Warnings(logging.Handler):
    """What Home Assistant finds wrong."""

    def emit(self, record: logging.LogRecord) -> None:
        say(warning=record.getMessage(), logger=record.name)


@callback
def note(event: Any) -> None:
    state = event.data["new_state"]
    if state is not None:
        say(entity=state.entity_id, state=state.state, unit=state.attributes.get("unit_of_measurement"))


for names in ("CRITICAL_INTEGRATIONS", "DEFAULT_INTEGRATIONS", "DEFAULT_INTEGRATIONS_NON_RECOVERY_MODE"):
    setattr(bootstrap, names, set())  # without its pages, which are another package, of 80 MB


async def main(folder: str, port: int) -> None:
    hass = await bootstrap.async_setup_hass(runner.RuntimeConfig(config_dir=folder, skip_pip=True))
    logging.getLogger().addHandler(Warnings(logging.WARNING))
    hass.bus.async_listen("state_changed", note)
    flow = await hass.config_entries.flow.async_init("mqtt", context={"source": "user"})
    done = await hass.config_entries.flow.async_configure(flow["flow_id"], {"broker": "127.0.0.1", "port": port})
    say(flow=str(done["type"]))
    await hass.async_run(attach_signals=True)


asyncio.set_event_loop_policy(runner.HassEventLoopPolicy(False))
asyncio.run(main(sys.argv[1], int(sys.argv[2])))

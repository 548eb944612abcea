"""The kiosk as a service: from its configuration file to its end by a signal."""

from __future__ import annotations

import logging
import os
import resource
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...devices.swapping import swap_on_disks
from ...errors import UsageError
from ..config import KioskConfig, load_config
from .commands import RELOAD
from .factory import tune_model
from .kiosk import Kiosk
from .logs import start_log, stop_log
from .systemd import Notifier

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KioskOptions:
    """What a kiosk is started with.

    Attributes:
        config: its file; overrides: KEY=VALUE, which have the last word.
        debug: log everything, whatever the configuration says.
    """

    config: Path
    overrides: Sequence[str] = ()
    debug: bool = False


def run_kiosk(options: KioskOptions) -> int:
    """Read the configuration, open everything, and work until SIGTERM, SIGINT or the end of the source (0).

    Returns the exit code for systemd: 0, or 4 when the camera or the device did not come back. Raises FerEdgeError
    kinds with exit codes of their own: 2, configuration or input are wrong and starting again changes nothing; 3, a
    device is absent.
    """
    if not options.config.exists():
        raise UsageError(
            f"{options.config} is not there",
            cause="a kiosk needs a configuration",
            hint=f"fer-edge config init {options.config}",
        )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no picture reaches the disk in a crashed process's memory image

    def read() -> KioskConfig:
        return load_config(options.config, os.environ, options.overrides)

    config = read()
    handler = start_log("debug" if options.debug else config.log.level)
    try:
        if swaps := swap_on_disks():
            log.warning("pictures in memory may be written to %s, as swap: fer-edge doctor", ", ".join(swaps))
        tune_model(config)
        kiosk = Kiosk(config, read, Notifier())
        try:
            for end in (signal.SIGTERM, signal.SIGINT):  # signals only set flags, which the loop looks at
                signal.signal(end, lambda number, frame: kiosk.daemon.stop())
            signal.signal(signal.SIGHUP, lambda number, frame: kiosk.requests.ask(RELOAD))
            return kiosk.daemon.run()
        finally:
            kiosk.close()
    finally:
        stop_log(handler)

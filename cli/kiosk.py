"""`fer-edge run --config FILE`: the kiosk, until it is stopped."""

from __future__ import annotations

import argparse
import os
import resource
import signal
from types import FrameType
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..runtime.config import KioskConfig
    from ..runtime.kiosk.kiosk import Kiosk

OWN = ("config", "set", "debug", "json", "verb")
"""Options that go with --config; what the others say stands in the file."""


def run_kiosk(args: argparse.Namespace) -> int:
    """Read the configuration, open everything, and watch until SIGTERM, SIGINT or the end of the source (0).

    Exit codes for systemd: 2, the configuration or an input is wrong, starting again changes nothing; 3, a device is
    absent; 4, the camera or the device did not come back.
    """
    _alone(args)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no picture reaches the disk in a crashed process's memory image
    from ..runtime.config import load_config
    from ..runtime.kiosk.kiosk import Kiosk
    from ..runtime.kiosk.logs import start_log, stop_log
    from ..runtime.kiosk.systemd import Notifier

    def read() -> KioskConfig:
        return load_config(args.config, os.environ, args.set)

    config = read()
    handler = start_log("debug" if args.debug else config.log.level)
    try:
        kiosk = Kiosk(config, read, Notifier())
        try:
            _listen(kiosk)
            return kiosk.run()
        finally:
            kiosk.close()
    finally:
        stop_log(handler)


def _alone(args: argparse.Namespace) -> None:
    """Refuse options of a single run; raises UsageError."""
    from .main import build_parser

    _, parser = build_parser("run")
    for name, value in vars(args).items():
        if name not in OWN and value != parser.get_default(name):
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} does not go with --config", cause="the kiosk is what its file says")
    if not args.config.exists():
        raise UsageError(
            f"{args.config} is not there",
            cause="a kiosk needs a configuration",
            hint=f"fer-edge config init {args.config}",
        )


def _listen(kiosk: Kiosk) -> None:
    """Signals set flags; everything else happens between two frames."""

    def stop(number: int, frame: FrameType | None) -> None:
        kiosk.stop()

    def reload(number: int, frame: FrameType | None) -> None:
        kiosk.requests.ask("reload")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)

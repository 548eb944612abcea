"""`fer-edge run --config FILE`: the kiosk, until it is stopped."""

from __future__ import annotations

import argparse

from ..errors import UsageError

OWN = ("config", "set", "debug", "json", "verb")
"""Options that go with --config; the configuration file has the rest."""


def run_kiosk(args: argparse.Namespace) -> int:
    """Run it, after refusing the options of a single run."""
    from ..runtime.kiosk import service
    from .main import build_parser

    _, parser = build_parser("run")
    for name, value in vars(args).items():
        if name not in OWN and value != parser.get_default(name):
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} does not go with --config", cause="the kiosk is what its file says")
    return service.run_kiosk(service.KioskOptions(args.config, tuple(args.set), args.debug))

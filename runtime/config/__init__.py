"""The kiosk's configuration: one TOML file, then the environment, then flags; every key known and checked."""

from .keys import Change, reloadable
from .reading import ReadResult, load_config, read_config
from .sections import KioskConfig

__all__ = ["Change", "KioskConfig", "ReadResult", "load_config", "read_config", "reloadable"]

"""The kiosk's configuration: one TOML file, then the environment, then flags; every key known and checked."""

from .reading import Examined, examine, load_config
from .reload import Change, reloadable
from .sections import KioskConfig

__all__ = ["Change", "Examined", "KioskConfig", "examine", "load_config", "reloadable"]

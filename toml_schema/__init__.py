"""One checker for all that comes as TOML or JSON: configuration, device profiles, recipes, cards, bundle manifests."""

from .checker import build, check, make, nearest
from .text import NotToml, lines_of, parse_toml, read_toml, salvaged, toml_value
from .values import DERIVED, Fault, Field, Key, about, allowed, fields_of, fit, from_text, key

__all__ = [
    "DERIVED", "Fault", "Field", "Key", "NotToml", "about", "allowed", "build", "check", "fields_of", "fit",
    "from_text", "key", "lines_of", "make", "nearest", "parse_toml", "read_toml", "salvaged", "toml_value",
]  # fmt: skip

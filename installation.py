"""How this very fer-edge was installed, and so the command that adds to it and works when it is pasted."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

CHECKOUT = Path(__file__).resolve().parent


def pip_install(extra: str) -> str:
    """The command that installs optional parts, named as in `train,export`, into this interpreter.

    A checkout and a wheel that are still there are named by their place. Elsewhere the packages are named themselves:
    `fer-edge` may be on no index, and whoever got it from one has the same from this.
    """
    if (CHECKOUT / "pyproject.toml").is_file():
        wanted = ["-e", f"{CHECKOUT}[{extra}]"]
    elif (wheel := _came_from()) and wheel.exists():
        wanted = [f"fer-edge[{extra}] @ {wheel.as_uri()}"]
    else:
        wanted = _packages(extra.split(","))
    uv = find_spec("pip") is None and shutil.which("uv") is not None  # whose environments come without pip
    pip = ["uv", "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    return shlex.join([*pip, *wanted])


def _came_from() -> Path | None:
    """The wheel or folder that pip installed it from (PEP 610); None from an index."""
    try:
        text = metadata.distribution("fer-edge").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    url = urlsplit(json.loads(text)["url"]) if text else None
    return Path(unquote(url.path)) if url and url.scheme == "file" else None


def _packages(extras: list[str]) -> list[str]:
    """What these parts require, of parts that they name too; `fer-edge[…]` where the metadata is gone."""
    try:
        required = metadata.requires("fer-edge") or []
    except metadata.PackageNotFoundError:
        return [f"fer-edge[{','.join(extras)}]"]
    found: list[str] = []
    for extra in extras:
        for line in required:
            requirement, _, marker = line.partition(";")
            ours = f'extra == "{extra}"' in marker.replace("'", '"')
            if ours and requirement.startswith("fer-edge["):
                found += _packages(requirement.strip()[len("fer-edge[") : -1].split(","))
            elif ours:
                rest = " and ".join(m for m in marker.split(" and ") if "extra ==" not in m).strip(" ()")
                found.append(f"{requirement.strip()}; {rest}" if rest else requirement.strip())
    return list(dict.fromkeys(found))

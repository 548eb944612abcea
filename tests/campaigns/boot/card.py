"""The card under proof: made from a stock image by `fer-edge flash`, as a person makes it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CARD_TOML = """\
hostname = "proof"

[user]
name = "visitor"
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f nobody@boot-proof"]

[place]
name = "boot proof"
kind = "research"
purpose = "to see that the kiosk runs"

[web]
port = 0

# An emulated processor needs some seconds for a frame.
[config.source]
what = "camera:0"
deadline_s = 60.0

[config.model]
detector = "haar"
precision = "int8"

[config.work]
give_up_s = 120.0
"""
HOSTNAME, USER = "proof", "visitor"
PYTHON = "3.11"
"""Of Debian 12; FER_EDGE_BOOT_PYTHON names that of an image of another release."""


def fer_edge(*words: object, log: Path, timeout_s: float = 600) -> str:
    """Run `fer-edge …` of this checkout, log what it said, and give it; raises AssertionError unless it ends with 0."""
    command = [sys.executable, "-m", "fer_edge", *(str(word) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=log.parent, env=os.environ)
    log.write_text(
        f"$ fer-edge {' '.join(str(w) for w in words)}\n{done.stdout}{done.stderr}exit code {done.returncode}\n"
    )
    assert done.returncode == 0, log.read_text()[-3000:]
    return done.stdout


def wheelhouse(cache: Path) -> Path:
    """The packages for the image's Python, with this checkout's own wheel; fetched again when the checkout changed."""
    python = os.environ.get("FER_EDGE_BOOT_PYTHON", PYTHON)
    folder = cache / f"wheelhouse-{python}-{sources()}"
    if not folder.is_dir():
        for old in cache.glob(f"wheelhouse-{python}*"):
            shutil.rmtree(old)
        beside = folder.with_name(folder.name + ".new")
        fer_edge("flash", "fetch", beside, "--python", python, log=cache / "fetch.log")
        beside.rename(folder)
    return folder


def sources() -> str:
    """A hash over everything that gets into our wheel."""
    digest = hashlib.sha256()
    for room in ("bundle", "benchmarks", "cli", "devices", "export", "packaging", "runtime", "toml_schema", "train"):
        for path in sorted(p for p in (ROOT / room).rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    for path in (ROOT / "pyproject.toml", ROOT / "constraints.txt", *sorted(ROOT.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def make_card(image: Path, bundle: Path, cache: Path, folder: Path) -> Path:
    """Flash an image into a card that is a file, and have the verb check its own work."""
    card, settings = folder / "card.img", folder / "card.toml"
    settings.write_text(CARD_TOML)
    made = ["flash", "--device", "rpi5", "--os-image", image, "--bundle", bundle, "--config", settings]
    fer_edge(*made, "--wheelhouse", wheelhouse(cache), "--out", card, log=folder / "flash.log")
    fer_edge("flash", "check", card, log=folder / "flash-check.log")
    return card

"""A wheelhouse as `flash fetch` leaves it, with one small wheel in the place of fer-edge and all it needs."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: fer-edge\nVersion: 0.1\nProvides-Extra: kiosk\n"


def make_wheelhouse(folder: Path, python: str = "3.11", glibc: str = "2.36") -> Path:
    """The folder for --wheelhouse."""
    name = f"cp{python.replace('.', '')}-aarch64-glibc{glibc}"
    place = folder / name
    place.mkdir(parents=True)
    wheel = place / "fer_edge-0.1-py3-none-any.whl"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("fer_edge/__init__.py", "")
        archive.writestr("fer_edge/__main__.py", "print('fer-edge of a test')\n")
        for file, text in {"METADATA": METADATA, "WHEEL": tags, "RECORD": ""}.items():
            archive.writestr(f"fer_edge-0.1.dist-info/{file}", text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    facts = {"python": python, "machine": "aarch64", "glibc": glibc, "extras": ["kiosk"]}
    (place / "manifest.json").write_text(json.dumps({**facts, "wheels": {wheel.name: digest}}))
    return folder

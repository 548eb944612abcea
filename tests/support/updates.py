"""A kiosk to be updated: its releases, and what is brought to it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from fer_edge.devices.update.releases import Releases
from support.payloads import PACKAGING, install, payload

MORE = ("settle.sh", "fer-edge-settle.service")


class Kiosk:
    """A service as a test wants it: well, ill, or ending all the time."""

    def __init__(self, releases: Releases) -> None:
        self.releases, self.ran = releases, list[str]()
        self.ill: dict[str, str] = {}
        self.crashes = 0

    def restart(self) -> None:
        self.ran.append(self.releases.current())

    def trouble(self) -> str:
        return self.ill.get(self.ran[-1], "")

    def starts(self) -> int:
        self.crashes += self.ran[-1] in self.ill
        return self.crashes


def brought(folder: Path, words: str) -> Path:
    """A payload, with everything of packaging/."""
    payload(folder, words)
    for name in MORE:
        shutil.copy(PACKAGING / name, folder)
    sums(folder)
    return folder


def sums(folder: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  ./{p.relative_to(folder)}\n" for p in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    done = install(brought(tmp_path / "first", "one"), tmp_path / "root")
    assert done.returncode == 0, done.stderr
    return Releases(tmp_path / "root")


@pytest.fixture
def kiosk(releases: Releases) -> Kiosk:
    return Kiosk(releases)


def site(releases: Releases) -> str:
    return (releases.home / "current" / "site" / "fer_edge" / "__init__.py").read_text()

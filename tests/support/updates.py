"""A kiosk to be updated: its releases, and what is brought to it."""

from __future__ import annotations

import hashlib
import shutil
from functools import partial
from pathlib import Path

import pytest
from fer_edge.devices.update.apply import apply_update
from fer_edge.devices.update.releases import Releases
from fer_edge.devices.update.trial import running
from support.payloads import PACKAGING, install, payload

apply_unsigned = partial(apply_update, unsigned=True)
MORE = ("settle.sh", "fer-edge-settle.service")
CUT = """
import os, signal, sys
from pathlib import Path
from fer_edge.devices.update.apply import apply_update
from fer_edge.devices.update.releases import Releases
class Well:
    def restart(self):
        if left == -2:
            os.kill(os.getpid(), signal.SIGKILL)
    def trouble(self): return ""
    def starts(self): return 0
root, left = sys.argv[1], int(sys.argv[3])
def hook(event, words):
    global left
    changes = event in ("os.rename", "os.symlink", "os.remove", "os.link", "os.mkdir", "subprocess.Popen")
    if (changes or event == "open" and words[2] & os.O_WRONLY) and root in str(words):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
if left >= 0:
    sys.addaudithook(hook)
apply_update(Releases(Path(root)), Path(sys.argv[2]), Well(), hold_s=0, unsigned=True)
"""
"""An update that the power is cut off from before the step of that number, -1 for never, -2 for when it restarts."""


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


def another(folder: Path) -> Path:
    """A payload whose unit differs too."""
    brought(folder, "two")
    unit = folder / "fer-edge.service"
    unit.write_text(unit.read_text() + "# another\n")
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


def check_untouched(releases: Releases, kiosk: Kiosk) -> None:
    """Nothing was replaced, and what runs was not even started again."""
    assert site(releases) == "one"
    assert running(releases) is None
    assert not kiosk.ran


def site(releases: Releases) -> str:
    return (releases.home / "current" / "site" / "fer_edge" / "__init__.py").read_text()

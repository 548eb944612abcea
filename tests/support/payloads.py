"""A small payload with everything that install.sh asks for, and the installer run on it."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"


FILES = ("fer-edge.service", "60-fer-edge.rules", "modules-load.conf", "install.sh")


def payload(folder: Path, words: str = "one") -> Path:
    """A complete payload with a small site."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle" / "bundle.json").write_text("{}")
    (folder / "config.toml").write_text("# a kiosk\n")
    for name in FILES:
        shutil.copy(PACKAGING / name, folder)
    with tarfile.open(folder / "site.tar.gz", "w:gz") as tar:
        data = words.encode()
        entry = tarfile.TarInfo("fer_edge/__init__.py")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  ./{p.relative_to(folder)}\n" for p in files]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def install(folder: Path, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "install.sh", "--root", root], capture_output=True, text=True)

"""Our own wheel: built from the checkout that is running, or put together again from the installed files."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from ....errors import DeviceFailed, DeviceNotFound

PACKAGE = Path(__file__).resolve().parents[3]
"""The package's folder, which in a checkout is the repository."""
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "tests", "docs", "sessions", "*.work", "*.whl"
)
BY_INSTALLERS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def own_wheel(into: Path) -> Path:
    """Write the wheel into a folder; its path.

    Raises DeviceFailed: it cannot be built; DeviceNotFound: fer-edge is neither a checkout nor installed.
    """
    into.mkdir(parents=True, exist_ok=True)
    return _built(into) if (PACKAGE / "pyproject.toml").is_file() else _repacked(into)


def _built(into: Path) -> Path:
    """In a copy, because a build leaves files behind that a later build would pack."""
    with tempfile.TemporaryDirectory() as scratch:
        copy, out = Path(scratch) / "source", Path(scratch) / "out"
        shutil.copytree(PACKAGE, copy, ignore=LEFT_OUT)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(copy)]
        done = subprocess.run(command, capture_output=True, text=True)
        found = sorted(out.glob("*.whl")) if out.is_dir() else []
        if done.returncode or not found:
            said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise DeviceFailed(
                f"the wheel of {PACKAGE} cannot be built: {said}",
                cause="no network, which the build needs once for setuptools",
                hint="make wheel",
            )
        return Path(shutil.copy(found[0], into))


def _repacked(into: Path) -> Path:
    """The installed distribution's files with a new RECORD (PEP 427)."""
    try:
        installed = metadata.distribution("fer-edge")
    except metadata.PackageNotFoundError:
        raise DeviceNotFound(
            "fer-edge is not installed", hint="run it from a checkout, or from where pip installed it"
        ) from None
    wheel = into / f"fer_edge-{installed.version}-py3-none-any.whl"
    rows: list[str] = []
    info = ""
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(installed.files or [], key=str):
            if file.parts[0] == ".." or file.name in BY_INSTALLERS or "__pycache__" in file.parts:
                continue
            info = file.parts[0] if file.parts[0].endswith(".dist-info") else info
            content = Path(str(installed.locate_file(file))).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            archive.writestr(str(file), content)
            rows.append(f"{file},sha256={digest},{len(content)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    return wheel

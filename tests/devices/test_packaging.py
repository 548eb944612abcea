"""The service's confinement by systemd's own measure, and the installer on a folder that stands for a board."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.payloads import PACKAGING, install, payload


def test_the_service_is_confined() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", PACKAGING / "fer-edge.service"]
    said = subprocess.run(command, capture_output=True, text=True)
    if said.returncode and "unrecognized option" in said.stderr:
        pytest.skip("this systemd-analyze knows no --offline")
    exposure = re.search(r"Overall exposure level for fer-edge.service: ([0-9.]+)", said.stdout)
    assert exposure is not None, said.stdout + said.stderr
    assert float(exposure[1]) <= 2.0


def test_the_service_speaks_of_what_exists() -> None:
    text = (PACKAGING / "fer-edge.service").read_text()
    assert "Type=notify" in text
    assert "RestartPreventExitStatus=2" in text  # errors.py: wrong use or input
    assert {"LimitCORE=0", "MemorySwapMax=0"} <= {*text.splitlines()}  # as docs/privacy.md says
    assert "videodev" in (PACKAGING / "modules-load.conf").read_text().split("\n")  # char-video4linux needs it
    rules = (PACKAGING / "60-fer-edge.rules").read_text()
    from fer_edge.devices.profile import load_profiles

    for profile in load_profiles(Path("/nowhere")).values():
        for vendor, product in (ids.split(":") for ids in profile.usb):
            assert f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"' in rules


def snapshot(root: Path) -> dict[str, tuple[str, int]]:
    """Every file and link below a root: what it says, and when it was written."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path)] = (str(path.readlink()), path.lstat().st_mtime_ns)
        elif path.is_file():
            found[str(path)] = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
    return found


def test_installing_twice_changes_nothing(tmp_path: Path) -> None:
    folder, root = payload(tmp_path / "payload"), tmp_path / "root"
    done = install(folder, root)
    assert done.returncode == 0, done.stderr
    assert (root / "opt/fer-edge/current/site/fer_edge/__init__.py").read_text() == "one"
    assert (root / "opt/fer-edge/current/bundle/bundle.json").is_file()
    for name, place in (
        ("fer-edge.service", "etc/systemd/system/fer-edge.service"),
        ("60-fer-edge.rules", "etc/udev/rules.d/60-fer-edge.rules"),
        ("modules-load.conf", "etc/modules-load.d/fer-edge.conf"),
    ):
        assert (root / place).read_bytes() == (PACKAGING / name).read_bytes()
    assert (root / "usr/local/bin/fer-edge").stat().st_mode & 0o111
    before = snapshot(root)
    again = install(folder, root)
    assert again.returncode == 0
    assert "nothing changed" in again.stdout
    assert snapshot(root) == before


def test_a_new_release_takes_over_and_keeps_the_old_and_the_persons_own_config(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert install(payload(tmp_path / "payload"), root).returncode == 0
    old = (root / "opt/fer-edge/current").readlink()
    (root / "etc/fer-edge/config.toml").write_text("# my own\n")
    done = install(payload(tmp_path / "payload", "two"), root)
    assert done.returncode == 0, done.stderr
    assert (root / "opt/fer-edge/current/site/fer_edge/__init__.py").read_text() == "two"
    assert (root / "opt/fer-edge/previous").readlink() == old
    assert (root / "opt/fer-edge/previous/site/fer_edge/__init__.py").read_text() == "one"
    assert (root / "etc/fer-edge/config.toml").read_text() == "# my own\n"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: (p / "site.tar.gz").write_bytes(b"cut"), "not what SHA256SUMS says; nothing was changed"),
        (lambda p: (p / "more.sh").write_text("evil"), "SHA256SUMS names 7 files, the folder holds 8"),
        (lambda p: (p / "bundle/bundle.json").unlink(), "bundle/bundle.json is missing"),
    ],
)
def test_a_spoilt_payload_changes_nothing(spoil: object, says: str, tmp_path: Path) -> None:
    folder, root = payload(tmp_path / "payload"), tmp_path / "root"
    assert callable(spoil)
    spoil(folder)
    done = install(folder, root)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert not root.exists()


def test_an_interrupted_unpacking_is_done_again(tmp_path: Path) -> None:
    folder, root = payload(tmp_path / "payload"), tmp_path / "root"
    assert install(folder, root).returncode == 0
    current = root / "opt/fer-edge/current"
    (current / "complete").unlink()  # as if the power had failed before the end
    (current / "site/fer_edge/__init__.py").write_text("half")
    assert install(folder, root).returncode == 0
    assert (current / "site/fer_edge/__init__.py").read_text() == "one"


def test_wrong_words(tmp_path: Path) -> None:
    folder = payload(tmp_path / "payload")
    done = subprocess.run([folder / "install.sh", "--rot", "x"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "unknown option --rot" in done.stderr

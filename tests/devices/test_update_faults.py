"""Updates that are cut off: by the power at any step, by the connection, by a person; and the one file of an update."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import Command
from fer_edge.bundle import Bundle
from fer_edge.devices.update.new_release import payload_name
from fer_edge.devices.update.pack import pack
from fer_edge.devices.update.releases import Releases
from fer_edge.devices.update.service import CommandService
from fer_edge.devices.update.trial import Trial, begin, running
from fer_edge.errors import BundleError, GateFailed, InputError, OutputError, UsageError
from support.payloads import install
from support.updates import CUT, Kiosk, another, apply_unsigned, brought, check_untouched, kiosk, releases, sums

__all__ = ["kiosk", "releases"]  # fixtures
UNIT = "etc/systemd/system/fer-edge.service"
SHIM = """#!/bin/sh
left=$(/bin/cat "$LEFT")
echo $((left - 1)) > "$LEFT"
[ "$left" -gt 0 ] || kill -KILL 0
exec /bin/%s "$@"
"""


def check_after_boot(root: Path, old: str) -> str:
    """Boot as the unit does, hold what is there to be one whole release, and return its name."""
    there = Releases(root)
    trial = running(there)
    assert trial is None or trial.old == old
    subprocess.run(["sh", there.home / "settle.sh", root], check=True, capture_output=True)
    assert running(there) is None
    now = there.current()
    assert now == old or trial is None
    assert (root / UNIT).read_bytes() == (there.folder / now / "system/fer-edge.service").read_bytes()
    assert (there.home / "current/site/fer_edge/__init__.py").is_file()
    return now


@pytest.mark.parametrize("kind", ["payload", "bundle"])
def test_a_power_cut_at_any_step(releases: Releases, bundle: Bundle, tmp_path: Path, kind: str) -> None:
    """Before the step after which it is new, it is old; a new attempt always comes through."""
    new, old, seen = another(tmp_path / "two") if kind == "payload" else bundle.folder, releases.current(), []
    for left in range(0, 400, 2 if kind == "payload" else 6):
        root = tmp_path / f"root{left}"
        shutil.copytree(releases.root, root, symlinks=True)
        done = subprocess.run([sys.executable, "-c", CUT, root, new, str(left)], capture_output=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        seen.append(check_after_boot(root, old) == old)
        if done.returncode == 0:
            break
        outcome = apply_unsigned(Releases(root), new, Kiosk(Releases(root)), hold_s=0)
        assert outcome.new != old
        check_after_boot(root, outcome.new)
    assert not seen[-1]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) >= 4


def test_a_power_cut_within_the_installer(releases: Releases, tmp_path: Path) -> None:
    """install.sh and all that waits for it are killed before one of the programs that it runs."""
    two, old, shims, left = another(tmp_path / "two"), releases.current(), tmp_path / "shims", tmp_path / "left"
    shims.mkdir()
    for name in ("cp", "mv", "ln", "mkdir", "rm", "tar", "chmod", "sync"):
        (shims / name).write_text(SHIM % name)
        (shims / name).chmod(0o755)
    surroundings = {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}", "LEFT": str(left)}
    cut = 0
    for after in range(0, 200, 4):
        root = tmp_path / f"root{after}"
        shutil.copytree(releases.root, root, symlinks=True)
        left.write_text(f"{after}\n")
        words = [sys.executable, "-c", CUT, root, two, "-1"]
        done = subprocess.run(words, env=surroundings, capture_output=True, start_new_session=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        if done.returncode == 0:
            assert check_after_boot(root, old) == payload_name(two)
            break
        assert check_after_boot(root, old) == old
        cut += 1
        apply_unsigned(Releases(root), two, Kiosk(Releases(root)), hold_s=0)
        assert check_after_boot(root, payload_name(two)) == payload_name(two)
    assert done.returncode == 0
    assert cut >= 5


@pytest.mark.parametrize("ill", [False, True])
def test_nobody_listens_any_more(releases: Releases, kiosk: Kiosk, tmp_path: Path, ill: bool) -> None:
    """The SSH connection broke: the update goes its way all the same."""
    two, old = brought(tmp_path / "two", "two"), releases.current()
    kiosk.ill |= {payload_name(two): "ill"} if ill else {}

    def on_message(words: str) -> None:
        raise BrokenPipeError

    if ill:
        with pytest.raises(GateFailed):
            apply_unsigned(releases, two, kiosk, limit_s=0.1, hold_s=0, on_message=on_message)
    else:
        apply_unsigned(releases, two, kiosk, hold_s=0, on_message=on_message)
    assert (releases.current() == old) is ill
    assert running(releases) is None


@pytest.mark.parametrize(("sign", "back"), [("HUP", False), ("TERM", True), ("INT", True)])
def test_signals(command: Command, releases: Releases, tmp_path: Path, sign: str, back: bool) -> None:
    """A terminal that closes changes nothing; who stops it wants the old one back."""
    two, old, once = brought(tmp_path / "two", "two"), releases.current(), tmp_path / "once"
    again = f"sh -c '[ -e {once} ] || {{ touch {once}; kill -{sign} $PPID; sleep 0.2; }}'"
    where = ("--unsigned", "--root", releases.root, "--hold", "0", "--restart", again, "--healthy", "true")
    done = command("update", "apply", two, *where)
    assert once.exists()
    assert (done.returncode != 0) is back, done.stderr
    assert (releases.current() == old) is back
    assert running(releases) is None


def test_settle_starts_the_old_one(command: Command, releases: Releases, tmp_path: Path) -> None:
    two, old, started = another(tmp_path / "two"), releases.current(), tmp_path / "started"
    begin(releases, Trial(old, payload_name(two)))
    assert install(two, releases.root).returncode == 0
    where = ("--root", releases.root, "--restart", f"touch {started}", "--healthy", "true")
    assert "went back from" in command("update", "settle", *where).stdout
    assert started.exists()
    assert check_after_boot(releases.root, old) == old


def test_a_refusing_installer_starts_nothing(releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    """What runs goes on as it is, for it never was replaced."""
    two = brought(tmp_path / "two", "two")
    (two / "site.tar.gz").write_bytes(b"no archive, and listed as it is")
    sums(two)
    with pytest.raises(OutputError, match=r"install\.sh did not install it"):
        apply_unsigned(releases, two, kiosk)
    check_untouched(releases, kiosk)


def test_room_for_all_of_a_payload(
    releases: Releases, kiosk: Kiosk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python of its own unpacks as well; one that is there already needs nothing."""
    two, asked = brought(tmp_path / "two", "two"), list[int]()
    small = sum(p.stat().st_size for p in two.rglob("*"))
    (two / "python.tar.gz").write_bytes(bytes(5 << 20))
    sums(two)
    monkeypatch.setattr(releases, "require_room", asked.append)
    with pytest.raises(OutputError):  # it is no archive
        apply_unsigned(releases, two, kiosk)
    assert asked[0] >= (64 << 20) + 4 * (5 << 20)
    assert asked[0] < (64 << 20) + 4 * (5 << 20) + 5 * small


def test_a_command_that_hangs_is_not_healthy() -> None:
    assert "did not answer within" in CommandService("true", "sleep 9", healthy_s=0.1).trouble()
    for words in ("", "no-such-program x", "sh 'open"):
        with pytest.raises(UsageError):
            CommandService("true", words)


def test_one_file_for_a_stick(releases: Releases, kiosk: Kiosk, bundle: Bundle, tmp_path: Path) -> None:
    two, file = brought(tmp_path / "two", "two"), tmp_path / "stick/two.tar"
    pack(two, file)
    first = file.read_bytes()
    os.utime(two / "install.sh", (1, 1))
    pack(two, file)
    assert file.read_bytes() == first
    assert apply_unsigned(releases, file, kiosk, hold_s=0).new == payload_name(two)
    pack(bundle.folder, tmp_path / "model.tar")
    assert apply_unsigned(releases, tmp_path / "model.tar", kiosk, hold_s=0).changed
    subprocess.run(["tar", "-C", two, "-cf", tmp_path / "by-hand.tar", "."], check=True)  # without a folder, by tar
    assert apply_unsigned(releases, tmp_path / "by-hand.tar", kiosk, hold_s=0).new == payload_name(two)
    assert not (releases.home / "incoming").exists()
    for out in (tmp_path / "two.zip", two / "it.tar"):
        with pytest.raises(UsageError, match=r"has to end in \.tar"):
            pack(two, out)
    (two / "more").write_text("x")
    with pytest.raises(InputError, match="more is not in SHA256SUMS"):
        pack(two, tmp_path / "more.tar")


@pytest.mark.parametrize("harm", ["empty", "short", "other", "member"])
def test_a_damaged_file_changes_nothing(releases: Releases, kiosk: Kiosk, tmp_path: Path, harm: str) -> None:
    file = tmp_path / "two.tar"
    pack(brought(tmp_path / "two", "two"), file)
    if harm == "member":  # whole in itself, but the last files are not there
        with tarfile.open(file) as archive:
            place = archive.getmembers()[-1].offset
    size = {"empty": 0, "short": 5000, "other": 4000}.get(harm) if harm != "member" else place
    file.write_bytes(file.read_bytes()[:size] if harm != "other" else b"x" * 4000)
    before = sorted(releases.home.rglob("*"))
    with pytest.raises(InputError):
        apply_unsigned(releases, file, kiosk)
    assert not kiosk.ran
    assert {*releases.home.rglob("*")} - {*before} <= {releases.home / "update.lock"}


@pytest.mark.parametrize("name", ["../out", "/tmp/fer-edge-out", "update/link"])
def test_a_file_that_reaches_out_is_refused(releases: Releases, kiosk: Kiosk, tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = (tarfile.SYMTYPE, "/etc") if "link" in name else (tarfile.REGTYPE, "")
        archive.addfile(entry, io.BytesIO())
    with pytest.raises(InputError, match="no file within it"):
        apply_unsigned(releases, tmp_path / "bad.tar", kiosk)
    assert not (releases.home / "out").exists()
    assert not Path("/tmp/fer-edge-out").exists()


def test_pack_by_the_command(command: Command, broken_bundle: Path, tmp_path: Path) -> None:
    done = command("update", "pack", brought(tmp_path / "two", "two"), tmp_path / "two.tar", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two.tar").is_file()
    (broken_bundle / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BundleError):
        pack(broken_bundle, tmp_path / "model.tar")
    assert not (tmp_path / "model.tar").exists()

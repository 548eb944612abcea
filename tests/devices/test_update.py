"""Updates of a kiosk: tried, held against its health, taken back; refused when damaged; over a real SSH server too."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command
from fer_edge.bundle import Bundle, open_bundle
from fer_edge.devices.ssh import over_ssh
from fer_edge.devices.update import new_release
from fer_edge.devices.update.pack import pack
from fer_edge.devices.update.push import push
from fer_edge.devices.update.releases import MAX_RELEASES, Releases
from fer_edge.devices.update.service import wait_until_healthy
from fer_edge.devices.update.trial import Trial, begin, running, settle
from fer_edge.errors import (
    BundleError,
    DeviceFailed,
    DeviceNotFound,
    FerEdgeError,
    GateFailed,
    InputError,
    OutputError,
    UsageError,
)
from support.payloads import install
from support.source_rules import ROOT
from support.ssh import ssh, there
from support.updates import CUT, Kiosk, another, apply_unsigned, brought, check_untouched, kiosk, releases, site

__all__ = ["kiosk", "releases", "ssh", "there"]  # fixtures


def test_new_software(releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    on_message: list[str] = []
    outcome = apply_unsigned(releases, brought(tmp_path / "two", "two"), kiosk, hold_s=0, on_message=on_message.append)
    assert outcome.changed
    assert site(releases) == "two"
    assert kiosk.ran == [outcome.new]
    assert Path(os.readlink(releases.home / "previous")).name == outcome.old
    assert running(releases) is None
    assert on_message[-1].startswith(f"{outcome.new} is healthy")
    again = apply_unsigned(releases, tmp_path / "two", kiosk, hold_s=0)
    assert not again.changed
    assert len(kiosk.ran) == 1  # not even started again


def test_what_does_not_become_healthy_is_taken_back(releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    two, old = another(tmp_path / "two"), releases.current()
    kiosk.ill[new_release.payload_name(two)] = "failed: no answer from the device"
    with pytest.raises(GateFailed, match="no answer from the device") as refused:
        apply_unsigned(releases, two, kiosk, limit_s=0.2, hold_s=0)
    assert refused.value.exit_code == 1
    assert refused.value.cause == f"{old} runs again"
    assert site(releases) == "one"
    assert "# another" not in (releases.root / "etc/systemd/system/fer-edge.service").read_text()
    assert kiosk.ran == [new_release.payload_name(two), old]
    assert running(releases) is None


def test_one_that_crashes_all_the_time_is_not_healthy(kiosk: Kiosk, releases: Releases) -> None:
    kiosk.trouble = lambda: ""  # type: ignore[method-assign]
    kiosk.restart()
    kiosk.ill[releases.current()] = "in between it looks well"
    assert wait_until_healthy(kiosk, 1, 5) == "it ended and was started again"


def test_a_new_model_for_the_software_that_is_there(
    releases: Releases, kiosk: Kiosk, bundle: Bundle, tmp_path: Path
) -> None:
    """Only the model takes room; the next model is for the same software again."""
    old = releases.current()
    outcome = apply_unsigned(releases, bundle.folder, kiosk, hold_s=0)
    now = releases.home / "current"
    assert open_bundle(now / "bundle").manifest == bundle.manifest
    file = Path("site/fer_edge/__init__.py")
    assert (now / file).stat().st_ino == (releases.folder / old / file).stat().st_ino
    other = Path(shutil.copytree(bundle.folder, tmp_path / "other"))
    manifest = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps({**manifest, "version": "2"}))
    second = apply_unsigned(releases, other, kiosk, hold_s=0)
    assert second.old == outcome.new
    assert open_bundle(now / "bundle").manifest.version == "2"


def test_a_damaged_model_changes_nothing(releases: Releases, kiosk: Kiosk, broken_bundle: Path) -> None:
    (broken_bundle / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BundleError):
        apply_unsigned(releases, broken_bundle, kiosk)
    check_untouched(releases, kiosk)


@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_a_damaged_payload_changes_nothing(releases: Releases, kiosk: Kiosk, tmp_path: Path, harm: str) -> None:
    two = brought(tmp_path / "two", "two")
    if harm == "missing":
        (two / "site.tar.gz").unlink()
    else:
        (two / ("site.tar.gz" if harm == "changed" else "more")).write_bytes(b"x")
    with pytest.raises(InputError) as refused:
        apply_unsigned(releases, two, kiosk)
    assert ("more" if harm == "added" else "site.tar.gz") in refused.value.message
    check_untouched(releases, kiosk)


def test_no_room_changes_nothing(
    releases: Releases, kiosk: Kiosk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_release, "MARGIN", 1 << 60)
    with pytest.raises(OutputError, match="no room"):
        apply_unsigned(releases, brought(tmp_path / "two", "two"), kiosk)
    check_untouched(releases, kiosk)


@pytest.mark.parametrize("way", ["settle.sh", "settle"])
def test_a_power_cut_in_the_middle_goes_back_at_boot(releases: Releases, tmp_path: Path, way: str) -> None:
    old = releases.current()
    new = new_release.payload_name(brought(tmp_path / "two", "two"))
    begin(releases, Trial(old, new))
    assert install(tmp_path / "two", releases.root).returncode == 0
    boot = ["sh", releases.home / "settle.sh", releases.root]
    outside = [releases.root / place for place in ("etc/systemd/system/fer-edge.service", "usr/local/bin/fer-edge")]
    for file in outside:
        file.write_text("broken")
    assert releases.current() == new
    if way == "settle":
        assert settle(releases) == Trial(old, new)
    else:
        done = subprocess.run(boot, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"went back to {old}" in done.stdout
        again = subprocess.run(boot, capture_output=True, text=True)
        assert (again.returncode, again.stdout) == (0, "")
    assert not [file for file in outside if "broken" in file.read_text()]
    assert releases.current() == old
    assert running(releases) is None


def test_a_killed_update_is_settled_by_the_next_one(releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    two, old = brought(tmp_path / "two", "two"), releases.current()
    done = subprocess.run([sys.executable, "-c", CUT, releases.root, two, "-2"], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert site(releases) == "two"  # nobody has seen it healthy
    assert running(releases) == Trial(old, new_release.payload_name(two))
    on_message: list[str] = []
    outcome = apply_unsigned(releases, two, kiosk, hold_s=0, on_message=on_message.append)
    assert "went back to" in on_message[0]
    assert kiosk.ran == [old, outcome.new]  # what nobody had seen healthy does not run on
    assert outcome.old == old
    assert site(releases) == "two"


def test_two_at_once(releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    with releases.alone(), pytest.raises(UsageError, match="another update"):
        apply_unsigned(releases, brought(tmp_path / "two", "two"), kiosk)
    assert site(releases) == "one"


def test_old_releases_go(releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    for number in range(5):
        apply_unsigned(releases, brought(tmp_path / "next", f"number {number}"), kiosk, hold_s=0)
    assert len(list(releases.folder.iterdir())) == MAX_RELEASES
    assert site(releases) == "number 4"


def test_the_command(command: Command, releases: Releases, tmp_path: Path) -> None:
    two = brought(tmp_path / "two", "two")
    where = ("--unsigned", "--root", releases.root, "--hold", "0", "--restart", "true")
    done = command("update", "apply", two, *where, "--limit", "0.3", "--healthy", "false")
    assert done.returncode == 1
    assert "taken back" in done.stderr
    assert json.loads(command("update", "status", "--root", releases.root, "--json").stdout)["trial"] is None
    done = command("update", "apply", two, *where, "--healthy", "true", "--json")
    assert json.loads(done.stdout)["changed"] is True
    assert command("update", "settle", "--root", releases.root).stdout == "nothing was to settle\n"
    for words, said in (
        (("apply",), "takes 1 more"),
        (("apply", tmp_path / "none"), "is not there"),
        (("apply", tmp_path, "--restart", "true", "--healthy", "true"), "neither a payload nor"),
        (("apply", two), "systemd starts nothing"),
        (("apply", two, "--restart", "x"), "go together"),
        (("apply", two, "--restart", "true", "--healthy", "no-such-program"), "no such program"),
        (("push", "host"), "takes 2 more"),
    ):
        done = command("update", *words, "--unsigned", "--root", releases.root)
        assert done.returncode == 2
        assert said in done.stderr
    assert "no fer-edge is installed" in command("update", "status", "--root", tmp_path / "nowhere").stderr


def test_over_ssh(releases: Releases, ssh: tuple[str, ...], tmp_path: Path, there: Callable[[], list[str]]) -> None:
    two = brought(tmp_path / "two", "two")
    options = ["--unsigned", "--root", str(releases.root), "--hold", "0", "--limit", "1", "--restart", "true"]
    with pytest.raises(GateFailed, match=r"127\.0\.0\.1: the update did not become healthy and was taken back") as back:
        push("root@127.0.0.1", two, [*options, "--healthy", "false"], ssh)
    assert "was put back, and is not healthy either" in back.value.cause
    assert site(releases) == "one"
    pack(two, tmp_path / "two.tar")
    said = push("root@127.0.0.1", tmp_path / "two.tar", [*options, "--healthy", "true"], ssh)
    assert "is healthy" in said
    assert site(releases) == "two"
    assert there() == []  # nothing is left behind


def test_what_a_kiosk_says_over_ssh_moves_no_cursor() -> None:
    """Nor does it end the command that asked, whatever its bytes are."""
    ssh = ("sh", str(ROOT / "tests" / "fakes" / "ssh"))
    assert over_ssh("kiosk", "printf 'a\\033[2Jb\\nc\\377'", ssh) == "a [2Jb\nc\ufffd"
    with pytest.raises(DeviceFailed, match=r"(?m)^kiosk: a \[2J$"):
        over_ssh("kiosk", "printf 'fer-edge: a\\033[2J'; exit 3", ssh)
    with pytest.raises(DeviceFailed, match="kiosk said more than 1 MiB and was cut off"):
        over_ssh("kiosk", "yes", ssh)
    with pytest.raises(DeviceFailed, match="kiosk said more than 1 MiB and was cut off"):
        over_ssh("kiosk", "yes >&2", ssh)
    with pytest.raises(DeviceNotFound, match="No route to host"):
        over_ssh("away", "true", ssh)


@pytest.mark.parametrize(
    "command", ["exec sleep 5", "while :; do echo; sleep .1; done", "sleep 5 & exit 0", "exec >&- 2>&-; sleep 5"]
)
def test_a_kiosk_that_comes_to_no_end_holds_up_no_others(tmp_path: Path, command: str) -> None:
    """Not even one that takes nothing of what it is sent."""
    ssh = ("sh", str(ROOT / "tests" / "fakes" / "ssh"))
    (tmp_path / "much").write_bytes(bytes(1 << 20))
    with (tmp_path / "much").open("rb") as much, pytest.raises(DeviceFailed, match="kiosk came to no end") as cut:
        over_ssh("kiosk", command, ssh, much, limit_s=0.5)
    assert cut.value.hint == "ssh kiosk true"


def test_a_copy_for_which_there_is_no_room(tmp_path: Path) -> None:
    full = tmp_path / "ssh"
    full.write_text('#!/bin/sh\ncase "$2" in *"cat >"*) cat > /dev/full ;; *) exec sh -c "$2" ;; esac\n')
    full.chmod(0o755)
    with pytest.raises(DeviceFailed, match="No space left on device") as refused:
        push("kiosk", brought(tmp_path / "two", "two"), ["--unsigned"], (str(full),))
    assert refused.value.hint == "ssh kiosk df -h /var/tmp"


def test_no_way_to_the_host(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="no way to"):
        push(
            "127.0.0.1", brought(tmp_path / "two", "two"), ["--unsigned"], ssh=("ssh", "-p", "9", "-o", "BatchMode=yes")
        )
    with pytest.raises(FerEdgeError, match="is not here"):
        push("host", tmp_path / "two", ["--unsigned"], ssh=("no-such-program",))
    with pytest.raises(UsageError, match="is no host"):
        push("-oProxyCommand=true", tmp_path / "two")

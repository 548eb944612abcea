"""Going back, whole: under more signals, on a full disk, from other tables, from ruins, to what is damaged or gone."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from conftest import Command
from fer_edge.bundle import Bundle, open_bundle
from fer_edge.devices.update import new_release
from fer_edge.devices.update.new_release import payload_name
from fer_edge.devices.update.releases import Releases
from fer_edge.devices.update.service import SystemdService
from fer_edge.devices.update.trial import Trial, begin, mark_path, running, settle
from fer_edge.errors import GateFailed, InputError, OutputError, UsageError
from fer_edge.runtime.storage.schema import VERSION, close_store, open_store
from support.payloads import install, payload
from support.updates import CUT, Kiosk, another, apply_unsigned, brought, kiosk, releases, site, sums

__all__ = ["kiosk", "releases"]  # fixtures
UNIT = Path("etc/systemd/system/fer-edge.service")


@pytest.mark.parametrize("first", ["unhealthy", "INT"])
def test_more_signals_while_it_goes_back(command: Command, releases: Releases, tmp_path: Path, first: str) -> None:
    """The second start is that of the old release; somebody is impatient meanwhile."""
    two, old, runs = brought(tmp_path / "two", "two"), releases.current(), tmp_path / "runs"
    stop = f"kill -{first} $PPID; sleep 0.2" if first == "INT" else ":"
    again = tmp_path / "again.sh"
    again.write_text(
        f"[ -e {runs} ] || {{ echo trial > {runs}; {stop}; exit; }}\n"
        f"kill -INT $PPID; sleep 0.1; kill -TERM $PPID; sleep 0.1; readlink {releases.home}/current >> {runs}\n"
    )
    where = ("--root", releases.root, "--hold", "0", "--limit", "0.1", "--unsigned")
    done = command("update", "apply", two, *where, "--restart", f"sh {again}", "--healthy", "false")
    assert done.returncode == (130 if first == "INT" else 1), done.stderr
    assert runs.read_text().split() == ["trial", f"releases/{old}"]
    assert releases.current() == old
    assert running(releases) is None


def test_the_mark_goes_after_the_old_release_was_started(releases: Releases, tmp_path: Path) -> None:
    class Watching(Kiosk):
        def restart(self) -> None:
            super().restart()
            assert running(self.releases) is not None

    two, service = brought(tmp_path / "two", "two"), Watching(releases)
    service.ill[payload_name(two)] = "ill"
    with pytest.raises(GateFailed):
        apply_unsigned(releases, two, service, limit_s=0.1, hold_s=0)
    assert len(service.ran) == 2
    assert running(releases) is None


def fill(folder: Path) -> None:
    with (folder / "full").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("way", ["apply", "settle.sh"])
def test_a_disk_that_fills_during_the_trial(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(new_release, "MARGIN", 0)
    releases, two = Releases(small_disk / "root"), another(tmp_path / "two")
    assert install(brought(tmp_path / "one", "one"), releases.root).returncode == 0
    old, unit = releases.current(), (releases.root / UNIT).read_bytes()

    class Filling(Kiosk):
        def restart(self) -> None:
            super().restart()
            if len(self.ran) == 1:
                fill(small_disk)

    if way == "apply":
        service = Filling(releases)
        service.ill[payload_name(two)] = "ill"
        with pytest.raises(GateFailed, match="taken back"):
            apply_unsigned(releases, two, service, limit_s=0.1, hold_s=0)
        assert service.ran == [payload_name(two), old]
    else:
        begin(releases, Trial(old, payload_name(two)))
        assert install(two, releases.root).returncode == 0
        fill(small_disk)
        done = subprocess.run(["sh", releases.home / "settle.sh", releases.root], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    assert releases.current() == old
    assert (releases.root / UNIT).read_bytes() == unit
    assert running(releases) is None


def test_what_cannot_be_undone_is_said_and_the_old_one_started_all_the_same(
    releases: Releases, kiosk: Kiosk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_edge.devices.update import trial

    def refuse(release: Path, root: Path) -> None:
        raise OSError(30, "Read-only file system")

    two, old = another(tmp_path / "two"), releases.current()
    kiosk.ill[payload_name(two)] = "ill"
    monkeypatch.setattr(trial, "put_in_place", refuse)
    with pytest.raises(OutputError, match=rf"going back to {old} did not work: .*Read-only"):
        apply_unsigned(releases, two, kiosk, limit_s=0.1, hold_s=0)
    assert kiosk.ran[-1] == old
    assert running(releases) == Trial(old, payload_name(two))  # the next boot tries again


def test_a_payload_that_does_not_fit_leaves_nothing(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before, by the size that its archive states; by hand, cleared away after."""
    monkeypatch.setattr(new_release, "MARGIN", 0)
    releases = Releases(small_disk / "root")
    assert install(brought(tmp_path / "one", "one"), releases.root).returncode == 0
    large, service = payload(tmp_path / "large", " " * (3 << 20)), Kiosk(releases)
    with pytest.raises(OutputError, match="no room for the update: 3 MiB are needed"):
        apply_unsigned(releases, large, service)
    before = {*releases.folder.iterdir()}
    done = install(large, releases.root)
    assert done.returncode != 0
    assert {*releases.folder.iterdir()} == before
    assert site(releases) == "one"
    ruin = releases.folder / "0123456789abcdef"  # of one that was killed
    ruin.mkdir()
    fill(ruin)
    apply_unsigned(releases, brought(tmp_path / "two", "two"), service, hold_s=0)
    assert not ruin.exists()
    assert site(releases) == "two"


def test_a_broken_settle_script_is_in_force_only_once_it_is_proven(releases: Releases, tmp_path: Path) -> None:
    two, old = another(tmp_path / "two"), releases.current()
    (two / "settle.sh").write_text("exit 1\n")
    sums(two)
    done = subprocess.run([sys.executable, "-c", CUT, releases.root, two, "-2"], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert site(releases) == "two"
    boot = subprocess.run(["sh", releases.home / "settle.sh", releases.root], capture_output=True, text=True)
    assert boot.returncode == 0, boot.stderr
    assert releases.current() == old
    apply_unsigned(releases, two, Kiosk(releases), hold_s=0)
    assert (releases.home / "settle.sh").read_text() == "exit 1\n"


def damage(file: Path) -> None:
    """As a card does: other bytes, and nothing that says so."""
    content = file.read_bytes()
    file.unlink()  # the software's files are shared between releases
    file.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("now", ["current", "another"])
def test_a_damaged_copy_of_a_payload_is_not_used_again(
    releases: Releases, kiosk: Kiosk, tmp_path: Path, now: str
) -> None:
    two, said = brought(tmp_path / "two", "two"), list[str]()
    apply_unsigned(releases, two, kiosk, hold_s=0)
    if now == "another":
        apply_unsigned(releases, brought(tmp_path / "three", "three"), kiosk, hold_s=0)
    damage(releases.folder / payload_name(two) / "site/fer_edge/__init__.py")
    outcome = apply_unsigned(releases, two, kiosk, hold_s=0, on_message=said.append)
    assert any("site/fer_edge/__init__.py" in line and "damaged" in line for line in said)
    assert outcome.changed
    assert site(releases) == "two"
    assert kiosk.ran[-1] == payload_name(two)


def test_a_damaged_copy_of_a_model_is_not_used_again(
    releases: Releases, kiosk: Kiosk, bundle: Bundle, tmp_path: Path
) -> None:
    small = Path(shutil.copytree(bundle.folder, tmp_path / "small"))
    new = apply_unsigned(releases, small, kiosk, hold_s=0).new
    apply_unsigned(releases, tmp_path / "first", kiosk, hold_s=0)  # the payload that was installed first
    damage(releases.folder / new / "bundle/model.onnx")
    assert apply_unsigned(releases, small, kiosk, hold_s=0).new == new
    open_bundle(releases.folder / new / "bundle")
    damage(releases.home / "current/site/fer_edge/__init__.py")
    (small / "MODEL_CARD.md").write_text("another")
    (small / "bundle.json").write_text((small / "bundle.json").read_text() + "\n")
    with pytest.raises(InputError, match=r"site/fer_edge/__init__\.py is not what was installed"):
        apply_unsigned(releases, small, kiosk)


def test_the_release_to_go_back_to_is_gone(command: Command, releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    begin(releases, Trial("nope", releases.current()))
    boot = subprocess.run(["sh", releases.home / "settle.sh", releases.root], capture_output=True, text=True)
    assert boot.returncode == 1
    assert "nope" in boot.stderr
    done = command("update", "settle", "--root", releases.root)
    assert done.returncode == 1
    assert "the release nope is gone" in done.stderr
    assert mark_path(releases).exists()
    said: list[str] = []
    apply_unsigned(releases, brought(tmp_path / "two", "two"), kiosk, hold_s=0, on_message=said.append)
    assert "the release nope is gone" in said[0]
    assert site(releases) == "two"
    assert running(releases) is None


def test_install_sh_waits_for_no_lock_and_nobody_else_can_hold_it(releases: Releases, tmp_path: Path) -> None:
    two, lock = brought(tmp_path / "two", "two"), releases.home / "update.lock"
    lock.chmod(0o644)  # as it was once
    with releases.alone():
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        done = install(two, releases.root)
        by_an_earlier_one = ["sh", two / "install.sh", "--no-start", "--root", tmp_path / "other"]
        shutil.copytree(releases.root, tmp_path / "other", symlinks=True)
        with Releases(tmp_path / "other").alone():
            assert subprocess.run(by_an_earlier_one, capture_output=True).returncode == 0
    assert (done.returncode, site(releases)) == (2, "one")
    assert "another installation or update is running" in done.stderr
    with subprocess.Popen(["flock", lock, "-c", "echo; read wait"], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UsageError, match="another update"):
            apply_unsigned(releases, two, Kiosk(releases))
        holder.communicate("\n")
    assert install(two, releases.root).returncode == 0


class Migrating(Kiosk):
    """The new release brings the store to other tables and writes into it."""

    def restart(self) -> None:
        super().restart()
        if len(self.ran) == 1:
            self.copied = copy_of(self.releases).exists()
            migrate(self.releases)


def store_of(releases: Releases) -> Path:
    return releases.root / "var/lib/fer-edge/store/kiosk.db"


def copy_of(releases: Releases) -> Path:
    return store_of(releases).with_name("kiosk.db.before-update")


def migrate(releases: Releases) -> None:
    with closing(sqlite3.connect(store_of(releases))) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
        database.execute("INSERT INTO events VALUES (2, 1, 0, 'trial', 1, '')")
        database.commit()


def events(releases: Releases) -> list[str]:
    database, aside = open_store(store_of(releases))  # as the old release does: it refuses what is from the future
    assert not aside
    kinds = [kind for (kind,) in database.execute("SELECT kind FROM events ORDER BY event")]
    close_store(database)
    return kinds


@pytest.fixture
def stored(releases: Releases) -> Releases:
    store_of(releases).parent.mkdir(parents=True)
    database, _ = open_store(store_of(releases))
    database.execute("INSERT INTO events VALUES (1, 1, 0, 'before', 1, '')")
    close_store(database)
    return releases


@pytest.mark.parametrize("way", ["apply", "settle.sh"])
def test_going_back_over_other_tables(stored: Releases, tmp_path: Path, way: str) -> None:
    """The old release finds the store that it can write, as it was before the trial."""
    two = brought(tmp_path / "two", "two")
    if way == "apply":
        service = Migrating(stored)
        service.ill[payload_name(two)] = "ill"
        with pytest.raises(GateFailed):
            apply_unsigned(stored, two, service, limit_s=0.1, hold_s=0)
        assert service.copied
    else:
        subprocess.run([sys.executable, "-c", CUT, stored.root, two, "-2"], capture_output=True)
        migrate(stored)
        subprocess.run(["sh", stored.home / "settle.sh", stored.root], check=True, capture_output=True)
    assert events(stored) == ["before"]
    assert stat.S_IMODE(store_of(stored).stat().st_mode) == 0o600
    assert not copy_of(stored).exists()


@pytest.mark.parametrize("way", ["settle", "settle.sh"])
def test_a_store_that_only_the_old_release_wrote_stays(stored: Releases, way: str) -> None:
    """The update was killed before the switch, and nobody settled it for days."""
    begin(stored, Trial(stored.current(), "new", str(store_of(stored))))
    shutil.copy(store_of(stored), copy_of(stored))
    with closing(sqlite3.connect(store_of(stored))) as database:
        database.execute("INSERT INTO events VALUES (2, 1, 0, 'since then', 1, '')")
        database.commit()
    if way == "settle":
        settle(stored)
    else:
        subprocess.run(["sh", stored.home / "settle.sh", stored.root], check=True, capture_output=True)
    assert events(stored) == ["before", "since then"]
    assert not copy_of(stored).exists()


@pytest.mark.parametrize("tables", [VERSION, VERSION + 1])
def test_a_copy_is_made_for_other_tables_alone_and_does_not_stay(stored: Releases, tmp_path: Path, tables: int) -> None:
    two, service = brought(tmp_path / "two", "two"), Migrating(stored)
    (two / "schema").write_text(f"{tables}\n")
    sums(two)
    apply_unsigned(stored, two, service, hold_s=0)
    assert service.copied is (tables != VERSION)
    assert not copy_of(stored).exists()


@pytest.mark.parametrize(("before", "healthy"), [("ok", False), ("degraded: no broker", True)])
def test_degraded_is_not_healthy_unless_it_was_so_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, healthy: bool
) -> None:
    told = tmp_path / "told"
    program = tmp_path / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$1" != show ] || {{ echo ActiveState=active; echo "StatusText=$(cat {told})"; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    told.write_text(before)
    service = SystemdService()
    service.restart()
    told.write_text("degraded: the store cannot be written")
    assert (service.trouble() == "") is healthy
    told.write_text("failed: no frame")
    assert service.trouble() == "failed: no frame"

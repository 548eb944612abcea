"""The first boot, really run: first-boot.sh and install.sh as root in a root of their own, cut off and begun again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fer_edge.devices.flash.card.card import Card, Updates, User
from fer_edge.devices.flash.card.wifi import Wifi, psk_of
from fer_edge.devices.flash.changes import Change, Place, WriteFile
from fer_edge.devices.flash.first_boot import cloudinit, firstrun
from fer_edge.devices.flash.first_boot.settings import cmdline
from fer_edge.devices.flash.image.contents import Contents
from fer_edge.devices.flash.payload.payload import packaging_folder
from fer_edge.errors import InputError
from support.overlays import Board, board, missing
from support.wheelhouses import small_payload

HASH = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA anna's pc"
UPDATE_KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
PSK = psk_of("long enough", "café")
CARD = Card(
    hostname="kiosk-1",
    time_zone="Europe/Berlin",
    country="DE",
    user=User("anna", HASH, (KEY,)),
    wifi=Wifi("café", PSK),
    update=Updates(UPDATE_KEY),
    secrets={"mqtt-password": "geheim'$(id)\"1"},
)
LINE = "console=tty1 root=PARTUUID=11223344-02 rootwait init=/usr/lib/raspberrypi-sys-mods/firstboot"
BOOKWORM = Contents("raspberrypi", boot={"/cmdline.txt": LINE + "\n"})
TRIXIE = Contents("raspberrypi", boot={"/cmdline.txt": LINE.rpartition(" ")[0] + "\n"})
SECRETS = (HASH, PSK, "geheim", "rtsp://u:pw@cam/")
CONFIG = '# a kiosk\n[source]\nwhat = "rtsp://u:pw@cam/"\n'
FIRMWARE = "/boot/firmware"
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
PI = f"""\
userdel -r anna 2>/dev/null; old=$(getent passwd 1000 | cut -d: -f1); [ -z "$old" ] || userdel "$old"
groupadd -g 1000 pi && useradd -m -u 1000 -g 1000 -s /bin/bash pi && groupadd -f gpio
mkdir -p /etc/NetworkManager/system-connections /var/lib/NetworkManager /var/lib/systemd/rfkill /etc/ssh/sshd_config.d
mkdir -p /etc/sudoers.d {FIRMWARE}
echo 'pi ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/010_pi-nopasswd
printf '[main]\\nWirelessEnabled=false\\n' > /var/lib/NetworkManager/NetworkManager.state
echo 1 > /var/lib/systemd/rfkill/platform-fe300000.mmcnr:wlan
printf '127.0.0.1\\tlocalhost\\n127.0.1.1\\traspberrypi\\n' > /etc/hosts
"""


def as_files(changes: tuple[Change, ...]) -> dict[str, bytes]:
    """The boot partition's files; every change must be one."""
    assert all(isinstance(c, WriteFile) and c.place is Place.BOOT for c in changes)
    return {c.path: c.content if isinstance(c.content, bytes) else c.content.read_bytes() for c in changes}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("packaging", reason="needs the flash extra")
    return small_payload(tmp_path_factory.mktemp("payload"), CONFIG)


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    """A root with what a first boot finds on Raspberry Pi OS."""
    if why := missing():
        pytest.skip(why)
    with board(tmp_path) as made:
        if isinstance(made, str):
            pytest.skip(made)
        made.run(PI)
        for name in ("ssh", "userconfig"):
            made.write(f"/usr/lib/systemd/system/{name}.service", UNIT)
        yield made


def insert(pi: Board, changes: tuple[Change, ...]) -> None:
    for path, content in as_files(changes).items():
        pi.write(FIRMWARE + path, content, "0755")


def boot_partition(pi: Board) -> str:
    """Every byte of it that a reader would find."""
    return pi.run(f"find {FIRMWARE} -type f; find {FIRMWARE} -type f -exec cat {{}} +")


def check_result(pi: Board) -> None:
    """What must be there when all is done."""
    assert pi.read("/etc/hostname") == "kiosk-1\n"
    assert "127.0.1.1\tkiosk-1" in pi.read("/etc/hosts")
    assert "raspberrypi" not in pi.read("/etc/hosts")
    assert pi.run("readlink /etc/localtime").strip() == "/usr/share/zoneinfo/Europe/Berlin"
    assert pi.run("getent passwd 1000").strip() == "anna:x:1000:1000::/home/anna:/bin/bash"
    assert not pi.exists("/home/pi")
    assert {"anna", "video", "sudo", "gpio"} <= set(pi.run("id -nG anna").split())
    assert pi.run("getent shadow anna").split(":")[1] == HASH
    assert pi.read("/home/anna/.ssh/authorized_keys") == f"{KEY}\n"
    assert pi.run("stat -c %a:%U /home/anna/.ssh /home/anna/.ssh/authorized_keys").split() == ["700:anna", "600:anna"]
    assert pi.read("/etc/sudoers.d/010_pi-nopasswd").startswith("anna ALL")
    connection = "/etc/NetworkManager/system-connections/fer-edge.nmconnection"
    assert f"psk={PSK}" in pi.read(connection)
    assert pi.run(f"stat -c %a:%U {connection}").strip() == "600:root"
    assert "WirelessEnabled=true" in pi.read("/var/lib/NetworkManager/NetworkManager.state")
    assert pi.run("cat /var/lib/systemd/rfkill/*:wlan").strip() == "0"
    assert pi.read("/etc/fer-edge/mqtt-password") == "geheim'$(id)\"1\n"
    assert pi.read("/etc/fer-edge/update.pub") == f"{UPDATE_KEY}\n"
    assert pi.run("stat -c %a:%U /etc/fer-edge/update.pub").strip() == "644:root"
    owners = pi.run("stat -c %a:%U:%G /etc/fer-edge/mqtt-password /etc/fer-edge/config.toml").split()
    assert owners == ["640:root:fer-edge", "640:root:fer-edge"]
    assert pi.read("/etc/fer-edge/config.toml") == CONFIG
    wants = "/etc/systemd/system/multi-user.target.wants"
    assert pi.exists(f"{wants}/fer-edge.service")
    assert pi.exists(f"{wants}/ssh.service")
    assert pi.exists("/opt/fer-edge/current/site/fer_edge/__init__.py")
    assert pi.run("id -u fer-edge").strip().isdigit()


def check_boot_partition(pi: Board) -> None:
    """Nothing of ours, above all nothing secret, is left."""
    found = boot_partition(pi)
    assert not [secret for secret in SECRETS if secret in found]
    assert not pi.exists(f"{FIRMWARE}/fer-edge")
    assert not pi.exists(f"{FIRMWARE}/firstrun.sh")


def test_firstrun_sets_up_installs_and_leaves_no_trace(pi: Board, payload: Path) -> None:
    insert(pi, firstrun.changes(CARD, payload, BOOKWORM))
    assert all(secret in boot_partition(pi) for secret in SECRETS)
    line = pi.read(f"{FIRMWARE}/cmdline.txt")
    assert "systemd.run=/boot/firmware/firstrun.sh" in line
    assert "cfg80211.ieee80211_regdom=DE" in line
    said = pi.run(f"{FIRMWARE}/firstrun.sh")
    assert "the first boot is done" in said
    assert not [secret for secret in SECRETS if secret in said]
    check_result(pi)
    check_boot_partition(pi)
    assert pi.read(f"{FIRMWARE}/cmdline.txt") == f"{LINE} cfg80211.ieee80211_regdom=DE cgroup_enable=memory\n"


def test_a_power_cut_anywhere_is_made_good_by_the_next_boot(pi: Board, payload: Path) -> None:
    """Stopped by SIGKILL, at another place each time, as often as it takes to end; then the result is as of one run."""
    insert(pi, firstrun.changes(CARD, payload, BOOKWORM))
    cuts, limit = 0, 0.05
    while pi.exists(f"{FIRMWARE}/firstrun.sh"):
        # The hook must be there as long as the script is: cmdline.txt says what the next boot does.
        hooked = "systemd.run=" in pi.read(f"{FIRMWARE}/cmdline.txt")
        if not hooked:
            break
        command = pi.command("timeout", "-s", "KILL", f"{limit:.2f}", "sh", f"{FIRMWARE}/firstrun.sh")
        cuts += subprocess.run(command, capture_output=True).returncode != 0
        limit *= 1.25
        assert cuts < 60
    assert cuts >= 3
    check_result(pi)
    found = boot_partition(pi)
    assert not [secret for secret in SECRETS if secret in found]
    assert "systemd.run" not in pi.read(f"{FIRMWARE}/cmdline.txt")


def test_what_cannot_be_installed_is_told_without_secrets_and_given_up_in_the_end(pi: Board, payload: Path) -> None:
    insert(pi, firstrun.changes(CARD, payload, BOOKWORM))
    pi.write(f"{FIRMWARE}/fer-edge/payload/site.tar.gz", b"cut")
    for number in (1, 2, 3):
        assert "systemd.run=" in pi.read(f"{FIRMWARE}/cmdline.txt")
        said = pi.run(f"{FIRMWARE}/firstrun.sh || echo failed", check=False)
        assert said.endswith("failed\n")
        told = pi.read(f"{FIRMWARE}/fer-edge-first-boot.txt")
        assert f"failed while installing, try {number} of 3" in told
        assert "not what SHA256SUMS says; nothing was changed" in told
    assert "systemd.run" not in pi.read(f"{FIRMWARE}/cmdline.txt")  # it boots on, without a kiosk but with its user
    assert pi.run("getent shadow anna").split(":")[1] == HASH
    found = boot_partition(pi)
    assert not [secret for secret in SECRETS if secret in found]


def test_what_does_not_import_on_the_board_does_not_take_a_place(pi: Board, payload: Path) -> None:
    insert(pi, firstrun.changes(CARD, payload, BOOKWORM))
    pi.write("/usr/bin/python3", "#!/bin/sh\nexit 1\n", "0755")
    said = pi.run(f"{FIRMWARE}/firstrun.sh", check=False)
    assert "failed while installing" in said
    assert "cannot be imported" in pi.read(f"{FIRMWARE}/fer-edge-first-boot.txt")
    assert not pi.exists("/opt/fer-edge/current")
    assert pi.run("ls /opt/fer-edge/releases").strip() == ""


def test_a_user_with_keys_alone_needs_no_password(pi: Board, payload: Path) -> None:
    insert(pi, firstrun.changes(Card(user=User("bert", "", (KEY,))), payload, BOOKWORM))
    pi.run(f"{FIRMWARE}/firstrun.sh")
    assert pi.run("getent shadow bert").split(":")[1].startswith("!")
    assert pi.read("/etc/ssh/sshd_config.d/10-fer-edge.conf") == "PasswordAuthentication no\n"
    assert pi.run("stat -c %a /etc/sudoers.d/010_fer-edge").strip() == "440"


def test_cloud_init_has_systemd_start_it_until_it_is_done(pi: Board, payload: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    changes = cloudinit.changes(CARD, payload, TRIXIE)
    insert(pi, changes)
    data = yaml.safe_load(as_files(changes)["/user-data"])
    assert data["users"] == []
    identity = yaml.safe_load(as_files(changes)["/meta-data"])["instance-id"]
    assert f"ds=nocloud;i={identity}" in as_files(changes)["/cmdline.txt"].decode().split()
    for command in data["bootcmd"]:  # at every boot
        subprocess.run(pi.command(*command), check=True, capture_output=True)
    unit = "fer-edge-first-boot.service"
    assert pi.exists(f"/etc/systemd/system/multi-user.target.wants/{unit}")
    start = [w for w in pi.read(f"/etc/systemd/system/{unit}").split("\n") if w.startswith("ExecStart=")]
    said = pi.run(start[0].partition("=")[2])
    assert "the first boot is done" in said
    check_result(pi)
    check_boot_partition(pi)
    assert pi.exists("/etc/cloud/cloud-init.disabled")
    assert not pi.exists(f"/etc/systemd/system/{unit}")
    for command in data["bootcmd"]:  # and once more, were cloud-init to run all the same
        subprocess.run(pi.command(*command), check=True, capture_output=True)
    assert not pi.exists(f"/etc/systemd/system/{unit}")


def test_cloud_inits_own_check_of_user_data(tmp_path: Path) -> None:
    if shutil.which("cloud-init") is None:
        pytest.skip("no cloud-init on this machine")
    version = subprocess.run(["cloud-init", "--version"], capture_output=True, text=True)
    if int((version.stdout + version.stderr).split()[1].split(".")[0]) < 24:
        pytest.skip("this cloud-init is older than Trixie's, and its own check takes no empty list of users")
    (tmp_path / "user-data").write_text(cloudinit.user_data())
    command = ["cloud-init", "schema", "--config-file", tmp_path / "user-data"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid" in done.stdout


def test_user_data_and_plans_hold_no_secret(payload: Path) -> None:
    for changes in (cloudinit.changes(CARD, payload, TRIXIE), firstrun.changes(CARD, payload, BOOKWORM)):
        for change in changes:
            assert isinstance(change, WriteFile)
            content = change.content if isinstance(change.content, bytes) else change.content.read_bytes()
            derived = change.path in (
                "/fer-edge/id",
                "/fer-edge/payload/SHA256SUMS",
            )  # from what is secret, or by chance
            assert change.secret == (derived or any(secret.encode() in content for secret in SECRETS)), change.path
        assert changes[-1].path in ("/user-data", "/cmdline.txt")  # what sets it off is written last


def test_another_first_boot_that_waits_is_not_overwritten() -> None:
    contents = Contents("raspberrypi", boot={"/cmdline.txt": f"{LINE} systemd.run=/boot/other.sh\n"})
    with pytest.raises(InputError, match=r"another first boot waits in the image's cmdline.txt"):
        cmdline(contents, "DE")
    again = Contents("raspberrypi", boot={"/cmdline.txt": cmdline(BOOKWORM, "DE", ("systemd.unit=x",)).decode()})
    assert cmdline(again, "FR").decode().count("regdom=") == 1


def test_the_kernel_of_a_raspberry_pi_limits_memory() -> None:
    """Its firmware switches that off, and nothing else on the line about control groups is touched."""
    line = "cgroup_disable=memory cgroup_enable=cpuset rootwait"
    once = cmdline(Contents("raspberrypi", boot={"/cmdline.txt": line}), "").decode()
    assert once == "cgroup_enable=cpuset rootwait cgroup_enable=memory\n"
    assert cmdline(Contents("raspberrypi", boot={"/cmdline.txt": once}), "").decode() == once


@pytest.mark.parametrize("name", ["nobody", "_apt", "video"])
def test_a_system_account_does_not_become_a_persons_on_the_board_either(pi: Board, payload: Path, name: str) -> None:
    insert(pi, firstrun.changes(Card(user=User(name, "", (KEY,))), payload, BOOKWORM))
    said = pi.run(f"{FIRMWARE}/firstrun.sh || echo failed", check=False)
    assert f"{name} is a system account or group here" in said
    assert said.endswith("failed\n")
    assert not pi.exists("/etc/sudoers.d/010_fer-edge")
    assert name not in pi.run("getent group sudo")


def test_the_scripts_are_posix_shell() -> None:
    for name in ("first-boot.sh", "install.sh"):
        subprocess.run(["sh", "-n", packaging_folder() / name], check=True)
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck on this machine; sh -n took both scripts")
    for name in ("first-boot.sh", "install.sh"):
        command = ["shellcheck", "-s", "sh", "-S", "error", packaging_folder() / name]
        said = subprocess.run(command, capture_output=True, text=True)
        assert said.returncode == 0, said.stdout

"""Everything written into the root file system, in images built here: Raspberry Pi OS, Debian and a Jetson's."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from fer_edge.devices.flash.apply import apply
from fer_edge.devices.flash.card.card import Card, Updates, User
from fer_edge.devices.flash.card.wifi import Wifi
from fer_edge.devices.flash.changes import WriteFile
from fer_edge.devices.flash.ext4.filesystem import Ext4
from fer_edge.devices.flash.first_boot.accounts import PEOPLE, SYSTEM, Accounts
from fer_edge.devices.flash.first_boot.route import changes_for
from fer_edge.devices.flash.image.contents import read_contents
from fer_edge.devices.flash.image.probe import probe
from fer_edge.devices.flash.verify import expected, verify
from fer_edge.errors import InputError, UsageError
from support.card_images import BOOKWORM, DEBIAN, JETSON, MISSING, REASON, TRIXIE, Kind, make_image
from support.wheelhouses import small_payload

needs_tools = pytest.mark.skipif(bool(MISSING), reason=REASON)
HASH = "$6$saltsalt$" + "a" * 86
PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n"
    "systemd:x:999:999::/:/bin/false\nnone:x:65534:65534::/:/bin/false\n"
)
GROUP = (
    "root:x:0:\nsudo:x:27:pi\nshadow:x:42:\nvideo:x:44:other,pi\naudio:x:29:\nadm:x:4:\ngdm:x:120:\n"
    "systemd:x:999:\npi:x:1000:\n"
)
SHADOW = "root:*:19000:0:99999:7:::\npi:!:19000:0:99999:7:::\nsystemd:!:19000::::::\n"
ACCOUNTS = {
    "etc/passwd": PASSWD,
    "etc/group": GROUP,
    "etc/shadow": SHADOW,
    "etc/gshadow": "sudo:*::pi\nvideo:*::pi\npi:!::\n",
}
PI = {
    **ACCOUNTS,
    "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
    "etc/sudoers.d/010_pi-nopasswd": "pi ALL=(ALL) NOPASSWD: ALL\n",
    "etc/ssh/sshd_config.d/rename_user.conf": "Banner /usr/share/userconf-pi/sshd_banner\n",
    "etc/NetworkManager/NetworkManager.conf": "[main]\n",
    "var/lib/NetworkManager/NetworkManager.state": "[main]\nWirelessEnabled=false\n",
    "var/lib/systemd/rfkill/platform-x:wlan": "1\n",
    "etc/skel/.bashrc": "# skel\n",
    "usr/lib/systemd/system/ssh.service": "[Service]\n",
    "usr/lib/systemd/system/userconfig.service": "[Service]\n",
    "usr/share/zoneinfo/Europe/Berlin": "TZif",
}
CARD = Card(
    hostname="kiosk-1", time_zone="Europe/Berlin", country="DE", user=User("anna", HASH, ("ssh-ed25519 AAAA",)),
    wifi=Wifi("net", "0" * 64), update=Updates("RWQf"), secrets={"mqtt-password": "geheim"}, accept_nvidia_licence=True,
)  # fmt: skip


def flashed(folder: Path, kind: Kind, route: str, card: Card = CARD) -> Ext4:
    """An image of a kind, changed by a way and verified; its root file system."""
    image = make_image(folder, kind)
    probed = probe(image)
    contents = read_contents(image, probed, card.time_zone)
    changes = changes_for(route, card, small_payload(folder / "parts"), contents, folder)
    apply(image, probed, changes)
    assert verify(image, probe(image), expected(changes)) > 20
    return Ext4(image, probed.root.start, probed.root.size)


def text(root: Ext4, path: str) -> str:
    return root.read(path).decode()


def owned(root: Ext4, path: str) -> tuple[int, int, int]:
    node = root.node(root.beside(path))
    assert node is not None, path
    return stat.S_IMODE(node.mode), node.owner, node.group


@needs_tools
def test_raspberry_pi_os_is_ready_without_a_step_at_its_first_boot(tmp_path: Path) -> None:
    root = flashed(tmp_path, replace(BOOKWORM, root={**BOOKWORM.root, **PI}), "direct")
    assert "anna:x:1000:1000:,,,:/home/anna:/bin/bash\n" in text(root, "/etc/passwd")
    assert f"anna:{HASH}:" in text(root, "/etc/shadow")
    assert owned(root, "/etc/shadow") == (0o640, 0, 42)
    assert "video:x:44:other,anna\n" in text(root, "/etc/group")
    kiosk = next(line.split(":") for line in text(root, "/etc/passwd").splitlines() if line.startswith("fer-edge:"))
    assert 100 < int(kiosk[2]) < 999  # 999 is taken
    assert owned(root, "/etc/fer-edge/mqtt-password") == (0o640, 0, int(kiosk[3]))
    assert owned(root, "/etc/fer-edge/config.toml") == (0o640, 0, int(kiosk[3]))
    assert owned(root, "/etc/fer-edge/update.pub") == (0o644, 0, 0)
    assert owned(root, "/home/anna") == (0o700, 1000, 1000)
    assert owned(root, "/home/anna/.ssh/authorized_keys") == (0o600, 1000, 1000)
    assert text(root, "/etc/hosts") == "127.0.0.1\tlocalhost\n127.0.1.1\tkiosk-1\n"
    assert owned(root, "/etc/NetworkManager/system-connections/fer-edge.nmconnection") == (0o600, 0, 0)
    assert "WirelessEnabled=true" in text(root, "/var/lib/NetworkManager/NetworkManager.state")
    assert text(root, "/var/lib/systemd/rfkill/platform-x:wlan") == "0\n"
    assert root.target("/etc/systemd/system/userconfig.service") == "/dev/null"
    assert text(root, "/etc/sudoers.d/010_pi-nopasswd").startswith("anna ")
    wants = "/etc/systemd/system/multi-user.target.wants"
    for unit in ("fer-edge", "fer-edge-settle", "ssh"):
        assert root.exists(f"{wants}/{unit}.service"), unit
    release = root.target("/opt/fer-edge/current")
    assert root.exists(f"/opt/fer-edge/{release}/complete")
    assert root.exists("/opt/fer-edge/current/site/fer_edge/__init__.py")
    assert owned(root, "/usr/local/bin/fer-edge") == (0o755, 0, 0)


@needs_tools
def test_nothing_secret_lies_on_fat(tmp_path: Path) -> None:
    flashed(tmp_path, replace(TRIXIE, root={**TRIXIE.root, **PI}), "direct")
    image = tmp_path / "card.img"
    probed = probe(image)
    assert probed.boot is not None
    with image.open("rb") as file:
        file.seek(probed.boot.start)
        boot = file.read(probed.boot.size)
    for secret in (HASH.encode(), b"0" * 64, b"geheim"):
        assert secret not in boot
    assert b"cfg80211.ieee80211_regdom=DE" in boot
    assert b"systemd.run" not in boot
    root = Ext4(image, probed.root.start, probed.root.size)
    assert root.exists("/etc/cloud/cloud-init.disabled")


@needs_tools
@pytest.mark.parametrize("kind", [BOOKWORM, TRIXIE])
def test_the_ways_over_fat_fit_into_an_image(kind: Kind, tmp_path: Path) -> None:
    route = "firstrun" if kind is BOOKWORM else "cloud-init"
    flashed(tmp_path, replace(kind, root={**kind.root, **PI}), route)


@needs_tools
def test_a_jetson_gets_its_user_as_nvidias_script_makes_it(tmp_path: Path) -> None:
    accounts = {
        name: "".join(r for r in t.splitlines(keepends=True) if not r.startswith("pi:")) for name, t in PI.items()
    }
    files = {**JETSON.root, **accounts, "etc/gdm3/custom.conf": "[daemon]\n", "etc/systemd/system/a": ""}
    links = {"etc/systemd/system/default.target": "/lib/systemd/system/nv-oem-config.target"}
    root = flashed(tmp_path, replace(JETSON, root=files, links=links), "jetson")
    assert "anna:x:1000:1000::/home/anna:/bin/bash\n" in text(root, "/etc/passwd")
    groups = {r.split(":")[0] for r in text(root, "/etc/group").splitlines() if "anna" in r.split(":")[3].split(",")}
    assert groups == {"sudo", "video", "audio", "adm", "gdm"}
    assert "gdm" in next(r for r in text(root, "/etc/group").splitlines() if r.startswith("video:"))
    assert root.target("/etc/systemd/system/default.target") == "/lib/systemd/system/multi-user.target"
    assert text(root, "/etc/machine-id") == ""
    assert "REGDOMAIN=DE" in text(root, "/etc/default/crda")
    assert "build-engine /opt/fer-edge/current/bundle" in text(root, "/etc/systemd/system/fer-edge-engine.service")
    assert root.exists("/etc/systemd/system/multi-user.target.wants/fer-edge-engine.service")
    assert "DevicePolicy=auto" in text(root, "/etc/systemd/system/fer-edge.service.d/jetson.conf")


@needs_tools
def test_a_jetson_is_not_set_up_past_nvidias_licence(tmp_path: Path) -> None:
    unaccepted = replace(CARD, accept_nvidia_licence=False)
    with pytest.raises(UsageError, match="licence"):
        flashed(tmp_path, replace(JETSON, root={**JETSON.root, **PI}), "jetson", unaccepted)


@needs_tools
def test_a_plain_debian_needs_no_more_than_its_accounts(tmp_path: Path) -> None:
    root = flashed(tmp_path, replace(DEBIAN, root={**DEBIAN.root, **ACCOUNTS}), "direct", Card(hostname="board"))
    assert text(root, "/etc/hostname") == "board\n"
    assert "pi:x:1000" in text(root, "/etc/passwd")
    assert root.exists("/etc/systemd/system/multi-user.target.wants/fer-edge.service")


@needs_tools
@pytest.mark.parametrize(
    ("card", "says"),
    [
        (replace(CARD, time_zone="Europe/Atlantis"), "knows no time zone Europe/Atlantis"),
        (replace(CARD, user=User("systemd", HASH)), "systemd is a system account of the image, with the number 999"),
        (replace(CARD, user=User("none", HASH)), "none is a system account of the image, with the number 65534"),
        (replace(CARD, user=User("gdm", HASH)), "gdm is a system group of the image, with the number 120"),
        (CARD, "has no NetworkManager"),
    ],
)
def test_what_an_image_cannot_do_is_said_before_it_is_changed(card: Card, says: str, tmp_path: Path) -> None:
    files = {name: t for name, t in PI.items() if "NetworkManager/" not in name}
    before = make_image(tmp_path, replace(BOOKWORM, root={**BOOKWORM.root, **files}))
    content = before.read_bytes()
    probed = probe(before)
    contents = read_contents(before, probed, card.time_zone)
    with pytest.raises(InputError, match=says):
        changes_for("direct", card, small_payload(tmp_path / "parts"), contents, tmp_path)
    assert before.read_bytes() == content


def test_accounts_keep_what_they_do_not_know() -> None:
    accounts = Accounts.parse(PASSWD, GROUP, SHADOW)
    assert accounts.files()["/etc/passwd"] == PASSWD
    assert accounts.with_group("video", SYSTEM) == accounts
    made = accounts.with_user("kiosk", PEOPLE, "/home/kiosk", "/bin/sh")
    assert made.user("kiosk") == (1001, 1001, "/home/kiosk")
    assert made.with_user("kiosk", PEOPLE, "/elsewhere", "/bin/false") == made
    assert made.with_member("nobody-has-it", "kiosk") == made
    twice = made.with_member("sudo", "kiosk").with_member("sudo", "kiosk")
    assert "sudo:x:27:pi,kiosk\n" in twice.files()["/etc/group"]
    with pytest.raises(InputError, match="no accounts"):
        Accounts.parse("", "")


def test_secrets_are_marked(tmp_path: Path) -> None:
    from fer_edge.devices.flash.first_boot.direct import changes, stage
    from fer_edge.devices.flash.image.contents import Contents

    markers = frozenset({"/etc/NetworkManager"})
    contents = Contents("debian", root={f"/{path}": t for path, t in ACCOUNTS.items()}, markers=markers)
    found = set()
    for change in changes(CARD, stage(small_payload(tmp_path), tmp_path), contents):
        if isinstance(change, WriteFile) and isinstance(change.content, bytes):
            held = {s for s in (HASH.encode(), b"0" * 64, b"geheim") if s in change.content}
            assert change.secret >= bool(held), change.path
            found |= held
    assert found

"""Who made an update: signed where it is packed, held against the card's key, else refused; links in what is packed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import Command
from fer_edge.bundle import Bundle, open_bundle
from fer_edge.devices.update.apply import apply_update
from fer_edge.devices.update.new_release import payload_name
from fer_edge.devices.update.pack import pack
from fer_edge.devices.update.push import push
from fer_edge.devices.update.releases import Releases
from fer_edge.devices.update.signature import KEY, Signed, make_keys, sign
from fer_edge.errors import InputError, OutputError, UsageError
from support.updates import Kiosk, apply_unsigned, brought, check_untouched, kiosk, releases, site

__all__ = ["kiosk", "releases"]  # fixtures
pytest.importorskip("minisign", reason="needs the flash extra")


@pytest.fixture
def key(releases: Releases, tmp_path: Path) -> Path:
    """The key that the card was flashed with."""
    secret, public = make_keys(tmp_path / "ours")
    (releases.root / KEY).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(public, releases.root / KEY)
    return secret


def test_a_signed_update_by_the_commands(command: Command, releases: Releases, tmp_path: Path) -> None:
    made = command("update", "key", tmp_path / "mine")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "mine.key").stat().st_mode & 0o777 == 0o600
    assert command("update", "key", tmp_path / "mine").returncode == 2  # a key that cards know is not written over
    (releases.root / KEY).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tmp_path / "mine.pub", releases.root / KEY)
    two, out = brought(tmp_path / "two", "two"), tmp_path / "two.tar"
    packed = command("update", "pack", two, out, "--key", tmp_path / "mine.key")
    assert "two.tar.minisig along" in packed.stdout
    where = ("--root", releases.root, "--hold", "0", "--restart", "true", "--healthy", "true")
    refused = command("update", "apply", two, *where)
    assert refused.returncode == 2
    assert "is not signed" in refused.stderr
    assert "--unsigned" in refused.stderr
    done = command("update", "apply", out, *where)
    assert done.returncode == 0, done.stderr
    assert site(releases) == "two"
    assert "what RW" in command("update", "status", "--root", releases.root).stdout
    assert "not signed" in command("update", "pack", two, out).stdout
    assert not Path(f"{out}.minisig").exists()  # that of another .tar would be refused as a forgery
    aloud = command("update", "apply", out, *where, "--unsigned")
    assert "nobody knows who made this update" in aloud.stdout


@pytest.mark.parametrize(
    "harm", ["none", "changed", "another key", "no signature", "no such file", "folder", "old kind"]
)
def test_what_the_cards_key_did_not_sign_changes_nothing(
    releases: Releases, kiosk: Kiosk, key: Path, tmp_path: Path, harm: str
) -> None:
    two, file = brought(tmp_path / "two", "two"), tmp_path / "two.tar"
    pack(two, file)
    seal = sign(file, make_keys(tmp_path / "theirs")[0] if harm == "another key" else key)
    if harm == "changed":
        content = bytearray(file.read_bytes())
        content[600] ^= 1
        file.write_bytes(content)
    elif harm == "no signature":
        seal.write_text("nothing\n")
    elif harm == "no such file":
        seal.unlink()
    elif harm == "old kind":
        seal.write_bytes(bytes(old_kind(file, key)))
    if harm == "none":
        assert apply_update(releases, file, kiosk, hold_s=0).new == payload_name(two)
        return
    with pytest.raises(InputError, match="sign"):
        apply_update(releases, two if harm == "folder" else file, kiosk)
    check_untouched(releases, kiosk)
    assert not (releases.home / "incoming").exists()


def old_kind(file: Path, key: Path) -> object:
    import minisign

    return minisign.SecretKey.from_file(key).sign(file.read_bytes(), prehash=False)


def test_a_card_without_a_key_says_so(releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    pack(brought(tmp_path / "two", "two"), tmp_path / "two.tar")
    with pytest.raises(InputError, match="this card was flashed without an update key") as refused:
        apply_update(releases, tmp_path / "two.tar", kiosk)
    assert "--unsigned" in refused.value.hint
    check_untouched(releases, kiosk)


def test_what_is_unpacked_is_what_was_verified(
    releases: Releases, kiosk: Kiosk, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stick may give other bytes when it is read again."""
    file, other, verify = tmp_path / "two.tar", tmp_path / "evil.tar", Signed.verify
    pack(brought(tmp_path / "two", "two"), file)
    pack(brought(tmp_path / "evil", "bad"), other)
    sign(file, key)

    def then_swapped(self: Signed, content: object) -> bytes:
        digest = verify(self, content)  # type: ignore[arg-type]
        file.write_bytes(other.read_bytes())  # the same inode: it is open
        return digest

    monkeypatch.setattr(Signed, "verify", then_swapped)
    with pytest.raises(InputError, match="changed while it was read"):
        apply_update(releases, file, kiosk)
    check_untouched(releases, kiosk)


def test_minisign_itself_takes_our_signatures(tmp_path: Path) -> None:
    if shutil.which("minisign") is None:
        pytest.skip("needs minisign")
    secret, public = make_keys(tmp_path / "ours")
    (tmp_path / "x.tar").write_bytes(b"x" * 5000)
    sign(tmp_path / "x.tar", secret)
    subprocess.run(["minisign", "-V", "-m", tmp_path / "x.tar", "-p", public], check=True, capture_output=True)


def test_a_key_with_a_password(tmp_path: Path) -> None:
    import minisign

    secret = minisign.KeyPair.generate().secret_key
    secret.encrypt("geheim")
    key, file = tmp_path / "with.key", tmp_path / "x.tar"
    key.write_bytes(bytes(secret))
    file.write_bytes(b"x")
    assert sign(file, key, lambda: "geheim").is_file()
    with pytest.raises(InputError, match="wrong password"):
        sign(file, key, lambda: "falsch")
    with pytest.raises(InputError, match="has a password"):
        sign(file, key)


@pytest.fixture
def greeting_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """What ssh to a host comes to whose shell greets whoever comes."""
    if os.getuid() != 0:
        pytest.skip("the kiosk's sudo needs root here")
    folder = tmp_path / "bin"
    folder.mkdir()
    texts = {
        "fer-edge": f'exec {sys.executable} -m fer_edge "$@"',
        "greeting-ssh": 'echo "Welcome to kiosk-1"; echo "/var/tmp is for you"; shift; exec sh -c "$*"',
    }
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return (str(folder / "greeting-ssh"),)


def test_push_signs_and_hears_no_greeting(
    releases: Releases, key: Path, bundle: Bundle, greeting_ssh: tuple[str, ...], tmp_path: Path
) -> None:
    options = ["--root", str(releases.root), "--hold", "0", "--restart", "true", "--healthy", "true"]
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in bundle.folder.iterdir():
        (linked / path.name).symlink_to(path)  # as in a cache of models
    with pytest.raises(UsageError, match="is not signed"):
        push("kiosk-1", linked, options, greeting_ssh)
    said = push("kiosk-1", linked, options, greeting_ssh, key=key)
    assert said.startswith("trying ")
    assert "is healthy" in said
    assert open_bundle(releases.home / "current/bundle").manifest == bundle.manifest
    file = tmp_path / "two.tar"
    pack(brought(tmp_path / "two", "two"), file)
    sign(file, key)
    assert "is healthy" in push("kiosk-1", file, options, greeting_ssh)
    assert site(releases) == "two"


def test_links_are_packed_as_what_they_lead_to(
    releases: Releases, kiosk: Kiosk, bundle: Bundle, tmp_path: Path
) -> None:
    two = brought(tmp_path / "two", "two")
    outside = Path(shutil.move(two / "fer-edge.service", tmp_path / "unit"))
    (two / "fer-edge.service").symlink_to(outside)
    os.unlink(two / "modules-load.conf")
    os.link(two / "60-fer-edge.rules", two / "modules-load.conf")
    lines = (two / "SHA256SUMS").read_text().splitlines(keepends=True)
    rules = next(line for line in lines if "60-fer-edge" in line)
    same = rules.replace("60-fer-edge.rules", "modules-load.conf")
    (two / "SHA256SUMS").write_text("".join(same if "modules-load" in line else line for line in lines))
    pack(two, tmp_path / "two.tar")
    assert apply_unsigned(releases, tmp_path / "two.tar", kiosk, hold_s=0).new == payload_name(two)
    model = Path(shutil.copytree(bundle.folder, tmp_path / "model"))
    shutil.move(model / "onnx", tmp_path / "elsewhere")
    (model / "onnx").symlink_to(tmp_path / "elsewhere")
    pack(model, tmp_path / "model.tar")
    assert apply_unsigned(releases, tmp_path / "model.tar", kiosk, hold_s=0).changed


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("/dev/zero", "neither a file nor a folder"),
        ("nowhere", "a link to nowhere"),
        ("..", "a folder that it lies in"),
    ],
)
def test_a_link_to_no_file_is_refused(bundle: Bundle, tmp_path: Path, to: str, says: str) -> None:
    model = Path(shutil.copytree(bundle.folder, tmp_path / "model"))
    (model / "more").symlink_to(to)
    with pytest.raises(InputError, match=says):
        pack(model, tmp_path / "model.tar")
    assert not (tmp_path / "model.tar").exists()


def test_apply_reads_no_file_for_somebody_else(
    releases: Releases, kiosk: Kiosk, bundle: Bundle, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(bundle.folder, tmp_path / "model"))
    (model / "MODEL_CARD.md").unlink()
    (model / "MODEL_CARD.md").symlink_to("/etc/shadow")
    with pytest.raises(InputError, match="leads out of"):
        apply_unsigned(releases, model, kiosk)
    check_untouched(releases, kiosk)


def test_a_sparse_file_takes_the_room_of_its_size(releases: Releases, kiosk: Kiosk, tmp_path: Path) -> None:
    (tmp_path / "update").mkdir()
    with (tmp_path / "update/model.onnx").open("wb") as file:
        file.truncate(1 << 42)
    archive = tmp_path / "sparse.tar"
    subprocess.run(["tar", "-C", tmp_path, "--sparse", "-cf", archive, "update"], check=True)
    assert archive.stat().st_size < 1 << 16
    with pytest.raises(OutputError, match="no room"):
        apply_unsigned(releases, archive, kiosk)
    with tarfile.open(archive) as opened:
        assert opened.getmember("update/model.onnx").size == 1 << 42
    check_untouched(releases, kiosk)

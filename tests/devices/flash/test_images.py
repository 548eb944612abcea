"""Images: unpacked, probed, changed, read back and grown; with e2fsck, fsck.vfat, sfdisk and the packers as judges."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import random
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fer_edge.cli import main as front
from fer_edge.devices.flash.apply import apply
from fer_edge.devices.flash.changes import Change, MakeFolder, MakeLink, Place, UnpackTree, WriteFile
from fer_edge.devices.flash.ext4.filesystem import Ext4
from fer_edge.devices.flash.fat.filesystem import Fat
from fer_edge.devices.flash.image.grow import grow, read_size
from fer_edge.devices.flash.image.partitions import read_table
from fer_edge.devices.flash.image.probe import Probed, make_clean, probe
from fer_edge.devices.flash.image.unpack import unpack
from fer_edge.devices.flash.verify import expected, verify
from fer_edge.errors import DeviceNotFound, GateFailed, InputError, OutputError, UsageError
from support.altered_zips import ENCRYPTED, altered_zip
from support.card_images import (
    BOOKWORM,
    DEBIAN,
    JETSON,
    KINDS,
    MIB,
    MISSING,
    REASON,
    TRIXIE,
    Kind,
    elf,
    make_image,
    run,
)

pytestmark = pytest.mark.skipif(bool(MISSING), reason=REASON)
SAMPLE = random.Random(5).randbytes(300_000) + bytes(3 * MIB) + b"end of it"
HALF = len(SAMPLE) // 2


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    return {name: make_image(folder, kind, f"{name}.img") for name, kind in KINDS.items()}


@pytest.fixture
def copy(images: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(images["bookworm"], tmp_path / "odd name?.img"))


def zstd(content: bytes) -> bytes:
    module = pytest.importorskip("zstandard", reason="needs the flash extra")
    made: bytes = module.ZstdCompressor(write_checksum=True).compress(content)
    return made


def packed(folder: Path, how: str, content: bytes = SAMPLE) -> Path:
    path = folder / f"sample.{how}"
    if how == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README", "read me")
            archive.writestr("sd-blob.img", content)
    elif how == "zst":
        path.write_bytes(zstd(content[:1000]) + zstd(content[1000:]))
    else:
        make = {"xz": lzma.compress, "gz": gzip.compress, "raw": bytes}[how]
        path.write_bytes(make(content))
    return path


@pytest.mark.parametrize("how", ["raw", "xz", "gz", "zip", "zst"])
def test_unpacks_and_takes_either_checksum(tmp_path: Path, how: str) -> None:
    source, target = packed(tmp_path, how), tmp_path / "out.img"
    told: list[tuple[int, int]] = []
    for given in ("", hashlib.sha256(SAMPLE).hexdigest(), hashlib.sha256(source.read_bytes()).hexdigest().upper()):
        unpack(source, target, given, lambda done, total: told.append((done, total)))
        assert target.read_bytes() == SAMPLE
        target.unlink()
    assert told[-1] == (source.stat().st_size, source.stat().st_size)


@pytest.mark.parametrize("how", ["xz", "gz", "zip", "zst"])
@pytest.mark.parametrize("left", [7, 0.5, -1])
def test_a_download_cut_short_is_refused(tmp_path: Path, how: str, left: float) -> None:
    source = packed(tmp_path, how)
    whole = source.read_bytes()
    source.write_bytes(whole[: int(left * len(whole)) if isinstance(left, float) else left])
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(source, tmp_path / "out.img")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("how", ["xz", "gz", "zip", "zst"])
def test_an_altered_download_is_refused(tmp_path: Path, how: str) -> None:
    source = packed(tmp_path, how)
    whole = bytearray(source.read_bytes())
    whole[len(whole) // 3] ^= 0x40
    source.write_bytes(whole)
    right = hashlib.sha256(SAMPLE).hexdigest()
    with pytest.raises(InputError):
        unpack(source, tmp_path / "out.img", right)
    assert list(tmp_path.iterdir()) == [source]


def test_another_checksum_is_refused_and_both_are_named(tmp_path: Path) -> None:
    source = packed(tmp_path, "raw")
    with pytest.raises(InputError, match=hashlib.sha256(SAMPLE).hexdigest() + r", not 00ff"):
        unpack(source, tmp_path / "out.img", "00FF")
    assert list(tmp_path.iterdir()) == [source]


def test_zeros_become_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "zeros.xz", tmp_path / "out.img"
    source.write_bytes(lzma.compress(bytes(64 * MIB) + b"x"))
    unpack(source, target)
    assert target.stat().st_size == 64 * MIB + 1
    assert target.stat().st_blocks * 512 < MIB


def zstd_skipped(content: bytes) -> bytes:
    return b"\x5a\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def as_macos_packs_it() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card/SD.IMG", SAMPLE)
        archive.writestr("__MACOSX/card/._SD.IMG", b"Mac OS X")
        archive.writestr("card/._other.img", b"Mac OS X")
    return packed.getvalue()


WELL_PACKED: dict[str, Callable[[], bytes]] = {
    "xz padded": lambda: lzma.compress(SAMPLE) + bytes(8),
    "xz padded by more than a block": lambda: lzma.compress(SAMPLE) + bytes(2 * MIB),
    "xz with padding between": lambda: lzma.compress(SAMPLE[:HALF]) + bytes(4) + lzma.compress(SAMPLE[HALF:]),
    "xz without padding between": lambda: lzma.compress(SAMPLE[:HALF]) + lzma.compress(SAMPLE[HALF:]),
    "gz padded": lambda: gzip.compress(SAMPLE) + bytes(512),
    "zst with skipped frames": lambda: b"".join(
        (zstd_skipped(b"a table"), zstd(SAMPLE[:HALF]), zstd_skipped(b""), zstd(SAMPLE[HALF:]), zstd_skipped(bytes(9)))
    ),
    "zip of a Mac": as_macos_packs_it,
}


@pytest.mark.parametrize("how", WELL_PACKED)
def test_what_a_format_allows_is_unpacked_to_its_end(tmp_path: Path, how: str) -> None:
    source, target = tmp_path / "card.img.packed", tmp_path / "out.img"
    source.write_bytes(WELL_PACKED[how]())
    unpack(source, target, hashlib.sha256(SAMPLE).hexdigest())
    assert target.read_bytes() == SAMPLE


@pytest.mark.parametrize("behind", [bytes(3), b"hello, world", lzma.compress(SAMPLE)[:-9]])
def test_what_does_not_belong_behind_xz_is_not_passed_over(tmp_path: Path, behind: bytes) -> None:
    source = tmp_path / "card.img.xz"
    source.write_bytes(lzma.compress(SAMPLE) + behind)
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(source, tmp_path / "out.img")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        (*ENCRYPTED, "card.img is encrypted"),
        (6, b"\x41\0", "card.img is encrypted"),
        (8, b"\x09\0", "not known here: Deflate64"),
        (8, b"\x62\0", "not known here: method 98"),
        (4, b"\xff\0", "cannot be unpacked"),  # a version that is not made yet
    ],
)
def test_a_zip_that_python_cannot_read_is_refused_with_a_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], at: int, value: bytes, says: str
) -> None:
    source = tmp_path / "card.zip"
    source.write_bytes(altered_zip("card.img", at, value))
    assert front.main(["flash", "probe", str(source)]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "try: " in said


@pytest.mark.parametrize("how", ["xz", "gz", "zip", "zst"])
def test_no_damage_is_unexpected(tmp_path: Path, how: str) -> None:
    """Any byte of an archive may be wrong: it is refused, or what it holds was not touched."""
    content = SAMPLE[:5000]
    source, target = packed(tmp_path, how, content), tmp_path / "out.img"
    whole = source.read_bytes()
    generator = random.Random(how)
    head, tail = range(6, 80), range(len(whole) - min(160, len(whole)), len(whole))
    for at in generator.sample([*head, *tail], 60):
        source.write_bytes(whole[:at] + bytes([whole[at] ^ generator.randrange(1, 256)]) + whole[at + 1 :])
        with suppress(InputError):
            unpack(source, target)
            assert target.read_bytes() == content


def test_a_zip_without_an_image_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "wrong.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("README", "read me")
    with pytest.raises(InputError, match="holds 0 files"):
        unpack(source, tmp_path / "out.img")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 100, bytes(4096), elf() * 10])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.img"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no card image"):
        probe(path)


def test_a_packed_file_is_named_for_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        probe(packed(tmp_path, "xz"))
    assert "an xz file" in str(error.value)


@pytest.mark.parametrize("name", KINDS)
def test_the_table_is_what_sfdisk_says(images: dict[str, Path], name: str) -> None:
    import json

    rows = json.loads(run("sfdisk", "--json", images[name]))["partitiontable"]["partitions"]
    found = read_table(images[name])
    assert [(p.start, p.size) for p in found] == [(512 * row["start"], 512 * row["size"]) for row in rows]
    assert [p.name for p in found] == [row.get("name", "") for row in rows]


@pytest.mark.parametrize("name", KINDS)
def test_an_image_cut_short_is_refused(images: dict[str, Path], tmp_path: Path, name: str) -> None:
    path = tmp_path / "short.img"
    path.write_bytes(images[name].read_bytes()[: 20 * MIB])
    with pytest.raises(InputError, match=f"ends at byte {20 * MIB}"):
        probe(path)


def test_a_damaged_gpt_is_refused(images: dict[str, Path], tmp_path: Path) -> None:
    for at, what in ((512 + 60, "header's checksum"), (1024 + 8, "checksum of the GPT's rows")):
        raw = bytearray(images["jetson"].read_bytes())
        raw[at] ^= 1
        (tmp_path / "bad.img").write_bytes(raw)
        with pytest.raises(InputError, match=what):
            read_table(tmp_path / "bad.img")


def test_probe_tells_the_four_kinds_apart(images: dict[str, Path]) -> None:
    found = {name: probe(path) for name, path in images.items()}
    told = {n: (p.board, p.first_boot, p.python, p.glibc, p.os_id, p.os_version) for n, p in found.items()}
    assert told == {
        "bookworm": ("raspberrypi", "firstrun", "3.11", "2.36", "debian", "12"),
        "trixie": ("raspberrypi", "cloud-init", "3.13", "2.41", "debian", "13"),
        "jetson": ("jetson", "jetson", "3.6", "2.27", "ubuntu", "18.04"),
        "debian": ("debian", "none", "3.11", "2.36", "debian", "12"),
    }
    assert {p.architecture for p in found.values()} == {"aarch64"}
    assert found["jetson"].boot is None
    assert found["jetson"].root.name == "APP"
    assert 30 * MIB < found["bookworm"].free_boot < 36 * MIB
    assert 10 * MIB < found["bookworm"].free_root < 24 * MIB


VARIANTS = {
    "32 bit programs": (replace(BOOKWORM, program=elf(40, wide=False)), "architecture", "armv7l"),
    "a PC": (replace(DEBIAN, program=elf(62)), "architecture", "x86_64"),
    "no Python": (replace(BOOKWORM, python=""), "python", ""),
    "no helper of the first boot": (replace(BOOKWORM, root={}), "first_boot", "none"),
    "cloud-init that reads elsewhere": (
        replace(TRIXIE, root={"usr/bin/cloud-init": "", "etc/cloud/cloud.cfg": "datasource_list: [ Ec2 ]\n"}),
        "first_boot",
        "none",
    ),
    "cloud-init switched off": (
        replace(TRIXIE, root={**TRIXIE.root, "etc/cloud/cloud-init.disabled": ""}),
        "first_boot",
        "none",
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_probe_tells_variants(tmp_path: Path, name: str) -> None:
    kind, attribute, value = VARIANTS[name]
    assert getattr(probe(make_image(tmp_path, kind)), attribute) == value


def test_an_image_without_a_system_is_refused(tmp_path: Path) -> None:
    image = make_image(tmp_path, Kind("ID=x\n", BOOKWORM.boot))
    with image.open("r+b") as file:
        file.seek(37 * MIB + 1024)
        file.write(bytes(1024))
    with pytest.raises(InputError, match="no root file system"):
        probe(image)


def sample_changes(folder: Path) -> list[Change]:
    tree = folder / "tree"
    (tree / "site" / "pack age").mkdir(parents=True)
    for i in range(60):
        (tree / "site" / "pack age" / f"modül {i}.py").write_bytes(random.Random(i).randbytes(i * 997))
    (tree / "install.sh").write_text("#!/bin/sh\n")
    (tree / "install.sh").chmod(0o755)
    (tree / "link").symlink_to("site/pack age")
    (folder / "payload.tar.gz").write_bytes(random.Random(9).randbytes(MIB))
    return [
        WriteFile(Place.BOOT, "/cmdline.txt", b"changed\n"),
        MakeFolder(Place.BOOT, "/fer-edge"),
        WriteFile(Place.BOOT, "/fer-edge/payload.tar.gz", folder / "payload.tar.gz"),
        WriteFile(Place.ROOT, "/etc/hostname", b"kiosk\n"),
        WriteFile(Place.ROOT, "/etc/os-release", b"ID=other\n", why="a link gives way to a file"),
        WriteFile(Place.ROOT, "/lib/systemd/system/a.service", b"[Unit]\n", why="through the link /lib"),
        WriteFile(Place.ROOT, "/etc/secret.toml", b"psk = 1", mode=0o600, owner=1000, group=1001, secret=True),
        MakeFolder(Place.ROOT, "/home/kiosk", mode=0o750, owner=1000, group=1000),
        MakeFolder(Place.ROOT, "/home/kiosk/.ssh", mode=0o700, owner=1000, group=1000),
        WriteFile(Place.ROOT, "/home/kiosk/.ssh/authorized_keys", b"ssh-ed25519 AAAA\n", 0o600, 1000, 1000),
        MakeLink(Place.ROOT, "/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin"),
        MakeLink(Place.ROOT, "/etc/long", "/x" * 100, why="one that needs a block of its own"),
        UnpackTree(Place.ROOT, "/opt/fer-edge", tree),
        WriteFile(Place.ROOT, "/etc/hostname", b"kiosk-2\n", why="said twice: the last one counts"),
    ]


def test_changes_are_there_afterwards(copy: Path, tmp_path: Path) -> None:
    probed, changes = probe(copy), sample_changes(tmp_path)
    told: list[tuple[int, int]] = []
    apply(copy, probed, changes, lambda done, total: told.append((done, total)))
    assert told[-1] == (78, 78)
    assert verify(copy, probed, expected(changes)) == 77
    system = Ext4(copy, probed.root.start, probed.root.size)
    assert system.check() == []
    assert system.read("/etc/hostname") == b"kiosk-2\n"
    assert system.read("/opt/fer-edge/link/modül 7.py") == random.Random(7).randbytes(7 * 997)
    seen = run("debugfs", "-R", "ls -l /home/kiosk/.ssh", f"{_alias(copy)}?offset={probed.root.start}")
    assert "100600 (1)   1000   1000" in seen
    plain = tmp_path / "root.ext4"
    plain.write_bytes(copy.read_bytes()[probed.root.start : probed.root.end])
    run("e2fsck", "-f", "-n", plain)
    apply(copy, probed, changes)  # again: nothing stands in the way of a second time
    assert verify(copy, probed, expected(changes)) == 77


def _alias(image: Path) -> Path:
    alias = image.parent / "alias.img"
    alias.symlink_to(image)
    return alias


def test_verify_finds_each_kind_of_difference(copy: Path, tmp_path: Path) -> None:
    probed, changes = probe(copy), sample_changes(tmp_path)
    apply(copy, probed, changes)
    system = Ext4(copy, probed.root.start, probed.root.size)
    other: list[Change] = [
        WriteFile(Place.ROOT, "/etc/secret.toml", b"psk = 1", mode=0o644, owner=1000, group=1001),
        WriteFile(Place.ROOT, "/etc/hostname", b"kiosk-3\n"),
        WriteFile(Place.ROOT, "/etc/none", b""),
        WriteFile(Place.BOOT, "/cmdline.txt", b"changes\n"),
        MakeFolder(Place.BOOT, "/elsewhere"),
        MakeLink(Place.ROOT, "/etc/localtime", "/usr/share/zoneinfo/UTC"),
        MakeFolder(Place.ROOT, "/opt/other"),
    ]
    for change in other:
        with pytest.raises(GateFailed, match=f"{change.path} of the"):
            verify(copy, probed, expected([change]))
    with copy.open("r+b") as file:
        file.seek(probed.root.start + 4096 * 1000)
        file.truncate(probed.root.end)
        system.forget()
        file.seek(probed.root.start + 1024 + 0x0C)
        file.write(b"\1\0\0\0")  # the count of free blocks
    with pytest.raises(GateFailed, match="root file system: "):
        verify(copy, probed, [])


def test_a_full_root_file_system_is_an_error(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(random.Random(0).randbytes(24 * MIB))
    with pytest.raises(OutputError, match="root file system is full"):
        apply(copy, probe(copy), [WriteFile(Place.ROOT, "/big", tmp_path / "big")])


@pytest.mark.parametrize("path", ["etc/x", "/etc/../x", "/etc//x", '/etc/"x', "/etc/a\nrm /etc/b"])
def test_odd_paths_are_refused(copy: Path, path: str) -> None:
    with pytest.raises(UsageError, match="no place in an image"):
        apply(copy, probe(copy), [WriteFile(Place.ROOT, path, b"")])


def test_a_file_and_a_folder_are_not_mixed_up(copy: Path) -> None:
    probed = probe(copy)
    with pytest.raises(UsageError, match="is a folder"):
        apply(copy, probed, [WriteFile(Place.ROOT, "/etc", b"")])
    with pytest.raises(UsageError, match="is no folder"):
        apply(copy, probed, [WriteFile(Place.ROOT, "/etc/hostname/x", b"")])
    with pytest.raises(UsageError, match="FAT keeps no links"):
        apply(copy, probed, [MakeLink(Place.BOOT, "/x", "y")])


def test_links_in_a_circle_end(copy: Path) -> None:
    probed = probe(copy)
    apply(copy, probed, [MakeLink(Place.ROOT, "/a", "b"), MakeLink(Place.ROOT, "/b", "a")])
    with pytest.raises(InputError, match="circle"):
        Ext4(copy, probed.root.start, probed.root.size).read("/a")


def test_an_unclean_file_system_is_mended_first(copy: Path) -> None:
    probed = probe(copy)
    run("debugfs", "-w", "-R", "feature needs_recovery", f"{_alias(copy)}?offset={probed.root.start}")
    assert make_clean(copy, probed)
    assert not make_clean(copy, probed)
    assert Ext4(copy, probed.root.start, probed.root.size).check() == []


def test_an_ext4_that_debugfs_cannot_open_is_named(copy: Path) -> None:
    """As when the image is newer than this computer's e2fsprogs; not taken for an image without a system."""
    start = probe(copy).root.start
    with copy.open("r+b") as file:
        file.seek(start + 1024 + 0x60)
        bits = int.from_bytes(file.read(4), "little") | 1 << 30
        file.seek(start + 1024 + 0x60)
        file.write(bits.to_bytes(4, "little"))
    with pytest.raises(InputError, match="cannot be listed") as error:
        probe(copy)
    assert "newer than the e2fsprogs" in error.value.cause


@pytest.mark.parametrize("name", ["bookworm", "jetson"])
def test_grows_table_and_file_system(images: dict[str, Path], tmp_path: Path, name: str) -> None:
    image = Path(shutil.copy(images[name], tmp_path / "small.img"))
    before = probe(image)
    grow(image, before, 256 * MIB)
    after = probe(image)
    assert after.size == 256 * MIB
    assert after.root.end > 254 * MIB
    assert after.free_root > before.free_root + 180 * MIB
    assert replace(after, partitions=(), root=before.root, free_root=0, size=0) == replace(
        before, partitions=(), free_root=0, size=0
    )
    assert "No errors detected" in run("sfdisk", "--verify", image)
    verify(image, after, [])
    assert image.stat().st_blocks * 512 < 100 * MIB


def test_growth_that_cannot_be_is_refused(images: dict[str, Path], tmp_path: Path) -> None:
    probed = probe(images["bookworm"])
    with pytest.raises(UsageError, match="already"):
        grow(images["bookworm"], probed, 10 * MIB)
    behind = replace(probed.root, number=3, start=probed.root.end, size=MIB)
    blocked: Probed = replace(probed, partitions=(*probed.partitions, behind))
    with pytest.raises(InputError, match="partition 3 lies behind it"):
        grow(images["bookworm"], blocked, 512 * MIB)


def test_sizes_are_read_as_makers_of_cards_mean_them() -> None:
    assert read_size("8G") == 8 * 10**9 // MIB * MIB
    assert read_size("4GiB") == 4 << 30
    assert read_size("1.5g") == 1_500_000_000 // MIB * MIB
    for wrong in ("", "G", "8T", "-8G", "8 gigabytes"):
        with pytest.raises(UsageError, match="is no size"):
            read_size(wrong)


def test_missing_programs_are_named_with_what_installs_them(
    images: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_edge.devices.flash import tools

    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(tools, "PLACES", ())
    with pytest.raises(DeviceNotFound) as error:
        probe(images["bookworm"])
    assert "debugfs is not installed" in str(error.value)
    assert "apt-get install e2fsprogs" in str(error.value)


def test_ours_and_mtools_see_the_same_card(copy: Path, tmp_path: Path) -> None:
    probed = probe(copy)
    apply(copy, probed, sample_changes(tmp_path))
    assert probed.boot is not None
    listed = run("mdir", "-b", "-i", f"{copy}@@{probed.boot.start}", "::").split()
    ours = Fat(copy, probed.boot.start, probed.boot.size).listing()
    assert {name.rstrip("/").removeprefix("::/") for name in listed} == set(ours)


def test_jetson_has_no_fat_to_write_to(images: dict[str, Path]) -> None:
    assert JETSON.boot == {}
    with pytest.raises(UsageError, match="no FAT partition"):
        apply(images["jetson"], probe(images["jetson"]), [WriteFile(Place.BOOT, "/x", b"")])

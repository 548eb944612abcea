"""FAT through mtools, held against fsck.vfat and mtools called by hand."""

from __future__ import annotations

import hashlib
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from fer_edge.devices.flash import tools
from fer_edge.devices.flash.fat.filesystem import Fat
from fer_edge.errors import DeviceNotFound, FerEdgeError, InputError, OutputError, UsageError

TOOLS = ("mkfs.vfat", "fsck.vfat", "mcopy", "mdir", "mdel")
pytestmark = pytest.mark.skipif(
    not all(shutil.which(t, path="/usr/sbin:/sbin:/usr/bin:/bin") for t in TOOLS), reason="needs mtools and dosfstools"
)
MIB = 1 << 20
KINDS = {
    "fat16": ("-F", "16", "-s", "4"),
    "fat16-small-root": ("-F", "16", "-s", "2", "-r", "112"),
    "fat32": ("-F", "32", "-s", "1"),
    "fat32-one-table": ("-F", "32", "-s", "1", "-f", "1"),
}
SIZES = {"fat16": 12 * MIB, "fat16-small-root": 12 * MIB, "fat32": 36 * MIB, "fat32-one-table": 36 * MIB}
"""Little more than the fewest clusters that make a FAT16 or FAT32."""
OFFSET = MIB
"""The file system does not begin where its image does, as on a card."""
ENVIRONMENT = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def size(image: Path) -> int:
    return image.stat().st_size - OFFSET


def made(folder: Path, kind: str = "fat32") -> Path:
    return formatted(folder / f"{kind}.img", SIZES[kind], *KINDS[kind])


def formatted(image: Path, length: int, *options: str) -> Path:
    plain = image.with_suffix(".plain")
    with plain.open("wb") as file:
        file.truncate(length)
    run("mkfs.vfat", *options, "-n", "bootfs", plain)
    with image.open("wb") as file:
        file.truncate(OFFSET)
        file.seek(OFFSET)
        file.write(plain.read_bytes())
    return image


def mtools(image: Path) -> str:
    return f"{image}@@{OFFSET}"


def opened(image: Path) -> Fat:
    return Fat(image, OFFSET, size(image))


def fsck(image: Path) -> None:
    """fsck.vfat finds nothing."""
    plain = image.with_suffix(".fsck")
    run("dd", f"if={image}", f"of={plain}", f"bs={OFFSET}", "skip=1", "conv=sparse", "status=none")
    assert "differ" not in run("fsck.vfat", "-n", "-v", plain)
    assert opened(image).check() == []


@pytest.fixture(params=KINDS)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(tmp_path, request.param)


NAMES = (
    "config.txt", "CMDLINE.TXT", "user-data", "firstrun.sh", "a name with spaces.tar.gz", "überlänge-ß-名.dat",
    "x" * 150,
    ".hidden", "no_end", "thirteen-long", "UPPER.lower", "twelve12.txt", "trailing~1.txt", "a+b,c;d=e.x",
)  # fmt: skip


def test_mtools_reads_what_we_write(image: Path, tmp_path: Path) -> None:
    contents = {name: random.Random(name).randbytes(137 * i * i) for i, name in enumerate(NAMES)}
    fat = opened(image)
    for name, content in contents.items():
        fat.write(f"/{name}", content)
    assert fat.listing() == dict.fromkeys(NAMES, False)
    assert {name: fat.read(f"/{name}") for name in NAMES} == contents
    fsck(image)
    out = tmp_path / "out"
    out.mkdir()
    run("mcopy", "-i", mtools(image), "::*", out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == contents


def test_we_read_what_mtools_writes(image: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "overlays" / "Deep Folder").mkdir(parents=True)
    for i, name in enumerate(NAMES):
        (source / "overlays" / "Deep Folder" / name).write_bytes(random.Random(name).randbytes(211 * i * i))
    run("mcopy", "-s", "-i", mtools(image), source / "overlays", "::")
    fat = opened(image)
    assert fat.listing() == {"overlays": True}
    assert fat.listing("/overlays/deep folder") == dict.fromkeys(NAMES, False)
    for path in (source / "overlays" / "Deep Folder").iterdir():
        assert fat.read(f"/OVERLAYS/deep FOLDER/{path.name}") == path.read_bytes()


def test_a_file_in_anothers_place_keeps_its_name(image: Path) -> None:
    """cmdline.txt must still be called so, and the clusters of the old one must be free again."""
    fat = opened(image)
    fat.write("/CmdLine.txt", b"a" * 100_000)
    free = fat.free_bytes
    fat.write("/cmdline.TXT", b"b" * 10)
    assert fat.listing() == {"CmdLine.txt": False}
    assert fat.free_bytes == free + 100_000 // fat.cluster * fat.cluster
    fat.write("/cmdline.txt", b"")
    assert fat.read("/cmdline.txt") == b""
    fsck(image)


def test_copies_a_file_of_this_machine(image: Path, tmp_path: Path) -> None:
    big = tmp_path / "site.tar.gz"
    big.write_bytes(random.Random(1).randbytes(3 * MIB + 17))
    fat = opened(image)
    fat.write("/fer-edge/site.tar.gz", big)
    assert fat.read("/fer-edge/site.tar.gz") == big.read_bytes()
    assert fat.digest("/fer-edge/site.tar.gz") == hashlib.sha256(big.read_bytes()).hexdigest()
    assert fat.listing() == {"fer-edge": True}
    fsck(image)


def test_a_full_partition_is_refused_and_stays_as_it_was(image: Path) -> None:
    fat = opened(image)
    fat.write("/kept", b"k" * 1000)
    before = image.read_bytes()
    with pytest.raises(OutputError, match="full"):
        fat.write("/large", bytes(size(image)))
    assert image.read_bytes() == before
    fat.write("/rest", bytes(fat.free_bytes))
    assert fat.free_bytes == 0
    with pytest.raises(OutputError, match="full"):
        fat.make_folder("/another")
    with pytest.raises(OutputError, match="full"):
        fat.write("/kept", bytes(size(image)))
    fsck(image)


def test_a_full_root_folder_of_fat16_is_refused(tmp_path: Path) -> None:
    image = made(tmp_path, "fat16-small-root")
    fat = opened(image)

    def fill() -> None:
        for i in range(112):
            fat.write(f"/long name {i}", b"content")

    with pytest.raises(OutputError, match="folder of it, is full"):
        fill()
    assert 30 < len(fat.listing()) < 112
    fsck(image)


@pytest.mark.parametrize("name", ["a:b", "what?", "end.", "end ", "tab\t", "y" * 256, "a[b]"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a file on FAT"):
        opened(made(tmp_path)).write(f"/{name}", b"")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    fat = opened(made(tmp_path))
    fat.write("/a/b", b"x")
    with pytest.raises(UsageError, match="is a folder"):
        fat.write("/A", b"")
    with pytest.raises(UsageError, match="is a file"):
        fat.write("/a/B/c", b"")
    for path in ("/a", "/none"):
        with pytest.raises(InputError, match=f"no file {path}"):
            fat.read(path)
    with pytest.raises(InputError, match="no folder /none"):
        fat.listing("/none")
    assert not fat.exists("/a/b/c")


def test_fat12_and_other_things_are_refused(tmp_path: Path) -> None:
    plain = tmp_path / "fat12"
    with plain.open("wb") as file:
        file.truncate(2 * MIB)
    with pytest.raises(InputError, match="no FAT"):
        Fat(plain, 0, 2 * MIB)
    run("mkfs.vfat", "-F", "12", plain)
    with pytest.raises(InputError, match="FAT12"):
        Fat(plain, 0, 2 * MIB)
    image = made(tmp_path)
    with pytest.raises(InputError, match=f"{size(image)} bytes in {size(image) // 2}"):
        Fat(image, OFFSET, size(image) // 2)


def test_a_fat32_of_few_clusters_is_refused(tmp_path: Path) -> None:
    """mtools takes it for a FAT16 and would destroy it; Linux takes it for what it says."""
    image = formatted(tmp_path / "few.img", 12 * MIB, "-F", "32", "-s", "8")
    before = image.read_bytes()
    with pytest.raises(InputError, match="mtools takes for a FAT16"):
        opened(image)
    assert image.read_bytes() == before


def test_mtools_that_is_missing_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = made(tmp_path)
    monkeypatch.setattr(tools, "PLACES", ())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceNotFound, match="mdir") as error:
        opened(image).listing()
    assert error.value.hint == "sudo apt-get install mtools"


def test_damage_ends_in_our_own_errors(tmp_path: Path) -> None:
    """Random bytes in the boot sector, the table and the folders: refused or read, never another kind of error."""
    image = made(tmp_path, "fat16")
    fat = opened(image)
    for i in range(8):
        fat.write(f"/folder/a long name {i}", bytes(9000))
    whole = image.read_bytes()
    table = OFFSET + 4 * 512  # reserved sectors of mkfs.vfat
    places = [(OFFSET, OFFSET + 90), (table, table + 200), (whole.index(b"FOLDER  "), whole.index(b"FOLDER  ") + 600)]
    refused = 0
    for seed in range(25):
        chance, raw = random.Random(seed), bytearray(whole)
        for _ in range(chance.randint(1, 30)):
            raw[chance.randrange(*chance.choice(places))] = chance.randrange(256)
        image.write_bytes(raw)
        try:
            fat = opened(image)
            fat.check()
            fat.write("/cmdline.txt", bytes(9000))
        except FerEdgeError:
            refused += 1
    assert 3 < refused < 25


def test_check_says_what_fsck_says(tmp_path: Path) -> None:
    image = made(tmp_path)
    opened(image).write("/one", bytes(3000))
    with image.open("r+b") as file:
        file.seek(OFFSET + 512 + 488)  # FSInfo's count of free clusters
        file.write(struct.pack("<I", 7))
    assert "Free cluster summary wrong" in " ".join(opened(image).check())


@pytest.mark.parametrize("seed", range(2))
def test_many_random_edits_by_two_hands(image: Path, tmp_path: Path, seed: int) -> None:
    """We and mtools by hand take turns; in the end both see what a plain dictionary says, and fsck.vfat is content."""
    chance = random.Random(seed)
    truth: dict[str, bytes] = {}
    for _ in range(2):
        fat = opened(image)
        for _ in range(25):
            _one_edit(fat, truth, chance)
        fsck(image)
        _by_mtools(image, truth, chance, tmp_path)
        fsck(image)
    fat = opened(image)
    assert {path: fat.read(path) for path in truth} == truth
    folders = {path.rsplit("/", 1)[0] or "/" for path in truth}
    listed = {f"{f.rstrip('/')}/{n}" for f in folders for n, is_folder in fat.listing(f).items() if not is_folder}
    assert listed == set(truth)
    out = tmp_path / "all"
    out.mkdir()
    run("mcopy", "-s", "-n", "-i", mtools(image), "::*", out)
    assert {f"/{p.relative_to(out)}": p.read_bytes() for p in out.rglob("*") if p.is_file()} == truth


def _one_edit(fat: Fat, truth: dict[str, bytes], chance: random.Random) -> None:
    if truth and chance.random() < 0.3:
        path = chance.choice(sorted(truth))
    else:
        stem = "".join(chance.choices("abcdefgh ÄXYZ._-", k=chance.randint(1, 30))).strip(" .") or "n"
        folder = chance.choice(["", "/f1", "/f1/Inner folder", "/F2"])
        path = f"{folder}/{stem}{chance.randint(0, 999)}"
    if any(path.lower() == other.lower() and path != other for other in truth):
        return
    truth[path] = chance.randbytes(chance.choice([0, 1, 511, 512, 513, 5_000, 60_000]))
    fat.write(path, truth[path])


def _by_mtools(image: Path, truth: dict[str, bytes], chance: random.Random, tmp_path: Path) -> None:
    for path in chance.sample(sorted(truth), min(3, len(truth))):
        run("mdel", "-i", mtools(image), f"::{path}")
        del truth[path]
    for i in range(4):
        path = f"/by mtools {chance.randint(0, 10**6)}.{i}"
        source = tmp_path / "source"
        source.write_bytes(chance.randbytes(chance.randint(0, 20_000)))
        run("mcopy", "-i", mtools(image), source, f"::{path}")
        truth[path] = source.read_bytes()

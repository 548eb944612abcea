"""The FAT editor, held against mtools and fsck.vfat."""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.devices.flash.fat.check import check_fat
from fer_edge.devices.flash.fat.filesystem import Fat
from fer_edge.errors import FerEdgeError, InputError, OutputError, UsageError

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


def fsck(image: Path) -> None:
    """fsck.vfat finds nothing, and neither does our own check."""
    plain = image.with_suffix(".fsck")
    run("dd", f"if={image}", f"of={plain}", f"bs={OFFSET}", "skip=1", "conv=sparse", "status=none")
    said = run("fsck.vfat", "-n", "-v", plain)
    assert "differ" not in said, said
    with image.open("rb") as file:
        assert check_fat(Fat(file, OFFSET, size(image))) == []


def edit(image: Path, change: Callable[[Fat], object]) -> None:
    with image.open("r+b") as file:
        change(Fat(file, OFFSET, size(image)))


@pytest.fixture(params=KINDS)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(tmp_path, request.param)


NAMES = (
    "config.txt", "CMDLINE.TXT", "user-data", "firstrun.sh", "a name with spaces.tar.gz", "überlänge-ß-名.dat",
    "x" * 255,
    ".hidden", "no_end", "thirteen-long", "UPPER.lower", "twelve12.txt", "trailing~1.txt", "a+b,c;d=e[f].x",
)  # fmt: skip


def test_mtools_reads_what_we_write(image: Path, tmp_path: Path) -> None:
    contents = {name: random.Random(name).randbytes(137 * i * i) for i, name in enumerate(NAMES)}
    edit(image, lambda fat: [fat.write(f"/{name}", content) for name, content in contents.items()])
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
    with image.open("rb") as file:
        fat = Fat(file, OFFSET, size(image))
        assert fat.listing() == {"overlays": None}
        assert set(fat.listing("/overlays/deep folder")) == set(NAMES)
        for path in (source / "overlays" / "Deep Folder").iterdir():
            assert fat.read(f"/OVERLAYS/deep FOLDER/{path.name}") == path.read_bytes()


def test_lower_case_bits_of_windows_are_read(image: Path) -> None:
    edit(image, lambda fat: fat.write("/BOOT.INI", b"x"))
    raw = bytearray(image.read_bytes())
    row = raw.index(b"BOOT    INI")
    raw[row + 12] = 0x18
    image.write_bytes(raw)
    with image.open("rb") as file:
        fat = Fat(file, OFFSET, size(image))
        assert fat.listing() == {"boot.ini": 1}
        assert fat.read("/Boot.ini") == b"x"


def test_a_file_in_anothers_place_keeps_its_name(image: Path) -> None:
    """cmdline.txt must still be called so, and the clusters of the old one must be free again."""
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))
        fat.write("/CmdLine.txt", b"a" * 100_000)
        free = fat.free_bytes
        fat.write("/cmdline.TXT", b"b" * 10)
        assert fat.listing() == {"CmdLine.txt": 10}
        assert fat.free_bytes == free + 100_000 // fat.layout.cluster * fat.layout.cluster
        fat.write("/cmdline.txt", b"")
        assert fat.read("/cmdline.txt") == b""
    fsck(image)


def test_copies_a_file_of_this_machine(image: Path, tmp_path: Path) -> None:
    big = tmp_path / "site.tar.gz"
    big.write_bytes(random.Random(1).randbytes(3 * MIB + 17))
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))
        fat.write("/fer-edge/site.tar.gz", big)
        assert fat.read("/fer-edge/site.tar.gz") == big.read_bytes()
        assert fat.listing() == {"fer-edge": None}
    fsck(image)


def test_a_full_partition_is_refused_and_stays_as_it_was(image: Path) -> None:
    edit(image, lambda fat: fat.write("/kept", b"k" * 1000))
    before = image.read_bytes()
    with image.open("r+b") as file, pytest.raises(OutputError, match="full"):
        Fat(file, OFFSET, size(image)).write("/large", bytes(size(image)))
    assert image.read_bytes() == before
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))
        fat.write("/rest", bytes(fat.free_bytes))
        assert fat.free_bytes == 0
        with pytest.raises(OutputError, match="full"):
            fat.make_folder("/another")
    fsck(image)


def test_a_full_root_folder_of_fat16_is_refused(tmp_path: Path) -> None:
    image = made(tmp_path, "fat16-small-root")
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))

        def fill() -> None:
            for i in range(112):
                fat.write(f"/long name {i}", b"content")

        with pytest.raises(OutputError, match="folder of the boot partition is full"):
            fill()
        assert 30 < len(fat.listing()) < 112
    fsck(image)


def test_what_lies_behind_the_end_of_a_folder_means_nothing(image: Path) -> None:
    """The first empty row ends a folder; what an older use of the cluster left behind it must not come back."""
    edit(image, lambda fat: fat.write("/folder/first", b"1"))
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))
        start = fat.root_folder().find("folder")
        assert start is not None
        file.seek(OFFSET + fat.layout.at(start.first) + 5 * 32)  # ., .., two rows of first, the end
        file.write(b"OLD     TXT\x20".ljust(32, b"\0") * 3)
        fat = Fat(file, OFFSET, size(image))
        assert list(fat.listing("/folder")) == ["first"]
        for name in ("a second file", "3", "and a third one"):
            fat.write(f"/folder/{name}", b"2")
            assert fat.read(f"/folder/{name}") == b"2"
        assert list(fat.listing("/folder")) == ["first", "a second file", "3", "and a third one"]
    fsck(image)


def test_many_short_names_that_look_alike(image: Path) -> None:
    names = [f"configuration {i}.text" for i in range(150)]
    edit(image, lambda fat: [fat.write(f"/many/{name}", name.encode()) for name in names])
    fsck(image)
    with image.open("rb") as file:
        fat = Fat(file, OFFSET, size(image))
        assert list(fat.listing("/many")) == names
        assert fat.read("/many/CONFIG~7.TEX") == b"configuration 6.text"


@pytest.mark.parametrize("name", ["a:b", "what?", "end.", "end ", "tab\t", "y" * 256])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    image = made(tmp_path)
    with image.open("r+b") as file, pytest.raises(UsageError, match="no name for a file on FAT"):
        Fat(file, OFFSET, size(image)).write(f"/{name}", b"")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    image = made(tmp_path)
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))
        fat.write("/a/b", b"x")
        with pytest.raises(UsageError, match="is a folder"):
            fat.write("/A", b"")
        with pytest.raises(UsageError, match="is a file"):
            fat.write("/a/B/c", b"")
        with pytest.raises(InputError, match="no file /a"):
            fat.read("/a")
        with pytest.raises(InputError, match="empty folder"):
            fat.remove("/a")
        assert not fat.exists("/a/b/c")


def test_fat12_and_other_things_are_refused(tmp_path: Path) -> None:
    plain = tmp_path / "fat12"
    with plain.open("wb") as file:
        file.truncate(2 * MIB)
    with plain.open("rb") as file, pytest.raises(InputError, match="no FAT"):
        Fat(file, 0, 2 * MIB)
    run("mkfs.vfat", "-F", "12", plain)
    with plain.open("rb") as file, pytest.raises(InputError, match="FAT12"):
        Fat(file, 0, 2 * MIB)
    image = made(tmp_path)
    with image.open("rb") as file, pytest.raises(InputError, match=f"{size(image)} bytes in {size(image) // 2}"):
        Fat(file, OFFSET, size(image) // 2)


def test_a_fat32_of_few_clusters_is_one_all_the_same(tmp_path: Path) -> None:
    """As Linux and fsck.vfat have it; mtools takes it for a FAT16, and is no judge here."""
    image = formatted(tmp_path / "few.img", 12 * MIB, "-F", "32", "-s", "8")
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))
        assert fat.layout.wide
        assert fat.layout.clusters < 4085
        for i in range(40):
            fat.write(f"/a folder/file number {i}", bytes([i]) * 9000)
        fat.remove("/a folder/file number 7")
    fsck(image)
    said = run("fsck.vfat", "-n", "-v", image.with_suffix(".fsck"))
    assert "41 files" in said  # the volume label counts as one


def test_a_circle_in_the_table_ends_in_an_error(tmp_path: Path) -> None:
    image = made(tmp_path)
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))
        fat.write("/circle", bytes(5 * fat.layout.cluster))
        chain = fat.table.chain(3)
        assert len(chain) == 5
        for at in fat.layout.tables:
            file.seek(OFFSET + at + 4 * chain[-1])
            file.write(struct.pack("<I", chain[0]))
        damaged = Fat(file, OFFSET, size(image))
        with pytest.raises(InputError, match="table is damaged"):
            damaged.read("/circle")
        assert any("circle" in line for line in check_fat(damaged))


def test_damage_ends_in_our_own_errors(tmp_path: Path) -> None:
    """Random bytes in the boot sector, the table and the folders: refused or read, never another kind of error."""
    image = formatted(tmp_path / "few.img", 12 * MIB, "-F", "32", "-s", "8")
    edit(image, lambda fat: [fat.write(f"/folder/a long name {i}", bytes(9000)) for i in range(20)])
    whole = image.read_bytes()[OFFSET:]
    layout = Fat(io.BytesIO(whole), 0, len(whole)).layout
    places = [(0, 90), (layout.tables[0], layout.tables[0] + 400), (layout.data, layout.data + 3 * layout.cluster)]
    refused = 0
    for seed in range(150):
        chance, raw = random.Random(seed), bytearray(whole)
        for _ in range(chance.randint(1, 30)):
            raw[chance.randrange(*chance.choice(places))] = chance.randrange(256)
        try:
            fat = Fat(io.BytesIO(raw), 0, len(raw))
            check_fat(fat)
            fat.write("/cmdline.txt", bytes(9000))
        except FerEdgeError:
            refused += 1
    assert 20 < refused < 150


def test_check_finds_what_fsck_finds(tmp_path: Path) -> None:
    image = made(tmp_path)
    with image.open("r+b") as file:
        fat = Fat(file, OFFSET, size(image))
        fat.write("/one", bytes(3000))
        file.seek(OFFSET + fat.layout.tables[1] + 4 * 3)
        file.write(bytes(4))
        file.seek(OFFSET + fat.layout.info + 488)
        file.write(struct.pack("<I", 7))
        fat.table._set(4000, fat.table.mask)
        wrong = check_fat(fat)
    assert len(wrong) == 4
    assert [
        word for word in ("1 clusters", "table 1", "table 2", "counts 7") if not any(word in w for w in wrong)
    ] == []


@pytest.mark.parametrize("seed", range(3))
def test_many_random_edits_by_two_hands(image: Path, tmp_path: Path, seed: int) -> None:
    """We and mtools take turns; in the end both see what a plain dictionary says, and fsck.vfat is content."""
    chance = random.Random(seed)
    truth: dict[str, bytes] = {}
    for _ in range(4):
        with image.open("r+b") as file:
            fat = Fat(file, OFFSET, size(image))
            for _ in range(40):
                _one_edit(fat, truth, chance)
        fsck(image)
        _by_mtools(image, truth, chance, tmp_path)
        fsck(image)
    with image.open("rb") as file:
        fat = Fat(file, OFFSET, size(image))
        assert {path: fat.read(path) for path in truth} == truth
        folders = {path.rsplit("/", 1)[0] or "/" for path in truth}
        listed = {f"{f.rstrip('/')}/{n}" for f in folders for n, count in fat.listing(f).items() if count is not None}
        assert listed == set(truth)
    out = tmp_path / "all"
    out.mkdir()
    run("mcopy", "-s", "-n", "-i", mtools(image), "::*", out)
    assert {f"/{p.relative_to(out)}": p.read_bytes() for p in out.rglob("*") if p.is_file()} == truth


def _one_edit(fat: Fat, truth: dict[str, bytes], chance: random.Random) -> None:
    if truth and chance.random() < 0.3:
        path = chance.choice(sorted(truth))
        fat.remove(path)
        del truth[path]
        return
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

"""`fer-edge flash`: a card made each way, and every bad input refused before anything is written."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fer_edge.bundle import default_bundle
from fer_edge.cli import main as front
from fer_edge.cli.flash import confirmed_disk
from fer_edge.cli.output import StatusLine
from fer_edge.devices.flash import make
from fer_edge.devices.flash.disk import confirmed, disks
from fer_edge.devices.flash.image.partitions import read_table
from fer_edge.devices.flash.make import write_disk
from fer_edge.devices.flash.options import Listener
from fer_edge.errors import UsageError
from support.card_images import BOOKWORM, DEBIAN, JETSON, MIB, MISSING, REASON, TRIXIE, Kind, elf, make_image, run
from support.loop_devices import attached
from support.wheelhouses import make_wheelhouse

pytestmark = pytest.mark.skipif(bool(MISSING), reason=REASON)
PASSPHRASE = "correct horse battery"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@pc"
CARD = f"""
hostname = "kiosk-1"
time_zone = "Europe/Berlin"
country = "DE"
accept_nvidia_licence = true
[user]
name = "anna"
ssh_keys = ["{KEY}"]
[place]
name = "foyer"
kind = "museum"
purpose = "counts"
"""
WIFI = f'[wifi]\nssid = "net"\npassphrase = "{PASSPHRASE}"\n'
Flash = Callable[..., int]
Refused = Callable[..., None]
Images = dict[str, Path]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    folder = tmp_path_factory.mktemp("stock")
    kinds = {"bookworm": BOOKWORM, "trixie": TRIXIE, "jetson": JETSON, "debian": DEBIAN}
    return {name: make_image(folder, kind, f"{name}.img") for name, kind in kinds.items()}


@pytest.fixture(scope="module")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "small", 800)


def make_bundle(folder: Path, size: int) -> Path:
    """A bundle whose hashes are right and whose graph is nonsense: no step here runs it."""
    folder.mkdir()
    manifest = json.loads((default_bundle() / "bundle.json").read_text())
    content = b"no graph" * (size // 8)
    (folder / "model.onnx").write_bytes(content)
    first = next(a for a in manifest["artifacts"] if a["path"] == "model.onnx")
    first |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    manifest["artifacts"] = [first]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def flash(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Flash:
    """Run the verb in an empty folder that has card.toml and a wheelhouse for bookworm."""
    monkeypatch.setitem(front.COMMANDS, "flash", "make a card")
    monkeypatch.chdir(tmp_path)
    Path("card.toml").write_text(CARD)
    make_wheelhouse(Path("wheels"))
    usual = {"device": "rpi5", "config": "card.toml", "wheelhouse": "wheels", "bundle": small_bundle, "out": "card.img"}

    def go(image: Path, *words: object, **options: object) -> int:
        merged = {**usual, "os-image": image, **{k.replace("_", "-"): v for k, v in options.items()}}
        given = [f"--{k}" + ("" if v is True else f"={v}") for k, v in merged.items() if v is not None]
        return front.main(["flash", *given, *map(str, words)])

    return go


def own_python(folder: Path) -> Path:
    """An archive like those of python-build-standalone."""
    path = folder / "python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        program = tarfile.TarInfo("python/bin/python3.11")
        program.size, program.mode = len(elf()), 0o755
        tar.addfile(program, io.BytesIO(elf()))
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.11"
        tar.addfile(link)
    return path


def fat_file(image: Path, name: str) -> str:
    return run("mtype", "-i", f"{image}@@{read_table(image)[0].start}", f"::{name}")


def root_file(image: Path, name: str) -> str:
    return run("debugfs", "-R", f"cat {name}", f"{image}?offset={read_table(image)[-1].start}")


def test_bookworm_by_firstrun(flash: Flash, images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    Path("card.toml").write_text(CARD + WIFI)
    assert flash(images["bookworm"]) == 0
    said = capsys.readouterr()
    for step in ("1/6 unpack", "2/6 probe", "3/6 plan", "4/6 apply", "5/6 verify", "card.img is ready"):
        assert step in said.out
    assert "systemd.run=" in fat_file(Path("card.img"), "cmdline.txt")
    assert fat_file(Path("card.img"), "fer-edge/payload/bundle/bundle.json").startswith("{")
    assert sorted(p.name for p in Path().iterdir()) == ["card.img", "card.img.json", "card.toml", "wheels"]
    everything = said.out + said.err + Path("card.img.json").read_text()
    assert PASSPHRASE not in everything
    assert PASSPHRASE.encode() not in Path("card.img").read_bytes()
    assert flash(images["bookworm"]) == 2  # it is there now
    assert "--replace" in capsys.readouterr().err
    assert front.main(["flash", "check", "card.img"]) == 0
    assert "not a byte differs" in capsys.readouterr().out


def test_nobody_else_can_read_what_holds_secrets_not_even_while_it_is_made(
    flash: Flash, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[str, int]] = set()

    def look(self: StatusLine, text: str) -> None:
        made = [p for p in Path().iterdir() if ".img" in p.name and p.suffix != ".json"]
        seen.update((p.name, p.stat().st_mode & 0o777) for p in made)

    monkeypatch.setattr(StatusLine, "show", look)
    before = os.umask(0)
    try:
        assert front.main(["flash", "init", "new.toml"]) == 0
        assert flash(images["bookworm"], direct=True, device="rpi5") == 0
    finally:
        os.umask(before)
    assert len({name for name, _ in seen}) >= 2  # while it is unpacked, and while it is changed
    assert {mode for _, mode in seen} == {0o600}
    for name in ("new.toml", "card.img"):
        assert Path(name).stat().st_mode & 0o777 == 0o600, name


SECRETS = """
[wifi]
ssid = "net"
passphrase = "{0} is long enough"
[mqtt]
host = "broker.lan"
tls = true
user = "kiosk"
password = "{0}"
[web]
token = "{0} of sixteen at least"
[config.source]
what = "rtsp://camera:{0}@cam.lan/"
"""


@pytest.mark.parametrize("direct", [False, True])
def test_a_receipt_does_not_let_secrets_be_tried_out(
    flash: Flash, images: Images, monkeypatch: pytest.MonkeyPatch, direct: bool
) -> None:
    """Were what is drawn by chance the same, the receipts of cards with other secrets would be too."""
    make_wheelhouse(Path("wheels"), "3.13", "2.41")
    monkeypatch.setattr("secrets.token_hex", lambda size: "5a" * size)
    receipts = []
    for secret in ("hunter1", "hunter2"):
        hashed = f'password_hash = "$6$saltsalt${secret * 11}"\nssh_keys'
        Path("card.toml").write_text(CARD.replace("ssh_keys", hashed) + SECRETS.format(secret))
        assert flash(images["trixie"], direct=direct or None, replace=True) == 0
        receipts.append(json.loads(Path("card.img.json").read_text()))
    one, other = ({name: value for name, value in receipt.items() if name != "image"} for receipt in receipts)
    assert one == other
    drawn = "/etc/fer-edge/card" if direct else "/fer-edge/id"
    row = next(row for row in one["paths"] if row["path"] == drawn)
    assert (row["secret"], row["sha256"]) == (True, "")  # and with it the image's own checksum tells nothing


def test_trixie_by_cloud_init(flash: Flash, images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    make_wheelhouse(Path("wheels"), "3.13", "2.41")
    capsys.readouterr()
    assert flash(images["trixie"], json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["route"], answer["device"]) == (True, "cloud-init", "rpi5")
    assert answer["sha256"] == hashlib.sha256(Path("card.img").read_bytes()).hexdigest()
    assert fat_file(Path("card.img"), "user-data").startswith("#cloud-config")
    assert "ds=nocloud;i=" in fat_file(Path("card.img"), "cmdline.txt")


@pytest.mark.parametrize("name", ["bookworm", "debian"])
def test_directly_into_the_root_file_system(flash: Flash, images: Images, name: str) -> None:
    device = "rpi5" if name == "bookworm" else "cpu"
    assert flash(images[name], direct=True, device=device) == 0
    assert root_file(Path("card.img"), "/etc/hostname") == "kiosk-1\n"
    assert KEY in root_file(Path("card.img"), "/home/anna/.ssh/authorized_keys")
    assert 'name = "foyer"' in root_file(Path("card.img"), "/etc/fer-edge/config.toml")
    if name == "bookworm":
        listed = run("mdir", "-b", "-i", f"card.img@@{read_table(Path('card.img'))[0].start}", "::")
        assert "fer-edge" not in listed


def test_jetson_with_a_python_of_its_own(flash: Flash, images: Images, tmp_path: Path) -> None:
    make_wheelhouse(Path("wheels"), "3.11", "2.27")
    assert flash(images["jetson"], device="jetson-nano", own_python=own_python(tmp_path)) == 0
    assert "anna" in root_file(Path("card.img"), "/etc/passwd")


def test_a_packed_image_grows_and_keeps_its_source(flash: Flash, images: Images) -> None:
    Path("stock.img.xz").write_bytes(lzma.compress(images["bookworm"].read_bytes(), preset=0))
    before = Path("stock.img.xz").read_bytes()
    right = hashlib.sha256(before).hexdigest()
    assert flash(Path("stock.img.xz"), direct=True, grow="200MiB", sha256=right) == 0
    assert Path("card.img").stat().st_size == 200 * MIB
    assert read_table(Path("card.img"))[1].end > 198 * MIB
    assert Path("stock.img.xz").read_bytes() == before


def test_a_dry_run_writes_nothing(flash: Flash, images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    before = hashlib.sha256(images["bookworm"].read_bytes()).hexdigest()
    assert flash(images["bookworm"], dry_run=True, json=True) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["route"] == "firstrun"
    assert "/cmdline.txt" in [row["path"] for row in plan["changes"]]
    assert flash(images["bookworm"], dry_run=True, out=None) == 0
    assert "/cmdline.txt" in capsys.readouterr().out
    assert sorted(p.name for p in Path().iterdir()) == ["card.toml", "wheels"]
    assert hashlib.sha256(images["bookworm"].read_bytes()).hexdigest() == before


@pytest.fixture
def refused(flash: Flash, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Exit code 2 with these words, nothing left behind, and what was at --out as it was."""

    def check(image: Path, *words: str, **options: object) -> None:
        Path("card.img").write_bytes(b"an older card")
        there = set(Path().rglob("*"))
        capsys.readouterr()
        assert flash(image, replace=True, **options) == 2
        said = capsys.readouterr().err
        for word in (*words, "try: "):
            assert word in said, said
        assert Path("card.img").read_bytes() == b"an older card"
        assert set(Path().rglob("*")) == there

    return check


def test_bad_images_are_refused(refused: Refused, images: Images, tmp_path_factory: pytest.TempPathFactory) -> None:
    aside = tmp_path_factory.mktemp("bad")
    page = aside / "page.img"
    page.write_text("<html>not found</html>" * 200)
    refused(page, "is no card image")
    refused(aside / "none.img", "cannot be read")
    packed = aside / "cut.img.xz"
    whole = lzma.compress(images["bookworm"].read_bytes(), preset=0)
    packed.write_bytes(whole[: len(whole) // 2])
    refused(packed, "cannot be unpacked", "cut short")
    refused(images["bookworm"], "has the SHA-256", sha256="ab" * 32)
    refused(images["debian"], "sets nothing up at its first boot", "--direct", device="cpu")
    refused(images["jetson"], "the image is for a Jetson, the device is a Raspberry Pi")
    refused(images["bookworm"], "the device is a Jetson", device="jetson-nano")


ANNA = "root:x:0:0:root:/root:/bin/bash\nanna:x:998:998::/:/bin/false\n"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (replace(BOOKWORM, program=elf(40, wide=False)), "the image is 32 bit"),
        (replace(BOOKWORM, program=elf(62)), "another processor: x86_64"),
        (replace(BOOKWORM, root={}), "first boot is not known"),
        (replace(BOOKWORM, python="3.12"), "Python 3.12"),
        (replace(BOOKWORM, python=""), "has no Python"),
        (replace(BOOKWORM, root={**BOOKWORM.root, "etc/passwd": ANNA}), "anna is a system account of the image"),
    ],
)
def test_unfit_systems_are_refused(
    refused: Refused, tmp_path_factory: pytest.TempPathFactory, kind: Kind, words: str
) -> None:
    refused(make_image(tmp_path_factory.mktemp("unfit"), kind), words)


def test_too_little_room_is_refused_with_what_helps(
    flash: Flash, refused: Refused, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> None:
    big = make_bundle(tmp_path_factory.mktemp("bundles") / "big", 40 * MIB)
    refused(images["bookworm"], "boot partition is too full", "--direct", bundle=big)
    refused(images["bookworm"], "image is too small", "--grow 1G", bundle=big, direct=True)
    assert flash(images["bookworm"], replace=True, bundle=big, direct=True, grow="256MiB") == 0


def test_bad_cards_are_refused(refused: Refused, images: Images) -> None:
    for text, words in (
        (CARD + WIFI.replace(PASSPHRASE, "short"), "passphrase"),
        (CARD.replace("kiosk-1", "kiosk_1"), "hostname"),
        (CARD.replace("kiosk-1", "localhost"), "means every machine itself"),
        (CARD.replace('"anna"', '"nobody"'), "the system has an account or a group of that name"),
        (CARD.replace('"DE"', '"UK"'), "did you mean GB?"),
        (CARD.replace("AAAAC3", "BAAAC3"), "ssh_keys"),
        (CARD.replace('kind = "museum"', 'kind = "moon"'), "place.kind"),
        (CARD[: CARD.index("[place]")], "place.name"),
        (CARD.replace("Berlin", "Atlantis"), "knows no time zone"),
    ):
        Path("card.toml").write_text(text)
        refused(images["bookworm"], words)


def test_odd_options_are_refused(flash: Flash, refused: Refused, images: Images) -> None:
    stock = images["bookworm"]
    refused(stock, "is no size", grow="big")
    refused(stock, "cannot grow to 0.02 GB", grow="20M")
    refused(stock, "is the stock image itself", out=stock)
    refused(stock, "needs --out FILE or --to DISK", out=None)
    refused(stock, "has no wheels for Python 3.11", wheelhouse="elsewhere")
    assert flash(stock, device="rpi6", replace=True) == 3
    assert flash(stock, to="/dev/null", replace=True) == 3
    assert front.main(["flash", "--device=rpi5", "--out=x.img"]) == 2


def test_check_finds_what_was_changed(flash: Flash, images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["flash", "check", str(images["bookworm"])]) == 2
    assert "is no receipt" in capsys.readouterr().err
    assert flash(images["bookworm"]) == 0
    start = read_table(Path("card.img"))[0].start
    Path("other").write_text("quiet\n")
    run("mcopy", "-o", "-i", f"card.img@@{start}", "other", "::cmdline.txt")
    capsys.readouterr()
    assert front.main(["flash", "check", "card.img"]) == 1
    assert "/cmdline.txt of the boot partition differs" in capsys.readouterr().err


def test_init_writes_a_card_that_loads(flash: Flash, capsys: pytest.CaptureFixture[str]) -> None:
    from fer_edge.devices.flash.card.card import load_card

    assert front.main(["flash", "init", "new.toml"]) == 0
    assert load_card(Path("new.toml")).hostname == "fer-edge"
    assert front.main(["flash", "init", "new.toml"]) == 2
    assert "--replace" in capsys.readouterr().err
    assert front.main(["flash", "fetch", "somewhere"]) == 2
    assert "for which Python" in capsys.readouterr().err


def test_probe_says_what_an_image_is(flash: Flash, images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["flash", "probe", str(images["trixie"])]) == 0
    assert "debian 13 (trixie), aarch64, Python 3.13" in capsys.readouterr().out
    assert front.main(["flash", "probe", str(images["jetson"]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["first_boot"] == "jetson"


CARD_READER = disks.Disk("sdz", 64 * MIB, True, "Reader", "0042", "usb", False, ())
BLANK = hashlib.sha256(bytes(MIB)).hexdigest()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A disk that is a file."""
    node = tmp_path / "sdz"
    node.write_bytes(bytes(64 * MIB))
    monkeypatch.setattr(disks.Disk, "path", property(lambda self: node))
    monkeypatch.setattr(confirmed, "find_disk", lambda text, root=None, loops=False: CARD_READER)
    return node


@pytest.mark.parametrize(("answer", "right"), [("sdz\n", True), ("yes\n", False), ("", False)])
def test_a_person_confirms_by_the_name(
    reader: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, right: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    asked = ("/dev/sdz", False, "")
    if right:
        assert confirmed_disk(*asked) == replace(CARD_READER, first=BLANK)
    else:
        with pytest.raises(UsageError, match="not confirmed"):
            confirmed_disk(*asked)
    assert "serial 0042" in capsys.readouterr().err


def test_yes_needs_the_serial_number(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert confirmed_disk("/dev/sdz", True, "0042") == replace(CARD_READER, first=BLANK)
    for serial in ("", "42"):
        with pytest.raises(UsageError, match="needs the serial number"):
            confirmed_disk("/dev/sdz", True, serial)
    monkeypatch.setattr(sys, "stdin", io.StringIO("sdz\n"))
    with pytest.raises(UsageError, match="nobody is there"):
        confirmed_disk("/dev/sdz", False, "0042")


def test_a_card_is_written_to_a_disk(flash: Flash, images: Images, reader: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("--to writes disks on Linux alone")
    assert flash(images["debian"], device="cpu", direct=True, to="/dev/sdz", yes=True, serial="0042") == 0
    length = Path("card.img").stat().st_size
    assert reader.read_bytes()[:length] == Path("card.img").read_bytes()


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something happen after the disk was confirmed, while the image is made."""

    def happen(what: Callable[[], object]) -> None:
        plain = make.unpack
        monkeypatch.setattr(make, "unpack", lambda *words: (what(), plain(*words)))

    return happen


def test_a_card_that_begins_with_other_bytes_is_not_overwritten(
    flash: Flash, images: Images, reader: Path, meanwhile: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the kernel tells nothing of a change; the disk is a file here."""
    photos = b"photos".ljust(64 * MIB, b".")
    meanwhile(lambda: reader.write_bytes(photos))
    assert flash(images["debian"], device="cpu", direct=True, out=None, to="/dev/sdz", yes=True, serial="0042") == 2
    assert "is another disk than the one that was confirmed; nothing was written" in capsys.readouterr().err
    assert reader.read_bytes() == photos


def test_another_card_of_the_same_size_in_the_same_reader_is_not_overwritten(
    flash: Flash, images: Images, tmp_path: Path, meanwhile: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A real loop device that is given another file of the same name, size and first MiB."""
    card, other = tmp_path / "card", tmp_path / "other"
    for file in (card, other):
        file.touch()
        os.truncate(file, 64 * MIB)
    with attached(card) as device:

        def change() -> None:
            subprocess.run(["losetup", "-d", device], check=True)
            os.replace(other, card)
            subprocess.run(["losetup", device, card], check=True)

        meanwhile(change)
        serial = str(card)
        assert flash(images["debian"], device="cpu", direct=True, out=None, to=device, yes=True, serial=serial) == 2
    assert "is another disk than the one that was confirmed" in capsys.readouterr().err
    assert not any(card.read_bytes())


def test_a_disk_that_is_too_small_is_refused_before_it_is_touched(
    flash: Flash, images: Images, reader: Path, tmp_path: Path
) -> None:
    reader.write_bytes(b"old" * 1000)
    assert flash(images["bookworm"], direct=True, grow="100MiB", to="/dev/sdz", yes=True, serial="0042") == 2
    assert reader.read_bytes() == b"old" * 1000
    assert not Path("card.img").exists()
    with (tmp_path / "long.img").open("wb") as file:
        file.truncate(65 * MIB)
    with pytest.raises(UsageError, match="too small"):
        write_disk(tmp_path / "long.img", CARD_READER, Listener())

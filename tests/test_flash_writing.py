"""Writing a card: every byte read back, bad cards named, and nothing that boots half-written."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fer_edge.devices.flash import writing
from fer_edge.devices.flash.writing import FIRST, write_card
from fer_edge.errors import InputError, OutputError, UsageError
from test_flash_disks import loop

__all__ = ["loop"]  # a fixture
BLOCKS = [("write", 2 * FIRST), ("compare", 2 * FIRST)]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Random bytes, not a whole number of blocks."""
    path = tmp_path / "card.img"
    path.write_bytes(random.Random(7).randbytes(9 * FIRST + 512))
    return path


def card(tmp_path: Path, size: int = 12 * FIRST) -> Path:
    path = tmp_path / "card"
    path.write_bytes(b"\xaa" * size)
    return path


@pytest.mark.parametrize("size", [512, FIRST - 512, FIRST, FIRST + 512, 5 * FIRST, 9 * FIRST + 512])
def test_every_byte_is_there(tmp_path: Path, image: Path, size: int) -> None:
    os.truncate(image, size)
    target = card(tmp_path)
    told: list[tuple[str, int, int]] = []
    write_card(image, target, lambda *words: told.append(words))
    assert target.read_bytes() == image.read_bytes() + b"\xaa" * (12 * FIRST - size)
    assert told[-1] == ("compare", size, size)
    for step in ("write", "compare"):
        done = [d for s, d, _ in told if s == step]
        assert done == sorted(done)
        assert done[-1] == size


def test_a_real_block_device(loop: str, tmp_path: Path) -> None:
    image = tmp_path / "small.img"
    image.write_bytes(random.Random(1).randbytes(3 * FIRST))
    write_card(image, Path(loop))
    assert Path(loop).read_bytes()[: 3 * FIRST] == image.read_bytes()
    big = tmp_path / "big.img"
    big.write_bytes(random.Random(2).randbytes(5 * FIRST))
    with pytest.raises(OutputError, match="cannot be written"):
        write_card(big, Path(loop))
    assert not any(Path(loop).read_bytes()[:FIRST])


def test_a_mounted_disk_is_refused(loop: str, tmp_path: Path, image: Path) -> None:
    subprocess.run(["mkfs.ext4", "-q", loop], check=True)
    (tmp_path / "at").mkdir()
    done = subprocess.run(["mount", loop, tmp_path / "at"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        with pytest.raises(UsageError, match="busy"):
            write_card(image, Path(loop))
    finally:
        subprocess.run(["umount", tmp_path / "at"], check=True)


KILLED = """
import os, signal, sys
from pathlib import Path
from fer_edge.devices.flash.writing import write_card
left = int(sys.argv[3])
def told(step, done, total):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), getattr(signal, sys.argv[4]))
write_card(Path(sys.argv[1]), Path(sys.argv[2]), told)
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_an_interrupted_card_does_not_boot(tmp_path: Path, image: Path, after: int, how: str) -> None:
    """Whenever it ends before the last step, no partition table is there; afterwards all of it is."""
    target = card(tmp_path)
    done = subprocess.run([sys.executable, "-c", KILLED, image, target, str(after), how], capture_output=True)
    assert done.returncode in (-signal.SIGKILL, 1, -signal.SIGINT)
    first = target.read_bytes()[:FIRST]
    whole = target.read_bytes()[: image.stat().st_size] == image.read_bytes()
    assert not any(first) or whole
    if after < 3 or how == "SIGINT":
        assert not any(first)


@pytest.mark.parametrize("place", [0, 4096, FIRST + 17, 9 * FIRST + 511])
def test_a_bad_card_is_named_by_its_first_bad_byte(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """A card that keeps another byte than it was given, as worn and forged ones do."""
    plain = os.pwrite

    def forgetful(disk: int, data: memoryview, at: int) -> int:
        kept = bytearray(data)
        if at <= place < at + len(kept) and any(kept):
            kept[place - at] ^= 1
        return plain(disk, kept, at)

    monkeypatch.setattr(writing.os, "pwrite", forgetful)
    with pytest.raises(OutputError, match=f"at offset {place} "):
        write_card(image, card(tmp_path))
    assert not any((tmp_path / "card").read_bytes()[:FIRST])


def test_a_card_that_wraps_round(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged card says that it is large, and begins again at its start."""
    plain = os.pwrite
    monkeypatch.setattr(writing.os, "pwrite", lambda disk, data, at: plain(disk, data, at % (4 * FIRST)))
    with pytest.raises(OutputError, match="first at offset"):
        write_card(image, card(tmp_path))


def test_errors_while_writing(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(disk: int, data: memoryview, at: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(UsageError, match="cannot be opened"):
        write_card(image, tmp_path / "nothing")
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        write_card(empty, card(tmp_path))
    monkeypatch.setattr(writing.os, "pwrite", fails)
    with pytest.raises(OutputError) as failed:
        write_card(image, card(tmp_path))
    assert failed.value.cause == "the card or its reader fails"

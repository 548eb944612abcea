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
from fer_edge.devices.flash.disk import write as writing
from fer_edge.devices.flash.disk.write import ALIGNED, ERASED_EDGE, write_card
from fer_edge.errors import InputError, OutputError, UsageError
from support.loop_devices import loop

__all__ = ["loop"]  # a fixture


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Random bytes, not a whole number of blocks."""
    path = tmp_path / "card.img"
    path.write_bytes(random.Random(7).randbytes(9 * ERASED_EDGE + 512))
    return path


def card(tmp_path: Path, size: int = 12 * ERASED_EDGE) -> Path:
    path = tmp_path / "card"
    path.write_bytes(b"\xaa" * size)
    return path


@pytest.mark.parametrize(
    "size", [512, ERASED_EDGE - 512, ERASED_EDGE, ERASED_EDGE + 512, 5 * ERASED_EDGE, 9 * ERASED_EDGE + 512]
)
def test_every_byte_is_there(tmp_path: Path, image: Path, size: int) -> None:
    os.truncate(image, size)
    target = card(tmp_path)
    told: list[tuple[str, int, int]] = []
    write_card(image, target, lambda *words: told.append(words))
    assert target.read_bytes() == image.read_bytes() + b"\xaa" * (11 * ERASED_EDGE - size) + bytes(ERASED_EDGE)
    assert told[-1] == ("compare", size, size)
    for step in ("write", "compare"):
        done = [d for s, d, _ in told if s == step]
        assert done == sorted(done)
        assert done[-1] == size


def test_a_real_block_device(loop: str, tmp_path: Path) -> None:
    image = tmp_path / "small.img"
    image.write_bytes(random.Random(1).randbytes(3 * ERASED_EDGE))
    write_card(image, Path(loop))
    assert Path(loop).read_bytes()[: 3 * ERASED_EDGE] == image.read_bytes()
    big = tmp_path / "big.img"
    big.write_bytes(random.Random(2).randbytes(5 * ERASED_EDGE))
    with pytest.raises(UsageError, match="too small"):
        write_card(big, Path(loop))
    assert Path(loop).read_bytes()[: 3 * ERASED_EDGE] == image.read_bytes()  # not a byte was written


@pytest.mark.parametrize("good", [3 * ERASED_EDGE, 2 * ERASED_EDGE + 8192])
def test_a_real_block_device_that_cannot_be_read_back(loop: str, tmp_path: Path, good: int) -> None:
    """The file behind the loop device ends early: reads beyond it are the kernel's own I/O errors."""
    image = tmp_path / "small.img"
    image.write_bytes(random.Random(1).randbytes(4 * ERASED_EDGE))

    def told(step: str, done: int, total: int) -> None:
        if (step, done) == ("write", total):
            os.truncate(tmp_path / "file", good)

    with pytest.raises(OutputError, match=f"first at offset {good} "):
        write_card(image, Path(loop), told)
    assert not any((tmp_path / "file").read_bytes()[:ERASED_EDGE])


def test_a_bad_block_is_found_among_good_ones(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block that cannot be read fails the whole read of 4 MiB; the block is what is named."""
    plain, bad = os.preadv, 5 * ERASED_EDGE + 3 * ALIGNED

    def fails(disk: int, buffers: list[memoryview], at: int) -> int:
        if at <= bad < at + len(buffers[0]):
            raise OSError(errno.EIO, "Input/output error")
        return plain(disk, buffers, at)

    monkeypatch.setattr(writing.os, "preadv", fails)
    with pytest.raises(OutputError, match=f"first at offset {bad} "):
        write_card(image, card(tmp_path))


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
from fer_edge.devices.flash.disk.write import write_card
left, plain = int(sys.argv[3]), (os.pwrite, os.fsync)
def dies():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def pwrite(disk, data, place):
    half = len(data) // 2
    plain[0](disk, data[:half], place)
    dies()
    return half + plain[0](disk, data[half:], place + half)
def fsync(disk):
    dies()
    plain[1](disk)
os.pwrite, os.fsync = pwrite, fsync
write_card(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_writer_leaves_nothing_that_boots(tmp_path: Path, image: Path) -> None:
    """Killed in the middle of every write and before every fsync, until it comes through."""
    seen = []
    for after in range(40):
        target = card(tmp_path)
        done = subprocess.run([sys.executable, "-c", KILLED, image, target, str(after)], capture_output=True)
        written = target.read_bytes()
        block, whole = written[:ALIGNED], written[: image.stat().st_size] == image.read_bytes()
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        half = block[: ALIGNED // 2] == image.read_bytes()[: ALIGNED // 2]  # the last write, cut in two
        rest = written[ALIGNED : image.stat().st_size] == image.read_bytes()[ALIGNED:]
        seen.append("none" if not any(block) else "whole" if whole else "half" if half and rest else "bad")
    assert whole
    assert "bad" not in seen
    assert seen == sorted(seen, key=["none", "half", "whole"].index)
    assert seen.count("none") >= 8


@pytest.mark.parametrize("seed", range(8))
def test_a_power_cut_leaves_nothing_that_boots(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """What was not synced may have reached the card or not, block by block, in any order."""
    steps: list[tuple[int, bytes] | None] = []
    plain = (os.pwrite, os.fsync)

    def pwrite(disk: int, data: memoryview, at: int) -> int:
        steps.append((at, bytes(data)))
        return plain[0](disk, data, at)

    monkeypatch.setattr(writing.os, "pwrite", pwrite)
    monkeypatch.setattr(writing.os, "fsync", lambda disk: steps.append(None))
    write_card(image, card(tmp_path))
    dice, wanted, old = random.Random(seed), image.read_bytes(), b"\xaa" * ALIGNED
    ends = set()
    for cut in range(len(steps) + 1):
        synced = max((i for i in range(cut) if steps[i] is None), default=0)
        state = bytearray(b"\xaa" * (12 * ERASED_EDGE))
        for number, step in enumerate(steps[:cut]):
            at, data = step or (0, b"")
            for place in range(0, len(data), ALIGNED):
                if number < synced or dice.random() < 0.5:
                    block = data[place : place + ALIGNED]
                    state[at + place : at + place + len(block)] = block
        first = bytes(state[:ALIGNED])
        ends.add("old" if first == old else "none" if not any(first) else "new")
        assert not any(first) or state[: len(wanted)] == wanted or (first == old and not any(steps[1:cut]))
    assert {"none", "new"} <= ends


def test_an_older_second_table_goes_first(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some firmware takes GPT's copy at the end of the card where the first one is gone."""
    seen: list[bool] = []
    target = card(tmp_path)
    plain = os.pwrite

    def pwrite(disk: int, data: memoryview, at: int) -> int:
        if writing.ALIGNED <= at < 10 * ERASED_EDGE:
            seen.append(any(target.read_bytes()[-ERASED_EDGE:]))
        return plain(disk, data, at)

    monkeypatch.setattr(writing.os, "pwrite", pwrite)
    write_card(image, target)
    assert seen == [False] * 3


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5])
def test_ctrl_c_leaves_nothing_that_boots(tmp_path: Path, image: Path, after: int) -> None:
    """Even while it is compared: nobody knows yet whether the card is good."""
    target, left = card(tmp_path), iter(range(after, -1, -1))

    def told(step: str, done: int, total: int) -> None:
        if not next(left):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_card(image, target, told)
    assert not any(target.read_bytes()[:ERASED_EDGE])


@pytest.mark.parametrize("place", [0, 4096, ERASED_EDGE + 17, 9 * ERASED_EDGE + 511])
def test_a_bad_card_is_named_by_its_first_bad_byte(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """A card that keeps another byte than it was given, as worn and forged ones do."""
    plain = os.pwrite

    tables: list[int] = []

    def forgetful(disk: int, data: memoryview, at: int) -> int:
        if at == 0 and any(bytes(data)):
            tables.append(at)
        kept = bytearray(data)
        if at <= place < at + len(kept) and any(kept):
            kept[place - at] ^= 1
        return plain(disk, kept, at)

    monkeypatch.setattr(writing.os, "pwrite", forgetful)
    with pytest.raises(OutputError, match=f"at offset {place} "):
        write_card(image, card(tmp_path))
    assert not any((tmp_path / "card").read_bytes()[:ERASED_EDGE])
    assert bool(tables) == (place == 0)  # the table is not written before the rest was found good


def test_a_card_that_wraps_round(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged card says that it is large, and begins again at its start."""
    plain = os.pwrite
    monkeypatch.setattr(writing.os, "pwrite", lambda disk, data, at: plain(disk, data, at % (4 * ERASED_EDGE)))
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
    monkeypatch.undo()
    monkeypatch.setattr(writing.os, "pread", lambda disk, count, at: b"")
    with pytest.raises(InputError, match="became shorter"):
        write_card(image, card(tmp_path))
    assert not any((tmp_path / "card").read_bytes()[:ERASED_EDGE])

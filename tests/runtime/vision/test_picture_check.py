"""What is seen of a picture (dark, frozen), the mailbox, and how long is waited: all by a clock of the test's own."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from fer_edge.runtime.backoff import FIRST_WAIT_S, JITTER, MAX_WAIT_S, Backoff
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.sources.capture import Mailbox
from fer_edge.runtime.sources.source_reader import Pacer
from fer_edge.runtime.types import Frame, Stamped
from fer_edge.runtime.vision.picture_check import PictureCheck, PictureLimits

LIMITS = PictureLimits()
FPS = 10


def seen(check: PictureCheck, pictures: list[np.ndarray], start_s: float = 0.0) -> list[str]:
    """What is said of each, at 10 a second."""
    return [check.look(picture, start_s + i / FPS) for i, picture in enumerate(pictures)]


def room(level: float, noise: float, count: int, size: tuple[int, int] = (120, 160)) -> list[np.ndarray]:
    """A still scene of that mean grey before a camera of that noise."""
    rng = np.random.default_rng(0)
    scene = rng.uniform(0.2 * level, 1.8 * level, (*size, 3))
    return [np.clip(np.round(scene + rng.normal(0, noise, scene.shape)), 0, 255).astype(np.uint8) for _ in range(count)]


def frames_in(seconds: float) -> int:
    return round(seconds * FPS) + 1


def test_a_covered_lens_is_said_after_a_while_and_unsaid_after_another() -> None:
    check = PictureCheck()
    said = seen(check, room(3, 1, frames_in(LIMITS.dark_s)))
    assert said[:-1] == [""] * (len(said) - 1)
    assert "dark" in said[-1]
    light = seen(check, room(60, 1, frames_in(LIMITS.clear_s)), len(said) / FPS)
    assert all("dark" in words for words in light[:-1])
    assert light[-1] == ""


def test_one_light_frame_is_no_light_and_one_dark_frame_no_dark() -> None:
    dark, light = room(3, 1, 1)[0], room(60, 1, 1)[0]
    count = frames_in(LIMITS.dark_s)
    assert "dark" in seen(check := PictureCheck(), [dark] * count + [light])[-1]
    assert "dark" in check.look(dark, (count + 1) / FPS)
    assert seen(PictureCheck(frozen=False), [light] * count + [dark] + [light] * count + [dark]) == [""] * (
        2 * count + 2
    )


def test_between_the_limits_what_was_last_goes_on() -> None:
    between = np.full((48, 64, 3), round(LIMITS.dark_mean * 1.1), np.uint8)
    black = np.zeros((48, 64, 3), np.uint8)
    count = frames_in(LIMITS.dark_s)
    assert "dark" in seen(PictureCheck(), [black] * count + [between] * count)[-1]
    assert seen(PictureCheck(frozen=False), [between] * 3 * count)[-1] == ""


def test_a_night_with_lamps_is_not_dark() -> None:
    night = np.zeros((480, 640, 3), np.uint8)
    night[200:220, 300:340] = 255
    assert night.mean() < LIMITS.dark_mean
    assert seen(PictureCheck(frozen=False), [night] * frames_in(2 * LIMITS.dark_s))[-1] == ""


def test_the_same_picture_for_long_is_frozen() -> None:
    picture = room(100, 2, 1)[0]
    check = PictureCheck()
    said = seen(check, [picture] * (frames_in(LIMITS.frozen_s) + 1))
    assert said[:-1] == [""] * (len(said) - 1)
    assert "not changed for 30 s" in said[-1]
    moving = seen(check, room(100, 2, frames_in(LIMITS.clear_s) + 1)[1:], len(said) / FPS)
    assert "not changed" in moving[0]
    assert moving[-1] == ""


def test_a_repeated_picture_that_is_coded_anew_each_time_is_frozen() -> None:
    """One pixel in 5,000 differs by a level: less than any sensor's noise."""
    picture = room(100, 2, 1)[0]
    pictures = []
    for i in range(frames_in(LIMITS.frozen_s) + 1):
        copy = picture.copy()
        copy.reshape(-1, 3)[i::5000] ^= 1
        pictures.append(copy)
    assert "not changed" in seen(PictureCheck(), pictures)[-1]


@pytest.mark.parametrize("noise", [0.1, 0.5, 3])
def test_a_still_room_before_a_camera_is_not_frozen(noise: float) -> None:
    pictures = room(100, noise, 20)
    assert set(seen(PictureCheck(), pictures * 20)) == {""}


def test_a_slow_sunset_without_noise_is_not_frozen() -> None:
    picture = room(100, 0, 1)[0]
    pictures = [(picture * (1 - i / 20000)).astype(np.uint8) for i in range(frames_in(2 * LIMITS.frozen_s))]
    assert set(seen(PictureCheck(), pictures)) == {""}


def test_a_file_may_stand_still() -> None:
    picture = room(100, 2, 1)[0]
    assert set(seen(PictureCheck(frozen=False), [picture] * frames_in(2 * LIMITS.frozen_s))) == {""}


def test_nothing_is_known_of_a_gap() -> None:
    """A camera that was away for a minute between two dark frames was not dark for a minute."""
    black = np.zeros((48, 64, 3), np.uint8)
    check = PictureCheck()
    assert check.look(black, 0.0) == check.look(black, 60.0) == ""


def test_real_clips_are_fine(clips: Path) -> None:
    for name in ("hungry.mkv", "head-pose-face-detection-male.gif"):
        frames = [frame.image for frame in open_source(str(clips / name))]
        assert set(seen(PictureCheck(), frames * 10)) == {""}, name


@pytest.mark.parametrize("size", [(1, 1), (1, 641), (479, 641), (2, 2)])
def test_any_size_and_changes_of_it(size: tuple[int, int]) -> None:
    check = PictureCheck()
    for i, picture in enumerate([np.zeros((*size, 3), np.uint8), np.zeros((48, 64, 3), np.uint8)] * 3):
        assert check.look(picture, i / FPS) == ""


def stamped(index: int) -> Stamped:
    return Stamped(Frame(index, index / FPS, np.zeros((1, 1, 3), np.uint8)), float(index))


def test_the_mailbox_gives_the_newest_and_counts_what_it_replaced() -> None:
    box = Mailbox()
    assert box.take(0) is None
    for i in range(5):
        box.put(stamped(i))
    taken = box.take(0)
    assert taken is not None
    assert taken.frame.index == 4
    assert box.dropped == 4
    assert box.take(0) is None
    box.put(stamped(5))
    assert box.dropped == 4


def test_the_mailbox_wakes_who_waits() -> None:
    box, got = Mailbox(), list[Stamped | None]()
    taker = threading.Thread(target=lambda: got.append(box.take(30)))
    taker.start()
    box.put(stamped(7))
    taker.join(10)
    assert [g.frame.index for g in got if g] == [7]
    taker = threading.Thread(target=lambda: got.append(box.take(30)))
    taker.start()
    box.close()
    taker.join(10)
    assert got[1:] == [None]


def test_a_closed_mailbox_still_gives_its_last_frame() -> None:
    box = Mailbox()
    box.put(stamped(1))
    assert not box.wait_taken(0)
    box.close()
    assert box.wait_taken(0)
    assert not box.drained
    box.put(stamped(2))
    taken = box.take(0)
    assert taken is not None
    assert taken.frame.index == 1
    assert box.drained


def test_waits_grow_to_a_limit_and_begin_anew() -> None:
    backoff = Backoff(chance=lambda low, high: (low + high) / 2)
    waits = [backoff.next_s() for _ in range(10)]
    assert waits[:4] == pytest.approx([FIRST_WAIT_S * 2**i for i in range(4)])
    assert waits[-1] == MAX_WAIT_S
    backoff.reset()
    assert backoff.next_s() == FIRST_WAIT_S


def test_waits_of_many_kiosks_are_not_in_step() -> None:
    waits = {Backoff(1.0).next_s() for _ in range(50)}
    assert len(waits) > 10
    assert all(1 - JITTER <= wait <= 1 + JITTER for wait in waits)


def test_a_file_is_shown_at_its_own_pace() -> None:
    now = [100.0]

    class Waiting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            now[0] += max(0.0, timeout or 0.0)
            return False

    pacer, shown = Pacer(Waiting(), clock=lambda: now[0]), []
    for time_s in (0.0, 0.1, 0.2):
        pacer.wait(time_s)
        shown.append(now[0])
    now[0] += 5  # whoever reads was held up; what follows is not hurried
    for time_s in (0.3, 0.4):
        pacer.wait(time_s)
        shown.append(now[0])
    assert shown == pytest.approx([100.0, 100.1, 100.2, 105.2, 105.3])

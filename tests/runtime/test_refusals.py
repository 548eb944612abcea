"""A camera with another password is asked a few times an hour and not twelve times a minute, whoever starts again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from fer_edge.devices.doctor.cameras import examine
from fer_edge.runtime.backoff import Backoff
from fer_edge.runtime.refusals import WAITS_S, Refusals
from fer_edge.runtime.sources.capture import Capture
from fer_edge.runtime.sources.open import reader_for
from support.ip_cameras import IpCamera
from support.kiosks import Running
from support.rtsp import RtspCamera
from support.waiting import until

URL = "rtsp://admin:s3cret@cam/1"
Make = Callable[..., Refusals]


@pytest.fixture
def now() -> list[float]:
    return [1_780_000_000.0]


@pytest.fixture
def refusals(tmp_path: Path, now: list[float]) -> Make:
    return lambda url=URL: Refusals(tmp_path / "refused.json", url, lambda: now[0])


def test_waits_grow_and_outlive_a_restart(refusals: Make, now: list[float], tmp_path: Path) -> None:
    begun, asked = now[0], 0
    while now[0] - begun < 3600:
        known = refusals()
        assert known.wait_s() == 0
        known.add("the password is wrong")
        asked += 1
        known = refusals()
        assert "the password is wrong; asked again at " in known.why()
        now[0] += known.wait_s() - 1
        assert known.wait_s() == 1
        now[0] += 1
    assert (asked, min(WAITS_S)) == (5, 120)
    known.forget()
    assert (refusals().wait_s(), known.why(), list(tmp_path.glob("*"))) == (0, "", [])


def test_another_password_is_tried_at_once_and_the_file_tells_none(refusals: Make, tmp_path: Path) -> None:
    refusals().add("wrong")
    text = (tmp_path / "refused.json").read_text()
    assert not [part for part in ("s3cret", "admin", "cam") if part in text]
    other = refusals("rtsp://admin:right@cam/1")
    assert other.wait_s() == 0
    other.forget()  # it was right
    assert not (tmp_path / "refused.json").exists()


def test_no_clock_makes_it_wait_for_ever(refusals: Make, now: list[float]) -> None:
    refusals().add("wrong")
    now[0] -= 86400 * 30
    assert refusals().wait_s() == WAITS_S[0]
    now[0] += WAITS_S[0]
    assert refusals().wait_s() == 0


@pytest.mark.parametrize("text", ["", "[]", '{"salt": 5}', '{"source": "x", "salt": "y"}', "\xff"])
def test_a_damaged_file_is_no_reason_to_wait(refusals: Make, tmp_path: Path, text: str) -> None:
    (tmp_path / "refused.json").write_text(text, "latin-1")
    assert refusals().wait_s() == 0


@pytest.fixture
def capture() -> Iterator[Callable[..., Capture]]:
    held: list[Capture] = []

    def begin(url: str, refusals: Refusals) -> Capture:
        held.append(Capture(partial(reader_for, url), refusals=refusals, backoff=Backoff(0.01, 0.02)))
        return held[-1]

    yield begin
    for one in held:
        one.close()


@pytest.mark.parametrize("opencv", [False, True])
def test_it_is_asked_once(
    refusals: Make,
    capture: Callable[..., Capture],
    now: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opencv: bool,
) -> None:
    """Then not before its time, by whoever starts again; a camera that does not answer is asked as before."""
    file = tmp_path / "refused.json"
    if opencv:
        monkeypatch.setattr("fer_edge.runtime.sources.open.find_spec", lambda name: None)
    with RtspCamera(1, login="admin:other") as camera:
        url = f"rtsp://admin:wr0ng@{camera.place}/x"
        for expected in (1, 1, 2):
            it = capture(url, refusals(url))
            until(
                lambda it=it, n=expected: "asked again at" in it.check() and json.loads(file.read_text())["count"] == n
            )
            it.close()
            now[0] += WAITS_S[0] / 2
        assert 0 < camera.refused <= 8  # each time without a password, then with it
    it = capture(url, refusals("another"))
    until(lambda: it.reopened > 2)
    assert "asked again at" not in it.check()


def test_page_and_doctor_tell_it_and_a_restart_does_not_ask(tmp_path: Path, yunet: Path) -> None:
    camera = IpCamera(lambda number: b"", 0.1, "eye:s3cret")
    url = f"http://eye:wr0ng@127.0.0.1:{camera.server_port}/cam"
    running = Running(tmp_path / "kiosk", url, "[work]\ngive_up_s = 60\n")
    try:
        for _ in "ab":
            running.start()
            reason = until(lambda: (r := running.state()["health"]["reason"]) and "asked again at" in r and r)
            assert "the user name or password is wrong (401)" in reason
            assert "wr0ng" not in reason + running.log()
            count = camera.refused
            assert running.stop(signal.SIGTERM) in (0, 4)
        assert camera.refused == count <= 2
    finally:
        running.stop(signal.SIGKILL)
        camera.switch_off()
    root = tmp_path / "root" / "var" / "lib"
    root.mkdir(parents=True)
    os.symlink(running.folder / "state", root / "fer-edge")
    (found,) = [finding for finding in examine(tmp_path / "root") if finding.name == "camera password"]
    assert "(401), refused 1 time;" in found.seen

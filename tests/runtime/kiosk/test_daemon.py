"""The kiosk's loop on a real clip and model, with a clock of the test's own: health, patience, what gets out."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import Bundle
from fer_edge.errors import DeviceFailed, DeviceNotFound, OutputError
from fer_edge.runtime.backends import open_backend
from fer_edge.runtime.inference.classifier import Classifier
from fer_edge.runtime.inference.supervisor import SupervisedBackend
from fer_edge.runtime.kiosk.camera import NOT_FINITE_S, TAKE_S, Camera
from fer_edge.runtime.kiosk.daemon import GAVE_UP, Daemon
from fer_edge.runtime.kiosk.logs import HealthLog
from fer_edge.runtime.kiosk.systemd import Notifier
from fer_edge.runtime.pipeline import Pipeline
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.status.health import Condition
from fer_edge.runtime.status.snapshot import HERE_S, Aggregate, Snapshot
from fer_edge.runtime.types import Frame, Observation, Stamped
from fer_edge.runtime.vision.detectors import open_detector
from fer_edge.runtime.vision.quality_gate import UNSUITABLE
from fer_edge.runtime.vision.resting_face import OwnRest
from fer_edge.runtime.vision.smoothing import ExponentialSmoother
from support.waiting import until


class Clip:
    """Frames of a clip at its own pace, by a clock that goes on only when they are taken; may be taken away."""

    dropped = 0

    def __init__(self, clip: Path, now: list[float]) -> None:
        self._frames, self._now, self._ended = iter(open_source(str(clip))), now, False
        self.there = True

    def play(self, frames: Iterator[Frame]) -> None:
        self._frames = frames

    def take(self, timeout_s: float) -> Stamped | None:
        if not self.there:
            return None
        self._now[0] += 0.08
        frame = next(self._frames, None)
        self._ended = frame is None
        return Stamped(frame, self._now[0]) if frame is not None else None

    def ended(self) -> bool:
        return self._ended


class Arrived(threading.Event):
    """Nothing ever arrives while it is waited for, which takes no time but by the kiosk's clock."""

    def __init__(self, now: list[float]) -> None:
        super().__init__()
        self._now = now

    def wait(self, timeout: float | None = None) -> bool:
        self._now[0] += timeout or 0.0
        return False


class Device:
    """The real ONNX Runtime, which a test can pull out."""

    there = True
    factor = 1.0

    def __init__(self, bundle: Bundle) -> None:
        if not self.there:
            raise DeviceNotFound("the stick is not there")
        self._inner = open_backend("onnxruntime", bundle.path(bundle.artifact("onnx", "int8")), {"threads": 1})

    def infer(self, batch: np.ndarray) -> np.ndarray:
        if not self.there:
            raise DeviceFailed("unplugged")
        return self._inner.infer(batch) * self.factor

    def describe(self) -> dict[str, object]:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()


class Systemd:
    """The other end of the notification socket, by the kiosk's clock; asked to hear of life four times in 2 seconds."""

    def __init__(self, place: Path) -> None:
        self.place, self._words = place, list[str]()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(place))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def notifier(self, now: list[float]) -> Notifier:
        told = {"NOTIFY_SOCKET": str(self.place), "WATCHDOG_USEC": "2000000"}
        return Notifier(told, lambda: now[0])

    def heard(self) -> list[str]:
        """What was said since the last time."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mark:
            mark.sendto(b"mark", str(self.place))
        until(lambda: self._words and self._words[-1] == "mark")
        words, self._words = self._words[:-1], []
        return words

    def _listen(self) -> None:
        while True:
            try:
                word = self._socket.recv(1000).decode()
            except OSError:
                return
            self._words.append(word)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


class Kiosk:
    """A daemon with everything that a test looks at; with several clips, a camera of each."""

    def __init__(
        self,
        bundle: Bundle,
        *clips: Path,
        fallback: bool = False,
        systemd: Systemd | None = None,
        least_group: int = 1,
        **more: object,
    ) -> None:
        self.now = [100.0]
        stand_in: Callable[[], Device] | None = (
            (lambda: type("StandIn", (Device,), {"there": True})(bundle)) if fallback else None
        )
        backend = SupervisedBackend(lambda: Device(bundle), stand_in, clock=lambda: self.now[0])
        classifier = Classifier(bundle, bundle.artifact("onnx", "int8"), backend=backend)
        self.seen: list[Observation] = []
        self.told: list[Snapshot] = []
        self.full = False
        self.cameras = [
            Camera(
                Clip(clip, self.now),
                Pipeline(open_detector("yunet")[0], classifier, ExponentialSmoother(bundle.labels)),
                [self],
                [self.told.append],
                name="" if len(clips) == 1 else f"camera-{number}",
                aggregate=Aggregate(least_group),
                clock=lambda: self.now[0],
            )
            for number, clip in enumerate(clips)
        ]
        self.camera = self.cameras[0]
        self.daemon = Daemon(
            self.cameras,
            classifier,
            systemd.notifier(self.now) if systemd else Notifier({}),
            Arrived(self.now),
            tell=HealthLog().tell,
            clock=lambda: self.now[0],
            **more,  # type: ignore[arg-type]
        )

    @property
    def frames(self) -> Clip:
        assert isinstance(self.camera.frames, Clip)
        return self.camera.frames

    def write(self, frame: Frame, observations: tuple[Observation, ...]) -> None:
        if self.full:
            raise OutputError("no room is left on the disk")
        self.seen += observations

    def close(self) -> None:
        pass

    def empty_room(self) -> None:
        """From now on small frames without a face."""
        blank = np.zeros((120, 160, 3), np.uint8)
        self.frames.play(Frame(i, i * 0.08, blank) for i in range(10_000))

    def steps(self, count: int) -> Condition:
        for _ in range(count):
            self.daemon.step()
        return self.daemon.health.condition


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    it = Systemd(tmp_path / "notify")
    yield it
    it.close()


def test_a_clip_from_start_to_end(bundle: Bundle, clip: Path, yunet: Path, systemd: Systemd) -> None:
    kiosk = Kiosk(bundle, clip, systemd=systemd)
    assert kiosk.daemon.health.condition is Condition.STARTING
    assert kiosk.daemon.run() == 0
    words = systemd.heard()
    assert words[0] == "READY=1"
    assert words.count("READY=1") == 1
    assert 8 <= words.count("WATCHDOG=1") <= 12  # in five seconds
    assert words[-1] == "STOPPING=1"
    assert len(kiosk.seen) >= 60
    last = kiosk.told[-1]
    assert max(last.window, key=lambda label: last.window[label]) == "happy"
    assert sum(last.window.values()) == pytest.approx(1)
    assert (last.frames, last.faces) == (62, 1)
    assert last.health.condition is Condition.OK
    assert {"detect", "infer", "publish"} <= set(kiosk.told[1].stages_ms)
    assert kiosk.told[1].fps == pytest.approx(12.5, rel=0.15)


def test_nothing_about_one_face_gets_out(bundle: Bundle, clip: Path, yunet: Path) -> None:
    """With a group of two at least, one man before the camera is not told of; no snapshot has a box or a number."""
    kiosk = Kiosk(bundle, clip, least_group=2)
    kiosk.steps(30)  # at 12.5 a second
    assert len(kiosk.told) > 2
    assert all(s.faces is None and not s.shares and not s.window for s in kiosk.told)
    assert all((s.fps, s.latency_ms, s.dropped, s.stages_ms) == (None, None, None, {}) for s in kiosk.told)
    assert not {"box", "track", "probabilities"} & set(str(asdict(kiosk.told[-1])).replace("'", " ").split())


@pytest.mark.parametrize(("least_group", "told"), [(1, {"not sure yet"}), (2, {None})])
def test_whether_resting_faces_are_known_is_told_of_enough_faces(
    bundle: Bundle, clip: Path, yunet: Path, least_group: int, told: set[str | None]
) -> None:
    """The man of the clip smiles all the time, which is no resting face; with a group of two he is not told of."""
    kiosk = Kiosk(bundle, clip, least_group=least_group)
    kiosk.camera.pipeline.resting = OwnRest(bundle.labels, seconds=1)
    kiosk.steps(30)
    assert {snapshot.device.get("baseline") for snapshot in kiosk.told[2:]} == told
    assert {seen.label for seen in kiosk.seen} == {"happy"}


@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_answers_that_are_no_numbers_degrade_it(
    bundle: Bundle, clip: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """Nothing of them is stored or averaged, what comes after them is, and a blank crop's are no fault."""
    kiosk = Kiosk(bundle, clip)
    assert kiosk.steps(10) is Condition.OK
    before = len(kiosk.seen)
    monkeypatch.setattr(Device, "factor", factor)
    assert kiosk.steps(10) is Condition.DEGRADED
    assert "(NaN)" in kiosk.daemon.health.reason
    assert len(kiosk.seen) == before
    monkeypatch.setattr(Device, "factor", 1.0)
    kiosk.steps(10)
    assert len(kiosk.seen) == before + 10
    assert np.isfinite([o.confidence for o in kiosk.seen]).all()
    kiosk.now[0] += NOT_FINITE_S
    monkeypatch.setattr(Device, "factor", factor)
    kiosk.empty_room()
    kiosk.steps(5)
    kiosk.now[0] += 11  # the self-test's
    assert kiosk.steps(5) is Condition.OK


def test_a_camera_that_goes_and_comes_back(bundle: Bundle, clip: Path, yunet: Path, systemd: Systemd) -> None:
    kiosk = Kiosk(bundle, clip, systemd=systemd)
    assert kiosk.steps(5) is Condition.OK
    systemd.heard()
    kiosk.frames.there = False
    assert kiosk.steps(10) is Condition.DEGRADED
    assert kiosk.daemon.health.reason == "no frame for 5 s"
    assert "WATCHDOG=1" not in systemd.heard()
    kiosk.frames.there = True
    assert kiosk.steps(3) is Condition.OK
    assert "WATCHDOG=1" in systemd.heard()


def test_a_camera_that_stays_away_ends_the_service(bundle: Bundle, clip: Path, yunet: Path) -> None:
    kiosk = Kiosk(bundle, clip)
    kiosk.steps(5)
    kiosk.frames.there = False
    assert kiosk.daemon.run() == GAVE_UP
    assert kiosk.daemon.health.reason.startswith("no frame for 2")
    assert kiosk.told[-1].health.condition is Condition.FAILED
    never = Kiosk(bundle, clip)
    never.frames.there = False
    assert never.daemon.run() == GAVE_UP


def test_a_device_that_goes_and_comes_back(
    bundle: Bundle, clip: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kiosk = Kiosk(bundle, clip)
    assert kiosk.steps(5) is Condition.OK
    monkeypatch.setattr(Device, "there", False)
    assert kiosk.steps(3) is Condition.DEGRADED
    assert "unplugged" in kiosk.daemon.health.reason
    count = len(kiosk.seen)
    monkeypatch.setattr(Device, "there", True)
    assert kiosk.steps(15) is Condition.OK
    assert len(kiosk.seen) > count


def test_a_stand_in_is_degraded(bundle: Bundle, clip: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kiosk = Kiosk(bundle, clip, fallback=True)
    kiosk.steps(5)
    monkeypatch.setattr(Device, "there", False)
    assert kiosk.steps(5) is Condition.DEGRADED
    assert kiosk.daemon.health.reason == "the processor stands in for the device"
    assert kiosk.camera.snapshot(kiosk.daemon.moment(kiosk.now[0])).device["degraded"] is True


def test_nobody_there_and_the_device_is_asked_all_the_same(
    bundle: Bundle, clip: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty room for minutes: a device that dies meanwhile is noticed by the self-test."""
    kiosk = Kiosk(bundle, clip)
    kiosk.empty_room()
    assert kiosk.steps(3) is Condition.OK
    monkeypatch.setattr(Device, "there", False)
    assert kiosk.steps(int(9 / 0.08)) is Condition.OK
    assert kiosk.steps(int(3 / 0.08)) is Condition.DEGRADED
    assert kiosk.daemon.run() == GAVE_UP
    assert "no answer for" in kiosk.daemon.health.reason


def test_a_full_disk_degrades_and_passes(bundle: Bundle, clip: Path, yunet: Path) -> None:
    kiosk = Kiosk(bundle, clip)
    kiosk.steps(3)
    kiosk.full = True
    assert kiosk.steps(3) is Condition.DEGRADED
    assert kiosk.daemon.health.reason == "no room is left on the disk"
    kiosk.full = False
    assert kiosk.steps(2) is Condition.OK


def test_parts_that_complain(bundle: Bundle, clip: Path, yunet: Path) -> None:
    wrong = ["the picture is dark"]
    kiosk = Kiosk(bundle, clip, checks=[lambda: wrong[0]])
    assert kiosk.steps(4) is Condition.DEGRADED
    assert kiosk.daemon.health.reason == "the picture is dark"
    wrong[0] = ""
    assert kiosk.steps(1) is Condition.OK


def test_another_reason_is_logged_and_told_and_another_number_is_not_logged(
    bundle: Bundle, clip: Path, yunet: Path, systemd: Systemd, caplog: pytest.LogCaptureFixture
) -> None:
    """The condition is the same all the time; a new reason is news, and a counter that goes up is not."""
    caplog.set_level(logging.INFO, "fer_edge")
    wrong = [""]
    kiosk = Kiosk(bundle, clip, systemd=systemd, checks=[lambda: wrong[0]])
    kiosk.empty_room()
    reasons = ["the disk is full: 1 waits", "the disk is full: 20 waits", "the camera is lost", ""]
    for reason in reasons:
        wrong[0] = reason
        kiosk.steps(int(1.1 / 0.08))  # longer than between two snapshots
    lines = [f"degraded: {reason}" for reason in reasons[:-1]] + ["ok"]
    assert [r.getMessage() for r in caplog.records if r.name.startswith("fer_edge")] == [lines[0], *lines[2:]]
    assert [word for word in systemd.heard() if word.startswith("STATUS=")] == [f"STATUS={line}" for line in lines]


def test_paused_nothing_is_looked_at(bundle: Bundle, clip: Path, yunet: Path) -> None:
    kiosk = Kiosk(bundle, clip)
    kiosk.steps(3)
    assert kiosk.told[-1].faces == 1
    kiosk.daemon.pause(True)
    count = kiosk.camera.pipeline.tally.frames
    assert kiosk.steps(20) is Condition.OK
    assert kiosk.camera.pipeline.tally.frames == count
    assert kiosk.told[-1].paused
    assert kiosk.told[-1].faces is None  # nobody looked: 0 would be an empty room
    kiosk.daemon.pause(False)
    kiosk.steps(3)
    assert kiosk.told[-1].faces is not None


def test_stopping(bundle: Bundle, clip: Path, yunet: Path) -> None:
    kiosk = Kiosk(bundle, clip, checks=[lambda: kiosk.daemon.stop() or ""])
    assert kiosk.daemon.run() == 0
    assert kiosk.camera.pipeline.tally.frames == 1


def of(kiosk: Kiosk, number: int) -> list[Snapshot]:
    """What was told of one of its cameras."""
    return [snapshot for snapshot in kiosk.told if snapshot.camera == f"camera-{number}"]


def test_faces_of_all_cameras_are_one_batch(
    bundle: Bundle, clip: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each camera's observations are those that it would have made alone."""
    alone = Kiosk(bundle, clip)
    alone.steps(20)
    sizes = []
    answer = Device.infer
    monkeypatch.setattr(Device, "infer", lambda self, batch: sizes.append(len(batch)) or answer(self, batch))
    kiosk = Kiosk(bundle, clip, clip, clip)
    kiosk.steps(20)
    assert sizes.count(3) >= 18
    assert [camera.pipeline.tally.frames for camera in kiosk.cameras] == [20] * 3
    one, two, three = (kiosk.seen[first::3] for first in range(3))
    assert [(o.frame, o.track, o.label) for o in one] == [(o.frame, o.track, o.label) for o in alone.seen]
    assert one == two == three


def test_a_camera_that_dies_leaves_the_others_alone(
    bundle: Bundle, clip: Path, yunet: Path, systemd: Systemd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fer_edge")
    kiosk = Kiosk(bundle, clip, clip, systemd=systemd)
    kiosk.empty_room()
    assert kiosk.steps(5) is Condition.OK
    dead, live = kiosk.cameras
    kiosk.frames.there = False
    assert isinstance(live.frames, Clip)
    live.frames.play(Frame(i, i * 0.08, np.zeros((120, 160, 3), np.uint8)) for i in range(10_000))
    systemd.heard()
    frames = live.pipeline.tally.frames
    assert kiosk.steps(400) is Condition.DEGRADED  # 32 s, after which a lone camera ends the kiosk
    assert live.pipeline.tally.frames == frames + 400
    assert (dead.health.condition, live.health.condition) == (Condition.FAILED, Condition.OK)
    assert {s.health.condition for s in of(kiosk, 1)[1:]} == {Condition.OK}
    assert of(kiosk, 0)[-1].health.reason.startswith("no frame for 3")
    words = systemd.heard()
    assert words.count("WATCHDOG=1") > 50
    assert any(word.startswith("STATUS=degraded: camera-0: no frame for") for word in words)
    lines = [r.getMessage().split(" for")[0] for r in caplog.records if r.name.startswith("fer_edge")][-1:]
    assert lines == ["degraded: camera-0: no frame"]
    kiosk.frames.there = True
    assert kiosk.steps(3) is Condition.OK
    kiosk.frames.there = live.frames.there = False
    assert kiosk.daemon.run() == GAVE_UP


def test_a_file_that_ends_leaves_the_others_alone(bundle: Bundle, clip: Path, yunet: Path) -> None:
    kiosk = Kiosk(bundle, clip, clip)
    kiosk.frames.play(iter(()))
    assert kiosk.steps(40) is Condition.DEGRADED
    assert kiosk.cameras[0].health.reason == "its file was read to the end"
    assert kiosk.daemon.run() == 0  # when the other's has ended too


def test_cameras_are_never_added_up(bundle: Bundle, clip: Path, yunet: Path) -> None:
    """One person before each of three cameras is no group; that all work for one model tells nothing either."""
    kiosk = Kiosk(bundle, clip, clip, clip, least_group=2)
    kiosk.steps(30)
    assert len(kiosk.seen) > 80
    assert all(s.faces is None and not s.shares and not s.window and s.told is None for s in kiosk.told)
    assert all((s.fps, s.latency_ms, s.dropped, s.stages_ms) == (None, None, None, {}) for s in kiosk.told)


def test_one_cameras_speed_tells_nothing_of_another_with_too_few(bundle: Bundle, clip: Path, yunet: Path) -> None:
    """Two people before the first camera may be told of, and one before the second makes that one's work longer."""
    kiosk = Kiosk(bundle, clip, clip, least_group=2)
    pair, single = kiosk.cameras
    twice = pair.aggregate.update
    pair.aggregate.update = lambda now, seen: twice(now, [*seen, observation(99, "sad")])  # type: ignore[method-assign]
    kiosk.steps(30)
    assert {s.faces for s in of(kiosk, 0)[1:]} == {2}
    assert all((s.fps, s.latency_ms, s.stages_ms) == (None, None, {}) for s in kiosk.told)
    assert all(s.faces is None for s in of(kiosk, 1))
    single.aggregate.least_group = 1
    kiosk.steps(30)
    assert of(kiosk, 0)[-1].fps


def observation(track: int, label: str) -> Observation:
    return Observation(0, 0.0, track, label, 1.0, label, (), (0.0, 0.0, 1.0, 1.0))


def test_aggregates_forget() -> None:
    a = Aggregate(least_group=2, window_s=10)
    a.update(0.0, [observation(1, "happy"), observation(2, "sad"), observation(3, "happy")])
    assert (a.faces(), a.shares()["happy"]) == (3, pytest.approx(2 / 3))
    a.update(HERE_S + 0.1, [observation(1, "sad")])
    assert (a.faces(), a.shares()) == (None, {})
    assert a.window()["happy"] == pytest.approx(2 / 3)
    a.forget(10.5)
    assert (a.faces(), a.shares(), a.window()) == (None, {}, {})
    a.least_group = 1
    assert a.faces() == 0
    a.update(11, [observation(4, "sad")])
    assert (a.faces(), a.shares(), a.window()) == (1, {"sad": 1}, {"sad": 1})
    a.least_group = 2  # and what was taken before is not told under the new promise
    assert (a.faces(), a.shares(), a.window()) == (None, {}, {})
    assert TAKE_S < HERE_S


def test_what_was_told_is_counted_and_nothing_else() -> None:
    a = Aggregate(least_group=2)
    a.update(0.0, [observation(1, "happy")])
    assert a.told() is None  # not even by a 0, which nobody there would not have
    a.update(0.1, [observation(1, "happy"), observation(2, "sad")])
    a.update(0.2, [observation(1, "happy")])
    a.clear()
    assert a.told() == {"happy": 1, "sad": 1}
    a.least_group = 3
    assert a.told() is None
    assert Aggregate().told() == {}


def test_faces_that_were_not_read_hide_nobody() -> None:
    """Beside two posters out of focus, one person's smile is still one person's."""
    alone = [observation(1, "happy"), observation(2, UNSUITABLE), observation(3, UNSUITABLE)]
    a = Aggregate(least_group=3)
    a.update(0.0, alone)
    assert (a.faces(), a.shares(), a.window(), a.told()) == (None, {}, {}, None)
    a.update(0.1, [*alone, observation(4, "sad"), observation(5, "sad")])
    assert a.shares() == {UNSUITABLE: 0.4, "sad": 0.4, "happy": 0.2}
    everything = Aggregate(least_group=1)
    everything.update(0.0, alone[1:])
    assert everything.shares() == {UNSUITABLE: 1.0}


def test_one_person_who_returns_is_no_group() -> None:
    """A minute counts by who was there at once; three tracks in it may be one person."""
    a = Aggregate(least_group=3)
    for track in range(1, 20):
        a.update(3.0 * track, [observation(track, "sad")])
        a.update(3.0 * track + 0.3, [observation(track, "sad"), observation(track + 100, "sad")])
        assert (a.faces(), a.shares(), a.window()) == (None, {}, {})

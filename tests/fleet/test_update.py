"""Updates in waves over a real SSH server to kiosks with roots of their own, whose stand-ins say how they are."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fer_edge.devices.update.releases import Releases
from fer_edge.devices.update.signature import KEY, make_keys
from fer_edge.fleet.inventory import FleetKiosk
from fer_edge.fleet.waves import Progress, alone, progress_path, read_progress, waves_of, write_progress
from fer_edge.runtime.mqtt.settings import MqttSettings
from fer_edge.runtime.status.health import Condition
from support.brokers import Broker
from support.front_door import run_verb
from support.payloads import install
from support.ssh import ssh, there
from support.stand_ins import StandIn
from support.updates import brought, site
from support.waiting import until

__all__ = ["ssh", "there"]  # fixtures
pytest.importorskip("minisign", reason="needs the flash extra")
pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
NAMES = ("one", "two", "three", "four")
Fleet = Callable[..., tuple[int, str]]


@pytest.fixture
def roots(tmp_path: Path) -> dict[str, Releases]:
    """Four systems with a release of their own, which know one key."""
    public = make_keys(tmp_path / "ours")[1]
    first = brought(tmp_path / "first", "old")
    found = {}
    for name in NAMES:
        root = tmp_path / f"root-{name}"
        assert install(first, root).returncode == 0
        (root / KEY).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(public, root / KEY)
        found[name] = Releases(root)
    return found


@pytest.fixture
def said(broker: Broker, tmp_path: Path) -> Iterator[dict[str, StandIn]]:
    """What the kiosks publish."""
    with ExitStack() as steps:
        made = {}
        for name in NAMES:
            made[name] = StandIn(tmp_path / name, MqttSettings("127.0.0.1", broker.port, topic=name, interval_s=0))
            steps.callback(made[name].stop)
        until(lambda: all(kiosk.publisher.state().delivered for kiosk in made.values()))
        yield made


@pytest.fixture
def fleet(
    roots: dict[str, Releases],
    said: dict[str, StandIn],
    broker: Broker,
    ssh: tuple[str, ...],
    there: Callable[[], list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Fleet:
    """The command; a kiosk is healthy as long as there is a file `well` in its root."""
    text = f'[broker]\nhost = "127.0.0.1"\nport = {broker.port}\n[ssh]\ncommand = {json.dumps(ssh)}\n'
    for name, releases in roots.items():
        (releases.root / "well").touch()
        words = ["--root", str(releases.root), "--hold", "0", "--limit", "1", "--restart", "true"]
        words += ["--healthy", f"test -e {releases.root}/well"]
        text += f'[[kiosk]]\nname = "{name}"\nssh = "root@127.0.0.1"\napply = {json.dumps(words)}\n'
    (tmp_path / "fleet.toml").write_text(text)

    def call(folder: Path, *words: object) -> tuple[int, str]:
        common = ("--inventory", tmp_path / "fleet.toml", "--key", tmp_path / "ours.key", "--wave", 2, "--soak", 0)
        return run_verb(capsys, "fleet", "update", folder, *words, *common)

    return call


def sites(roots: dict[str, Releases]) -> list[str]:
    return [site(releases) for releases in roots.values()]


def test_a_canary_then_waves_and_it_stops_and_goes_on(
    fleet: Fleet, roots: dict[str, Releases], said: dict[str, StandIn], tmp_path: Path
) -> None:
    new = brought(tmp_path / "new", "new")
    (roots["one"].root / "well").unlink()  # the canary takes it back by itself
    code, told = fleet(new)
    assert code == 1, told
    assert "stopped after wave 1: one: root@127.0.0.1: the update did not become healthy" in told
    assert sites(roots) == ["old"] * 4
    (roots["one"].root / "well").touch()
    (roots["three"].root / "well").unlink()
    code, told = fleet(new)
    assert code == 1
    assert "three: root@127.0.0.1: the update did not become healthy" in told
    assert "2 of 4 have it" in told
    assert sites(roots) == ["new", "new", "old", "old"]
    (roots["three"].root / "well").touch()
    said["four"].tell(Condition.DEGRADED, "no broker since yesterday")  # as it was before: no reason to stop
    until(lambda: not said["four"].publisher.state().queued)
    code, told = fleet(new)
    assert code == 0, told
    assert "2 have it already; 2 are left" in told
    assert "2 kiosks updated, all healthy" in told
    assert sites(roots) == ["new"] * 4
    assert not progress_path(tmp_path / "fleet.toml").exists()


def test_a_wave_that_is_ill_afterwards_stops_it(
    fleet: Fleet, roots: dict[str, Releases], said: dict[str, StandIn], tmp_path: Path
) -> None:
    """The kiosk's own trial was content; what it publishes afterwards is not."""
    bad = f"touch {tmp_path}/started; while ! test -e {tmp_path}/told; do sleep 0.1; done"
    place = tmp_path / "fleet.toml"
    place.write_text(place.read_text().replace(f"test -e {roots['one'].root}/well", f"sh -c '{bad}'", 1))

    def falls_ill() -> None:
        until((tmp_path / "started").exists)
        said["one"].tell(Condition.FAILED, "no answer of the device")
        until(lambda: not said["one"].publisher.state().queued)
        (tmp_path / "told").touch()

    thread = threading.Thread(target=falls_ill)
    thread.start()
    code, told = fleet(brought(tmp_path / "new", "new"))
    thread.join()
    assert code == 1, told
    assert "stopped after wave 1: one: failed: no answer of the device" in told
    assert sites(roots) == ["new", "old", "old", "old"]


def test_two_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "fleet.toml"
    place.write_text('[[kiosk]]\nname = "a"\nssh = "host"\n')

    def other(held: object, end: object) -> None:
        with alone(place):
            held.set()  # type: ignore[attr-defined]
            end.wait()  # type: ignore[attr-defined]

    fork = multiprocessing.get_context("fork")
    held, end = fork.Event(), fork.Event()
    process = fork.Process(target=other, args=(held, end))
    process.start()
    try:
        assert held.wait(240)
        new = brought(tmp_path / "new", "new")
        code, told = run_verb(capsys, "fleet", "update", new, "--inventory", place, "--unsigned")
        assert (code, "another update of" in told) == (2, True), told
    finally:
        end.set()
        process.join()


def test_what_is_unsigned_or_no_update_reaches_no_kiosk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "fleet.toml"
    place.write_text('[ssh]\ncommand = ["false"]\n[[kiosk]]\nname = "a"\nssh = "host"\n')
    new = brought(tmp_path / "new", "new")
    code, told = run_verb(capsys, "fleet", "update", new, "--inventory", place)
    assert (code, "is not signed" in told) == (2, True), told
    (new / "install.sh").write_text("something else")
    code, told = run_verb(capsys, "fleet", "update", new, "--inventory", place, "--unsigned")
    assert code == 2, told
    new = brought(tmp_path / "new", "new")
    for words, said in ((("--canary", 0), "at least one kiosk"), (("--wave", 0), "at least one kiosk")):
        code, told = run_verb(capsys, "fleet", "update", new, "--inventory", place, "--unsigned", *words)
        assert (code, said in told) == (2, True), told


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo fer-edge-push:; seq 9", "made no folder for the update: 1 2 3"),
        ("echo fer-edge-push:; yes /var/tmp/fer-edge-update.", "said more than 1 MiB"),
        ("echo fer-edge-push:; echo /", "made no folder for the update: /"),
        ("exit 0", "made no folder for the update: "),
        ("exit 9", "no reason was given"),
    ],
)
def test_a_kiosk_that_answers_wrongly_is_named(
    answer: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "fleet.toml"
    kiosks = "".join(f'[[kiosk]]\nname = "{name}"\nssh = "{name}"\n' for name in ("foyer", "hall"))
    place.write_text(f"[ssh]\ncommand = {json.dumps(['sh', '-c', answer])}\n{kiosks}")
    new = brought(tmp_path / "new", "new")
    code, told = run_verb(capsys, "fleet", "update", new, "--inventory", place, "--unsigned")
    assert (code, "stopped after wave 1: foyer: " in told, said in told) == (1, True, True), told


def test_waves() -> None:
    kiosks = [FleetKiosk(str(n)) for n in range(8)]
    assert [[k.name for k in wave] for wave in waves_of(kiosks, 1, 3)] == [
        ["0"],
        ["1", "2", "3"],
        ["4", "5", "6"],
        ["7"],
    ]
    assert [len(wave) for wave in waves_of(kiosks, 20, 3)] == [8]


def test_progress_is_of_one_update_and_damage_is_said(tmp_path: Path) -> None:
    place = tmp_path / "fleet.toml"
    write_progress(place, Progress("a" * 64).with_done(["one"]).with_done(["one", "two"]))
    assert read_progress(place, "a" * 64).done == ("one", "two")
    assert read_progress(place, "b" * 64).done == ()
    for text in ("", "[]", '{"update": 1}'):
        progress_path(place).write_text(text)
        with pytest.raises(ValueError, match="is no record of an update"):
            read_progress(place, "a" * 64)

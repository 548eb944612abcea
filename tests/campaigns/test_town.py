"""The town campaign's own tests: every round with six kiosks, and whether it would see what it looks for."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from support.brokers import MOSQUITTO, Listener
from support.waiting import until

from campaigns.town import wire
from campaigns.town.__main__ import ROUNDS
from campaigns.town.load import Load, listening, report, spent_s
from campaigns.town.place import FAKETIME
from campaigns.town.rounds import Round, heard_by, privacy
from campaigns.town.town import Town, town
from campaigns.town.visitors import FIVE, FOUR, SEVEN

Small = tuple[Town, Listener]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Six kiosks that tell of themselves every second."""
    for module in ("aiohttp", "paho.mqtt.client", "minisign"):
        pytest.importorskip(module, reason="needs the kiosk and flash extras")
    if not MOSQUITTO.is_file() or not FAKETIME.is_file() or not shutil.which("prometheus") or os.getuid() != 0:
        pytest.skip("needs mosquitto, prometheus, libfaketime and root")
    with town(tmp_path_factory.mktemp("town"), 6, interval_s=1.0) as made:
        yield made


@pytest.mark.parametrize("step", ROUNDS)
def test_a_round(small: Small, step: Round) -> None:
    outcome = step(*small)
    assert not outcome.wrong, outcome


def test_differences_are_what_privacy_md_says(small: Small) -> None:
    """What a subscriber can compute: nothing of four when the fifth returns; two who join five, by subtraction."""
    told = [t for texts in wire.snapshots(heard_by(small[1])).values() for t in texts if t["shares"]]
    counts = {t["faces"]: Counter({k: round(v * t["faces"]) for k, v in t["shares"].items()}) for t in told}
    assert counts == {5: Counter(FIVE), 7: Counter(SEVEN)}
    assert counts[7] - counts[5] == Counter(neutral=1, happy=1)


def snapshot(number: int, group: tuple[str, ...], minute: dict[str, float], faces: int | None = None) -> wire.Told:
    shares = {label: n / len(group) for label, n in Counter(group).items()}
    told = {"sequence": number, "faces": faces or len(group), "shares": shares, "window": minute}
    return "k0/state", json.dumps(told)


MINUTE = {"neutral": 0.6, "happy": 0.2, "surprise": 0.2}


def test_what_is_lost_or_out_of_order_or_leaks_is_seen() -> None:
    good = [snapshot(n, FIVE, MINUTE) for n in (1, 2, 3)]
    assert (wire.lost(good), wire.disordered(good), wire.leaks(good)) == ([], [], [])
    assert wire.lost([good[0], good[2]]) == ["k0: 2"]
    assert wire.disordered([good[0], good[2], good[1]]) == ["k0/state: 2 after 3"]
    mixed = Counter(FIVE) + Counter(FOUR)
    minute = {label: n / mixed.total() for label, n in mixed.items()}
    for told, said in (
        (snapshot(1, FOUR, MINUTE), "4 faces"),
        (snapshot(1, FOUR, MINUTE, faces=5), "of no group"),
        (snapshot(1, FIVE, minute), "without the returning one"),
        (snapshot(1, FIVE, {**MINUTE, "fear": 0.0001}), "fear in"),
        (("k0/else", "1"), "not known"),
    ):
        assert [line for line in wire.leaks([told]) if said in line], told


def test_a_town_that_may_tell_of_four_is_seen_to_leak(small: Small) -> None:
    """The same town under another promise: the round is no check that cannot fail."""
    made, listener = small
    kiosk, process = made.kiosks[0], made.processes[0]
    place = kiosk.folder / "config.toml"
    place.write_text(place.read_text().replace("least_group = 5", "least_group = 4"))
    begun = len(listener.heard)
    (kiosk.folder / "restart").touch()
    mine = f"{kiosk.name}/"
    until(lambda: "faces" in str(wire.leaks([(t, x) for t, x, _ in listener.heard[begun:] if t.startswith(mine)])))
    assert process.running is not None
    assert {line.split(":")[0] for line in privacy(made, listener).wrong if "faces" in line} == {kiosk.name}


def test_what_a_kiosk_adds_is_the_line_through_the_sizes() -> None:
    loads = [Load(n, *(2.0 * n + 3,) * 9) for n in (10, 20, 40)]
    row = report(loads).splitlines()[2]
    assert row == "| broker_cores | 23 | 43 | 83 | 2 | 2e+04 |"
    assert spent_s(os.getpid()) > 0


def test_who_listens_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listening(server.getsockname()[1]) == os.getpid()

"""packaging/fleet's Prometheus, alerts and dashboard, run with Debian's programs on a kiosk that runs."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fer_edge.bundle import open_bundle
from fer_edge.devices.sensors import temperature_c
from fer_edge.fleet.inventory import FleetKiosk, load_inventory, targets_json
from fer_edge.fleet.status import OFFLINE
from fer_edge.runtime.status.machine import machine_metrics
from fer_edge.runtime.status.prometheus import metrics_text
from support.centre import FLEET, alertmanager, answered, program, prometheus, receiver
from support.front_door import run_verb
from support.kiosks import Running, cache_with
from support.stand_ins import MACHINE
from support.waiting import until

TOKEN = "a-token-of-the-test-bench"
DASHBOARD = json.loads((FLEET / "grafana" / "fleet.json").read_text())
EVERY_LEAST_GROUP = ("store_", "cpu_", "memory_")
"""Begins of metrics that a kiosk with a least group does not have."""


def expressions() -> list[str]:
    """Every query of the dashboard, for all kiosks."""
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    found += [v["query"]["query"] for v in DASHBOARD["templating"]["list"]]
    return [re.sub(r"label_values\((.*), kiosk\)", r"\1", e).replace("$kiosk", ".*") for e in found]


def names_in(text: str) -> set[str]:
    return set(re.findall(r"fer_edge_\w+", text))


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory, yunet_file: Path) -> Iterator[Running]:
    """A real one that shows the demo, with a token, and a broker that is away."""
    pytest.importorskip("aiohttp", reason="needs the kiosk extra")
    folder = tmp_path_factory.mktemp("kiosk")
    (folder / "token").write_text(TOKEN + "\n")
    with cache_with(yunet_file, folder / "cache"):
        running = Running(folder / "k", "demo:60", '[mqtt]\nhost = "127.0.0.1"\nport = 9\n')
        running.start(("--set", f"web.token_file={folder / 'token'}")).ready()
        yield running
        running.stop(signal.SIGKILL)


def inventory(folder: Path, kiosk: Running, url: str = "http://127.0.0.1:9") -> Path:
    place = folder / "fleet.toml"
    place.write_text(
        f'[prometheus]\nurl = "{url}"\n[[kiosk]]\nname = "foyer"\nscrape = "127.0.0.1:{kiosk.port}"\n'
        '[[kiosk]]\nname = "dark"\nscrape = "127.0.0.1:9"\n[[kiosk]]\nname = "unknown"\n[[kiosk]]\nname = "stranger"\n'
    )
    return place


def stranger(port: int) -> FleetKiosk:
    """A target that answers in Prometheus' form and is no kiosk: the Alertmanager."""
    return FleetKiosk("stranger", scrape=f"127.0.0.1:{port}")


def test_a_kiosk_is_scraped_shown_and_missed(
    kiosk: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each query of the dashboard finds something, `fleet status` says how it is, people hear that one is gone."""
    kiosks = load_inventory(inventory(tmp_path, kiosk)).kiosk
    with (
        receiver() as (people, alerts),
        alertmanager(tmp_path / "alertmanager", people) as port,
        prometheus(tmp_path / "prometheus", targets_json([*kiosks, stranger(port)]), TOKEN, port) as address,
    ):
        until(lambda: answered(address, 'fer_edge_health{kiosk="foyer",condition="degraded"} == 1'))
        until(lambda: answered(address, 'up{kiosk="dark"} == 0'))
        until(lambda: answered(address, 'fer_edge_expression_share_minute{kiosk="foyer"}'))
        empty = [e for e in expressions() if not answered(address, e)]
        assert [e for e in empty if "temperature" not in e or temperature_c() is not None] == []
        until(lambda: answered(address, 'up{kiosk="stranger"} == 1'))
        place = inventory(tmp_path, kiosk, address)
        code, said = run_verb(capsys, "fleet", "status", "--inventory", place, "--json")
        rows = {row["name"]: row for row in json.loads(said)}
        assert code == 0
        assert rows["foyer"]["health"] == "degraded"  # its broker is away
        assert rows["foyer"]["model"] == f"default {open_bundle().manifest.version}"
        assert abs(rows["foyer"]["seen_s"]) < 300
        assert (rows["dark"]["health"], rows["unknown"]["health"]) == (OFFLINE, "never seen")
        assert rows["stranger"]["health"] == "unreadable"
        assert "another program" in rows["stranger"]["reason"]
        told = until(lambda: {a["labels"]["kiosk"]: a for a in alerts if a["labels"]["alertname"] == "KioskGone"})
        assert set(told) == {"dark"}
        assert told["dark"]["annotations"]["summary"] == "dark does not answer"
        until(lambda: any(a["labels"] | {"kiosk": "foyer", "alertname": "KioskIll"} == a["labels"] for a in alerts))


def test_dashboard_and_rules_ask_for_what_every_kiosk_tells(kiosk: Running) -> None:
    import urllib.request

    request = urllib.request.Request(
        f"http://127.0.0.1:{kiosk.port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        served = names_in(answer.read().decode())
    served |= names_in(metrics_text([], machine_metrics(MACHINE)))  # a board has a sensor
    asked = names_in("\n".join([*expressions(), (FLEET / "rules.yml").read_text()]))
    assert len(asked) > 8
    assert asked <= served
    assert not [name for name in asked if name.removeprefix("fer_edge_").startswith(EVERY_LEAST_GROUP)]


def test_expressions_are_shown_as_a_kiosk_tells_them() -> None:
    """Never added up over kiosks: one person before each of three is nowhere a group of three."""
    shown = [e for e in expressions() if "expression" in e or "faces" in e]
    assert shown == ['fer_edge_expression_share_minute{kiosk=~".*"}']
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_alerts_come_and_go_when_they_should(tmp_path: Path) -> None:
    promtool = program("promtool")
    for file in (FLEET / "rules.yml", Path(__file__).with_name("rules_test.yml")):
        shutil.copy(file, tmp_path)
    done = subprocess.run([promtool, "test", "rules", "rules_test.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rules = re.findall(r"alert: (\w+)", (FLEET / "rules.yml").read_text())
    tested = (tmp_path / "rules_test.yml").read_text()
    assert [name for name in rules if f"alertname: {name}" not in tested] == []


def test_the_configurations_are_understood(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    shutil.copytree(FLEET, folder)
    (folder / "scrape-token").write_text("x" * 16)
    for words in (
        [program("promtool"), "check", "config", "prometheus.yml"],
        [program("amtool"), "check-config", "alertmanager.yml"],
    ):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_compose_mounts_what_is_there() -> None:
    """Docker is not asked: files, and what keys.sh and people make, are held against the folder."""
    yaml = pytest.importorskip("yaml")
    told: dict[str, Any] = yaml.safe_load((FLEET / "compose.yml").read_text())
    made = {"ca.crt", "broker.crt", "broker.key", "scrape-token", "targets"}
    for service in told["services"].values():
        for source in (volume.split(":")[0] for volume in service.get("volumes", ())):
            known = source in told["volumes"] or source.removeprefix("./") in made or (FLEET / source).is_file()
            assert known, source
    for file in ("grafana/provisioning.yml", "grafana/dashboards.yml"):
        assert yaml.safe_load((FLEET / file).read_text())["apiVersion"] == 1

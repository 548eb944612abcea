"""What lies on the disk for a town: keys, each kiosk's folder and configuration, the inventories of its centre."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from support.centre import FLEET
from support.kiosks import PLACE
from support.source_rules import ROOT

from .visitors import LEAST

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
SSH = ROOT / "tests" / "fakes" / "ssh"
CONFIG = """{place}
[source]
what = "demo:60"
[store]
folder = "{folder}/state/store"
[web]
port = {port}
[privacy]
least_group = {least}
[mqtt]
host = "localhost"
port = {broker}
tls = true
ca_file = "{keys}/ca.crt"
cert_file = "{keys}/{name}.crt"
key_file = "{keys}/{name}.key"
topic = "{name}"
interval_s = {interval}
"""


@dataclass(frozen=True)
class Kiosk:
    """One of the town: its name, its number, its folder and its page's port."""

    name: str
    number: int
    folder: Path
    port: int


def at_another_time(file: Path) -> dict[str, str]:
    """The environment in which the wall clock is what a file says, looked at at each call; the monotonic one stays."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }


def lasting_ports(count: int) -> list[int]:
    """So many free ones, below those which the kernel gives to connections: kiosks come back to theirs after a cut."""
    free = (port for port in random.sample(range(10_000, 32_000), 22_000) if _is_free(port))
    return list(islice(free, count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def make_keys(folder: Path, names: Sequence[str]) -> None:
    """An authority and a key each by the fleet's own script, as of yesterday: a clock that is behind trusts them."""
    folder.mkdir()
    (folder / "yesterday").write_text("-86400\n")
    then = {**os.environ, **(at_another_time(folder / "yesterday") if FAKETIME.is_file() else {})}
    for words in (("init", "localhost"), *(("make", name) for name in ("centre", *names))):
        subprocess.run([FLEET / "keys.sh", *words], cwd=folder, env=then, check=True, capture_output=True)
    shutil.copy(FLEET / "mosquitto.acl", folder)


def make_kiosk(folder: Path, number: int, port: int, broker: int, interval_s: float, least: int = LEAST) -> Kiosk:
    """Its folder with its configuration, and the two scripts that an update needs."""
    kiosk = Kiosk(f"k{number}", number, folder / f"k{number}", port)
    kiosk.folder.mkdir()
    text = CONFIG.format(
        place=PLACE, folder=kiosk.folder, port=kiosk.port, broker=broker, keys=folder / "keys", name=kiosk.name,
        interval=interval_s, least=least,
    )  # fmt: skip
    (kiosk.folder / "config.toml").write_text(text)
    (kiosk.folder / "again").write_text(
        f"touch {kiosk.folder}/restart\nwhile [ -e {kiosk.folder}/restart ]; do sleep 0.1; done\n"
    )
    asks = f"import json, urllib.request as u; s = json.load(u.urlopen('http://127.0.0.1:{kiosk.port}/api/state'))"
    (kiosk.folder / "healthy").write_text(
        f"exec {sys.executable} -c \"{asks}; h = s['health']; print(h); exit(h['condition'] != 'ok')\"\n"
    )
    return kiosk


def write_inventory(folder: Path, kiosks: Sequence[Kiosk], broker: int, prometheus: str = "") -> Path:
    """The centre's list of them, with the broker, or with Prometheus alone."""
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / "fer-edge"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m fer_edge "$@"\n')
    program.chmod(0o755)
    ssh = ["env", f"PATH={folder}/bin:{os.environ['PATH']}", "sh", str(SSH)]
    text = f'[prometheus]\nurl = "{prometheus}"\n' if prometheus else (
        f'[broker]\nhost = "localhost"\nport = {broker}\ntls = true\nca_file = "keys/ca.crt"\n'
        'cert_file = "keys/centre.crt"\nkey_file = "keys/centre.key"\n'
    )  # fmt: skip
    text += f"[ssh]\ncommand = {json.dumps(ssh)}\n"
    for k in kiosks:
        words = ["--root", str(k.folder / "root"), "--hold", "1", "--limit", "20"]
        words += ["--restart", f"sh {k.folder}/again", "--healthy", f"sh {k.folder}/healthy"]
        text += f'[[kiosk]]\nname = "{k.name}"\nssh = "{k.name}"\nscrape = "127.0.0.1:{k.port}"\n'
        text += f"apply = {json.dumps(words)}\n"
    place = folder / ("prometheus.toml" if prometheus else "fleet.toml")
    place.write_text(text)
    return place

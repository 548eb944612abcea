"""`fleet wipe` over a real SSH server: what a kiosk kept is gone, and one that cannot be wiped is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.front_door import run_verb
from support.histories import put, store
from support.ssh import ssh, there

__all__ = ["ssh", "there"]  # fixtures


def test_some_are_wiped_and_who_was_not_is_named(
    ssh: tuple[str, ...], there: Callable[[], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("foyer", "a hall"):
        put(history := store(tmp_path / name), 1, 2)
        history.close()
    put(busy := store(tmp_path / "busy"), 1, 2)  # as by a kiosk that does not end when it is asked to
    place = tmp_path / "fleet.toml"
    place.write_text(
        f"[ssh]\ncommand = {json.dumps(ssh)}\n"
        + "".join(
            f'[[kiosk]]\nname = "{name}"\nssh = "{host}"\nstore = "{tmp_path}/{folder}"\n'
            for name, host, folder in (
                ("foyer", "root@127.0.0.1", "foyer"),
                ("hall", "root@127.0.0.1", "a hall"),
                ("busy", "root@127.0.0.1", "busy"),
                ("away", "root@invalid.invalid", "away"),
                ("empty", "root@127.0.0.1", "never"),
            )
        )
    )
    code, said = run_verb(capsys, "fleet", "wipe", "foyer", "--inventory", place)
    assert (code, "nothing was removed" in said, "--yes" in said) == (2, True, True)
    assert (tmp_path / "foyer" / "kiosk.db").exists()
    code, said = run_verb(capsys, "fleet", "wipe", "--inventory", place, "--yes", "--json")
    told = {answer["name"]: answer for answer in json.loads(said)}
    busy.close()
    assert code == 1
    for name in ("foyer", "hall"):
        assert told[name]["trouble"] == ""
        assert "found none of them" in told[name]["said"]
    assert not (tmp_path / "foyer" / "kiosk.db").exists()
    assert not (tmp_path / "a hall" / "kiosk.db").exists()
    assert (tmp_path / "busy" / "kiosk.db").exists()
    assert told["busy"]["trouble"]
    assert "no way to" in told["away"]["trouble"]
    assert "holds no kiosk's store" in told["empty"]["trouble"]


def test_what_a_kiosk_says_stays_in_its_own_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a stolen one, that would write the row of another."""
    says = r"printf 'fer-edge-push:\nremoved 1 observation\nhall   removed all\033[2J'"
    place = tmp_path / "fleet.toml"
    kiosks = "".join(f'[[kiosk]]\nname = "{name}"\nssh = "{name}"\n' for name in ("foyer", "hall"))
    place.write_text(f"[ssh]\ncommand = {json.dumps(['sh', '-c', says])}\n{kiosks}")
    code, said = run_verb(capsys, "fleet", "wipe", "--inventory", place, "--yes")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == ["foyer", "hall"]
    assert all(c.isprintable() for line in said.splitlines() for c in line)

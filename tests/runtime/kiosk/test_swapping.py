"""Whether what is in memory may be swapped to a disk: by trees as the kernel shows them, and told by a kiosk."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from fer_edge.devices.swapping import swap_on_disks
from fer_edge.runtime.config.rendering import first_toml
from fer_edge.runtime.config.sections import Place
from fer_edge.runtime.kiosk import service
from support.boards import CONTROLLERS, SWAPS, put

SLICE = "sys/fs/cgroup/system.slice"
OWN = f"{SLICE}/fer-edge.service/memory.swap.max"


@pytest.mark.parametrize(
    ("files", "reached"),
    [
        ({}, ("/var/swap",)),  # a kernel with cgroup_disable=memory has no such file
        ({OWN: "0\n"}, ()),
        ({OWN: "max\n"}, ("/var/swap",)),
        ({OWN: "max\n", f"{SLICE}/memory.swap.max": "0\n"}, ()),  # limits of what it lies in hold too
        ({OWN: "1048576\n"}, ("/var/swap",)),
        ({"proc/self/cgroup": "4:memory:/system.slice/fer-edge.service\n"}, ("/var/swap",)),
        ({"proc/swaps": SWAPS.format("/dev/zram0", "partition")}, ()),
        ({"proc/swaps": SWAPS.format("/dev/zram0", "partition"), "sys/block/zram0/backing_dev": "none\n"}, ()),
        (
            {"proc/swaps": SWAPS.format("/dev/zram0", "partition"), "sys/block/zram0/backing_dev": "/dev/loop0\n"},
            ("/dev/zram0, over /dev/loop0",),
        ),
        ({"proc/swaps": "Filename Type Size Used Priority\n"}, ()),
    ],
)
def test_which_swap_a_service_reaches(tmp_path: Path, files: dict[str, str], reached: tuple[str, ...]) -> None:
    usual = {
        "proc/swaps": SWAPS.format("/var/swap", "file"),
        "proc/self/cgroup": "0::/system.slice/fer-edge.service\n",
        CONTROLLERS: "cpu memory\n",
    }
    for path, text in {**usual, **files}.items():
        put(tmp_path, path, text)
    assert swap_on_disks(tmp_path) == reached


def test_a_kiosk_says_so_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "swap_on_disks", lambda: ("/var/swap",))
    monkeypatch.setattr(service, "tune_model", lambda config: 1 / 0)  # far enough
    config = tmp_path / "kiosk.toml"
    config.write_text(first_toml(Place("foyer", "museum", "counts", declared=date(2026, 11, 28))))
    with pytest.raises(ZeroDivisionError):
        service.run_kiosk(service.KioskOptions(config, [f"store.folder={tmp_path}"]))
    assert "pictures in memory may be written to /var/swap, as swap: fer-edge doctor" in capsys.readouterr().err

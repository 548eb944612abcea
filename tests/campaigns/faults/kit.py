"""What a kiosk of the campaign is made of: its configuration, a device in a worker, a stick that comes and goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_edge.devices.profile import PROFILES
from support.coral import coral_profile
from support.exports import student_with_tflite
from support.kiosks import PLACE

DEADLINE_S, COMMIT_S, GIVE_UP_S, WATCHDOG_S = 1.0, 0.5, 18.0, 22.0
"""Shorter than a kiosk's own, so that a round takes seconds. The watchdog comes after giving up, as in the unit."""
INTERVAL_S, INFER_FPS = 0.5, 10.0
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
SPARED = "spared"
"""The camera that nothing is done to, where there are two."""
CONFIG = """{sources}
[model]
detector = "yunet"
threads = 1
{device}
[work]
infer_fps = {infer_fps}
give_up_s = {give_up}
[store]
folder = "{folder}/state/store"
commit_s = {commit}
[privacy]
least_group = 1
[mqtt]
host = "127.0.0.1"
port = {broker}
topic = "kiosk"
interval_s = {interval}
[web]
port = {page}
"""


@dataclass(frozen=True)
class Kit:
    """What a bench has beside a plain kiosk.

    Attributes:
        apart: its device lives in a worker, as an accelerator does; else in the daemon, as is usual for the processor.
        clock: the daemon's wall clock can be set; stick: its device is an accelerator that can be pulled out.
        two: beside the camera stands another, which nothing is done to.
    """

    name: str
    apart: bool = True
    clock: bool = False
    stick: bool = False
    two: bool = False


USUAL = Kit("usual", apart=False)
PLAIN, CLOCK, STICK = Kit("plain"), Kit("clock", clock=True), Kit("stick", stick=True)
TWO = Kit("two", apart=False, two=True)


def config_text(
    folder: Path, urls: Sequence[str], broker: int, page: int, device: str, infer_fps: float = INFER_FPS
) -> str:
    """A configuration; `urls` are the camera's and that of another beside it, `device` are lines of [model]."""
    named = [f'[[source]]\nname = "{name}"' for name in ("hurt", SPARED)] if len(urls) > 1 else ["[source]"]
    told = [f'{head}\nwhat = "{url}"\ndeadline_s = {DEADLINE_S}' for head, url in zip(named, urls, strict=True)]
    return PLACE + CONFIG.format(
        sources="\n".join(told),
        device=device,
        infer_fps=infer_fps,
        give_up=GIVE_UP_S,
        folder=folder,
        commit=COMMIT_S,
        broker=broker,
        interval=INTERVAL_S,
        page=page,
    )


def device_of(kit: Kit, folder: Path) -> str:
    """Lines of [model] for a kit."""
    if kit.stick:
        return stick_in_hand(folder)
    return processor_apart(folder) if kit.apart else ""


def processor_apart(folder: Path) -> str:
    """Lines of [model]: ONNX Runtime on the processor, in a worker as an accelerator's is; nothing stands in."""
    profile = folder / "apart.toml"
    text = (PROFILES / "cpu.toml").read_text(encoding="utf-8")
    text = text.replace('name = "cpu"', 'name = "apart"').replace('isolation = "none"', 'isolation = "process"')
    profile.write_text(text, encoding="utf-8")
    return f'device = "{profile}"\nfallback = "none"'


def stick_in_hand(folder: Path) -> str:
    """Lines of [model]: a stand-in for the Edge TPU in a real LiteRT; the processor stands in while it is away."""
    own = folder / "bundle"
    shutil.copytree(student_with_tflite(), own)
    manifest = json.loads((own / "bundle.json").read_text(encoding="utf-8"))
    next(a for a in manifest["artifacts"] if a["target"] == "edgetpu")["report"]["compiled"] = True  # as far as we go
    (own / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    return f'bundle = "{own}"\ndevice = "{coral_profile(folder)}"\nfallback = "cpu"'

"""Is there a camera, does it deliver a frame, and can this interpreter reach it?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..detect import entries, number_of, text_of
from .commands import LATE, Answer, ask
from .finding import Finding, ok, problem, unchecked

LIMIT_S = 15.0
WHO = "fuser -v /dev/video*  # does another program hold it?"
HELPERS = (
    "bcm2835-codec", "bcm2835-isp", "pispbe", "rpivid", "rpi-hevc-dec", "rkvdec", "rkvenc", "hantro", "rockchip,",
)  # fmt: skip
"""How the names of nodes begin that belong to video coders and image processors, on boards without any camera too."""
PI_SENSORS = ("unicam", "rp1-cfe")
"""Raspberry Pi's CSI receivers, which give the sensor's raw Bayer data only."""
JETSON_SENSORS = ("vi-output",)
FRAME = """
import json, os, sys
os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
import cv2
info = cv2.getBuildInformation()
gstreamer = next((l.split(":")[1].split()[0] for l in info.splitlines() if "GStreamer:" in l), "NO")
print(json.dumps({"gstreamer": gstreamer}), flush=True)
for node in sys.argv[1:]:
    good, frame = cv2.VideoCapture(node).read()
    if good:
        print(json.dumps({"node": node, "size": [frame.shape[1], frame.shape[0]]}), flush=True)
        break
"""
REFUSED = "var/lib/fer-edge/refused*.json"
"""Where a kiosk keeps that a camera refused its password (runtime/refusals.py), with its name where it has one."""
PICAMERA = "import picamera2; print('visible')"


@dataclass(frozen=True)
class Node:
    """A file /dev/videoN: the driver's name for it, and its place among the nodes of one device."""

    path: str
    name: str
    index: int

    def belongs_to(self, names: tuple[str, ...]) -> bool:
        """Whether its driver's name begins with one of these."""
        return self.name.startswith(names)


def examine(root: Path) -> Iterator[Finding]:
    """Camera nodes, a frame of one, GStreamer in OpenCV, picamera2 on a Raspberry Pi."""
    nodes = [node for node in video_nodes(root) if not node.belongs_to(HELPERS)]
    if nodes:
        yield ok("camera nodes", ", ".join(f"{n.path} ({n.name or 'unnamed'})" for n in nodes))
    else:
        yield unchecked("camera nodes", "there is none; only --source camera:N needs one")
    words = [sys.executable, "-c", FRAME, *(node.path for node in nodes)]
    answer = ask(root, words, name="camera frames", limit_s=LIMIT_S)
    said = _objects(answer)
    yield _frame(nodes, answer, said)
    yield _gstreamer(said)
    yield from _password(root)
    if text_of(root / "proc/device-tree/model").startswith("Raspberry Pi"):
        needed = not _delivers(said) and any(node.belongs_to(PI_SENSORS) for node in nodes)
        yield _picamera(root, needed)


def video_nodes(root: Path) -> list[Node]:
    """Every /dev/videoN, first nodes of a device first: a webcam's second one carries no pictures."""
    nodes = []
    for path in entries(root, "dev/video[0-9]*"):
        about = root / "sys/class/video4linux" / path.name
        nodes.append(Node(f"/dev/{path.name}", text_of(about / "name"), number_of(about / "index") or 0))
    return sorted(nodes, key=lambda node: (node.index, len(node.path), node.path))


def _password(root: Path) -> Iterator[Finding]:
    """What the kiosk's cameras said to their passwords, as far as this user may know it."""
    for file in sorted(root.glob(REFUSED)):
        said = _objects(Answer(text_of(file)))
        if "why" not in said:
            continue
        fix = "sudoedit /etc/fer-edge/config.toml && sudo systemctl restart fer-edge  # [source] what"
        times = f"{said.get('count')} time{'s' * (said.get('count') != 1)}"
        yield problem("camera password", f"{said['why']}, refused {times}; the kiosk waits minutes to ask again", fix)


def _frame(nodes: list[Node], answer: Answer | None, said: dict[str, Any]) -> Finding:
    if not nodes:
        return unchecked("camera frame", "there is no camera")
    if answer is None:
        return unchecked("camera frame", "a recorded tree opens nothing, and holds no commands/camera frames.txt")
    if _delivers(said):
        width, height = said["size"]
        return ok("camera frame", f"{said['node']} gives {width} x {height}")
    if all(node.belongs_to(PI_SENSORS) for node in nodes):
        return unchecked("camera frame", "a CSI camera gives none through V4L2; picamera2 reads it")
    if all(node.belongs_to(JETSON_SENSORS) for node in nodes):
        fix = "gst-launch-1.0 nvarguscamerasrc num-buffers=1 ! fakesink  # a USB camera needs no GStreamer"
        return problem(
            "camera frame", "a CSI camera gives raw Bayer data only, and its pictures through GStreamer", fix
        )
    if answer.code == LATE:
        return problem("camera frame", f"none within {LIMIT_S:.0f} s", WHO)
    if "gstreamer" not in said:
        return problem("camera frame", "OpenCV cannot be imported", f"{sys.executable} -c 'import cv2'")
    return problem("camera frame", "no node delivers one", WHO)


def _objects(answer: Answer | None) -> dict[str, Any]:
    """The members of every line that is a JSON object, in one."""
    members: dict[str, Any] = {}
    for line in answer.text.splitlines() if answer else ():
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            continue
        members.update(told if isinstance(told, dict) else {})
    return members


def _delivers(said: dict[str, Any]) -> bool:
    size = said.get("size")
    return "node" in said and isinstance(size, list) and len(size) == 2


def _gstreamer(said: dict[str, Any]) -> Finding:
    if said.get("gstreamer") == "YES":
        return ok("GStreamer in OpenCV", "yes")
    if "gstreamer" in said:
        return unchecked("GStreamer in OpenCV", "not built in; only pipelines given by hand need it")
    return unchecked("GStreamer in OpenCV", "OpenCV was not asked")


def _picamera(root: Path, needed: bool) -> Finding:
    answer = ask(root, [sys.executable, "-c", PICAMERA], name="picamera2", limit_s=LIMIT_S)
    if answer is None:
        return unchecked("picamera2", "a recorded tree runs nothing, and holds no commands/picamera2.txt")
    if answer.text.endswith("visible"):
        return ok("picamera2", "visible to this interpreter")
    if not needed:
        return unchecked("picamera2", "not visible to this interpreter; only CSI cameras need it")
    fix = "sudo apt install python3-picamera2 && python3 -m venv --system-site-packages VENV"
    return problem("picamera2", "not visible to this interpreter, and the CSI camera needs it", fix)

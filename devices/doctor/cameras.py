"""Is there a camera, does it deliver a frame, and can this interpreter reach it?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ..present import text_of
from ..profile import Profile
from .finding import Finding, ok, problem, unchecked

LIMIT_S = 15
WHO = "fuser -v /dev/video*  (does another program hold it?)"
FRAME = """
import json, os, sys
os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
import cv2
info = cv2.getBuildInformation()
gstreamer = next((l.split(":")[1].split()[0] for l in info.splitlines() if "GStreamer:" in l), "NO")
frames = {}
for node in sys.argv[1:]:
    camera = cv2.VideoCapture(node)
    good, frame = camera.read()
    frames[node] = list(frame.shape) if good else None
print(json.dumps({"gstreamer": gstreamer, "frames": frames}))
"""


def examine(profile: Profile, root: Path, live: bool) -> Iterator[Finding]:
    """Camera nodes, a frame of one, GStreamer in OpenCV, picamera2 on a Raspberry Pi."""
    nodes = sorted(p.name for p in (root / "dev").glob("video[0-9]*"))
    if nodes:
        yield ok("camera nodes", " ".join(f"/dev/{n}" for n in nodes))
    else:
        yield unchecked("camera nodes", "there is no /dev/video*; only --source camera:N needs one")
    if not live:
        yield unchecked("camera frame", "a recorded tree opens nothing")
    else:
        yield from _frames([f"/dev/{n}" for n in nodes])
    if text_of(root / "proc/device-tree/model").startswith("Raspberry Pi"):
        yield _picamera(live)


def _frames(nodes: list[str]) -> Iterator[Finding]:
    """Open the cameras in a process of its own: a bad driver blocks in read() and cannot be interrupted."""
    try:
        done = subprocess.run([sys.executable, "-c", FRAME, *nodes], capture_output=True, text=True, timeout=LIMIT_S)
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        yield problem(
            "camera frame", f"none within {LIMIT_S} s", "fuser -v /dev/video*  (does another program hold it?)"
        )
        return
    frames = {node: shape for node, shape in answer["frames"].items() if shape}
    if frames:
        node, shape = next(iter(frames.items()))
        yield ok("camera frame", f"{node} gives {shape[1]} x {shape[0]}")
    elif nodes:
        yield problem("camera frame", "no node delivers one", WHO)
    else:
        yield unchecked("camera frame", "there is no camera")
    if answer["gstreamer"] == "YES":
        yield ok("GStreamer in OpenCV", "yes")
    else:
        yield unchecked("GStreamer in OpenCV", "not built in; only pipelines given by hand need it")


def _picamera(live: bool) -> Finding:
    if not live:
        return unchecked("picamera2", "a recorded tree runs nothing")
    done = subprocess.run([sys.executable, "-c", "import picamera2"], capture_output=True)
    if done.returncode == 0:
        return ok("picamera2", "visible to this interpreter")
    return problem(
        "picamera2",
        "not visible to this interpreter",
        "sudo apt install python3-picamera2 && python3 -m venv --system-site-packages VENV",
    )

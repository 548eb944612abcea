"""The npm peers: face-api and human, run by Node with TensorFlow.js on WebAssembly.

TensorFlow.js has a native backend for Node, too, whose library is not on npm but fetched from another host.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ....export.targets.environment import make, ready
from .child import ChildSession
from .peer import About, Say, folder_of

TFJS = "4.22.0"
FACE_API = "1.7.15"
HUMAN = "3.3.6"
PACKAGES = (
    f"@vladmandic/face-api@{FACE_API}",
    f"@vladmandic/human@{HUMAN}",
    f"@tensorflow/tfjs@{TFJS}",
    f"@tensorflow/tfjs-backend-wasm@{TFJS}",
)
"""Both peers carry their weights; TensorFlow.js is the version that both were built with."""
INSTALL = (
    *("install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--prefer-offline"),
    *("--fetch-retries", "1", "--fetch-retry-mintimeout", "1000", "--fetch-retry-maxtimeout", "2000"),
)
"""npm as it comes asks anew for each package and waits ten seconds and more before it asks again, so that without a
network it gave no answer in five minutes; so it does in seconds."""
CHILD = Path(__file__).with_name("npm_child.mjs")


@dataclass(frozen=True)
class NpmPeer:
    """One of the two packages.

    Attributes:
        net: `face-api` or `human`.
    """

    about: About
    net: str

    def missing(self) -> str:
        """See Peer."""
        wanted = ["node"] if ready(_folder()) else ["node", "npm"]
        absent = [tool for tool in wanted if not shutil.which(tool)]
        return f"{' and '.join(absent)} not on PATH" if absent else ""

    def prepare(self, say: Say) -> None:
        """See Peer; about 370 MB, shared by both."""
        folder = _folder()
        make(folder, [(shutil.which("npm") or "npm", *INSTALL, "--prefix", folder, *PACKAGES)], say)

    def open(self) -> ChildSession:
        """See Peer."""
        return ChildSession(self.about.name, [shutil.which("node") or "node", CHILD, self.net, _folder()])


def _folder() -> Path:
    return folder_of(f"npm-face-api-{FACE_API}-human-{HUMAN}-tfjs-{TFJS}")


NET = "`faceExpressionNet.predictExpressions`; RGB, its own bilinear to 112"
MODEL = "its `emotion` model (a mini-Xception); grey, its own bilinear to 64, -1..1"
FACE_API_PEER = NpmPeer(About("@vladmandic/face-api", FACE_API, "MIT", 112, NET), "face-api")
HUMAN_PEER = NpmPeer(About("@vladmandic/human", HUMAN, "MIT", 64, MODEL), "human")

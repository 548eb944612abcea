"""One card, one machine for the whole proof: it boots, is cut off, and boots again, in the order of the steps."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import default_bundle
from fer_edge.devices.flash.image.unpack import unpack

from .card import make_card
from .faces import FRAMES, crops, frames
from .foreign import NoForeign
from .image import pi_image
from .kernel import kernel, with_guest_files
from .machine import Machine
from .needs import BOOT, IMAGE, missing
from .rootfs import Rootfs, root_filesystem

ROOT = Path(__file__).resolve().parents[3]
GUEST = Path(__file__).with_name("guest")
CACHE = ROOT / "build" / "boot"
GUEST_FILES = ("shell.service", "camera.service", "camera.py", "check.py")


@pytest.fixture(scope="session")
def rootfs() -> Rootfs:
    """The root file system, kernel and busybox; a machine that has them needs no tools to build them."""
    if reason := missing(BOOT) or ("" if list(CACHE.glob("rootfs-*")) else missing(IMAGE)):
        pytest.skip(reason)
    try:
        return root_filesystem(CACHE)
    except NoForeign as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def work() -> Path:
    """This proof's files and logs; those of the last one are removed."""
    folder = CACHE / "proof"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def stock(rootfs: Rootfs, work: Path) -> Path:
    """The stock image: ours, or the real one that FER_EDGE_BOOT_IMAGE names, packed or not."""
    given = os.environ.get("FER_EDGE_BOOT_IMAGE")
    if not given:
        return pi_image(rootfs, CACHE)
    image = work / "stock.img"
    unpack(Path(given), image)
    return image


@pytest.fixture(scope="session")
def stick(work: Path) -> Path:
    """What a person might plug in: crops to classify, and a bundle whose model was damaged but whose sums are right."""
    folder = work / "stick"
    folder.mkdir()
    np.save(folder / "crops.npy", crops())
    _broken_bundle(folder / "broken")
    image = work / "stick.img"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", folder, image, "128m"], check=True, capture_output=True)
    return image


def _broken_bundle(folder: Path) -> None:
    """It opens and its hashes hold, and its int8 graph is no graph: only running it shows that."""
    import json

    from fer_edge.files import sha256_of

    shutil.copytree(default_bundle(), folder)
    graph = folder / "onnx" / "model_int8.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))
    manifest = json.loads((folder / "bundle.json").read_text())
    entry = next(item for item in manifest["artifacts"] if item["path"] == "onnx/model_int8.onnx")
    entry["sha256"] = sha256_of(graph)
    (folder / "bundle.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="session")
def machine(rootfs: Rootfs, stock: Path, stick: Path, work: Path) -> Iterator[Machine]:
    """The machine with its flashed card, switched off."""
    files = {name: (GUEST / name).read_bytes() for name in GUEST_FILES}
    files["frames.bgr"] = frames(FRAMES).tobytes()
    ours = with_guest_files(kernel(rootfs, CACHE), files, work / "initrd")
    card = make_card(stock, default_bundle(), CACHE, work)
    switched = Machine(ours, card, stick, work / "logs")
    try:
        yield switched
    finally:
        switched.cut()

"""Small wheels, made in a test, and what is put together from them: a wheelhouse, a payload."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from fer_edge.devices.flash.payload.payload import build_payload, packaging_folder
from fer_edge.devices.flash.payload.wheel_closure import Target
from fer_edge.devices.flash.payload.wheels import Wheelhouse, open_wheelhouse

ARM = "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64"
ANY = "py3-none-any"


def wheel(
    folder: Path,
    name: str,
    version: str,
    tags: str,
    requires: tuple[str, ...] = (),
    modules: dict[str, str] | None = None,
) -> Path:
    """A wheel; modules are path -> text."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tags}.whl"
    info = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    extra = "Provides-Extra: kiosk\nRequires-Python: >=3.10\n" if name == "fer_edge" else ""
    with zipfile.ZipFile(path, "w") as archive:
        for module, text in (modules or {}).items():
            archive.writestr(f"{module}.py", text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extra}{lines}")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def ours(folder: Path, requires: tuple[str, ...] = ("numpy>=1.24", "paho-mqtt>=2; extra == 'kiosk'")) -> Path:
    """A wheel that stands for fer-edge."""
    modules = {"fer_edge/__init__": "", "fer_edge/cli/__init__": "", "fer_edge/cli/main": ""}
    return wheel(folder, "fer_edge", "0.1.0", ANY, requires, modules)


def make_wheelhouse(folder: Path, python: str = "3.11", glibc: str = "2.36") -> Path:
    """A folder for --wheelhouse, with one small wheel in the place of fer-edge and all it needs."""
    place = folder / f"cp{python.replace('.', '')}-aarch64-glibc{glibc}"
    modules = {"fer_edge/__init__": "", "fer_edge/__main__": "print('fer-edge of a test')\n"}
    wheel(place, "fer_edge", "0.1", ANY, modules=modules)
    write_manifest(place)
    return folder


def small_wheels(folder: Path, numpy: str = ARM) -> None:
    """What `open_wheelhouse` needs for Python 3.11; modules do nothing."""
    ours(folder)
    wheel(folder, "numpy", "2.4.6", numpy, modules={"numpy": "", "cv2": "", "onnxruntime": ""})
    wheel(folder, "paho_mqtt", "2.2.0", ANY, modules={"paho/mqtt": ""})


def write_manifest(folder: Path) -> None:
    """manifest.json over what is there, as `fetch` writes it."""
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.whl"))}
    (folder / "manifest.json").write_text(json.dumps({"python": "3.11", "wheels": sums}))


def small_wheelhouse(folder: Path) -> Wheelhouse:
    place = folder / "cp311-aarch64-glibc2.36"
    small_wheels(place)
    write_manifest(place)
    return open_wheelhouse(folder, Target("3.11"))


def small_bundle(folder: Path) -> Path:
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle" / "bundle.json").write_text("{}")
    (folder / "bundle" / "model.onnx").write_bytes(b"graph")
    return folder / "bundle"


def small_payload(folder: Path, config: str = "# a kiosk\n") -> Path:
    """A complete payload that installs in a moment."""
    house = small_wheelhouse(folder / "wheelhouse")
    return build_payload(house, small_bundle(folder), config, packaging_folder(), folder / "payload")

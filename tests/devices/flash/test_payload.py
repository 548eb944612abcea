"""Wheels for another Python, and the payload that is made of them: real pip on a folder that stands for the index."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
import tomllib
from fer_edge.bundle import open_bundle
from fer_edge.devices.flash.payload import wheels
from fer_edge.devices.flash.payload.lock import CARDS, lock_text
from fer_edge.devices.flash.payload.own_wheel import own_wheel
from fer_edge.devices.flash.payload.parts import only_for
from fer_edge.devices.flash.payload.payload import build_payload, packaging_folder, sums, write_site
from fer_edge.devices.flash.payload.wheel_closure import Target
from fer_edge.devices.flash.payload.wheels import LOCKS, fetch, lock_of, open_wheelhouse, resolve
from fer_edge.devices.update.new_release import payload_name
from fer_edge.errors import DeviceNotFound, InputError
from support.altered_zips import ENCRYPTED, altered_zip
from support.made_once import ROOT
from support.wheelhouses import (
    ANY,
    ARM,
    ours,
    small_bundle,
    small_payload,
    small_wheelhouse,
    small_wheels,
    wheel,
    write_manifest,
)

Requirement = pytest.importorskip("packaging.requirements", reason="needs the flash extra").Requirement
BOOKWORM = Target("3.11")


def test_a_card_has_what_its_device_runs(student: Path, tmp_path: Path) -> None:
    """A bundle to which a models wheel was added has every device's files."""
    full = open_bundle(student)
    assert only_for("edgetpu", full, tmp_path / "same") is full
    only_for("onnx", full, tmp_path / "less")
    less = open_bundle(tmp_path / "less")
    assert {a.target for a in full.manifest.artifacts} == {"onnx", "edgetpu"}
    assert {a.target for a in less.manifest.artifacts} == {"onnx"}
    assert not list((tmp_path / "less").rglob("*.tflite"))
    assert less.reference == full.reference


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("numpy-2.4.6-cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl", True),
        ("opencv-4.12-cp37-abi3-manylinux_2_28_aarch64.whl", True),
        ("old-1-cp311-cp311-manylinux2014_aarch64.whl", True),
        ("tqdm-4-py3-none-any.whl", True),
        ("flatbuffers-1-py2.py3-none-any.whl", True),
        ("built-1-7-py3-none-any.whl", True),
        ("new-1-cp311-cp311-manylinux_2_39_aarch64.whl", False),
        ("new-1-cp312-abi3-manylinux_2_28_aarch64.whl", False),
        ("numpy-2.4.6-cp313-cp313-manylinux_2_28_aarch64.whl", False),
        ("numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl", False),
        ("numpy-2.4.6-cp311-cp311-musllinux_1_2_aarch64.whl", False),
        ("numpy-2.4.6.tar.gz", False),
    ],
)
def test_which_wheels_bookworm_takes(name: str, fits: bool) -> None:
    assert BOOKWORM.takes(name) is fits


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(wheels, "own_wheel", lambda into: ours(into, NEEDS))
    return folder


def constraints(folder: Path) -> Path:
    path = folder / "constraints.txt"
    path.write_text("")
    return path


def quiet(text: str) -> None:
    pass


NEEDS = ("numpy>=1.24", "tomli>=2; python_version < '3.11'", "paho-mqtt>=2; extra == 'kiosk'")


def test_pip_brings_what_the_board_takes_and_no_network_is_needed_again(index: Path, tmp_path: Path) -> None:
    for tags in (ARM, "cp313-cp313-manylinux_2_17_aarch64", "cp311-cp311-manylinux_2_17_x86_64"):
        wheel(index, "numpy", "2.4.6", tags)
    wheel(index, "numpy", "2.5.0", "cp311-cp311-manylinux_2_39_aarch64")  # newer, for a newer C library
    wheel(index, "paho_mqtt", "2.2.0", ANY)
    house = resolve(BOOKWORM, tmp_path / "house", constraints(tmp_path), say=quiet)
    assert [w.name for w in house.wheels] == [
        "fer_edge-0.1.0-py3-none-any.whl",
        f"numpy-2.4.6-{ARM}.whl",
        "paho_mqtt-2.2.0-py3-none-any.whl",
    ]
    shutil.rmtree(index)
    assert open_wheelhouse(tmp_path / "house", BOOKWORM) == house
    newer = open_wheelhouse(
        tmp_path / "house", replace(BOOKWORM, glibc="2.41")
    )  # an older C library's wheels run there
    assert newer.wheels == house.wheels


def test_markers_are_asked_about_the_board_and_not_about_this_computer(index: Path, tmp_path: Path) -> None:
    wheel(index, "numpy", "2.2.6", "cp310-cp310-manylinux_2_17_aarch64")
    wheel(index, "paho_mqtt", "2.2.0", ANY)
    wheel(index, "tomli", "2.3.0", ANY)
    house = resolve(Target("3.10", glibc="2.35"), tmp_path / "house", constraints(tmp_path), say=quiet)
    assert "tomli-2.3.0-py3-none-any.whl" in [
        w.name for w in house.wheels
    ]  # pip here, on a newer Python, leaves it out


def test_a_wheel_that_nobody_makes_is_named_with_its_python(index: Path, tmp_path: Path) -> None:
    wheel(index, "numpy", "2.4.6", "cp313-cp313-manylinux_2_17_aarch64")
    wheel(index, "paho_mqtt", "2.2.0", ANY)
    with pytest.raises(InputError, match=r"no wheel of numpy\S* for Python 3\.11 on aarch64 with glibc 2\.36"):
        resolve(BOOKWORM, tmp_path / "house", constraints(tmp_path), say=quiet)
    assert not (tmp_path / "house" / BOOKWORM.name).exists()


def test_a_python_that_is_too_old_is_refused_before_pip_is_asked(index: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs Python >=3\.10, the image has 3\.6"):
        fetch(Target("3.6", glibc="2.27"), tmp_path / "house", say=quiet)


def test_what_was_tested_and_nothing_else_is_fetched(index: Path, tmp_path: Path) -> None:
    """Newer versions and other files of the same name do not matter, and nothing comes that no hash was kept of."""
    locks = tmp_path / "locks"
    locks.mkdir()
    wheel(index, "numpy", "2.4.6", ARM)
    paho = wheel(index, "paho_mqtt", "2.2.0", ANY)
    house = resolve(BOOKWORM, tmp_path / "resolved", constraints(tmp_path), say=quiet)
    (locks / f"{BOOKWORM.name}.txt").write_text(lock_text(house))
    wheel(index, "numpy", "2.5.0", ARM)
    fetched = fetch(replace(BOOKWORM, glibc="2.41"), tmp_path / "house", locks, quiet)
    assert [w.name for w in fetched.wheels] == [w.name for w in house.wheels]
    paho.unlink()
    wheel(index, "paho_mqtt", "2.2.0", ANY, modules={"paho/evil": ""})
    with pytest.raises(InputError, match=r"another file than the one that was tested: paho-mqtt==2\.2\.0"):
        fetch(BOOKWORM, tmp_path / "house", locks, quiet)
    with pytest.raises(InputError, match=r"no set of packages was tested for Python 3\.12"):
        fetch(Target("3.12"), tmp_path / "house", locks, quiet)


def test_the_locks_hold_every_package_as_it_is_tested() -> None:
    """And what fer-edge asks for itself: `make lock` was run after the last change."""
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for target, but in CARDS.items():
        lines = (LOCKS / f"{target.name}.txt").read_text().splitlines()[1:]
        packages = dict(re.fullmatch(r"([\w-]+)==([\w.]+) --hash=sha256:[0-9a-f]{64}", line).groups() for line in lines)  # type: ignore[union-attr,misc]
        assert {name: pins.get(name) for name in packages if name not in but} == {
            name: version for name, version in packages.items() if name not in but
        }
        for line in (*asked["dependencies"], *asked["optional-dependencies"]["kiosk"]):
            wanted = Requirement(line)
            if not wanted.marker or wanted.marker.evaluate({**target.markers(), "extra": ""}):
                assert wanted.specifier.contains(packages[wanted.name]), f"{target.name}: {line}"


@pytest.mark.parametrize("target", CARDS, ids=lambda target: target.name)
def test_the_index_gives_what_was_tested(target: Target, tmp_path: Path) -> None:
    """Asked for real: the smallest package, for all are 150 MB."""
    lock = lock_of(target).read_text().splitlines()
    (tmp_path / f"{target.name}.txt").write_text("".join(f"{line}\n" for line in lock if line.startswith("propcache=")))
    try:
        wheels.download_locked(target, tmp_path, tmp_path)
    except DeviceNotFound as error:
        pytest.skip(f"no index: {error.cause}")
    assert len([*tmp_path.glob("propcache-*_aarch64.whl")]) == 1


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: (p / f"numpy-2.4.6-{ARM}.whl").write_bytes(b"cut"), "is not what its manifest says"),
        (lambda p: (p / f"numpy-2.4.6-{ARM}.whl").unlink(), "is missing"),
        (lambda p: (p / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda p: (p / "manifest.json").unlink(), "has no wheels for Python 3.11"),
    ],
)
def test_a_spoilt_wheelhouse(spoil: object, says: str, tmp_path: Path) -> None:
    house = small_wheelhouse(tmp_path)
    assert callable(spoil)
    spoil(house.folder)
    with pytest.raises(InputError, match=says):
        open_wheelhouse(tmp_path, BOOKWORM)


def test_a_wheelhouse_that_lacks_something_says_what_and_for_which_python(tmp_path: Path) -> None:
    place = small_wheelhouse(tmp_path).folder
    (place / "paho_mqtt-2.2.0-py3-none-any.whl").unlink()
    write_manifest(place)
    with pytest.raises(InputError, match=r"no wheel of paho-mqtt>=2 for Python 3\.11"):
        open_wheelhouse(tmp_path, BOOKWORM)


def test_wheels_of_another_machine_are_refused_by_name(tmp_path: Path) -> None:
    place = tmp_path / BOOKWORM.name
    small_wheels(place, numpy="cp311-cp311-manylinux_2_17_x86_64")
    write_manifest(place)
    with pytest.raises(InputError, match=r"no wheel of numpy-2\.4\.6-cp311-cp311-manylinux_2_17_x86_64\.whl for"):
        open_wheelhouse(tmp_path, BOOKWORM)


def test_the_payload_is_what_install_sh_takes_and_the_same_every_time(tmp_path: Path) -> None:
    payload = small_payload(tmp_path)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=payload, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    root = tmp_path / "root"
    done = subprocess.run(["sh", payload / "install.sh", "--root", root], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert payload_name(payload) in done.stdout
    site = root / "opt/fer-edge/current/site"
    assert {p.name for p in site.iterdir()} >= {"fer_edge", "numpy.py", "paho", "numpy-2.4.6.dist-info"}
    assert (root / "opt/fer-edge/current/bundle/model.onnx").read_bytes() == b"graph"
    before = sums(payload)
    house = open_wheelhouse(tmp_path / "wheelhouse", BOOKWORM)
    again = build_payload(house, tmp_path / "bundle", "# a kiosk\n", packaging_folder(), payload)
    assert sums(again) == before


def test_models_and_a_python_of_its_own_go_along(tmp_path: Path) -> None:
    house, model = small_wheelhouse(tmp_path / "house"), tmp_path / "yunet.onnx"
    model.write_bytes(b"weights")
    archive = python_archive(tmp_path / "python.tar.gz")
    bundle = small_bundle(tmp_path)
    payload = build_payload(house, bundle, "", packaging_folder(), tmp_path / "payload", archive, [model])
    root = tmp_path / "root"
    done = subprocess.run(["sh", payload / "install.sh", "--root", root], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (root / "var/cache/fer-edge/models/yunet.onnx").read_bytes() == b"weights"
    assert (root / "opt/fer-edge/current/python/bin/python3").resolve().name == "python3.11"
    assert not (payload / "config.toml").exists()


def python_archive(path: Path, version: str = "3.11", machine: int = 183, link: bool = True) -> Path:
    """The shape of a relocatable Python."""
    program = b"\x7fELF\x02\x01\x01" + bytes(11) + machine.to_bytes(2, "little") + bytes(40)
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo(f"python/bin/python{version}")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        if link:
            entry = tarfile.TarInfo("python/bin/python3")
            entry.type, entry.linkname = tarfile.SYMTYPE, f"python{version}"
            tar.addfile(entry)
    return path


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"version": "3.12"}, r"has Python 3\.12, the wheels are for 3\.11"),
        ({"machine": 62}, "for another machine than aarch64"),
        ({"link": False}, "has no bin/python3"),
    ],
)
def test_a_python_that_does_not_fit(about: dict[str, object], says: str, tmp_path: Path) -> None:
    archive = python_archive(tmp_path / "python.tar.gz", **about)  # type: ignore[arg-type]
    house, bundle = small_wheelhouse(tmp_path / "house"), small_bundle(tmp_path)
    with pytest.raises(InputError, match=says):
        build_payload(house, bundle, "", packaging_folder(), tmp_path / "payload", archive)
    assert not (tmp_path / "payload").exists()


def test_a_wheel_cannot_write_beside_its_place(tmp_path: Path) -> None:
    bad = wheel(tmp_path, "bad", "1", ANY, modules={"../evil": ""})
    with pytest.raises(InputError, match="leads out of it"):
        write_site([bad], tmp_path / "site.tar.gz")


def test_an_encrypted_wheel_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "numpy-1-py3-none-any.whl"
    bad.write_bytes(altered_zip("numpy/__init__.py", *ENCRYPTED))
    with pytest.raises(InputError, match=r"is no wheel: .*encrypted"):
        write_site([bad], tmp_path / "site.tar.gz")


def test_our_own_wheel_from_the_checkout_holds_what_the_payload_needs(tmp_path: Path) -> None:
    pytest.importorskip("build", reason="needs the dev extra")
    from fer_edge.errors import DeviceFailed

    try:
        made = own_wheel(tmp_path)
    except DeviceFailed:
        fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp_path, "setuptools"]
        if subprocess.run(fetch, capture_output=True).returncode:
            pytest.skip("no network, by which pip could fetch setuptools")
        raise
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-l", made], capture_output=True, text=True).stdout
    assert "fer_edge/bundle/default/bundle.json" in listed
    assert "fer_edge/devices/flash/payload/payload.py" in listed
    assert "tests/" not in listed


def test_our_own_wheel_is_put_together_again_from_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a computer where fer-edge came from the index, without a checkout."""
    from fer_edge.devices.flash.payload import own_wheel as module

    source = ours(tmp_path / "index")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*install, tmp_path / "site", source], check=True, capture_output=True)
    installed = next(iter(metadata.Distribution.discover(name="fer-edge", path=[str(tmp_path / "site")])))
    monkeypatch.setattr(module, "PACKAGE", tmp_path)  # without a pyproject.toml
    monkeypatch.setattr(module.metadata, "distribution", lambda name: installed)
    again = own_wheel(tmp_path)
    assert again.name == source.name
    subprocess.run([*install, tmp_path / "other", again], check=True, capture_output=True)
    assert (tmp_path / "other/fer_edge/cli/main.py").is_file()

"""Every command that an error or the doctor suggests is run, where it can be."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import pytest
from fer_edge import analyze
from fer_edge.bundle import default_bundle
from fer_edge.devices.flash.payload import parts
from fer_edge.devices.flash.payload.wheel_closure import Target
from fer_edge.devices.flash.payload.wheels import Wheelhouse
from fer_edge.runtime.config.create import Declaration, create_config
from fer_edge.runtime.sources.demo import DemoSource
from fer_edge.runtime.study.folder import StudySettings, init_study
from fer_edge.runtime.vision.detectors.weights import add_model
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from support.front_door import run_verb
from support.histories import put, store
from support.labelled import class_folders
from support.suggestions import ALL, DEBIAN, PROGRAMS, is_command

VENDORS_PACKAGES = {"nvidia-jetpack", "hailo-all", "libedgetpu1-std", "intel-level-zero-npu", "python3-picamera2"}
"""That `sudo apt install` is told to take, of a vendor's own place for packages."""

NOT_RUN = {
    "fer-edge WORD --calibration": "begun by the verb that was called",
    "fer-edge benchmark --": "measures for minutes",
    "fer-edge bundle add": "needs what a vendor's compiler gave",
    "fer-edge bundle import": "needs another tool's model; tests/export/test_import.py has some",
    "fer-edge bundle recalibrate": "wants real faces; tests/train/test_recalibrate.py has some",
    "fer-edge bundle make": "builds a network; tests/train does",
    "fer-edge config init FILE": "asks at a terminal",
    "fer-edge config init WORD --replace": "as above",
    "fer-edge config init WORD": "as above",
    "fer-edge data WORD": "the call itself, mended",
    "fer-edge flash WORD": "needs a card's image; tests/devices/flash has one",
    "fer-edge flash probe": "needs a card's image",
    "fer-edge run --config": "watches until it is ended",
    "fer-edge update WORD": "the call itself, mended",
    "fer-edge update apply": "changes what is installed",
    "fer-edge update pack FOLDER": "needs a payload",
    "fer-edge update pack WORD": "needs a payload",
    "fer-edge update publish WORD": "needs a payload",
    "fer-edge update pull WORD": "needs another machine",
    "fer-edge update pull https": "needs another machine",
    "fer-edge update push": "needs another machine",
    "docker": "needs its daemon",
    "make wheel": "tests/test_packaging makes one",
    "pip index": "needs a network",
    "pyenv": "compiles a Python",
    "WORD": "begins with a text that is filled in",
    "ssh": "needs another machine",
    "uv python": "fetches a Python",
}
"""Suggestions, by their beginning, that are only read, and why they are not run."""
FILLED_IN = """
fer-edge build-engine bundle --device jetson-orin-nano -> 3
fer-edge bundle check bundle
fer-edge bundle show bundle
fer-edge compare study --leave-out S -> 2
fer-edge compare study --model 0 -> 2
fer-edge compare study --without-resting -> 2
fer-edge config check fer-edge.toml
fer-edge config init new.toml --place NAME --kind shop --purpose TEXT
fer-edge config show -> 2
fer-edge data wipe history --yes
fer-edge doctor --device coral -> 3
fer-edge evaluate --data faces
fer-edge evaluate --data faces --augmentations
fer-edge evaluate --data faces --explain
fer-edge evaluate --data faces --groups gender,age -> 2
fer-edge evaluate --data faces --resting people.csv,person -> 2
fer-edge fleet init new.toml
fer-edge fleet init new.toml --replace
fer-edge fleet status --inventory fer-edge.toml -> 2
fer-edge flash fetch wheels --os-image 7
fer-edge flash fetch wheels --python 3.11
fer-edge flash fetch wheels --python 3.11 --glibc 2.36
fer-edge flash init fer-edge.toml --replace
fer-edge flash init new.toml
fer-edge models add yunet.onnx
fer-edge report session --only csv
fer-edge report session --only csv,pictures
fer-edge report session --only figures
fer-edge report session --rules CONFIG -> 2
fer-edge run --source 7 --out again
fer-edge run 7
fer-edge run 7 --detector yunet --detect-width 0
fer-edge run 7 --out session --replace
fer-edge run 7 --resting first:2s --resting-save me
fer-edge run 7 --resting rest.png
fer-edge run camera:0 --resting first:2s -> 3
fer-edge run demo --device ncs2 --bundle default -> 3
fer-edge run camera:0 --seconds 5 --resting first:2s -> 3
fer-edge study consent study P07 --witness NAME
fer-edge study expire study --yes
fer-edge study init new-study
fer-edge study show study
fer-edge study withdraw study P07 --yes -> 2
fer-edge update key new-2
fer-edge update status -> 2
"""
"""As a person fills them in, below, and the exit code where it is not 0: no device, kiosk, update or groups here."""
NOT_UNDERSTOOD = re.compile(r"(?i)usage:|(invalid|unrecognized|unknown) option|command not found|syntax error")


DEAR = ("fer-edge bundle check", "fer-edge doctor", "fer-edge run", "rm WORD &&")


def of_kind(wanted: str) -> list[Any]:
    """Those that are run: of fer-edge, by pip, for root or by the system's programs; the dear ones are marked slow."""

    def kind(text: str) -> str:
        words = [k for k in ("sudo ", "pip install") if k in text]
        return "fer-edge" if text.startswith("fer-edge") else words[0] if words else "system"

    found = sorted({t for _, t in ALL if is_command(t) and not t.startswith(tuple(NOT_RUN)) and kind(t) == wanted})
    return [pytest.param(t, marks=pytest.mark.slow if t.startswith(DEAR) else ()) for t in found]


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What suggestions are about: a film, faces, a session, a kiosk's history, a configuration."""
    folder = tmp_path_factory.mktemp("things")
    (folder / "bundle").symlink_to(default_bundle())
    class_folders(folder / "faces" / "train", each=1)
    class_folders(folder / "faces" / "valid", each=1)
    source = DemoSource(0.1)
    film = cv2.VideoWriter(str(folder / "7.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (640, 480))
    for frame in source:
        film.write(frame.image)
        cv2.imwrite(str(folder / "rest.png"), frame.image)
    film.release()
    (folder / "7.avi").rename(folder / "7")
    for _ in analyze(folder / "7", out=folder / "session"):
        pass
    put(history := store(folder / "history"), 1, 2)
    history.close()
    create_config(folder / "fer-edge.toml", Declaration("hall", "shop", "to count"))
    (init_study(folder / "study", StudySettings()).folder / "consent.txt").write_text("I agree.")
    (folder / "bin").mkdir()
    (folder / "bin" / "fer-edge").write_text(f'#!/bin/sh\nexec {sys.executable} -m fer_edge "$@"\n')
    (folder / "bin" / "fer-edge").chmod(0o755)
    return folder


@pytest.fixture
def here(things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, to be in."""
    folder = shutil.copytree(things, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    return Path(folder)


@pytest.mark.parametrize("text", of_kind("fer-edge"))
def test_what_it_suggests_of_its_own_does_what_it_should(
    text: str, here: Path, capsys: pytest.CaptureFixture[str], yunet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "fetch_packages", lambda given, told: Wheelhouse(given.folder, Target("3.11"), ()))
    shutil.copy(yunet_file, here / "yunet.onnx")
    add_model(here / "yunet.onnx")
    line = text.partition("  #")[0]
    pattern = re.sub(r"WORD|\b[A-Z]{2,}(?:\.toml)?(?=\s|$)", ".+", line) + "(?: -> [0-9])?"
    found = [filled for filled in FILLED_IN.strip().splitlines() if re.fullmatch(pattern, filled)]
    assert found or "WORD" not in line, f"FILLED_IN has nothing for {line}"
    command, _, code = (found or [line])[0].partition(" -> ")
    given, said = run_verb(capsys, *shlex.split(command)[1:])
    assert given == int(code or 0), (command, said)
    assert "Traceback" not in said


@pytest.mark.parametrize("text", of_kind("system"))
def test_programs_of_the_system_understand_it(text: str, here: Path) -> None:
    """Where they are: a file 7 stands for whatever is named, and that no device is here is an answer, too."""
    name = text.split(" ")[0]
    command = ["bash", "-c", text.replace("WORD", "7")]
    if subprocess.run(["bash", "-c", f"command -v {name}"], capture_output=True).returncode:
        pytest.skip(f"no {name} here")
    env = {**os.environ, "PATH": f"{here / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, env=env)
    assert done.returncode not in (126, 127), done.stderr
    assert not NOT_UNDERSTOOD.search(done.stderr), done.stderr


@pytest.mark.parametrize("text", of_kind("sudo "))
def test_what_root_is_asked_to_do_is_known(text: str) -> None:
    """Nothing is run as root; programs and packages are looked up."""
    for part in re.split(r"&&|\|", text):
        words = shlex.split(part, comments=True)
        words = words[1:] if words[:1] == ["sudo"] else words
        words = words[2:] if words[:2] == ["-u", "fer-edge"] else words
        assert not words or words[0] in PROGRAMS or words[0].startswith("python3"), part
        if words[:2] == ["apt", "install"]:
            assert set(words[2:]) - VENDORS_PACKAGES - {"WORD"} <= debians_packages()


@cache
def debians_packages() -> set[str]:
    """Names; skips where no list of packages is at hand."""
    known = shutil.which("apt-cache") and subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True)
    names = set(known.stdout.split()) if known else set()
    return names if "bash" in names else pytest.skip("needs Debian's list of packages: apt update")


def test_programs_come_from_where_the_table_says() -> None:
    assert set(DEBIAN) <= debians_packages()


@pytest.mark.slow
@pytest.mark.parametrize("text", of_kind("pip install"))
def test_pip_understands_it(text: str, tmp_path: Path) -> None:
    """Against wheels of the test's own, which hold nothing: versions and quotes are read, the index is not asked."""
    line = re.split(r"pip install ", text.partition("  #")[0])[-1].replace("WORD", "openvino")
    for word in shlex.split(line):
        if not word.startswith("-"):
            empty_wheel(tmp_path, word)
    pip = f"{sys.executable} -m pip install --dry-run --no-deps --no-index --find-links . {line}"
    done = subprocess.run(["bash", "-c", pip], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def empty_wheel(folder: Path, asked: str) -> None:
    """Of what pip is asked for: a requirement, or a file by its pattern."""
    file = asked.endswith(".whl")
    name, version = asked.split("-")[:2] if file else (Requirement(asked).name.replace("-", "_"), "")
    fits = Requirement(asked).specifier if not file else SpecifierSet()
    version = version or next(v for v in ("99", "4.9", "2021.4.2", "2.11", "1.26") if v in fits)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        info = f"{name}-{version}.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")

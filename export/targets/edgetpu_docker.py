"""Google's Edge TPU compiler in a container: for machines with Docker that it does not run on itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from ...errors import ConversionFailed, DeviceNotFound

DOCKERFILE = Path(__file__).with_name("edgetpu.Dockerfile")
IMAGE = "fer-edge-edgetpu-compiler"
BUILD_S = 1200
INSIDE = "/work"
"""Where the folder with the file lies in the container."""


def require_docker() -> str:
    """The program's path; raises DeviceNotFound, with the way that needs none."""
    docker = shutil.which("docker")
    if docker is None:
        raise DeviceNotFound(
            "docker is not on PATH",
            cause="--compiler docker runs Google's compiler in a container",
            hint="the same command without --compiler, which says how to compile elsewhere, as in Google's notebook",
        )
    return docker


def build_image(say: Callable[[str], None]) -> None:
    """Build the compiler's image, which Docker keeps; raises DeviceNotFound where it cannot."""
    docker = require_docker()
    say("preparing the container with Google's compiler, once")
    command = [docker, "build", "--quiet", "--tag", IMAGE, "-"]  # the Dockerfile by itself, without a folder
    try:
        done = subprocess.run(command, input=DOCKERFILE.read_text(), capture_output=True, text=True, timeout=BUILD_S)
    except subprocess.TimeoutExpired:
        raise ConversionFailed(f"docker did not build the image in {BUILD_S} s", hint="docker system df") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise DeviceNotFound(
            f"docker did not build the compiler's image: {said}",
            cause="Docker's service does not run, this user may not use it, or there is no network",
            hint="docker info",
        )


def compile_command(source: Path, out: Path) -> list[str]:
    """The compiler's call in the container, in the place of `edgetpu_compiler -s -o OUT SOURCE`; both in one folder."""
    user = f"{os.getuid()}:{os.getgid()}"  # or root would own what it writes
    mount = f"type=bind,source={out.resolve()},target={INSIDE}"
    run = [require_docker(), "run", "--rm", "--network", "none", "--user", user, "--mount", mount, IMAGE]
    return [*run, "-s", "-o", INSIDE, f"{INSIDE}/{source.name}"]

"""Reads one camera or stream in a process of its own. Self-contained: Python 3.9, numpy, and the driver's library.

`python child.py DRIVER.py MEMORY PARENT`, started by process.py under whatever interpreter the driver's library needs.
MEMORY is the descriptor of a file in memory that both map, where pictures cross; -1 where there is none, and they go
over the pipe. PARENT is the number of the process that started this one. What to open comes over standard input, not
as an argument: a stream's password would be seen in the list of processes.

A driver is a file with `open(what, options)`; what it gives has `read()`, uint8 (H, W) or (H, W, C) in BGR or BGRA, or
None at the end, `describe()` and `close()`. A frame is a kind (one byte), the length of its body (four bytes,
little-endian), and the body:

    in   O  {"what", "options"}   open                out  D  what describe() says
    in   N  nothing               the next picture    out  P  monotonic seconds (f64), shape (3 x u32) and, without
                                                              MEMORY, the pixels
                                                      out  Z  nothing: no more pictures
                                                      out  E  {"kind", "message"}   it did not work

Nothing is read ahead: a picture is asked for, and waited for, by the parent, who kills this process at its deadline.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import mmap
import os
import resource
import signal
import struct
import sys
import time
from typing import Any, BinaryIO

sys.path[:0] = [folder for folder in os.environ.get("FER_EDGE_SITE", "").split(os.pathsep) if folder]  # see alone.py

import numpy as np  # noqa: E402

HEAD, PICTURE = struct.Struct("<cI"), struct.Struct("<d3I")
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


def main(path: str, memory: int, parent: int) -> None:
    """Serve one parent until its pipe closes; `memory` is the descriptor of the shared file, or -1."""
    die_with(parent)
    leave_no_core()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints
    shared = Shared(memory) if memory >= 0 else None
    driver: Any = None
    while True:
        kind, body = receive(sys.stdin.buffer)
        if not kind:
            break
        try:
            if kind == b"O":
                driver = open_driver(path, json.loads(body.decode()))
                send(target, b"D", json.dumps(described(driver)).encode())
            elif kind == b"N":
                send_picture(target, shared, driver.read())
            else:
                raise ValueError(f"a frame of unknown kind {kind!r}")
        except BrokenPipeError:
            break
        except BaseException as error:  # whatever a library raises becomes a sentence for the parent
            message = str(error).strip().split("\n")[0] or type(error).__name__
            send(target, b"E", json.dumps({"kind": kind_of(error), "message": message}).encode())
    if driver is not None:
        driver.close()


def receive(source: BinaryIO) -> tuple[bytes, bytes]:
    """The next frame; an empty kind at the end."""
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return b"", b""
    kind, length = HEAD.unpack(head)
    return kind, source.read(length)


def send(target: BinaryIO, kind: bytes, *parts: Any) -> None:
    """Write one frame whole."""
    target.write(HEAD.pack(kind, sum(len(p) for p in parts)))
    for part in parts:
        target.write(part)
    target.flush()


def send_picture(target: BinaryIO, shared: Shared | None, image: Any) -> None:
    """Put a picture where the parent finds it, and say its time and shape; raises ValueError for what is none."""
    stamp = time.monotonic()  # CLOCK_MONOTONIC is the same in every process
    if image is None or not np.size(image):
        send(target, b"Z")
        return
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"pictures of {image.ndim} dimensions and {image.dtype} pixels are not understood")
    image = image[:, :, None] if image.ndim == 2 else image
    head = PICTURE.pack(stamp, *image.shape)
    if shared is None:
        send(target, b"P", head, image.tobytes())
    else:
        shared.write(image)
        send(target, b"P", head)


class Shared:
    """The file in memory that the parent reads pictures from."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, 0)

    def write(self, image: Any) -> None:
        """Put a picture at the beginning, in C order; the parent does not look while this runs."""
        if image.nbytes > len(self._map):
            self._map.close()
            os.ftruncate(self._descriptor, image.nbytes)
            self._map = mmap.mmap(self._descriptor, 0)
        np.frombuffer(self._map, np.uint8, image.size).reshape(image.shape)[:] = image


def open_driver(path: str, request: dict[str, Any]) -> Any:
    """Load the driver's file by its path, so that no package is needed, and open the camera."""
    spec = importlib.util.spec_from_file_location("driver", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.open(request["what"], request["options"])


def described(driver: Any) -> dict[str, Any]:
    """What the driver says of itself, and which interpreter runs it."""
    return {**driver.describe(), "python": "{}.{}.{}".format(*sys.version_info[:3])}


def kind_of(error: BaseException) -> str:
    """The standard kind of an error, by which the parent chooses its own."""
    for kind in (ImportError, LookupError, MemoryError, ValueError, OSError):
        if isinstance(error, kind):
            return kind.__name__
    return "RuntimeError"


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it goes, even inside a library; Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        sys.exit(0)


def leave_no_core() -> None:
    """No picture reaches the disk in the memory image of a process that crashed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):  # where cores go to a program, the limit alone is not looked at
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

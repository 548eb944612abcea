"""Runs one backend in a process of its own. Self-contained: Python 3.6, numpy, and the backend's vendor library.

`python worker.py BACKEND.py MEMORY PARENT`, started by remote.py under whatever interpreter the vendor library needs.
Frames go over standard input and output; everything a vendor library prints goes to standard error. MEMORY is the
descriptor of a file in memory that both map, where pictures cross faster than through a pipe; -1 where there is none.
PARENT is the number of the process that started it.

A frame is a kind (one byte), the length of its body (four bytes, little-endian), and the body:

    in   O  {"artifact", "options"}      open             out  D  what describe() says
    in   S  shape (4 x u32)              infer            out  L  shape (2 x u32) and float32 logits
    in   I  shape (4 x u32) and pixels   infer            out  E  {"kind", "message"}   it did not work
                                                          out  H  nothing: alive, about every second

The worker ends when its input ends, and is killed by the kernel when its parent dies in the middle of a call.
"""

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
import threading
from typing import Any, BinaryIO, Dict, Tuple

sys.path[:0] = [folder for folder in os.environ.get("FER_EDGE_SITE", "").split(os.pathsep) if folder]  # see alone.py

import numpy as np  # noqa: E402

HEAD, PICTURES, LOGITS = struct.Struct("<cI"), struct.Struct("<4I"), struct.Struct("<2I")
HEARTBEAT_S = 1.0
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


class Link:
    """The two pipes to the parent; several threads may send."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source, self._target = source, target
        self._lock = threading.Lock()

    def send(self, kind: bytes, *parts: bytes) -> None:
        """Write one frame whole; when nobody reads any more there is nothing left to do."""
        with self._lock:
            try:
                self._target.write(HEAD.pack(kind, sum(len(p) for p in parts)))
                for part in parts:
                    self._target.write(part)
                self._target.flush()
            except BrokenPipeError:
                os._exit(0)

    def receive(self) -> Tuple[bytes, bytes]:
        """The next frame; an empty kind at the end."""
        head = self._source.read(HEAD.size)
        if len(head) < HEAD.size:
            return b"", b""
        kind, length = HEAD.unpack(head)
        return kind, self._source.read(length)


def main(path: str, memory: int, parent: int) -> None:
    """Serve one parent until its pipe closes; `memory` is the descriptor of the shared file, or -1."""
    die_with(parent)
    leave_no_core()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    link = Link(sys.stdin.buffer, target)
    beat(link)
    backend = None  # type: Any
    shared = Shared(memory)
    while True:
        kind, body = link.receive()
        if not kind:
            break
        try:
            if kind == b"O":
                backend = open_backend(path, json.loads(body.decode()))
                link.send(b"D", json.dumps(described(backend)).encode())
            elif kind in (b"S", b"I"):
                batch = shared.pictures(body) if kind == b"S" else pictures(body)
                logits = np.ascontiguousarray(backend.infer(batch), np.float32)
                link.send(b"L", LOGITS.pack(*logits.shape), logits.tobytes())
            else:
                raise ValueError(f"a frame of unknown kind {kind!r}")
        except BaseException as error:  # whatever a vendor library raises becomes a sentence for the parent
            message = str(error).strip().split("\n")[0] or type(error).__name__
            link.send(b"E", json.dumps({"kind": kind_of(error), "message": message}).encode())
    if backend is not None:
        backend.close()


def pictures(body: bytes) -> Any:
    """uint8 (N, S, S, 3) of an I frame's body, without a copy."""
    shape = PICTURES.unpack_from(body)
    return np.frombuffer(body, np.uint8, offset=PICTURES.size).reshape(shape)


class Shared:
    """The file in memory that the parent writes pictures into."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map = None  # type: Any

    def pictures(self, body: bytes) -> Any:
        """uint8 (N, S, S, 3) of an S frame's shape, without a copy; the parent waits while they are read."""
        shape = PICTURES.unpack(body)
        count = shape[0] * shape[1] * shape[2] * shape[3]
        if self._map is None or len(self._map) < count:  # the first, or the parent made the file longer
            self._map = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
        return np.frombuffer(self._map, np.uint8, count).reshape(shape)


def open_backend(path: str, request: Dict[str, Any]) -> Any:
    """Load the backend's file by its path, so that no package is needed, and open the artifact."""
    spec = importlib.util.spec_from_file_location("backend", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.open(request["artifact"], request["options"])


def described(backend: Any) -> Dict[str, Any]:
    """What the backend says of itself, and which interpreter runs it."""
    answer = dict(backend.describe())
    answer["python"] = "{}.{}.{}".format(*sys.version_info[:3])
    return answer


def kind_of(error: BaseException) -> str:
    """The standard kind of an error, by which the parent chooses its own."""
    for kind in (ImportError, LookupError, MemoryError, ValueError, OSError):
        if isinstance(error, kind):
            return kind.__name__
    return "RuntimeError"


def beat(link: Link) -> None:
    """Say now and then that the interpreter still runs; a library that holds it for good is silent."""

    def loop() -> None:
        wait = threading.Event()
        while True:
            wait.wait(HEARTBEAT_S)
            link.send(b"H")

    threading.Thread(target=loop, daemon=True).start()


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent goes, even inside a vendor call; Linux only."""
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

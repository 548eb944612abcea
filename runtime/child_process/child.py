"""What each of our child processes does: answer messages until its pipe closes. Self-contained: Python 3.6, no numpy.

`python -I child.py SERVER.py MEMORY PARENT`, started by process.py under whatever interpreter a library needs. SERVER
is `inference/worker.py` or `sources/camera_child.py`, loaded by its path; its class `Server` answers. MEMORY is the
descriptor of a file in memory that both ends map, where pictures cross faster than through a pipe; -1 where there is
none. PARENT is the number of the process that started this one.

Messages go over standard input and output; everything a library prints goes to standard error. A message is a kind (one
byte), the length of its body (four bytes, little-endian), and the body:

    in   O  {"file", "what", "options"}   open    out  D  what describe() says, and this Python's version
    in   what SERVER knows                        out  what SERVER answers
                                                  out  E  {"kind", "message"}   it did not work
                                                  out  H  nothing: alive, every so often, where SERVER wants it

`file` is loaded by its path too, so that no package is needed. Its `open(what, options)` gives an object with
`describe()` and `close()`, and what SERVER asks of it. It is named over the pipe and not as an argument, because a
stream's password would be seen in the list of processes.

The child ends when its input ends, and is killed by the kernel when its parent dies in the middle of a call.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import resource
import signal
import struct
import sys
import threading
from typing import Any, BinaryIO, Iterator, Tuple

HEAD = struct.Struct("<cI")
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


class Pipes:
    """The two pipes to the parent; several threads may send."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source, self._target = source, target
        self._lock = threading.Lock()

    def send(self, kind: bytes, *parts: Any) -> None:
        """Write one message whole; raises BrokenPipeError when nobody reads any more."""
        with self._lock:
            self._target.write(HEAD.pack(kind, sum(len(p) for p in parts)))
            for part in parts:
                self._target.write(part)
            self._target.flush()

    def messages(self) -> Iterator[Tuple[bytes, bytes]]:
        """Kind and body of what the parent sends, to its end."""
        while True:
            head = self._source.read(HEAD.size)
            if len(head) < HEAD.size:
                return
            kind, length = HEAD.unpack(head)
            yield kind, self._source.read(length)


def main(server_path: str, memory: int, parent: int) -> None:
    """Serve one parent until its pipe closes; `memory` is the descriptor of the shared file, or -1."""
    die_with(parent)
    leave_no_core()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    pipes = Pipes(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # whatever a library prints
    sys.path[:0] = [folder for folder in os.environ.get("FER_EDGE_SITE", "").split(os.pathsep) if folder]
    server = load(server_path).Server(memory)
    beat(pipes, server.heartbeat_s)
    opened = None  # type: Any
    with contextlib.suppress(BrokenPipeError):  # nobody reads any more
        for kind, body in pipes.messages():
            try:
                if kind == b"O":
                    request = json.loads(body.decode())
                    opened = load(request["file"]).open(request["what"], request["options"])
                    answer = b"D", described(opened)  # type: Tuple[bytes, ...]
                else:
                    answer = server.answer(opened, kind, body)
            except BaseException as error:  # whatever a library raises becomes a sentence for the parent
                answer = b"E", refusal(error)
            pipes.send(*answer)
    if opened is not None:
        opened.close()


def load(path: str) -> Any:
    """The module in that file."""
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def described(opened: Any) -> bytes:
    """What it says of itself, and which interpreter runs it, as JSON."""
    answer = dict(opened.describe())
    answer["python"] = "{}.{}.{}".format(*sys.version_info[:3])
    return json.dumps(answer).encode()


def refusal(error: BaseException) -> bytes:
    """Its first line and its standard kind, by which the parent chooses its own, as JSON."""
    kinds = (ImportError, LookupError, MemoryError, ValueError, OSError, BaseException)
    kind = next(k.__name__ for k in kinds if isinstance(error, k))
    message = str(error).strip().split("\n")[0] or type(error).__name__
    return json.dumps({"kind": kind, "message": message}).encode()


def beat(pipes: Pipes, every_s: float) -> None:
    """Say now and then that the interpreter still runs; a library that holds it for good is silent. 0: never."""

    def loop() -> None:
        wait = threading.Event()
        while not wait.wait(every_s):
            try:
                pipes.send(b"H")
            except BrokenPipeError:
                os._exit(0)

    if every_s:
        threading.Thread(target=loop, daemon=True).start()


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

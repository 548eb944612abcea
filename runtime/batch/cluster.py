"""The workers of a batch as actors of a Ray cluster, or of a small one that lives as long as the batch."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from ...errors import DeviceFailed, DeviceNotFound, MissingExtra, UsageError
from ..child_process.child import leave_no_core
from .batch_file import BatchFile
from .worker import Answer, Fault, FileWorker, Job, died, never_began

CLIENT = "ray://"
CLIENT_PORT = 10001
"""Of Ray's client server, unless the cluster was started with another."""
REACH_S = 5
"""Seconds within which a cluster's port must answer; Ray itself would ask for a minute."""
KILLED_S = 10
"""Seconds within which a cluster says that a worker is dead."""
STORE = 80 << 20
"""Bytes of shared memory of a cluster of our own, about the least that Ray takes: only names and records cross."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # what is said of each worker's death, and on standard output
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a warning about what this is set to
}
PATIENCE = {
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": f"{REACH_S}",
    "RAY_NUM_REDIS_GET_RETRIES": "1",  # tries to reach a cluster, of 40 s each; Ray itself would make 20
}
"""For a cluster that runs already: something else may answer at its address, or it may want another token."""
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""A cluster of our own listens on the loopback alone, as Ray does on systems of which it makes no cluster, and lets
nobody in without a token."""


def check_reachable(address: str | None) -> None:
    """Raise MissingExtra without Ray, UsageError for what is no address, DeviceNotFound where nobody answers.

    What `auto` means only Ray knows, which asks for it when the batch begins.
    """
    if find_spec("ray") is None:
        raise MissingExtra("ray", "ray")
    if address in (None, "auto"):
        return
    assert address is not None
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not host and address.startswith(CLIENT):
        host, port = port, str(CLIENT_PORT)
    if not host or not port.isdigit():
        raise UsageError(f"{address} is no address of a Ray cluster", cause="such are auto, and ray://HOST:10001")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


class Actor(FileWorker):
    """A worker as Ray starts it, on whichever machine."""

    def __init__(self, job: Job) -> None:
        leave_no_core()
        super().__init__(job)

    def after(self, ready: Answer, file: BatchFile) -> Answer:
        """As `analyse`; because of its argument Ray sends it off no sooner than it has the answer of `ready`."""
        return self.analyse(file)


class RayEngine:
    """So many actors, each started with its first file and again after its death; a file's death is that of its actor.

    Args:
        most: no more workers than this.
        workers: as many, if they are told; else as many as the cluster has processors for, `usual` in one of its own.
        address: as `ray.init` takes it; None: a cluster of its own, which ends with the engine.

    Raises:
        DeviceNotFound: no cluster is there; DeviceFailed: it has no processor for a worker.
    """

    def __init__(self, job: Job, most: int, workers: int | None, usual: int, address: str | None) -> None:
        threads = job.pipeline.threads or 1
        self._folder = None if address else tempfile.TemporaryDirectory(prefix="fer-edge-", ignore_cleanup_errors=True)
        begin = min(most, workers or usual)
        self._ray = _connected(address, self._folder.name if self._folder else None, begin * threads)
        self._free: list[tuple[Any, Any]] = []  # actors, and what their `ready` will give
        self._busy: dict[Future[Answer], tuple[Any, Any]] = {}
        self.workers = begin if address is None else min(most, workers or self._room(threads))
        placed = {"num_cpus": threads, "scheduling_strategy": "SPREAD"}
        self._actor = self._ray.remote(Actor).options(**placed, max_restarts=0, max_task_retries=0)
        self._job = job

    def _room(self, threads: int) -> int:
        """For how many workers the cluster has processors."""
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        room = sum(int(has.get("CPU", 0)) // threads for has in alive)
        if not room:
            self.close()
            raise DeviceFailed(
                f"no machine of the cluster has {threads} processors for a worker",
                cause="--threads asks for more than each has, or all have left",
                hint="ray status",
            )
        return room

    def submit(self, file: BatchFile) -> Future[Answer]:
        """See Engine."""
        try:
            actor, ready = self._free.pop() if self._free else self._start()
            future: Future[Answer] = actor.after.remote(ready, file).future()
        except Exception as error:
            raise DeviceFailed(f"the Ray cluster is gone: {_last_line(error)}", hint="ray status") from error
        self._busy[future] = actor, ready
        return future

    def answer(self, future: Future[Answer]) -> Answer:
        """See Engine."""
        actor, ready = self._busy.pop(future)
        try:
            answer = future.result()
        except Exception:
            self._end(actor)
            return Answer(fault=self._fault(ready))
        self._free.append((actor, ready))
        return answer

    def _fault(self, ready: Any) -> Fault:
        """Why an actor died, by what came of its `ready`."""
        try:
            ready.future().result(KILLED_S)
        except Exception as error:
            cause = "fer-edge is not installed on that machine, or there is too little memory for a worker"
            return never_began(f": {_last_line(error)}", cause)
        return died()

    def release(self) -> None:
        """See Engine."""
        while self._free:
            self._end(self._free.pop()[0])

    def close(self) -> None:
        """See Engine."""
        for actor, _ in (*self._free, *self._busy.values()):
            self._end(actor)
        wait(self._busy, KILLED_S)  # what they had begun is removed next, and must not be begun again
        with suppress(Exception):
            self._ray.shutdown()
        if self._folder:
            self._folder.cleanup()

    def _start(self) -> tuple[Any, Any]:
        actor = self._actor.remote(self._job)
        return actor, actor.ready.remote()

    def _end(self, actor: Any) -> None:
        with suppress(Exception):  # it is dead already, or the cluster is
            self._ray.kill(actor)


def _connected(address: str | None, folder: str | None, processors: int) -> Any:
    """Ray, in a cluster; raises DeviceNotFound."""
    own = {**ALONE, "RAY_AUTH_TOKEN": secrets.token_hex(32)} if address is None else PATIENCE
    for name, value in {**QUIET, **own}.items():
        os.environ.setdefault(name, value)  # Ray reads them when it is imported
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        options |= {"num_cpus": processors, "include_dashboard": False, "object_store_memory": STORE}
        options |= {"_temp_dir": folder}
    try:
        with _sigterm_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # why nobody answers is said once
            ray.init(address=address or "local", **options)
    except Exception as error:
        raise (_unreachable(address, _last_line(error)) if address else _no_start(_last_line(error))) from error
    return ray


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray sets a handler of its own, by which a batch would not end as it does."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _no_start(why: str) -> DeviceNotFound:
    return DeviceNotFound(
        f"no Ray cluster started on this machine: {why}",
        cause="the machine is too busy, or too little memory is left; --engine local needs neither",
        hint="uptime && free -m",
    )


def _unreachable(address: str, why: str) -> DeviceNotFound:
    return DeviceNotFound(
        f"no Ray cluster answers at {address}: {why}",
        cause="it is not running, has another version of Ray or Python, or wants a token: RAY_AUTH_MODE=token",
        hint="ray status  # on the cluster's first machine",
    )


def _last_line(error: BaseException | None) -> str:
    """What an error says, of which Ray's say it last."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()

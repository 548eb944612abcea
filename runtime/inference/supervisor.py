"""A backend that is brought back when it fails, and, where the user allowed it, stood in for meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleError, DeviceFailed, DeviceNotFound, FerEdgeError
from ..backends import Backend
from ..backoff import Backoff

UNUSABLE = (DeviceNotFound, DeviceFailed, BundleError)
"""What keeps a device from running: it is away, it fails, or there is no file that it can take."""


@dataclass
class DeviceHealth:
    """How the device has been; shown in the summary, the log and every report row."""

    restarts: int = 0
    faults: list[str] = field(default_factory=list)
    """First sentence of each fault, the newest last, at most KEPT."""
    degraded: bool = False
    KEPT = 20

    def note(self, error: Exception) -> None:
        """Count a fault."""
        self.faults = [*self.faults, str(error).splitlines()[0]][-self.KEPT :]


@runtime_checkable
class Watched(Backend, Protocol):
    """A backend that can be asked between calls whether it is still there."""

    def check(self) -> None:
        """Raises DeviceFailed when it is not."""


class SupervisedBackend:
    """Opens a backend, and opens it again after each fault, each time after a longer wait.

    While it waits, calls go to the fallback if there is one, and `health.degraded` says so; without one they raise.
    """

    def __init__(
        self,
        make: Callable[[], Backend],
        fallback: Callable[[], Backend] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Open the backend; raises one of UNUSABLE when that fails and there is no fallback.

        Args:
            make: opens the device's backend.
            fallback: opens the stand-in, the first time it is needed.
            clock: seconds, for the waits.
        """
        self._make, self._make_fallback, self._clock = make, fallback, clock
        self._backend: Backend | None = None
        self._stand_in: Backend | None = None
        self._backoff, self._next_try = Backoff(), clock()
        self.health = DeviceHealth()
        self._last: FerEdgeError | None = None
        try:
            self._backend = make()
        except UNUSABLE as error:
            if fallback is None:
                raise
            self._failed(error)

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3), from the device or its stand-in.

        Raises DeviceFailed: the device failed, or still waits to be tried again, and there is no fallback.
        """
        backend = self._device()
        if backend is not None:
            try:
                logits = backend.infer(batch)
            except Exception as error:  # a vendor's library in this very process raises kinds of its own
                self._failed(error if isinstance(error, FerEdgeError) else DeviceFailed(f"inference failed: {error}"))
                if self._make_fallback is None:
                    raise
            else:
                self._backoff.reset()
                return logits
        if self._make_fallback is None:
            assert self._last is not None
            raise DeviceFailed(
                f"{self._last.message}; tried again in {max(0.0, self._next_try - self._clock()):.0f} s",
                cause=self._last.cause,
                hint=self._last.hint,
            )
        if self._stand_in is None:
            self._stand_in = self._make_fallback()
        return self._stand_in.infer(batch)

    def check(self) -> None:
        """Between calls: take the device back when its time has come; raises DeviceFailed: gone, without a fallback."""
        backend = self._device()
        if isinstance(backend, Watched):
            try:
                backend.check()
            except DeviceFailed as error:
                self._failed(error)
                if self._make_fallback is None:
                    raise

    def describe(self) -> dict[str, Any]:
        """Of what answers now, with the count of restarts and whether it is the stand-in."""
        now = self._backend or self._stand_in
        about = now.describe() if now is not None else {}
        health = {"degraded": self.health.degraded, "restarts": self.health.restarts}
        return {**about, **health, "last_fault": self.health.faults[-1] if self.health.faults else ""}

    def close(self) -> None:
        """Let go of the device and of the stand-in."""
        for backend in (self._backend, self._stand_in):
            if backend is not None:
                backend.close()
        self._backend = self._stand_in = None

    def _device(self) -> Backend | None:
        """The device's backend, opened again if its time has come."""
        if self._backend is None and self._clock() >= self._next_try:
            try:
                self._backend = self._make()
            except UNUSABLE as error:
                self._failed(error)
            else:
                self.health.restarts += 1
                self.health.degraded = False
                if self._stand_in is not None:
                    self._stand_in.close()
                    self._stand_in = None
        return self._backend

    def _failed(self, error: FerEdgeError) -> None:
        """Let go of the backend and set when it is tried again."""
        if self._backend is not None:
            self._backend.close()
        self._backend, self._last = None, error
        self.health.note(error)
        self.health.degraded = self._make_fallback is not None
        self._next_try = self._clock() + self._backoff.next_s()

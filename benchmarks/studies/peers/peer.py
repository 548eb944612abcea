"""What a peer is: a package whose expression net is given the same face crops as ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ....bundle import cache_folder
from ....errors import DeviceNotFound

Say = Callable[[str], None]
"""Takes a line of progress."""


def folder_of(name: str) -> Path:
    """Where a peer's environment of that name is, or would be."""
    return cache_folder() / "peers" / name


@dataclass(frozen=True)
class About:
    """What is known of a peer before it runs.

    Attributes:
        name, version: of the package.
        licence: of the package and, where it differs, of its weights.
        size: pixels of its net's input side; 0 where the net was not had.
        how: which of its models is used, and how a face crop becomes its input.
    """

    name: str
    version: str
    licence: str
    size: int
    how: str


@dataclass(frozen=True)
class Answers:
    """What a net said of N pictures.

    Attributes:
        probabilities: float32 (N, 7), in the order of LABELS.
        nanoseconds: int64 (N,), from the uint8 crop to the probabilities, scaling included, taken where the net runs.
    """

    probabilities: NDArray[np.float32]
    nanoseconds: NDArray[np.int64]


class Session(Protocol):
    """A peer that is ready to answer."""

    def ask(self, batch: NDArray[np.uint8]) -> Answers:
        """Probabilities and times of face crops uint8 (N, H, W, 3) RGB, one at a time; raises DeviceFailed."""

    def describe(self) -> str:
        """The libraries that run it, their versions, and the threads."""

    def close(self) -> None:
        """Let it go; calling it twice is harmless."""


class Peer(Protocol):
    """A package to compare with."""

    @property
    def about(self) -> About:
        """What is known of it before it runs."""

    def missing(self) -> str:
        """Why it cannot run here, in a clause; empty if it can, perhaps after `prepare`."""
        return ""

    def prepare(self, say: Say) -> None:
        """Install what it needs, once, in the user's cache; raises DeviceNotFound, OutputError."""
        return

    def open(self) -> Session:
        """Load its net; raises DeviceNotFound, DeviceFailed."""


@dataclass(frozen=True)
class Elsewhere:
    """A package that is known, and cannot be compared from what the package indexes carry."""

    about: About
    reason: str

    def missing(self) -> str:
        """See Peer."""
        return self.reason

    def prepare(self, say: Say) -> None:
        """Nothing can be prepared."""

    def open(self) -> Session:
        """There is nothing to open; callers ask `missing` first. Raises DeviceNotFound."""
        raise DeviceNotFound(f"{self.about.name} is not here: {self.reason}")

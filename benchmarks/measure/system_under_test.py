"""What is measured: a device with a bundle, opened the way `fer-edge run` opens it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...bundle import Artifact, Bundle
from ...devices.cpu import limit_threads
from ...devices.profile import Profile
from ...runtime.inference.classifier import Classifier
from ...runtime.inference.open_device import artifact_for, open_device
from ..results.results import ResultRow


@dataclass(frozen=True)
class SystemUnderTest:
    """One device and model.

    Attributes:
        model: the name it goes by in the results.
        precision: of the artifact; auto is what the profile says.
        threads: for backends on the processor.
        fallback: `cpu` lets the processor stand in, and the row says so.
        simulator: opens a vendor's simulator in the device's place.
    """

    profile: Profile
    bundle: Bundle
    model: str
    precision: str = "auto"
    threads: int = 1
    fallback: str = "none"
    simulator: Callable[[], Classifier] | None = None

    def open(self) -> Classifier:
        """The classifier; raises what `open_device` raises. Limits the process's threads."""
        limit_threads(self.threads)
        if self.simulator is not None:
            return self.simulator()
        return open_device(
            self.profile, self.bundle, precision=self.precision, threads=self.threads, fallback=self.fallback
        )

    def artifact(self) -> Artifact:
        """What would run; raises BundleError when the bundle has nothing for the device."""
        return artifact_for(self.profile, self.bundle, self.precision)

    def row(self, scope: str, state: str) -> ResultRow:
        """The beginning of a row: all that is known before anything ran."""
        p, size = self.profile, self.bundle.manifest.input.size
        return ResultRow(p.name, self.model, size, scope, state, p.title, price_usd=p.price_usd, price_year=p.year)
